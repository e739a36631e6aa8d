"""The image encoder that a checkpoint brings along, where others read CLIP's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..model.image_encoder import ImageEncoder

if TYPE_CHECKING:
    from typing import Self  # of Python 3.11


class OwnImageEncoder:
    """width: `token_width` of the networks that it came with."""

    def __init__(self, network: ImageEncoder):
        self.network = network

    @property
    def width(self) -> int:
        return self.network.config.width

    @torch.no_grad()
    def tokens(self, pictures: Tensor) -> Tensor:
        """(n,H,W,3) uint8 RGB of any size -> (n,m,width): the whole picture, stretched to the encoder's square."""
        like = self.network.places
        return self.network(pictures.to(like.device).movedim(-1, 1).to(like.dtype) / 255)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        self.network.to(device, dtype)
        return self
