"""Animated faces put back into the picture they were cut from: nothing else of it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import numpy as np

from ..errors import InputError
from ..gate import check_drawable
from .blend import Placed, blend
from .paste_piece import Piece
from .paste_region import Region, shared
from .patch import PasteOptions, Patch, check_crop, sides
from .streams import together


class Paster:
    """Puts faces back, frame by frame.

    Memory does not grow with the number of frames. With a picture and crops that keep still, what each covers is worked
    out once: it holds the face in every frame of its motion and as it is in the picture, so that the old one is never
    seen beside the new one. Faces that overlap share the place by how deep in each it lies.
    """

    def __init__(self, patches: Sequence[Patch], picture_size: tuple[int, int], options: PasteOptions, fps: float):
        """picture_size (width, height). Raises InputError for a crop of a picture of another size, or none."""
        check_drawable(*picture_size)
        if not patches:
            raise InputError("There is no face to paste. Connect frames and their crop.")
        for patch in patches:
            check_crop(patch.crop, picture_size)
        self._pieces = [Piece(patch, options, fps) for patch in patches]
        self._size = tuple(picture_size)
        self.steady = all(patch.steady for patch in patches)
        self._weights: list[Region] | None = None

    def regions(self, index: int) -> list[Region]:
        if self._weights is None or not self.steady:
            self._weights = shared([piece.region(index) for piece in self._pieces])
        return self._weights

    def mask(self, index: int = 0) -> np.ndarray:
        """(H,W) float32 of the picture: what frame `index` changes, and how far."""
        mask = np.zeros(self._size[::-1], np.float32)
        for region in self.regions(index):
            left, top, width, height = region.box
            mask[top : top + height, left : left + width] += region.weights
        return mask.clip(0, 1)

    def place(self, index: int, picture: np.ndarray, frames: Sequence[np.ndarray]) -> list[Placed]:
        """What frame `index` puts on the picture (H,W,C). frames: (h,w,C) uint8 or float in [0,1], grey ones too, one a
        patch, of its crop's size or so many times as large. Raises InputError for a picture or frame of another size,
        and where a crop has no such frame."""
        if picture.shape[1::-1] != self._size:
            raise InputError(
                f"A frame of the original has {sides(picture.shape[1::-1])} pixels, the first has {sides(self._size)}. "
                "Connect a clip whose frames have one size."
            )
        placed = []
        for piece, region, frame in zip(self._pieces, self.regions(index), frames, strict=True):
            if region.weights.size:
                placed.append(piece.place(index, picture, frame, region))
        return placed

    def paste(
        self, original: np.ndarray | Iterable[np.ndarray], frames: Sequence[Iterable[np.ndarray]]
    ) -> Iterator[np.ndarray]:
        """Full frames, one at a time: of a picture (H,W,C), or of those of a clip, put by `together` beside the frames
        of each patch. Errors as `place`."""
        still = isinstance(original, np.ndarray)
        pictures = repeat(original) if still else original
        for index, (picture, made) in enumerate(together(pictures, frames, still)):
            yield blend(picture, self.place(index, picture, made))
