"""The landmark encoder (the published code's "lmk_guider"): landmark images to features added after conv_in."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .config import LandmarkEncoderConfig
from .ops import TORCH, Ops


class LandmarkEncoder(nn.Module):
    """Convolutions, of which every other one halves the size and changes the width (published layout)."""

    def __init__(self, config: LandmarkEncoderConfig, ops: Ops = TORCH):
        super().__init__()
        self.config = config
        widths = config.widths
        self.conv_in = ops.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for fine, coarse in pairwise(widths):
            self.blocks.append(ops.Conv2d(fine, fine, 3, padding=1))
            self.blocks.append(ops.Conv2d(fine, coarse, 3, padding=1, stride=2))
        self.conv_out = ops.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Landmark images (frames, 3, 8h, 8w) RGB in [0,1] -> (frames, out_channels, h, w)."""
        x = F.silu(self.conv_in(images))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)
