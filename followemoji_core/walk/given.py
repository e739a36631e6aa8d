"""Frames of a clip that come from outside: retouched ones, a repaired stretch, the end of another clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class GivenFrames:
    """numbers: of the frames in the clip, rising. latents (n,c,h,w), scaled: what the other frames are made from.
    pictures (n,H,W,3) uint8 RGB: what comes out."""

    numbers: tuple[int, ...]
    latents: Tensor
    pictures: np.ndarray

    def in_place(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Decoded frames (H,W,3) uint8 of the clip, from its first, with the given ones as they were given."""
        places = dict(zip(self.numbers, self.pictures, strict=True))
        for number, frame in enumerate(frames):
            yield places.get(number, frame)


def frame_numbers(text: str, frame_count: int, pictures: int | None = None) -> list[int]:
    """`0, 40, -1` -> the frames of a clip that so many pictures are for, in the pictures' order; -1 is the last.

    pictures: None for as many as there are numbers, at least one. Raises InputError for what is no whole number, lies
    outside of the clip or comes twice, and where they are not one for each picture.
    """
    parts = text.replace(",", " ").split()
    try:
        found = [int(part) for part in parts]
    except ValueError:
        raise InputError(f'Frame numbers are whole numbers like "0, 40, -1", not "{text[:60]}".') from None
    if not found and pictures is None:
        raise InputError('There are no frame numbers. Write some, such as "0, 40, -1"; -1 is the last frame.')
    if pictures is not None and len(found) != pictures:
        raise InputError(
            f"There are {pictures} given frames and {len(found)} frame numbers. Write one number for each, such as "
            f'"0, 40, -1" for three; -1 is the last frame.'
        )
    placed = [number + frame_count if number < 0 else number for number in found]
    for number, place in zip(found, placed, strict=True):
        if not 0 <= place < frame_count:
            raise InputError(f"Frame {number} is given, but the clip has the frames 0 to {frame_count - 1}.")
        if placed.count(place) > 1:
            raise InputError(f"Frame {place} is given twice. Take one of its pictures away.")
    return placed


def check_given_size(got: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Sizes (width, height). Raises InputError where given frames are not as large as the video."""
    if got != wanted:
        raise InputError(
            f"The given frames have {got[0]}x{got[1]} pixels, the video has {wanted[0]}x{wanted[1]}. Give frames of "
            f"this video, or scale and crop them to its size."
        )
