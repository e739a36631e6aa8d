"""The walk: a portrait and an aligned motion become a video. Everything that happens is on this page, in order.

portrait -> latents, image tokens -> appearance net (once) -> Appearance
Appearance -> projected by the denoiser (once) -> Conditioning, with a portrait and without
aligned motion -> landmark images -> landmark encoder, when a window asks -> LandmarkFeatures
plan: level by level, batch by batch: noise -> sample(guide(denoiser)) -> latents -> LatentStore
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..diffusion.guidance import guide
from ..diffusion.noise import ClipNoise, Noise, frame_noise
from ..diffusion.plan import Window, WindowPlan
from ..diffusion.progressive import plan_progressive
from ..diffusion.sampler import Known, Rows, sample
from ..diffusion.schedule import make_scheduler
from ..diffusion.windows import plan_windows
from ..errors import InputError
from ..model.conditioning import Conditioning, condition, unconditional, weights_of
from ..model.config import LATENT_CELL, UNetConfig
from ..model.denoiser import Denoiser
from ..model.landmark_encoder import LandmarkEncoder
from ..types import AlignedMotion
from .appearance import Appearance
from .given import GivenFrames
from .landmark_features import LandmarkFeatures
from .latent_store import LatentStore
from .precision import not_finite, widened
from .settings import Settings

log = logging.getLogger(__name__)
_APART = 1_000_033  # from a seed to those of its resampling passes


@dataclass(frozen=True)
class Progress:
    """What a caller learns after each step. frames: of the clip, that are made together, the given ones among them;
    clean (n,c,h,w): what the solver takes for their final latents. windows: finished, together at this moment, in all;
    step of steps."""

    frames: tuple[int, ...]
    clean: Tensor
    finished: int
    together: int
    windows: int
    step: int
    steps: int


@dataclass(frozen=True)
class Host:
    """What surrounds a run: where it computes, in what, and whom it tells.

    at_once: frames of a window -> how many such windows go through the denoiser together. halves_together: whether both
    halves of guidance do; neither changes the result. on_pass(done, total) runs before every pass through the denoiser
    and counts windows times steps, on_step after every step; either may raise to stop the run. revision: changes when
    the host changes weights in mid run in a way that torch does not see. widened(networks): a context in which they
    compute in float32, for windows whose numbers are too large for float16.
    """

    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    at_once: Callable[[int], int] = lambda frames: 1
    halves_together: bool = True
    on_pass: Callable[[int, int], None] = lambda done, total: None
    on_step: Callable[[Progress], None] = lambda progress: None
    revision: Callable[[], Hashable] = lambda: None
    widened: Callable[..., AbstractContextManager[None]] = widened


def landmark_size(landmarks: AlignedMotion | Tensor) -> tuple[int, int]:
    """(width, height) of the pictures that an aligned motion, or landmark images (T,H,W,c), are for."""
    return landmarks.size if isinstance(landmarks, AlignedMotion) else (landmarks.shape[2], landmarks.shape[1])


def plan_job(
    config: UNetConfig,
    appearance: Appearance,
    landmarks: AlignedMotion | Tensor,
    settings: Settings,
    given: Sequence[int] = (),
) -> WindowPlan:
    """The windows of a job, or the error that it would run into; quick, so that it can come before any loading.

    config: of the denoiser. landmarks: an aligned motion, or landmark images (T,H,W,3). given: frames that come from
    outside. Raises InputError where
    portrait, landmarks, checkpoint and settings do not go together.
    """
    _, h, w = appearance.latent_shape
    size = landmark_size(landmarks)
    if (w * LATENT_CELL, h * LATENT_CELL) != tuple(size):
        raise InputError(
            f"The landmarks are for a picture of {size[0]}x{size[1]} pixels, the portrait was encoded at "
            f"{w * LATENT_CELL}x{h * LATENT_CELL}. Use one picture for both: Frame Portrait's portrait goes to Encode "
            f"Portrait, its face to Align Motion; landmark images must have that size too."
        )
    if appearance.features.maps[0].shape[-1] != config.channels[0] or appearance.tokens.shape[-1] != config.token_width:
        raise InputError("The portrait was encoded with another checkpoint. Encode it with the model that samples.")
    if isinstance(landmarks, AlignedMotion) and not np.isfinite(landmarks.points).all():
        raise InputError("The landmarks are not all finite numbers. Make or load the motion again.")
    if settings.progressive or given:
        settings.carrier(config.takes_covered)
    plan = plan_windows_of(len(landmarks), landmarks, settings, given)
    longest = max(plan.longest, settings.window_length if settings.progressive else 0)
    if longest > config.positions:
        raise InputError(
            f"A window of {longest} frames: this checkpoint can make {config.positions} together. Set the window "
            f"length to {config.positions} or less."
        )
    return plan


def plan_windows_of(
    frame_count: int, landmarks: AlignedMotion | Tensor | None, settings: Settings, given: Sequence[int] = ()
) -> WindowPlan:
    """The plan by the settings alone. landmarks: read where keyframes are placed by motion."""
    if not settings.progressive:
        return plan_windows(frame_count, settings.windows, settings.window_length, settings.overlap, given)
    pace = None
    if settings.keyframes == "motion":
        if not isinstance(landmarks, AlignedMotion):
            raise InputError("Keyframes by motion need the aligned motion itself, not landmark images.")
        pace = np.abs(np.diff(landmarks.points, axis=0)).mean((1, 2)).tolist()
    return plan_progressive(frame_count, settings.window_length, settings.keyframes, pace, given)


def new_store(frame_count: int, appearance: Appearance, settings: Settings, folder: Path | None = None) -> LatentStore:
    """Where the frames of a job go. A progressive job keeps half precision: its anchors were always read back so."""
    dtype = torch.float16 if settings.progressive else torch.float32
    return LatentStore(frame_count, appearance.latent_shape, folder, dtype)


def animate(
    denoiser: Denoiser,
    landmark_encoder: LandmarkEncoder,
    appearance: Appearance,
    landmarks: AlignedMotion | Tensor,
    settings: Settings,
    host: Host | None = None,
    *,
    given: GivenFrames | None = None,
    store: LatentStore | None = None,
    noise: Noise | None = None,
) -> LatentStore:
    """The one door: clean latents, scaled, of every frame of the landmarks, for clips of any length.

    landmarks: an aligned motion (T frames), or landmark images (T,H,W,3) in [0,1]. given: frames that are not
    made but stay as they are; progressive windows begin and end on them. Their pictures are the caller's to put in the
    place of decoded ones. store: to fill; windows that it has already are not made again. noise: instead of the seed's.
    Raises InputError as `plan_job` does, OutputError where the store cannot write, NotFiniteError where the precision
    does not do.
    """
    host = host or Host()
    store = store or new_store(len(landmarks), appearance, settings)
    numbers = given.numbers if given else ()
    run = make_run(denoiser, landmark_encoder, appearance, landmarks, settings, host, store, numbers, noise)
    if given:
        store.give(given.numbers, given.latents)
    run.fill()
    return store


def make_run(
    denoiser: Denoiser,
    landmark_encoder: LandmarkEncoder,
    appearance: Appearance,
    landmarks: AlignedMotion | Tensor,
    settings: Settings,
    host: Host,
    store: LatentStore,
    given: Sequence[int] = (),
    noise: Noise | None = None,
) -> Run:
    """What makes the windows of a job, see `animate`. given: numbers of the given frames. Raises InputError as
    `plan_job` does."""
    plan = plan_job(denoiser.config, appearance, landmarks, settings, given)
    if noise is None:
        shape, seed, sharing = appearance.latent_shape, settings.seed, settings.shared_noise
        one_stream = not settings.progressive
        noise = ClipNoise(plan.frame_count, shape, seed, sharing) if one_stream else frame_noise(shape, seed, sharing)
    features = LandmarkFeatures(landmark_encoder, landmarks, landmark_size(landmarks), host.device, host.dtype)
    return Run(denoiser, features, appearance.to(host.device, host.dtype), settings, host, plan, store, noise)


def finite_rows(latents: Tensor) -> list[bool]:
    """Which of the latents (n,c,h,w) are finite everywhere."""
    return latents.isfinite().flatten(1).all(1).tolist()


class Run:
    """What the batches of one job share."""

    def __init__(
        self,
        denoiser: Denoiser,
        features: LandmarkFeatures,
        appearance: Appearance,
        settings: Settings,
        host: Host,
        plan: WindowPlan,
        store: LatentStore,
        noise: Noise,
    ):
        self.denoiser, self.features, self.appearance = denoiser, features, appearance
        self.settings, self.host, self.plan, self.store, self.noise = settings, host, plan, store, noise
        known = any(window.given for window in plan.windows)
        self.carrier = settings.carrier(denoiser.config.takes_covered) if known else "concat"
        self.finished = 0
        self._halves: tuple[Hashable, tuple[Conditioning, ...]] | None = None

    def fill(self) -> None:
        for level, windows in enumerate(self.plan.levels):
            self.finished += sum(self._has(window) for window in windows)
            for batch in self.plan.batches(level, self._has, self.host.at_once):
                self.make(batch)

    def make(self, batch: tuple[Window, ...]) -> None:
        """A batch of `WindowPlan.batches` to the store, which has what it is given."""
        self._make_some(batch, self.host.at_once(len(batch[0].frames)), self.host.halves_together)

    def _has(self, window: Window) -> bool:
        return self.store.has(window.made)

    def _make_some(self, batch: tuple[Window, ...], at_once: int, halves_together: bool) -> None:
        """A batch; where the memory does not do, with less of it at once."""
        try:
            self._make(batch, at_once, halves_together)
            return
        except torch.cuda.OutOfMemoryError:
            smaller = self._smaller(batch, at_once, halves_together)
            if not smaller:
                raise
        # Out of the block: the exception held on to what the attempt had made.
        for attempt in smaller:
            self._make_some(*attempt)

    def _smaller(self, batch: tuple[Window, ...], at_once: int, halves_together: bool) -> list[tuple]:
        """The same work in smaller pieces: half of the windows, then one half of guidance at a time."""
        if len(batch) > 1 and self._stand_alone(batch):
            middle = len(batch) // 2
            return [(part, at_once, halves_together) for part in (batch[:middle], batch[middle:])]
        if len(batch) > 1 and at_once > 1:
            return [(batch, at_once // 2, halves_together)]
        return [(batch, 1, False)] if halves_together and self._guided else []

    def _make_wider(self, batch: tuple[Window, ...]) -> None:
        """Windows whose numbers were too large for float16, in float32; otherwise it is the user's to choose."""
        names = ", ".join(f"{window.frames[0]} to {window.frames[-1]}" for window in batch)
        error = not_finite(f"Frames {names}: what the denoiser predicts is", self.host.dtype)
        if self.host.dtype != torch.float16:
            raise error
        log.warning("Frames %s: numbers became too large for fp16; made again in fp32. bf16 avoids it.", names)
        before = self.host, self.features, self.appearance, self._halves
        try:
            with self.host.widened(self.denoiser, self.features.encoder):
                self.host = replace(self.host, dtype=torch.float32)
                self.features = self.features.like(torch.float32)
                self.appearance, self._halves = self.appearance.to(self.host.device, torch.float32), None
                self._make_some(batch, 1, False)
        except torch.cuda.OutOfMemoryError:
            raise error from None
        finally:
            self.host, self.features, self.appearance, self._halves = before

    @property
    def _guided(self) -> bool:
        return self.settings.guidance != 1.0

    @staticmethod
    def _stand_alone(batch: tuple[Window, ...]) -> bool:
        made = [frame for window in batch for frame in window.made]
        return len(set(made)) == len(made)

    def _make(self, batch: tuple[Window, ...], at_once: int, halves_together: bool) -> None:
        settings, host = self.settings, self.host
        # 1. Rows: a frame each; windows that stand alone bring those that they are given as rows of their own.
        alone = self._stand_alone(batch)
        frames = [frame for window in batch for frame in window.frames]
        frames = frames if alone else sorted(set(frames))
        windows, given, made, start = [], [], [], 0
        for window in batch:
            rows = list(range(start, start + len(window.frames))) if alone else list(map(frames.index, window.frames))
            windows.append(Rows(tuple(rows), window.weights))
            start += len(window.frames)
            held = [frame in window.given for frame in window.frames]
            given += [row for row, known in zip(rows, held, strict=True) if known]
            made.append([row for row, known in zip(rows, held, strict=True) if not known])
        known = None
        noise = self.noise(frames).to(host.device)
        if given:
            clean = torch.zeros_like(noise)
            clean[given] = self.store.get([frames[row] for row in given]).to(clean)

            def fresh(number: int) -> Tensor:
                seed = (settings.seed + 1) * _APART + number
                return frame_noise(self.appearance.latent_shape, seed, settings.shared_noise)(frames)

            given = sorted(set(given))  # windows that overlap may share them
            known = Known(clean, tuple(given), self.carrier, settings.resampling, fresh)
        # 2. From noise to clean.
        self.features.forget()
        total = len(self.plan.windows) * settings.steps
        before = self.finished * settings.steps
        passes = 0

        def on_pass(windows: int) -> None:
            nonlocal passes
            host.on_pass(min(before + passes, total - 1), total)
            passes += windows

        def on_step(step: int, clean: Tensor) -> None:
            report = Progress(
                tuple(frames), clean, self.finished, len(batch), len(self.plan.windows), step, settings.steps
            )
            host.on_step(report)

        def predict(noisy: Tensor, timestep: Tensor, rows: list[int], clips: int, covered: Tensor | None) -> Tensor:
            halves = self._conditioning()
            features = self.features([frames[row] for row in rows])
            covered = None if covered is None else covered.to(host.dtype)
            both = self.denoiser(noisy.to(host.dtype), timestep, features, halves, clips, covered, halves_together)
            return guide(both, len(halves), settings.guidance)

        latents = sample(
            predict,
            noise,
            windows,
            make_scheduler(settings.scheduler),
            settings.steps,
            known=known,
            at_once=at_once,
            on_pass=on_pass,
            on_step=on_step,
        )
        # 3. What was made, where it is finite as it is kept; this waits for the device, as keeping it does.
        finite = finite_rows(latents.to(self.store.latents.dtype))
        failed = [window for window, rows in zip(batch, made, strict=True) if not all(finite[row] for row in rows)]
        if alone:
            for window, rows in zip(batch, made, strict=True):
                if window not in failed:
                    self.store.put(window.made, latents[rows])
        elif failed:
            failed = list(batch)
        else:
            rows = [row for row in range(len(frames)) if row not in given]
            self.store.put([frames[row] for row in rows], latents[rows])
        self.finished += len(batch) - len(failed)
        if failed:
            self._make_wider(tuple(failed))

    @torch.no_grad()
    def _conditioning(self) -> tuple[Conditioning, ...]:
        """The halves of guidance, unconditional first; made once, and again where weights have changed."""
        made_with = weights_of(self.denoiser), self.host.revision()
        if self._halves is None or self._halves[0] != made_with:
            halves = [condition(self.denoiser, self.appearance.tokens, self.appearance.features)]
            if self._guided:
                halves.insert(0, unconditional(self.denoiser, self.appearance.tokens))
            self._halves = made_with, tuple(halves)
        return self._halves[1]
