"""The sampling loop: one scheduler step per timestep on the whole clip, after the windows' predictions are blended.

Blending before a DDIM step equals the published blending after it, and keeps solvers with memory right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from ..types import WindowPlan

# predict(latents of a window, timestep, frame indices of the window) -> prediction of the same shape as the latents
Predict = Callable[[Tensor, Tensor, list[int]], Tensor]


@dataclass(frozen=True)
class StepReport:
    """What a caller learns after each step. `clean` (T,c,h,w) is the solver's estimate of the final latents."""

    step: int
    steps: int
    clean: Tensor


def share_noise(noise: Tensor, seed: int, sharing: float) -> Tensor:
    """Noise (T,c,h,w) mixed with one draw of the same seed for all frames, `sharing` of the variance: 0 none, 1 all."""
    if not 0.0 <= sharing <= 1.0:
        raise InputError(f"Shared noise is {sharing}; allowed: 0 (every frame its own) to 1 (the same for all).")
    if sharing == 0:
        return noise
    generator = torch.Generator("cpu").manual_seed((seed * 1_000_003 - 1) % 2**63)
    common = torch.randn(noise.shape[1:], generator=generator).to(noise)
    return sharing**0.5 * common + (1 - sharing) ** 0.5 * noise


def draw_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Noise (T,c,h,w) float32, drawn on the CPU so that a seed means the same on every device.

    Frames come first, so a longer clip of the same seed starts with the same noise.
    """
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


@torch.no_grad()
def sample(
    predict: Predict,
    noise: Tensor,
    plan: WindowPlan,
    scheduler,
    steps: int = 30,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_window: Callable[[int, int], None] = lambda index, total: None,
) -> Tensor:
    """Denoise `noise` (T,c,h,w), scaled latents, on its own device and in float32 -> latents of the same shape.

    `on_window(index, total)` runs before every window, counted over all steps; `on_step` after every step. Either may
    raise to stop the run.
    """
    if steps < 1:
        raise InputError(f"{steps} sampling steps: at least 1 is needed, 30 is the published number.")
    if plan.frame_count != len(noise):
        raise InputError(f"The window plan covers {plan.frame_count} frames, the noise has {len(noise)}.")
    scheduler.set_timesteps(steps, device=noise.device)
    count = len(plan.windows)
    latents = noise * scheduler.init_noise_sigma
    for step, timestep in enumerate(scheduler.timesteps):
        noisy = scheduler.scale_model_input(latents, timestep)
        total, weight = torch.zeros_like(noisy), noisy.new_zeros(len(noisy), 1, 1, 1)
        for index, window in enumerate(plan.windows):
            on_window(step * count + index, steps * count)
            frames = list(window.frames)
            share = noisy.new_tensor(window.weights)[:, None, None, None]
            total[frames] += share * predict(noisy[frames], timestep, frames).to(total)
            weight[frames] += share
        result = scheduler.step(total / weight, timestep, latents)
        latents = result.prev_sample
        clean = getattr(result, "pred_original_sample", None)
        on_step(StepReport(step, steps, latents if clean is None else clean))
    return latents
