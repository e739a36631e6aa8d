"""The denoising UNet (paper 3.2): landmark features in, appearance features beside, motion modules between frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..types import AppearanceFeatures
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
        tokens: Tensor | None,
        appearance: AppearanceFeatures | None,
        clips: int = 1,
        known: Tensor | None = None,
        shown: Tensor | None = None,
    ) -> Tensor:
        """One prediction, (clips * frames, out_channels, h, w).

        latents (clips * frames, c, h, w), scaled and noisy; timestep () or (clips,);
        landmark_features (clips * frames, channels[0], h, w); tokens (clips, n, token_width), None: all zero;
        appearance: maps of batch `clips`, None: no portrait. Both None are the unconditional half.
        known (clips * frames, in_channels - c, h, w): covered latents and their mask, for a checkpoint that was trained
        with them; None: nothing is known.
        shown (clips,) bool, for training: clips whose portrait is seen; the others are computed as if appearance were
        None. None: all.
        """
        frames = len(latents) // clips
        if tokens is None:  # equal keys and values give the same answer as one of them
            tokens = latents.new_zeros(clips, 1, self.config.token_width)
        if missing := self.config.in_channels - latents.shape[1]:
            nothing = latents.new_zeros(len(latents), missing, *latents.shape[2:])
            latents = torch.cat([latents, nothing if known is None else known.to(latents)], dim=1)
        written = iter(appearance.maps if appearance else ())

        def port(normed: Tensor) -> Tensor | None:
            reference = next(written, None)
            if reference is None or shown is None or shown.all():
                return reference
            # Who attends to himself twice attends to himself once: that is how a clip goes without its portrait.
            reference, keep = (part.repeat_interleave(frames, 0) for part in (reference, shown))
            return torch.where(keep[:, None, None], reference, normed)

        context = self.context(timestep, tokens, frames, port)
        x = self.trunk(self.conv_in(latents) + landmark_features, context)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
