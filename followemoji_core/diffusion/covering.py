"""Covered video latents (paper 4.3): which frames of a clip are known, and how the denoiser is told of them."""

from __future__ import annotations

import torch
from torch import Tensor

COVERED_CHANNELS = 1  # of the mask, beside the covered latents themselves


def covered_input(clean: Tensor, known: Tensor) -> Tensor:
    """What is concatenated to the noisy latents: (frames, c + 1, h, w).

    clean (frames,c,h,w), scaled; known (frames,) bool. The clean latents, zero where covered, and a channel that is 1
    where they are shown.
    """
    mask = known.to(clean)[:, None, None, None].expand(-1, 1, *clean.shape[2:])
    return torch.cat([clean * mask, mask], dim=1)


def draw_known(frames: int, generator: torch.Generator | None = None) -> Tensor:
    """Which frames of a training clip are shown, (frames,) bool; one of two strategies, each in half of the draws.

    Ends: the first and the last are shown, all between are covered. Scattered: every frame is covered with
    probability 0.5, by itself.
    """
    if torch.rand((), generator=generator) < 0.5:
        known = torch.zeros(frames, dtype=torch.bool)
        known[[0, -1]] = True
        return known
    return torch.rand(frames, generator=generator) < 0.5
