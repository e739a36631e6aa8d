"""Temporal attention: the AnimateDiff motion module, the only place where frames see each other (paper 3.2)."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from .attention import Attention, Context, FeedForward, add, add_cells
from .config import UNetConfig
from .ops import Ops


def sinusoids(positions: int, width: int) -> Tensor:
    """The positional table (1, positions, width): sine in the even columns, cosine in the odd ones."""
    angle = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[None, :, :width]


class PositionalTable(nn.Module):
    def __init__(self, positions: int, width: int):
        super().__init__()
        self.register_buffer("pe", sinusoids(positions, width))

    def forward(self, x: Tensor) -> Tensor:
        """x (cells, frames, width), fresh, with each frame's place in time."""
        if (self.pe.dtype, self.pe.device) != (x.dtype, x.device):
            self.pe = self.pe.to(x)  # a host that streams weights may leave the buffer behind
        return add(x, self.pe[:, : x.shape[1]])


class TemporalAttention(Attention):
    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__(width, width, config.heads, ops)
        self.pos_encoder = PositionalTable(config.positions, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (cells, frames, width), fresh: each cell attends over its frames."""
        return super().forward(self.pos_encoder(x))


class TemporalTransformerBlock(nn.Module):
    """Two temporal self-attentions and a feed-forward, all residual, on (cells, frames, width)."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.attention_blocks = nn.ModuleList([TemporalAttention(width, config, ops) for _ in range(2)])
        self.norms = nn.ModuleList([ops.LayerNorm(width) for _ in range(2)])
        self.ff = FeedForward(width, ops)
        self.ff_norm = ops.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = add(attention(norm(x)), x)
        return add(self.ff(self.ff_norm(x)), x)


class TemporalTransformer(nn.Module):
    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.norm = ops.GroupNorm(config.groups, width, eps=1e-6)
        self.proj_in = ops.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([TemporalTransformerBlock(width, config, ops)])
        self.proj_out = ops.Linear(width, width)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(clips * frames, width, h, w) -> the same; each cell attends over the frames of its clip."""
        h, w = x.shape[2:]
        # Contiguous also where a view would do: matrix products are several times slower on the view.
        cells = self.proj_in(rearrange(self.norm(x), "(b f) c h w -> (b h w) f c", f=frames).contiguous())
        for block in self.transformer_blocks:
            cells = block(cells)
        turned = rearrange(self.proj_out(cells), "(b h w) f c -> b f c h w", h=h, w=w)
        return add_cells(x.unflatten(0, (-1, frames)), turned).flatten(0, 1)


class MotionModule(nn.Module):
    """The name under which the published keys keep a temporal transformer."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.temporal_transformer = TemporalTransformer(width, config, ops)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        return self.temporal_transformer(x, context.frames)
