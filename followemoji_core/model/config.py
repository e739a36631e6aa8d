"""The numbers that fix a network. The defaults are the published size; `weights/sizes.py` reads them off a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UNetConfig:
    """An SD 1.5 UNet: one entry of `channels` and `attention` per resolution, finest first."""

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    attention: tuple[bool, ...] = (True, True, True, False)
    layers: int = 2  # resnets per resolution on the way down; one more on the way up
    in_channels: int = 4  # more than the latents have: covered latents and their mask follow them (paper 4.3)
    out_channels: int = 4
    token_width: int = 1024  # of the CLIP hidden states that clip_fc receives
    context_width: int = 768  # of what cross-attention reads
    positions: int = 32  # longest window of the motion modules, in frames; 0: no motion modules
    queries: int = 0  # tokens that the Q-Former makes; 0: the released linear clip_fc instead
    query_layers: int = 4
    heads: int = 8  # these two stand in a file as numbers of their own, where they are not as published
    groups: int = 32
    places: int = 0  # side of a learned table of places, added after conv_in; 0: none, as published

    @property
    def takes_covered(self) -> bool:
        """Whether a denoiser of these sizes was trained with covered latents beside the noisy ones."""
        return self.in_channels > self.out_channels


@dataclass(frozen=True)
class LandmarkEncoderConfig:
    """`widths`: channels at full, half, quarter and eighth resolution; `out_channels`: the UNet's first width."""

    widths: tuple[int, ...] = (16, 32, 96, 256)
    out_channels: int = 320


@dataclass(frozen=True)
class ImageEncoderConfig:
    """A small vision transformer, for checkpoints that bring their own instead of CLIP. Sizes in pixels."""

    width: int = 64
    layers: int = 2
    patch: int = 8
    size: int = 64  # side of the picture that it sees
    heads: int = 4


LATENT_CELL = 8  # pixels to one side of a latent cell, and of a cell of the landmark features
LATENT_SCALE = 0.18215  # raw SD 1.5 latents times this have unit variance; the networks work on the product
