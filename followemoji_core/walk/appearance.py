"""The portrait as the denoiser will know it: read once, by the appearance net and an image encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import InputError
from ..model.appearance_net import AppearanceNet
from ..types import AppearanceFeatures
from .precision import check_finite


@dataclass(frozen=True)
class Appearance:
    """What travels from the portrait to the denoiser; independent of the denoiser's weights.

    features: maps of the appearance net. tokens (1, n, token_width): CLIP hidden states, or of the networks' own image
    encoder. latent_shape (channels, h, w) of the portrait, and so of the video.
    """

    features: AppearanceFeatures
    tokens: Tensor
    latent_shape: tuple[int, int, int]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Appearance:
        """The same on a device, in a dtype (None: as it is)."""
        maps = tuple(features.to(device, dtype) for features in self.features.maps)
        return replace(self, features=AppearanceFeatures(maps), tokens=self.tokens.to(device, dtype))


@torch.no_grad()
def read_appearance(appearance_net: AppearanceNet, latents: Tensor, tokens: Tensor) -> Appearance:
    """Portrait latents (1,c,h,w), scaled to unit variance, and image tokens (1,n,width), both where and as computed.

    Raises InputError where the VAE or the image encoder is of another kind than the network was trained with,
    NotFiniteError where the precision does not do.
    """
    config = appearance_net.config
    if latents.shape[1] != config.in_channels:
        raise InputError(
            f"The VAE made latents of {latents.shape[1]} channels, this checkpoint works on {config.in_channels}. "
            f"Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    if tokens.shape[-1] != config.token_width:
        raise InputError(
            f"The CLIP vision model gives tokens of width {tokens.shape[-1]}, this checkpoint reads "
            f"{config.token_width}. Load the image encoder of SD image-variations (CLIP ViT-L/14)."
        )
    for what, tensor in (("latents that the VAE made of the portrait", latents), ("image encoder's tokens", tokens)):
        check_finite(f"The {what} are", (tensor,), tensor.dtype)
    features = appearance_net(latents, tokens)
    check_finite("What the appearance net reads in the portrait is", features.maps, latents.dtype)
    return Appearance(features, tokens, tuple(latents.shape[1:]))
