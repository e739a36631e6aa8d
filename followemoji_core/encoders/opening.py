"""One file, one codec: which kind it is, its keys say."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ..model.weights.read import read_tensors
from .autoencoder import SmallCodec
from .interfaces import Codec
from .sd_vae import SDVAE
from .strict import opening


def open_codec(path: Path) -> Codec:
    """An SD VAE in diffusers' layout, or an autoencoder in TAESD's; sizes are read off the file. On the CPU, float32.

    Raises CheckpointError for a file of another kind, or one that is damaged or incomplete.
    """
    state = read_tensors(path)
    with opening(path, "VAE"):
        return codec_kind(state).from_state(state, path.name)


def codec_kind(state: dict[str, Tensor]) -> type[SmallCodec] | type[SDVAE]:
    """What reads a file with such keys."""
    small = "taesd_decoder.1.weight" in state and "taesd_encoder.0.weight" in state
    return SmallCodec if small else SDVAE
