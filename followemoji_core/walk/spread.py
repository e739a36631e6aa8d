"""The windows of a clip on many workers: those of one level know nothing of each other.

1. The portrait is read here, once; every worker opens the networks and gets what was read, the motion and the settings.
2. Level by level, coarse to fine: a job is a window (or windows that overlap, which are one solver's). The frames that
   it is given, made in levels before, are sent with it as latents; those that it makes come back as latents.
3. They are put into the store in the order in which they come, whole, so an interrupted clip goes on where it stopped.
Noise is a function of the seed and the frame, so whoever makes a window makes the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from ..diffusion.plan import Window
from ..jobs import Answer, Made, Where, error_of, gather
from ..types import AlignedMotion, AppearanceFeatures
from .animate import Run, make_run, new_store, plan_job
from .appearance import Appearance
from .given import GivenFrames
from .latent_store import LatentStore
from .settings import Settings
from .studio import Studio, best_device, open_studio

Facts = dict[str, Any]


@dataclass(frozen=True)
class Opening:
    """How a worker opens the networks, see `open_studio`: files that it sees under the same paths. device: "auto" for
    the best that it has. dtype: torch's name of it, the same for all, so that they make the same frames."""

    models: Path
    device: str
    dtype: str
    weights: Path | None = None
    vae: Path | None = None
    compiled: bool = False

    def studio(self) -> Studio:
        device = best_device() if self.device == "auto" else self.device
        return open_studio(self.models, device, getattr(torch, self.dtype), self.weights, self.vae, self.compiled)


def animate_spread(
    studio: Studio,
    opening: Opening,
    where: Where,
    portrait: np.ndarray | Appearance,
    landmarks: AlignedMotion,
    settings: Settings,
    *,
    given: GivenFrames | None = None,
    folder: Path | None = None,
    on_pass: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> LatentStore:
    """`Studio.animate` by the workers of `where`: the same latents, to rounding, and the same resumability.

    studio: opened as `opening` says; here it reads the portrait. on_pass(done, total) runs after every window and
    counts windows times steps. Raises what `Studio.animate` raises, and InputError where a window's worker is lost
    again and again.
    """
    appearance = portrait if isinstance(portrait, Appearance) else studio.read(portrait)
    numbers = given.numbers if given else ()
    plan = plan_job(studio.networks.denoiser.config, appearance, landmarks, settings, numbers)
    store = studio.store(appearance, landmarks, settings, given, folder)
    if given:
        store.give(given.numbers, given.latents)
    work = Windows(opening, _packed(appearance), appearance.latent_shape, landmarks, settings, numbers)
    total = len(plan.windows) * settings.steps
    done = sum(store.has(window.made) for window in plan.windows)
    with gather(work, where, max(map(len, plan.groups)), say) as team:
        for level, windows in enumerate(plan.levels):
            batches = plan.batches(level, lambda window: store.has(window.made), lambda frames: 1)
            jobs = dict(_job(level, [windows.index(window) for window in batch], batch) for batch in batches)

            def carry(key: str, arguments: Facts) -> dict[str, bytes]:
                known = arguments["known"]
                return {"latents": save({"known": store.latents[known]})} if known else {}

            def conclude(key: str, answer: Answer) -> None:
                nonlocal done
                if answer.kind:
                    raise error_of(answer) or RuntimeError(answer.reason)
                store.put(answer.facts["frames"], load(answer.files["latents"])["made"])
                done += answer.facts["windows"]
                on_pass(done * settings.steps, total)

            team.do(jobs, conclude, carry)
    return store


def _job(level: int, numbers: list[int], batch: tuple[Window, ...]) -> tuple[str, Facts]:
    known = sorted({frame for window in batch for frame in window.given})
    name = f"frames {batch[0].frames[0]} to {batch[-1].frames[-1]}, level {level + 1}"
    return name, {"level": level, "windows": numbers, "known": known}


@dataclass(frozen=True)
class Windows:
    """The work of a clip, see `jobs.Work`. appearance: `_packed`. given: frames that come from outside."""

    opening: Opening
    appearance: bytes
    latent_shape: tuple[int, int, int]
    landmarks: AlignedMotion
    settings: Settings
    given: tuple[int, ...]

    def open(self) -> Callable[[str, Facts, Mapping[str, bytes]], Made]:
        studio = self.opening.studio()
        appearance = _unpacked(self.appearance, self.latent_shape)
        store = new_store(len(self.landmarks), appearance, self.settings)
        networks = studio.networks
        parts = networks.denoiser, networks.landmark_encoder, appearance, self.landmarks, self.settings, studio.host
        run = make_run(*parts, store, self.given)
        return lambda key, arguments, carried: _make(run, arguments, carried)


def _make(run: Run, arguments: Facts, carried: Mapping[str, bytes]) -> Made:
    windows = run.plan.levels[arguments["level"]]
    batch = tuple(windows[number] for number in arguments["windows"])
    if carried:
        run.store.give(arguments["known"], load(carried["latents"])["known"])
    run.make(batch)
    frames = sorted({frame for window in batch for frame in window.made})
    return Made({"frames": frames, "windows": len(batch)}, {"latents": save({"made": run.store.latents[frames]})})


def _packed(appearance: Appearance) -> bytes:
    """As safetensors: torch's own pickling hands over shared memory, which no other machine has."""
    maps = {f"map {number:02d}": features for number, features in enumerate(appearance.features.maps)}
    return save({name: tensor.cpu().contiguous() for name, tensor in {**maps, "tokens": appearance.tokens}.items()})


def _unpacked(content: bytes, latent_shape: tuple[int, int, int]) -> Appearance:
    tensors = load(content)
    tokens = tensors.pop("tokens")
    return Appearance(AppearanceFeatures(tuple(tensors[name] for name in sorted(tensors))), tokens, latent_shape)
