"""Sampling a progressive plan: level by level, each window from noise to clean between frames that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import InputError
from .progressive import ProgressivePlan, ProgressiveWindow
from .sampler import share_noise

CARRIERS = ("concat", "replace")


# predict(noisy latents (clips * n,c,h,w), timestep, frame indices, clips, known) -> prediction of the same shape.
# known: clean latents like the noisy ones, and (clips * n,) bool of where they are; None where nothing is, or is told.
Predict = Callable[[Tensor, Tensor, list[int], int, "tuple[Tensor, Tensor] | None"], Tensor]


class Store(Protocol):
    """Where clean latents (c,h,w) of finished frames are kept."""

    def get(self, frames: Sequence[int]) -> Tensor: ...

    def put(self, frames: Sequence[int], latents: Tensor) -> None: ...

    def has(self, frames: Sequence[int]) -> bool: ...


@dataclass(frozen=True)
class WindowReport:
    """What a caller learns after each step: how many windows are finished, of how many, how many are made together at
    this moment and how far they are, and their clean estimates (n,c,h,w) of `frames`."""

    window: int
    windows: int
    together: int
    step: int
    steps: int
    frames: list[int]
    clean: Tensor


def frame_noise(shape: tuple[int, ...], seed: int, frames: Sequence[int], sharing: float = 0.0) -> Tensor:
    """Noise (n,*shape) float32 of those frames: each frame's own, whichever window asks for it, on every device; but
    for what `share_noise` mixes in."""
    drawn = []
    for frame in frames:
        generator = torch.Generator("cpu").manual_seed((seed * 1_000_003 + frame) % 2**63)
        drawn.append(torch.randn(shape, generator=generator))
    return share_noise(torch.stack(drawn), seed, sharing)


@dataclass(frozen=True)
class ProgressiveSampler:
    """shape (c,h,w) of a frame's latents. carrier: how known frames are told of. "concat": beside the noisy latents, to
    networks that were trained so (the paper's). "replace": at every step the noisy latents of known frames are their
    clean ones with the frame's own noise, `resampling` times over; for any checkpoint. at_once(frames of a window):
    how many windows are made together; the result does not depend on it.
    """

    predict: Predict
    new_scheduler: Callable
    shape: tuple[int, int, int]
    seed: int
    device: torch.device | str
    steps: int = 30
    carrier: str = "concat"
    resampling: int = 0
    shared_noise: float = 0.0
    at_once: Callable[[int], int] = lambda frames: 1
    on_step: Callable[[WindowReport], None] = lambda report: None

    def __post_init__(self) -> None:
        if self.carrier not in CARRIERS:
            raise InputError(
                f'Known frames cannot be carried by "{self.carrier}". Choose one of: {", ".join(CARRIERS)}.'
            )
        if self.steps < 1 or self.resampling < 0:
            raise InputError(
                f"{self.steps} steps with {self.resampling} resampling passes: at least 1 and 0 are needed."
            )

    @torch.no_grad()
    def run(self, plan: ProgressivePlan, store: Store) -> None:
        """Fill the store with the clean latents of every frame; windows that it has already are not made again."""
        done, total = 0, len(plan.windows)
        for level in plan.levels:
            missing = [window for window in level if not store.has(window.made)]
            done += len(level) - len(missing)
            for batch in self._batches(missing):
                done = self._make_some(batch, store, done, total)

    def _batches(self, windows: list[ProgressiveWindow]) -> Iterator[list[ProgressiveWindow]]:
        """Windows of one length, as many as may be made together."""
        by_length: dict[int, list[ProgressiveWindow]] = {}
        for window in windows:
            by_length.setdefault(len(window.frames), []).append(window)
        for length, group in by_length.items():
            size = max(self.at_once(length), 1)
            yield from (group[start : start + size] for start in range(0, len(group), size))

    def _make_some(self, batch: list[ProgressiveWindow], store: Store, done: int, total: int) -> int:
        """All of them together, or, where the memory does not do, in halves; returns how many are done then."""
        try:
            self._make(batch, store, done, total)
            return done + len(batch)
        except torch.cuda.OutOfMemoryError:
            if len(batch) == 1:
                raise
        # Out of the block: the exception held on to what the attempt had made.
        middle = len(batch) // 2
        done = self._make_some(batch[:middle], store, done, total)
        return self._make_some(batch[middle:], store, done, total)

    def _make(self, batch: list[ProgressiveWindow], store: Store, done: int, total: int) -> None:
        frames = [frame for window in batch for frame in window.frames]
        length, clips = len(batch[0].frames), len(batch)
        noise = frame_noise(self.shape, self.seed, frames, self.shared_noise).to(self.device)
        # 1. What is known: the first and the last frame of each window, unless it is the keyframes'.
        given = torch.zeros(len(frames), dtype=torch.bool, device=noise.device)
        clean = torch.zeros_like(noise)
        if batch[0].given:
            given[::length] = given[length - 1 :: length] = True
            clean[given] = store.get([frame for window in batch for frame in (window.frames[0], window.frames[-1])]).to(
                clean
            )
        replacing = self.carrier == "replace" and bool(batch[0].given)
        known = (clean, given) if self.carrier == "concat" and batch[0].given else None
        # 2. From noise to clean.
        scheduler = self.new_scheduler()
        scheduler.set_timesteps(self.steps, device=noise.device)
        latents = noise * scheduler.init_noise_sigma
        for step, timestep in enumerate(scheduler.timesteps):
            for again in range(self.resampling if replacing and step + 1 < self.steps else 0, -1, -1):
                if replacing:
                    latents[given] = _noised(scheduler, clean[given], noise[given], timestep)
                prediction = self.predict(
                    scheduler.scale_model_input(latents, timestep), timestep, frames, clips, known
                )
                result = scheduler.step(prediction.to(latents), timestep, latents)
                estimate = getattr(result, "pred_original_sample", None)
                estimate = result.prev_sample if estimate is None else estimate
                # Again: back to this step's noise, now that the frames have seen each other.
                latents = _noised(scheduler, estimate, noise, timestep) if again else result.prev_sample
            self.on_step(WindowReport(done, total, clips, step, self.steps, frames, estimate))
        # 3. What was made.
        for number, window in enumerate(batch):
            own = latents[number * length : (number + 1) * length]
            store.put(window.made, own[1:-1] if window.given else own)


def _noised(scheduler, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
    return scheduler.add_noise(clean, noise, timestep.reshape(1).expand(len(clean))).to(clean)
