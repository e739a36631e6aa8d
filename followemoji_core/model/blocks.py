"""The UNet's blocks: resnets, spatial transformers and motion modules at one resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Context, SpatialTransformer, add
from .config import UNetConfig
from .ops import Ops
from .temporal import MotionModule


class Resnet(nn.Module):
    def __init__(self, width_in: int, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.place = -1  # among the UNet's resnets
        self.norm1 = ops.GroupNorm(config.groups, width_in, eps=1e-5)
        self.conv1 = ops.Conv2d(width_in, width, 3, padding=1)
        self.time_emb_proj = ops.Linear(4 * config.channels[0], width)
        self.norm2 = ops.GroupNorm(config.groups, width, eps=1e-5)
        self.conv2 = ops.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = ops.Conv2d(width_in, width, 1) if width_in != width else None

    def forward(self, x: Tensor, context: Context) -> Tensor:
        h = self.conv1(silu(self.norm1(x)))
        h = add(h, context.times[self.place][:, :, None, None])
        h = self.conv2(silu(self.norm2(h)))
        return add(h, x if self.conv_shortcut is None else self.conv_shortcut(x))


def silu(x: Tensor) -> Tensor:
    """SiLU of what a norm just made: in its place, where no gradient needs it."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class Downsample(nn.Module):
    def __init__(self, width: int, ops: Ops):
        super().__init__()
        self.conv = ops.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, width: int, ops: Ops):
        super().__init__()
        self.conv = ops.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """To the size of the map that will be joined next: twice, less one where that side was odd."""
        return self.conv(F.interpolate(x, size=size, mode="nearest"))


class Stage(nn.Module):
    """Layers of one resolution; `widths_in` holds what each resnet receives. Lists that stay empty have no keys."""

    def __init__(self, widths_in: list[int], width: int, attention: bool, config: UNetConfig, ops: Ops):
        super().__init__()
        count = len(widths_in)
        self.resnets = nn.ModuleList([Resnet(width_in, width, config, ops) for width_in in widths_in])
        self.attentions = nn.ModuleList([SpatialTransformer(width, config, ops) for _ in range(count * attention)])
        self.motion_modules = nn.ModuleList(
            [MotionModule(width, config, ops) for _ in range(count if config.positions else 0)]
        )

    def mix(self, index: int, x: Tensor, context: Context) -> Tensor:
        """What follows a resnet: between the cells of a frame, then between frames."""
        for modules in (self.attentions, self.motion_modules):
            if modules:
                x = modules[index](x, context)
        return x


class DownBlock(Stage):
    def __init__(self, width_in: int, width: int, attention: bool, last: bool, config: UNetConfig, ops: Ops):
        super().__init__([width_in] + [width] * (config.layers - 1), width, attention, config, ops)
        self.downsamplers = nn.ModuleList([] if last else [Downsample(width, ops)])

    def forward(self, x: Tensor, skips: list[Tensor], context: Context, begun: Tensor | None = None) -> Tensor:
        """`begun`: what the first resnet makes of x, where that is known already. Adds to the skips."""
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, context) if index or begun is None else begun
            x = self.mix(index, x, context)
            skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x


class UpBlock(Stage):
    def __init__(self, width_in: int, width: int, skips: list[int], attention: bool, last: bool, config, ops: Ops):
        inputs = [width_in] + [width] * (len(skips) - 1)
        super().__init__([a + b for a, b in zip(inputs, skips, strict=True)], width, attention, config, ops)
        self.upsamplers = nn.ModuleList([] if last else [Upsample(width, ops)])

    def forward(self, x: Tensor, skips: list[Tensor], context: Context) -> Tensor:
        """Takes from the end of the skips."""
        for index, resnet in enumerate(self.resnets):
            x = self.mix(index, resnet(_join(x, skips.pop()), context), context)
        for upsample in self.upsamplers:
            x = upsample(x, skips[-1].shape[2:])
        return x


def _join(x: Tensor, skip: Tensor) -> Tensor:
    """Channels side by side; a skip from before the halves of guidance parted serves them all."""
    if len(skip) == len(x):
        return torch.cat([x, skip], dim=1)
    halves = x.unflatten(0, (-1, len(skip)))
    return torch.cat([halves, skip.expand(len(halves), *skip.shape)], dim=2).flatten(0, 1)


class MidBlock(nn.Module):
    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(width, width, config, ops) for _ in range(2)])
        self.attentions = nn.ModuleList([SpatialTransformer(width, config, ops)])
        self.motion_modules = nn.ModuleList([MotionModule(width, config, ops)] if config.positions else [])

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, context), context)
        for module in self.motion_modules:
            x = module(x, context)
        return self.resnets[1](x, context)
