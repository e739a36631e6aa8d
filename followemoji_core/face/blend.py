"""A frame laid onto a picture by weights: nothing else of the picture changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .resample import moved, resize, warp

_STRIP = 64_000  # pixels that are made and blended at a time: they stay in the processor's cache
SOFT = 0.8  # pixels of a frame to one of the picture


@dataclass(frozen=True)
class Placed:
    """What a frame puts on the picture. box (left, top, width, height): pixels of the picture; weights (height, width)
    float32 in [0,1]; frame (h,w,3) float32 in [0,1], and the (2,3) matrix from the picture's pixels to the frame's.
    whole: the crop's own box, where it lies on whole pixels and is hardly enlarged."""

    box: tuple[int, int, int, int]
    weights: np.ndarray
    frame: np.ndarray
    frame_from_picture: np.ndarray
    whole: tuple[int, int, int, int] | None

    @property
    def soft(self) -> bool:
        """Whether it is enlarged so much that a cubic filter's lines would be seen at its border."""
        return float(np.linalg.norm(self.frame_from_picture[:, :2], axis=0).min()) < SOFT

    def strips(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows of the box, and their pixels (rows, width, 3) float32."""
        left, top, width, height = self.box
        made = None
        if self.whole is not None:
            x, y, wide, tall = self.whole
            made = resize(self.frame, (wide, tall))[top - y : top - y + height, left - x : left - x + width]
        rows = max(_STRIP // width, 8)
        for first in range(0, height, rows):
            strip = slice(first, min(first + rows, height))
            if made is not None:
                yield strip, made[strip]
                continue
            view = moved(self.frame_from_picture, left, top + first)
            size = width, strip.stop - first
            pixels = warp(self.frame, view, size, "soft" if self.soft else "cubic", "edge")
            yield strip, np.clip(pixels, 0, 1, out=pixels)


def blend(picture: np.ndarray, placed: Sequence[Placed]) -> np.ndarray:
    """A copy of the picture (H,W,C), uint8 or float, with what is placed on its first three channels; where nothing is
    placed its numbers stay as they are."""
    result = picture.copy()
    whole = picture.dtype == np.uint8
    for each in placed:
        left, top, width, _ = each.box
        for rows, pixels in each.strips():
            weights = each.weights[rows]
            where = slice(top + rows.start, top + rows.stop), slice(left, left + width), slice(0, 3)
            changed = (pixels * 255 if whole else pixels) - picture[where]
            changed *= weights[..., None]
            changed += result[where]
            new = np.rint(changed).clip(0, 255) if whole else changed  # several together may round beyond
            np.copyto(result[where], new.astype(picture.dtype), where=weights[..., None] > 0)
    return result
