"""A run of the core's walk on ComfyUI's device: room is made, networks are loaded, as much goes together as fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ...followemoji_core.types import AlignedMotion
from ...followemoji_core.walk.animate import Host, Progress, animate, plan_job
from ...followemoji_core.walk.appearance import Appearance
from ...followemoji_core.walk.given import GivenFrames
from ...followemoji_core.walk.latent_store import LatentStore
from ...followemoji_core.walk.settings import Settings
from .loading import LoadedModel
from .memory import fits, put_on_device, windows_at_once


def run(
    model: LoadedModel,
    appearance: Appearance,
    landmarks: AlignedMotion | torch.Tensor,
    settings: Settings,
    on_pass: Callable[[int, int], None],
    on_step: Callable[[Progress], None],
    store: LatentStore | None = None,
    given: GivenFrames | None = None,
) -> LatentStore:
    """The latents of a video, as `walk.animate` makes them. landmarks: an AlignedMotion, or images (T,H,W,3).

    on_pass answers Cancel. Raises InputError where portrait, landmarks, checkpoint and settings do not go together.
    """
    plan = plan_job(model.network.config, appearance, landmarks, settings, given.numbers if given else ())
    shape, longest = appearance.latent_shape, plan.longest
    put_on_device([model.denoiser, model.landmark_encoder], longest, shape, model.dtype)
    guided = settings.guidance != 1.0
    together = guided and fits(2 * longest, shape, model)
    host = Host(
        device=model.device,
        dtype=model.dtype,
        at_once=windows_at_once(shape, model, 2 if together else 1),
        halves_together=together,
        on_pass=on_pass,
        on_step=on_step,
        revision=lambda: getattr(model.denoiser.model, "current_weight_patches_uuid", None),
        widened=widened,
    )
    networks = model.network, model.landmark_encoder.model
    return animate(*networks, appearance, landmarks, settings, host, given=given, store=store)


@contextmanager
def widened(*networks: torch.nn.Module) -> Iterator[None]:
    """Within the block ComfyUI's layers compute in float32 if that is what they are given: they cast each weight when
    they are called, as they do for networks that are kept in another format than they compute in."""
    layers = [layer for network in networks for layer in network.modules() if hasattr(layer, "comfy_cast_weights")]
    before = [vars(layer).get("comfy_cast_weights") for layer in layers]
    try:
        for layer in layers:
            layer.comfy_cast_weights = True
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            if own is None:
                vars(layer).pop("comfy_cast_weights", None)
            else:
                layer.comfy_cast_weights = own
