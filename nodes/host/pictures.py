"""IMAGE batches, and what stands for one, as the core takes them."""

from __future__ import annotations

import numpy as np
import torch

from ...followemoji_core.errors import InputError
from ...followemoji_core.types import AlignedMotion


def to_numpy(images: torch.Tensor, index: int) -> np.ndarray:
    """Frame `index` of an IMAGE batch (n,H,W,C) in [0,1] as (H,W,C) uint8, from any dtype and device."""
    return images[index].float().mul(255).round().clamp(0, 255).byte().cpu().numpy()


def one_picture(image: torch.Tensor, what: str) -> torch.Tensor:
    """IMAGE (1,H,W,C) -> (1,H,W,3), grey made colour and alpha dropped.

    what: the picture's name in the error. Raises InputError unless there is one picture.
    """
    if len(image) != 1:
        raise InputError(f"The {what} has {len(image)} pictures, one is needed. Pick one with Image From Batch.")
    return image.expand(-1, -1, -1, 3) if image.shape[-1] == 1 else image[..., :3]


def checked_landmarks(landmarks: AlignedMotion | torch.Tensor) -> AlignedMotion | torch.Tensor:
    """An aligned motion as it is; landmark images (T,H,W,C) in [0,1] without alpha.

    Raises InputError where the first image is not black behind.
    """
    if not isinstance(landmarks, torch.Tensor):
        return landmarks
    if landmarks[0, ..., :3].float().mean() > 0.25:
        raise InputError(
            "The background of the landmark images is not black. Connect Draw Landmarks without a background, or the "
            "aligned motion itself."
        )
    return landmarks[..., :3]
