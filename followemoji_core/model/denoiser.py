"""The denoising UNet (paper 3.2): landmark features in, appearance features beside, motion modules between frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention import Context
from .blocks import silu
from .conditioning import Conditioning
from .config import UNetConfig
from .ops import TORCH, Ops
from .unet import UNet


class Denoiser(UNet):
    """Predicts v for all frames of a window at once. It holds no mode: guidance is the caller's."""

    def __init__(self, config: UNetConfig, ops: Ops = TORCH):
        super().__init__(config, ops)
        self.conv_norm_out = ops.GroupNorm(config.groups, config.channels[0], eps=1e-5)
        self.conv_out = ops.Conv2d(config.channels[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        landmark_features: Tensor,
        halves: Sequence[Conditioning],
        clips: int = 1,
        covered: Tensor | None = None,
        together: bool = True,
    ) -> Tensor:
        """One prediction for each way to see the portrait: (halves * clips * frames, out_channels, h, w), half by half.

        latents (clips * frames, c, h, w), scaled and noisy; timestep () or (clips,), on the CPU for no wait;
        landmark_features (clips * frames, channels[0], h, w); halves: from `condition`, of this network's weights.
        covered (clips * frames, in_channels - c, h, w): covered latents and their mask, for a checkpoint that was
        trained with them; None: nothing is known.
        together: all halves in one pass; or one after the other, in half the memory, with the same result.
        """
        rows = len(latents)
        frames = rows // clips
        if missing := self.config.in_channels - latents.shape[1]:
            if covered is None:
                latents = F.pad(latents, (0, 0, 0, 0, 0, missing))
            else:
                latents = torch.cat([latents, covered.to(latents)], dim=1)
        times = self.times(timestep, landmark_features, frames)

        def context(*chosen: Conditioning) -> Context:
            return Context(times, frames, rows, chosen)

        stem = self.stem(self.conv_in(latents) + landmark_features, context())
        if together:
            return self.head(self.trunk(stem, context(*halves)))
        return torch.cat([self.head(self.trunk(stem, context(half))) for half in halves])

    def head(self, x: Tensor) -> Tensor:
        return self.conv_out(silu(self.conv_norm_out(x)))
