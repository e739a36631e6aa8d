"""A small image encoder for checkpoints that bring their own: pictures to tokens, where the paper has CLIP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, FeedForward
from .config import ImageEncoderConfig
from .ops import TORCH, Ops


class ImageEncoderLayer(nn.Module):
    def __init__(self, config: ImageEncoderConfig, ops: Ops):
        super().__init__()
        self.norm1 = ops.LayerNorm(config.width)
        self.attn1 = Attention(config.width, config.width, config.heads, ops)
        self.norm2 = ops.LayerNorm(config.width)
        self.ff = FeedForward(config.width, ops)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm2(x))


class ImageEncoder(nn.Module):
    """Patches with learned places through a few transformer layers, read before a final norm, as CLIP is."""

    def __init__(self, config: ImageEncoderConfig, ops: Ops = TORCH):
        super().__init__()
        self.config = config
        self.patches = ops.Conv2d(3, config.width, config.patch, stride=config.patch)
        like = self.patches.weight
        places = torch.randn(1, (config.size // config.patch) ** 2, config.width) * 0.02
        self.places = nn.Parameter(places if like is None else places.to(like))
        self.register_buffer("heads", torch.tensor(config.heads))
        self.layers = nn.ModuleList([ImageEncoderLayer(config, ops) for _ in range(config.layers)])

    def forward(self, pictures: Tensor) -> Tensor:
        """(n,3,H,W) RGB in [0,1] of any size, stretched to `size` -> tokens (n, patches, width), row by row."""
        side = self.config.size
        small = F.interpolate(pictures.float(), (side, side), mode="bilinear", antialias=True, align_corners=False)
        x = self.patches(small.to(pictures.dtype) * 2 - 1).flatten(2).transpose(1, 2)
        x = x + self.places.to(x)
        for layer in self.layers:
            x = layer(x)
        return x
