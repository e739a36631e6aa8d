"""Room on the device: what a run needs, asked of ComfyUI in one request, and how much of it goes together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import comfy.model_management as management
import torch

if TYPE_CHECKING:
    from .loading import LoadedModel

# Live activations per latent cell of one frame and byte of the dtype: tests/measure_memory.py, and a quarter on top.
_BYTES_PER_CELL = 13_000
_MOST_AT_ONCE = 8  # windows


def put_on_device(patchers: list, frames: int, latent_shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    """Make room and load the networks of `patchers`, in one request.

    frames: latents of `latent_shape` (c,h,w) that go through the networks at once. dtype: in which they compute.
    """
    management.load_models_gpu(patchers, memory_required=activations(frames, latent_shape, dtype))


def activations(frames: int, latent_shape: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Bytes that the networks need beside their weights for `frames` latents of `latent_shape` (c,h,w) at once.

    An estimate: proportional to frames, cells and the dtype's bytes.
    """
    _, h, w = latent_shape
    return frames * h * w * dtype.itemsize * _BYTES_PER_CELL


def fits(rows: int, latent_shape: tuple[int, int, int], model: LoadedModel) -> bool:
    """Whether the memory that is free now holds the activations of so many latents at once, with a fifth to spare."""
    return activations(rows, latent_shape, model.dtype) <= 0.8 * management.get_free_memory(model.device)


def windows_at_once(
    latent_shape: tuple[int, int, int], model: LoadedModel, halves: int, most: int = _MOST_AT_ONCE
) -> Callable[[int], int]:
    """A function: frames of a window -> how many such windows, 1 to `most`, the memory holds that is free when asked.

    latent_shape (c,h,w); halves of guidance that go together. By the estimate of `activations`; always 1 on a CPU.
    """
    if model.device.type == "cpu":
        return lambda frames: 1  # nothing is gained there

    def at_once(frames: int) -> int:
        return next((n for n in range(most, 1, -1) if fits(n * halves * frames, latent_shape, model)), 1)

    return at_once
