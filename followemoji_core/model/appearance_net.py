"""The appearance net (paper 3.2; the published code's "referencenet"): the portrait's features for the denoiser."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ..types import AppearanceFeatures
from .attention import Context, LastAppearanceBlock
from .conditioning import condition
from .config import UNetConfig
from .ops import TORCH, Ops
from .unet import UNet


class AppearanceNet(UNet):
    """A UNet without motion modules and without a head; read at its self-attention layers, at timestep 0."""

    def __init__(self, config: UNetConfig, ops: Ops = TORCH):
        super().__init__(replace(config, positions=0), ops)
        last = self.up_blocks[-1].attentions[-1]
        last.transformer_blocks = nn.ModuleList([LastAppearanceBlock(config.channels[0], config, ops)])
        self._number()

    def forward(self, latents: Tensor, tokens: Tensor) -> AppearanceFeatures:
        """Portrait latents (clips, 4, h, w), scaled, and its CLIP tokens (clips, n, token_width) -> features.

        The maps are the normed inputs of the self-attention layers, coarse to fine and back: 6 down, 1 mid, 9 up.
        """
        maps: list[Tensor | None] = [None] * len(self.transformer_blocks())
        times = self.times(torch.zeros(()), latents, 1)
        context = Context(times, 1, len(latents), (condition(self, tokens, None),), maps)
        self.trunk(self.stem(self.conv_in(latents), context), context)
        return AppearanceFeatures(tuple(maps))
