"""Tensors of a file, never code."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ...errors import CheckpointError

State = dict[str, Tensor]
LATENT_RGB = "latent_rgb"  # (c + 1, 3) float: a linear guess at the picture behind a latent, for previews


def read_tensors(path: Path | str) -> State:
    """The tensors of a .safetensors, .pth, .pt, .ckpt or .bin file, memory-mapped where the format allows it.

    Raises CheckpointError for a file that is absent, damaged, or holds anything but tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}. Check the name, or download it again.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} is not a plain table of weights: it is damaged, or asks for code to be run, which is "
            f"refused. Download the file again from the authors' page."
        ) from error
    except (SafetensorError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path.name} is damaged or incomplete ({path.stat().st_size / 2**20:.1f} MiB on disk). "
            f"Delete it and download it again."
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{path.name} holds no table of named weights. Choose a Follow-Your-Emoji weights file.")
    return {key.removeprefix("module."): value for key, value in state.items()}


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"  # the format before torch 1.6 cannot be mapped


def latent_table(path: Path) -> Tensor | None:
    """What a file says of how its latents look: (c + 1, 3) float32, latent @ table[:-1] + table[-1] is about RGB in
    [0,1]. None where it says nothing, or cannot be read."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, "pt") as file:
            return file.get_tensor(LATENT_RGB).float() if LATENT_RGB in file.keys() else None
    except (SafetensorError, OSError):
        return None
