"""SD 1.5's autoencoder, through diffusers."""

from __future__ import annotations

import re
from collections.abc import Callable

from torch import Tensor, nn

from ..errors import CheckpointError
from ..model.config import LATENT_SCALE
from .interfaces import Codec
from .strict import fill

_CHANNELS, _WIDEST = 4, 1 << 14


class SDVAE(Codec):
    """Latents (n,4,H/8,W/8): means of the encoder, scaled to unit variance."""

    @classmethod
    def from_state(cls, state: dict[str, Tensor], name: str) -> SDVAE:
        """From a state dict in diffusers' layout, old or new; widths are read off it. `name`: of the file.

        Raises CheckpointError for another layout, or parameters that are missing or do not fit.
        """
        return cls(fill(*cls.layout(state, name), name), _CHANNELS)

    @staticmethod
    def layout(state: dict[str, Tensor], name: str) -> tuple[Callable[[], nn.Module], dict[str, Tensor]]:
        """What makes the module, and the state dict under its names. Raises CheckpointError for another layout."""
        from diffusers import AutoencoderKL

        if "decoder.up_blocks.0.resnets.0.norm1.weight" not in state:
            raise CheckpointError(
                f"{name} is not an SD VAE in diffusers' layout. `python -m followemoji_core download` fetches one."
            )
        widths = [len(state[f"encoder.down_blocks.{level}.resnets.0.conv1.weight"]) for level in range(4)]
        if not all(0 < width <= _WIDEST for width in widths):
            raise CheckpointError(f"{name} does not describe a VAE: its widths would be {widths}. Download it again.")
        # Older files name the attention's parameters differently.
        old = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
        state = {re.sub(r"\b(query|key|value|proj_attn)\b", lambda m: old[m[1]], k): v for k, v in state.items()}
        return lambda: AutoencoderKL(**vae_sizes(widths)), state

    def to_latents(self, pixels: Tensor) -> Tensor:
        return self.module.encode(pixels * 2 - 1).latent_dist.mean * LATENT_SCALE

    def to_levels(self, latents: Tensor) -> Tensor:
        return (self.module.decode(latents / LATENT_SCALE).sample.float() + 1) * 127.5


def vae_sizes(widths: list[int]) -> dict:
    """Arguments of AutoencoderKL for channels at full, half, quarter and eighth size."""
    return dict(
        block_out_channels=widths,
        down_block_types=["DownEncoderBlock2D"] * len(widths),
        up_block_types=["UpDecoderBlock2D"] * len(widths),
        layers_per_block=2,
        norm_num_groups=min(32, widths[0]),
        latent_channels=_CHANNELS,
    )
