"""Covered video latents (paper 4.3): which frames of a clip are known, and how the denoiser is told of them."""

from __future__ import annotations

import torch
from torch import Tensor

COVERED_CHANNELS = 1  # of the mask, beside the covered latents themselves
_SHOWN = (0.5, 0.2)  # as in the paper; and few, as where an artist gives some frames


def covered_input(clean: Tensor, known: Tensor) -> Tensor:
    """What is concatenated to the noisy latents: (frames, c + 1, h, w).

    clean (frames,c,h,w), scaled; known (frames,) bool. The clean latents, zero where covered, and a channel that is 1
    where they are shown.
    """
    mask = known.to(clean)[:, None, None, None].expand(-1, 1, *clean.shape[2:])
    return torch.cat([clean * mask, mask], dim=1)


def draw_known(
    frames: int, generator: torch.Generator | None = None, ends: float = 0.5, scattered: float = 0.5
) -> Tensor:
    """Which frames of a training clip are shown, (frames,) bool; by one of two strategies in such shares of the draws.

    Ends: the first and the last are shown, all between are covered. Scattered: every frame is covered with
    probability 0.5, or 0.8 in half of the draws, by itself. Otherwise nothing is shown.
    """
    chosen = float(torch.rand((), generator=generator))
    if chosen < ends:
        known = torch.zeros(frames, dtype=torch.bool)
        known[[0, -1]] = True
        return known
    shown = _SHOWN[int(torch.randint(len(_SHOWN), (), generator=generator))] if chosen < ends + scattered else 0.0
    return torch.rand(frames, generator=generator) < shown
