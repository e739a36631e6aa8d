"""Covered video latents (paper 4.3): how the denoiser is told of a clip's clean frames, beside the noisy ones."""

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
