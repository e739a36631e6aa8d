"""What reads pictures and does not learn: the VAE, and CLIP where the networks bring no image encoder of their own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..encoders.clip import ClipVision, open_clip_vision
from ..encoders.opening import open_codec
from ..errors import InputError
from .batches import Batch
from .settings import TrainSettings


class FrozenEncoders:
    """codec: None where no VAE is named. clip_vision: None where none is named. In float32.

    latent_shape (c,h,w): of the latents in the clips, None where they carry none. Raises InputError where there is
    neither those nor a VAE, CheckpointError for files that are no such encoders.
    """

    def __init__(
        self, settings: TrainSettings, folder: Path, latent_shape: tuple[int, int, int] | None, device: torch.device
    ):
        self.device = device
        self.codec = open_codec(folder / settings.vae).to(device, torch.float32) if settings.vae else None
        if latent_shape is None and self.codec is None:
            raise InputError(
                "The clips carry no latents. Name a VAE in the settings (vae = ...), or run "
                "`python -m followemoji_core encode` on them."
            )
        self.channels: int = latent_shape[0] if latent_shape else self.codec.channels
        self.clip_vision: ClipVision | None = None
        if settings.clip_vision:
            self.clip_vision = open_clip_vision(folder / settings.clip_vision).to(device, torch.float32)

    @property
    def token_width(self) -> int | None:
        """Of CLIP's tokens; None without CLIP."""
        return self.clip_vision.width if self.clip_vision else None

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of portraits (n,c,h,w) and targets (n*k,c,h,w), float32 of unit variance."""
        if batch.latents is not None:
            pair = batch.portrait_latents, batch.latents
            return tuple(latents.to(self.device, torch.float32) for latents in pair)
        return self.codec.encode(batch.portraits), self.codec.encode(batch.pictures)

    def tokens(self, batch: Batch) -> Tensor | None:
        """CLIP's (n,m,width) of the portraits; None without CLIP."""
        return self.clip_vision.tokens(batch.portraits) if self.clip_vision else None
