"""The sampling loop: from noise to clean latents, one scheduler step per timestep on all rows of a batch.

1. Windows name rows; equal ones go through the denoiser together, and where they overlap their predictions are blended.
   Blending before a DDIM step equals the published blending after it, and keeps solvers with memory right.
2. Rows that are known are told to the denoiser beside the noise ("concat", paper 4.3), or put back with their noise at
   every step ("replace").
Nothing in the loop waits for the device: timesteps, windows and what is known are laid out before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError, check_range
from .covering import covered_input
from .schedule import TRAIN_TIMESTEPS, NoiseLevel

CARRIERS = ("concat", "replace")

# predict(noisy (clips * n,c,h,w), timestep (), rows of the batch, clips, covered) -> prediction like the noisy latents.
# covered (clips * n, c + 1, h, w): what is known of these rows, see `covered_input`; None: nothing, or nothing is told.
Predict = Callable[[Tensor, Tensor, list[int], int, "Tensor | None"], Tensor]


@dataclass(frozen=True)
class Rows:
    """A window of a batch: the rows that the denoiser sees at once, and the weight of its word on each."""

    rows: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Known:
    """Rows that are known before. clean (rows,c,h,w): their latents, anything elsewhere; given: their indices.

    carrier: one of CARRIERS. resampling: further passes of each step with "replace" (as RePaint, Lugmayr et al. 2022);
    it goes back a step, which ddim alone allows. fresh: the number of such a pass, from 0 -> new noise (rows,c,h,w) to
    go back with: with the same again a pass would change nothing at the first timestep, and little after it.
    """

    clean: Tensor
    given: tuple[int, ...]
    carrier: str = "concat"
    resampling: int = 0
    fresh: Callable[[int], Tensor] | None = None

    def __post_init__(self) -> None:
        if self.carrier not in CARRIERS:
            raise InputError(
                f'Known frames cannot be carried by "{self.carrier}". Choose one of: {", ".join(CARRIERS)}.'
            )
        if self.resampling < 0:
            raise InputError(f"{self.resampling} resampling passes: at least 0 are needed.")
        if self.resampling and self.fresh is None:
            raise InputError("Resampling passes need noise to go back with.")


def check_steps(steps: int) -> None:
    """Raises InputError unless there are 1 to TRAIN_TIMESTEPS denoising steps."""
    check_range("steps", steps, (1, TRAIN_TIMESTEPS), "30 is the published number.")


@torch.no_grad()
def sample(
    predict: Predict,
    noise: Tensor,
    windows: Sequence[Rows],
    scheduler,
    steps: int,
    *,
    known: Known | None = None,
    at_once: int = 1,
    on_pass: Callable[[int], None] = lambda windows: None,
    on_step: Callable[[int, Tensor], None] = lambda step, clean: None,
) -> Tensor:
    """Noise (rows,c,h,w), float32, on the device of the run -> clean latents of the same shape, scaled.

    scheduler: a fresh one of `make_scheduler`; it keeps state. at_once: equal windows that go together; the result does
    not depend on it. on_pass(windows) runs before every pass through the denoiser, on_step(step, clean estimate of all
    rows) after every step; either may raise to stop. Raises InputError for steps outside
    1 to TRAIN_TIMESTEPS, and for windows that leave rows out.
    """
    check_steps(steps)
    scheduler.set_timesteps(steps, device="cpu")
    blend = _Blend(windows, noise, at_once)
    keep = _Keep(known, noise, scheduler) if known is not None and known.given else None
    covered = None if keep is None else keep.covered
    latents = noise * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        again = known.resampling if keep is not None and keep.replaces and step + 1 < steps else 0
        for left in range(again, -1, -1):
            if keep is not None and keep.replaces:
                latents = keep.put_back(latents, timestep)
            noisy = scheduler.scale_model_input(latents, timestep)
            prediction = blend(predict, noisy, timestep, covered, on_pass)
            result = scheduler.step(prediction, timestep, latents)
            clean = getattr(result, "pred_original_sample", None)
            clean = result.prev_sample if clean is None else clean
            latents = result.prev_sample
            if left:  # again: back to this step's noise, now that the rows have seen each other
                latents = _level(scheduler, timestep).noisy(clean, keep.renew())
        on_step(step, clean)
    return latents


class _Blend:
    """One prediction for all rows, from those of the windows."""

    def __init__(self, windows: Sequence[Rows], like: Tensor, at_once: int):
        self.groups: list[tuple[int, list[int], Tensor | slice, Tensor]] = []
        total = torch.zeros(len(like))
        for window in windows:
            total.index_add_(0, torch.tensor(window.rows), torch.tensor(window.weights))
        if not bool((total > 0).all()):
            raise InputError("The windows do not cover all frames.")
        self.total = total[:, None, None, None].to(like)
        pending: list[Rows] = []
        for index, window in enumerate(windows):
            pending.append(window)
            ahead = windows[index + 1] if index + 1 < len(windows) else None
            if len(pending) >= at_once or ahead is None or len(ahead.rows) != len(window.rows):
                rows = [row for one in pending for row in one.rows]
                share = like.new_tensor([weight for one in pending for weight in one.weights])[:, None, None, None]
                self.groups.append((len(pending), rows, _index(rows, like.device), share))
                pending = []
        # Windows side by side that are seen together need no blending.
        self.whole = len(self.groups) == 1 and self.groups[0][1] == list(range(len(like)))

    def __call__(self, predict: Predict, noisy: Tensor, timestep: Tensor, covered: Tensor | None, on_pass) -> Tensor:
        if self.whole:
            clips, rows, _, _ = self.groups[0]
            on_pass(clips)
            return predict(noisy, timestep, rows, clips, covered).to(noisy)
        total = torch.zeros_like(noisy)
        for clips, rows, index, share in self.groups:
            on_pass(clips)
            beside = None if covered is None else covered[index]
            part = share * predict(noisy[index], timestep, rows, clips, beside).to(noisy)
            if isinstance(index, slice):
                total[index] += part
            else:
                total.index_add_(0, index, part)  # windows of a group may share rows
        return total / self.total


class _Keep:
    """What is known, laid out for the loop."""

    def __init__(self, known: Known, noise: Tensor, scheduler):
        self.replaces = known.carrier == "replace"
        self.scheduler = scheduler
        given = torch.zeros(len(noise), dtype=torch.bool)
        given[list(known.given)] = True
        self.covered = None if self.replaces else covered_input(known.clean.to(noise), given.to(noise.device))
        if self.replaces:
            self.index = torch.tensor(known.given, device=noise.device)
            self.clean, self.noise = known.clean.to(noise)[self.index], noise[self.index]
            self.fresh, self.passes, self.like = known.fresh, 0, noise

    def renew(self) -> Tensor:
        """New noise for all rows, from now on the known ones' too."""
        noise = self.fresh(self.passes).to(self.like)
        self.passes += 1
        self.noise = noise[self.index]
        return noise

    def put_back(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """The known rows as clean as they are at this step's noise, in a copy."""
        return latents.index_copy(0, self.index, _level(self.scheduler, timestep).noisy(self.clean, self.noise))


def _level(scheduler, timestep: Tensor) -> NoiseLevel:
    return NoiseLevel.of(scheduler.alphas_cumprod[int(timestep)])


def _index(rows: list[int], device: torch.device) -> Tensor | slice:
    """For rows that follow each other a slice, which copies nothing."""
    if rows == list(range(rows[0], rows[0] + len(rows))):
        return slice(rows[0], rows[0] + len(rows))
    return torch.tensor(rows, device=device)
