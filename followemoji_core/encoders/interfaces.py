"""What the walk asks of an encoder: latents of pictures and back, tokens of pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from ..model.config import LATENT_CELL

if TYPE_CHECKING:
    from typing import Self  # of Python 3.11

# Pixels that go through a codec together. A GPU wants to be filled; a CPU is fastest in memory that the allocator hands
# out again: four pictures of 128 x 128 with 64 channels in float32 are 16 MiB, and from 32 MiB on every layer asks the
# system for fresh pages.
_ON_GPU, _ON_CPU = 4 * 512 * 512, 4 * 128 * 128


class TokenEncoder(Protocol):
    """Pictures to what an appearance net and a denoiser know them by. width: of a token."""

    @property
    def width(self) -> int: ...

    def tokens(self, pictures: Tensor) -> Tensor:
        """(n,H,W,3) uint8 RGB of any size -> (n,m,width), on the encoder's device, in its dtype."""

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self: ...


class Codec(ABC):
    """Pictures to latents of about unit variance, and back. channels: of the latents. The module is frozen; it computes
    where and in what its parameters are."""

    def __init__(self, module: nn.Module, channels: int):
        self.module = module.eval().requires_grad_(False)
        self.channels = channels

    @abstractmethod
    def to_latents(self, pixels: Tensor) -> Tensor:
        """(n,3,H,W) RGB in [0,1] -> latents (n,c,h,w)."""

    @abstractmethod
    def to_levels(self, latents: Tensor) -> Tensor:
        """Latents (n,c,h,w) -> (n,3,H,W) float32 RGB, black 0 and white 255, neither rounded nor clamped."""

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """(n,H,W,3) uint8 RGB, sides multiples of 8 -> latents (n,c,H/8,W/8), float32."""
        parts = []
        for part in pictures.split(self._at_once(pictures.shape[1] * pictures.shape[2])):
            pixels = part.to(self._like.device).movedim(-1, 1).to(self._like.dtype) / 255
            parts.append(self.to_latents(pixels).float())
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (n,c,h,w) -> (n,8h,8w,3) uint8 RGB on the CPU."""
        parts = []
        for part in latents.split(self.at_once(latents)):
            levels = self.to_levels(part.to(self._like))
            parts.append(levels.round_().clamp_(0, 255).byte().movedim(1, -1).cpu())
        return torch.cat(parts)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        nn.Module.to(self.module, device, dtype)  # diffusers' own `to` warns where there is nothing to warn of
        return self

    def at_once(self, latents: Tensor) -> int:
        """How many of such latents (n,c,h,w) are best decoded together."""
        return self._at_once(LATENT_CELL**2 * latents.shape[2] * latents.shape[3])

    def _at_once(self, pixels: int) -> int:
        return max((_ON_CPU if self._like.device.type == "cpu" else _ON_GPU) // pixels, 1)

    @property
    def _like(self) -> Tensor:
        return next(self.module.parameters())
