"""Pictures to latents and back, without ComfyUI: SD's autoencoder through diffusers, or a small one of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..model.config import LATENT_SCALE
from ..model.weights.checkpoint import read_tensors
from .autoencoder import TinyAutoencoder

_AT_ONCE = 4  # pictures of 512 x 512; more of smaller ones


@dataclass(frozen=True)
class Codec:
    """latents: channels. The module is frozen; it computes where and in what its parameters are."""

    module: torch.nn.Module
    channels: int

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """(n,H,W,3) uint8 RGB, sides multiples of 8 -> latents (n,c,h,w) of about unit variance, float32."""
        parts = []
        for part in pictures.split(self.at_once_pixels(pictures.shape[1] * pictures.shape[2])):
            pixels = part.to(self._like.device).movedim(-1, 1).to(self._like.dtype) / 255
            if isinstance(self.module, TinyAutoencoder):
                latents = self.module.encode(pixels)
            else:
                latents = self.module.encode(pixels * 2 - 1).latent_dist.mean * LATENT_SCALE
            parts.append(latents.float())
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (n,c,h,w) of unit variance -> (n,H,W,3) uint8 RGB on the CPU."""
        parts = []
        for part in latents.split(self.at_once_pixels(64 * latents.shape[2] * latents.shape[3])):
            part = part.to(self._like)
            if isinstance(self.module, TinyAutoencoder):
                pixels = self.module.decode(part).float() * 255
            else:
                pixels = (self.module.decode(part / LATENT_SCALE).sample.float() + 1) * 127.5
            parts.append(pixels.round().clamp(0, 255).byte().movedim(1, -1).cpu())
        return torch.cat(parts)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Codec:
        torch.nn.Module.to(self.module, device, dtype)  # diffusers' own `to` warns where there is nothing to warn of
        return self

    @property
    def _like(self) -> Tensor:
        return next(self.module.parameters())

    def at_once(self, latents: Tensor) -> int:
        """How many of such latents (n,c,h,w) are decoded together."""
        return self.at_once_pixels(64 * latents.shape[2] * latents.shape[3])

    def at_once_pixels(self, pixels: int) -> int:
        return max(_AT_ONCE * 512 * 512 // pixels, 1)


def open_codec(path: Path) -> Codec:
    """An SD VAE in diffusers' layout, or an autoencoder in TAESD's (one .safetensors); sizes are read off the file."""
    state = read_tensors(path)
    if "taesd_decoder.1.weight" in state and "taesd_encoder.0.weight" in state:
        try:
            module: torch.nn.Module = TinyAutoencoder.from_state(state)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path.name} is not a whole autoencoder: {error}. Download it again.") from error
        channels = module.latent_channels
    else:
        module, channels = _sd_vae(path, state), 4
    return Codec(module.eval().requires_grad_(False), channels)


def _sd_vae(path: Path, state: dict[str, Tensor]) -> torch.nn.Module:
    from diffusers import AutoencoderKL

    if "decoder.up_blocks.0.resnets.0.norm1.weight" not in state:
        raise CheckpointError(
            f"{path.name} is not an SD VAE in diffusers' layout. `python -m followemoji_core download` fetches one."
        )
    widths = [len(state[f"encoder.down_blocks.{level}.resnets.0.conv1.weight"]) for level in range(4)]
    # Older files name the attention's parameters differently.
    old = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    state = {re.sub(r"\b(query|key|value|proj_attn)\b", lambda m: old[m[1]], k): v for k, v in state.items()}
    return fill(AutoencoderKL(**vae_sizes(widths)), state, path.name)


def vae_sizes(widths: list[int]) -> dict:
    return dict(
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        layers_per_block=2,
        norm_num_groups=min(32, widths[0]),
        latent_channels=4,
    )


def fill(module: torch.nn.Module, state: dict[str, Tensor], name: str) -> torch.nn.Module:
    """The module with those weights, frozen; CheckpointError where they do not fit or some are lacking."""
    try:
        missing, _ = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{name} does not fit its own sizes: {error}. Download it again.") from error
    if missing := [key for key in missing if not key.endswith("position_ids")]:
        raise CheckpointError(f"{name} lacks {len(missing)} parameters, such as {missing[0]}. Download it again.")
    return module.requires_grad_(False)
