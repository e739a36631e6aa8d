"""What is put back and how: a face's crop, its motion, its mask, and the choices for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..errors import InputError, check_range
from ..types import AlignedMotion, Crop

Cover = Literal["face", "crop"]
FEATHERS = (0.0, 1024.0)  # pixels of the picture
MARGINS = (0.0, 1.0)  # face heights


@dataclass(frozen=True)
class PasteOptions:
    """cover: what is put back, "face" the face with margin, "crop" all of the crop; a patch's own mask goes first.
    feather: pixels of the picture over which it fades in, inwards from its outline. margin: around the face, in face
    heights; above the brow as much again. match_colours: bring the frames' colours to the picture's.
    Raises InputError for a value outside its range.
    """

    cover: Cover = "face"
    feather: float = 32.0
    margin: float = 0.3
    match_colours: bool = True

    def __post_init__(self) -> None:
        if self.cover not in get_args(Cover):
            raise InputError(f"Cover {self.cover!r} is not known; allowed: {', '.join(get_args(Cover))}.")
        check_range("feather", self.feather, FEATHERS)
        check_range("margin", self.margin, MARGINS)


@dataclass(frozen=True)
class Patch:
    """One face to put back: where it was cut from, how it moves in the crop, and a mask instead of its outline.

    mask (h,w) or (T,h,w) in [0,1]: of the picture's size, or of the crop's. Raises InputError for a mask of another
    size, or a motion that is not the crop's.
    """

    crop: Crop
    aligned: AlignedMotion | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        crop = self.crop
        if self.aligned is not None and tuple(self.aligned.size) != tuple(crop.size):
            raise InputError(
                f"The aligned motion is of a picture of {sides(self.aligned.size)} pixels, the crop has "
                f"{sides(crop.size)}. Align the motion to the face that comes from the same Frame Portrait as the crop."
            )
        if self.mask is None:
            return
        if self.mask.ndim not in (2, 3) or self.mask_size not in (tuple(crop.size), tuple(crop.picture_size)):
            raise InputError(
                f"The mask has {sides(self.mask_size)} pixels; it must have those of the picture, "
                f"{sides(crop.picture_size)}, or of the crop, {sides(crop.size)}."
            )
        if not np.isfinite(self.mask).all():
            raise InputError("The mask is damaged: some of its numbers are not finite. Make it again.")

    @property
    def mask_size(self) -> tuple[int, int]:
        return self.mask.shape[-1], self.mask.shape[-2]

    @property
    def steady(self) -> bool:
        """Whether one region serves all frames."""
        return self.crop.frames is None and (self.mask is None or self.mask.ndim == 2 or len(self.mask) == 1)


def check_crop(crop: Crop, picture_size: tuple[int, int]) -> None:
    """Raises InputError for a crop of a picture of another size (width, height)."""
    if tuple(crop.picture_size) != tuple(picture_size):
        raise InputError(
            f"The picture has {sides(picture_size)} pixels, the crop was cut from one of {sides(crop.picture_size)}. "
            f"Connect the picture that went into Frame Portrait."
        )


def sides(size: Iterable[int]) -> str:
    return "x".join(str(int(side)) for side in size)
