"""The SD 1.5 UNet that the appearance net and the denoiser both are, up to its output head."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention, Context
from .blocks import DownBlock, MidBlock, UpBlock
from .config import UNetConfig
from .image_projector import QFormer
from .ops import Ops

NUMBERS = {"heads": 8, "groups": 32}  # as published; a file that differs says so, since no shape tells


def timestep_sinusoids(timestep: Tensor, width: int) -> Tensor:
    """Timesteps (n,) -> (n, width) float32: cosines, then sines (diffusers' `flip_sin_to_cos`)."""
    half = width // 2
    rate = torch.exp(torch.arange(half, device=timestep.device) * (-math.log(10000.0) / half))
    angle = timestep.float()[:, None] * rate
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class TimeEmbedding(nn.Module):
    def __init__(self, width: int, ops: Ops):
        super().__init__()
        self.linear_1 = ops.Linear(width, 4 * width)
        self.linear_2 = ops.Linear(4 * width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.silu(self.linear_1(x)))


def _place_table(side: int, width: int, like: Tensor | None) -> Tensor:
    """(1, width, side, side): sines and cosines of column and row, with periods from the picture's size down."""
    place = torch.linspace(0, 1, side)
    octaves = torch.pi * 2.0 ** torch.arange(width // 4).clamp(max=4) * (1 + torch.arange(width // 4) // 5 * 0.37)
    waves = torch.stack([f(octaves[:, None] * place) for f in (torch.sin, torch.cos)]).flatten(0, 1)
    down = waves[:, :, None].expand(-1, side, side)
    table = torch.cat([down, down.transpose(1, 2)])[None]
    return table if like is None else table.to(like)


class UNet(nn.Module):
    """conv_in, time embedding, projection of the image tokens, and the U of blocks."""

    def __init__(self, config: UNetConfig, ops: Ops):
        super().__init__()
        self.config = config
        widths = config.channels
        self.conv_in = ops.Conv2d(config.in_channels, widths[0], 3, padding=1)
        for name, published in NUMBERS.items():
            if getattr(config, name) != published:
                self.register_buffer(name, torch.tensor(getattr(config, name)))
        if config.places:
            self.places = nn.Parameter(_place_table(config.places, widths[0], self.conv_in.weight))
        self.time_embedding = TimeEmbedding(widths[0], ops)
        if config.queries:
            self.q_former = QFormer(config, ops)
        else:
            self.clip_fc = ops.Linear(config.token_width, config.context_width)
        skips = [widths[0]]
        self.down_blocks = nn.ModuleList()
        for level, width in enumerate(widths):
            last = level == len(widths) - 1
            self.down_blocks.append(DownBlock(skips[-1], width, config.attention[level], last, config, ops))
            skips += [width] * (config.layers + (not last))
        self.mid_block = MidBlock(widths[-1], config, ops)
        self.up_blocks = nn.ModuleList()
        below = widths[-1]
        for level, width in reversed(list(enumerate(widths))):
            joined = [skips.pop() for _ in range(config.layers + 1)]
            self.up_blocks.append(UpBlock(below, width, joined, config.attention[level], level == 0, config, ops))
            below = width

        self._number()

    def stages(self) -> list[nn.Module]:
        """Down, mid, up: in the order in which a frame meets them."""
        return [*self.down_blocks, self.mid_block, *self.up_blocks]

    def transformer_blocks(self) -> list[nn.Module]:
        """The blocks that attend, in order; the `place` of each is its index."""
        return [
            block for stage in self.stages() for spatial in stage.attentions for block in spatial.transformer_blocks
        ]

    def resnets(self) -> list[nn.Module]:
        """In order; the `place` of each is its index."""
        return [resnet for stage in self.stages() for resnet in stage.resnets]

    def _number(self) -> None:
        for modules in (self.transformer_blocks(), self.resnets()):
            for place, module in enumerate(modules):
                module.place = place

    def fuse(self) -> None:
        """See `Attention.fuse`: of every self-attention."""
        for module in self.modules():
            if isinstance(module, Attention) and module.to_q.in_features == module.to_k.in_features:
                module.fuse()

    def project(self, tokens: Tensor) -> Tensor:
        """Image tokens (clips, n, token_width) -> what cross-attention reads, (clips, n or queries, context_width)."""
        return self.q_former(tokens) if self.config.queries else self.clip_fc(tokens)

    def times(self, timestep: Tensor, like: Tensor, frames: int) -> list[Tensor]:
        """Timestep () or (clips,) -> what it adds in each resnet: (1, c), or a row for each of the clips' frames."""
        time = timestep_sinusoids(timestep.reshape(-1), self.config.channels[0])
        time = F.silu(self.time_embedding(time.to(like, non_blocking=True)))
        added = [resnet.time_emb_proj(time) for resnet in self.resnets()]
        return [part.repeat_interleave(frames, 0) for part in added] if len(time) > 1 else added

    def stem(self, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """conv_in's output (rows, channels[0], h, w) -> the same with places, and what the first resnet makes of it:
        all that comes before the first attention, and so is the same whatever is known of the portrait."""
        if self.config.places:  # both networks say where things are, so that what one reads the other finds
            x = x + F.interpolate(self.places.to(x), x.shape[2:], mode="bilinear", antialias=False)
        return x, self.down_blocks[0].resnets[0](x, context)

    def trunk(self, stem: tuple[Tensor, Tensor], context: Context) -> Tensor:
        """From the stem to the last up block's output, (halves * rows, channels[0], h, w)."""
        x, begun = stem
        skips = [x]
        for block in self.down_blocks:
            x, begun = block(x, skips, context, begun), None
        x = self.mid_block(x, context)
        for block in self.up_blocks:
            x = block(x, skips, context)
        return x
