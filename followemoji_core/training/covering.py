"""Which frames of a training clip are shown (paper 4.3)."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_known(frames: int, generator: torch.Generator | None = None) -> Tensor:
    """Which frames of a clip are shown, (frames,) bool; one of two strategies, each in half of the draws.

    Ends: the first and the last are shown, all between are covered. Scattered: every frame is covered with
    probability 0.5, by itself.
    """
    if torch.rand((), generator=generator) < 0.5:
        known = torch.zeros(frames, dtype=torch.bool)
        known[[0, -1]] = True
        return known
    return torch.rand(frames, generator=generator) < 0.5
