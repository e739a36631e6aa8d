"""The walk for clips of any length (paper 4.3): keyframes first, then what lies between. Only latents are held.

appearance, landmark features -> ProgressiveSampler(guided(denoiser), plan) -> LatentStore, window by window
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..diffusion.covering import covered_input
from ..diffusion.guidance import guided
from ..diffusion.progressive import ProgressivePlan, plan_progressive
from ..diffusion.progressive_sampler import CARRIERS, ProgressiveSampler, WindowReport
from ..diffusion.schedule import make_scheduler
from ..errors import InputError
from ..model.config import UNetConfig
from ..model.denoiser import Denoiser
from ..types import AlignedMotion
from .animate import Appearance, LandmarkFeatures, SamplingSettings, check_job
from .latent_store import LatentStore

AUTO = "auto"


@dataclass(frozen=True)
class LongSettings:
    """keyframes: "even" (paper), or by "motion". carrier: how a window is told of the frames that are known: "concat",
    "replace", or "auto": as the checkpoint was trained. resampling: passes of "replace"; see ProgressiveSampler."""

    keyframes: str = "even"
    carrier: str = AUTO
    resampling: int = 0


def plan_long(
    config: UNetConfig,
    appearance: Appearance,
    motion: AlignedMotion | Tensor,
    size: tuple[int, int],
    settings: SamplingSettings,
    long: LongSettings,
) -> ProgressivePlan:
    """The plan of a job, or the error that it would run into; quick, so that it can come before any loading."""
    check_job(config, appearance, size, settings, settings.window_length)
    carrier = choose_carrier(config, appearance, long)
    if carrier == "replace" and long.resampling and settings.scheduler != "ddim":
        raise InputError(
            f"Resampling goes back a step, which {settings.scheduler} cannot. Set the scheduler to ddim, or resampling "
            f"to 0."
        )
    if carrier == "concat" and config.in_channels == config.out_channels:
        raise InputError(
            'This checkpoint was not trained with covered latents: it cannot be told of known frames by "concat". '
            'Set the carrier to "replace", or to "auto".'
        )
    pace = None
    if long.keyframes == "motion":
        if not isinstance(motion, AlignedMotion):
            raise InputError("Keyframes by motion need the aligned motion itself, not landmark images.")
        pace = np.abs(np.diff(motion.points, axis=0)).mean((1, 2)).tolist()
    return plan_progressive(len(motion), settings.window_length, long.keyframes, pace)


def choose_carrier(config: UNetConfig, appearance: Appearance, long: LongSettings) -> str:
    if long.carrier == AUTO:
        return "concat" if config.in_channels > appearance.latent_shape[0] else "replace"
    if long.carrier not in CARRIERS:
        raise InputError(f'Known frames cannot be carried by "{long.carrier}". Choose: {AUTO}, {", ".join(CARRIERS)}.')
    return long.carrier


def denoise_long(
    denoiser: Denoiser,
    landmarks: LandmarkFeatures,
    appearance: Appearance,
    settings: SamplingSettings,
    long: LongSettings,
    plan: ProgressivePlan,
    store: LatentStore,
    at_once: Callable[[int], int] = lambda frames: 1,
    on_step: Callable[[WindowReport], None] = lambda report: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Fill the store with clean latents, scaled, of every frame; `landmarks` holds device and dtype.

    check: runs before every pass through the denoiser, several to a step, and may raise.
    """
    device, dtype = landmarks.device, landmarks.dtype
    appearance = appearance.to(device, dtype)

    def conditional(latents: Tensor, timestep: Tensor, features: Tensor, clips: int, known: Tensor | None) -> Tensor:
        check()
        tokens = appearance.tokens.expand(clips, -1, -1)
        return denoiser(latents, timestep, features, tokens, appearance.features, clips, known)

    def unconditional(latents: Tensor, timestep: Tensor, features: Tensor, clips: int, known: Tensor | None) -> Tensor:
        check()
        return denoiser(latents, timestep, features, None, None, clips, known)

    predict_window = guided(conditional, unconditional, settings.guidance)

    before: list[int] = []

    def predict(noisy: Tensor, timestep: Tensor, frames: list[int], clips: int, known) -> Tensor:
        if frames != before:
            landmarks.forget()
            before[:] = frames
        told = None if known is None else covered_input(*known).to(dtype)
        return predict_window(noisy.to(dtype), timestep, landmarks(frames), clips, told)

    sampler = ProgressiveSampler(
        predict,
        lambda: make_scheduler(settings.scheduler),
        appearance.latent_shape,
        settings.seed,
        torch.device(device),
        settings.steps,
        choose_carrier(denoiser.config, appearance, long),
        long.resampling,
        settings.shared_noise,
        at_once,
        on_step,
    )
    sampler.run(plan, store)
