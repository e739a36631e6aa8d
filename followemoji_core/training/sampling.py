"""Clips from landmark images, by the networks as they are used: for sample grids and for ablations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..encoders.interfaces import Codec
from ..model.weights.build import Networks
from ..walk.animate import LandmarkFeatures, SamplingSettings, denoise, read_appearance


@dataclass(frozen=True)
class Part:
    """What one clip is made from: portrait (1,H,W,3) uint8, its latents (1,c,h,w), landmark images (T,H,W,3) uint8."""

    portrait: Tensor
    latents: Tensor
    images: Tensor


@torch.no_grad()
def make(networks: Networks, part: Part, codec: Codec, tokens: Tensor | None, settings: SamplingSettings) -> Tensor:
    """(T,H,W,3) uint8: a clip from its landmark images, by networks in float32."""
    device = next(networks.denoiser.parameters()).device
    if tokens is None:
        tokens = networks.image_encoder(part.portrait.to(device).movedim(-1, 1) / 255)
    appearance = read_appearance(networks.appearance_net, part.latents.to(device), tokens)
    height, width = part.images.shape[1:3]
    images = part.images.float() / 255
    features = LandmarkFeatures(networks.landmark_encoder, images, (width, height), device, torch.float32)
    return codec.decode(denoise(networks.denoiser, features, appearance, settings))
