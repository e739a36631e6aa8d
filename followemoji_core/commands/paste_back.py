"""The animated face put back into the whole picture: options of the commands that offer it, and their frames."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from ..errors import InputError, check_range
from ..face.crop import rescaled, resize
from ..face.paste import Paster
from ..face.patch import Cover, PasteOptions, Patch
from ..media import WIDEST, even_sides
from ..types import AlignedMotion, Crop

HEIGHTS = (2, 16_384)
Frames = Iterable[np.ndarray]
Finish = Callable[[Frames], Frames]


def paste_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--upright", action="store_true", help="turn the cut so that the eyes are level")
    add(
        "--paste-back",
        action="store_true",
        help="put the face back: the video shows the whole portrait, in 8 bits and without transparency",
    )
    add("--cover", choices=get_args(Cover), default=PasteOptions.cover, help="with --paste-back: what is put back")
    add("--feather", type=float, default=PasteOptions.feather, help="with --paste-back: pixels over which it fades in")
    add("--margin", type=float, default=PasteOptions.margin, help="with --paste-back: around the face, in face heights")
    add("--keep-colours", action="store_true", help="with --paste-back: do not match the frames to the picture")
    add("--height", type=int, help="with --paste-back: of the video; the portrait's if not given")


def paste_options(options: argparse.Namespace) -> PasteOptions:
    """Raises InputError for a value outside its range."""
    if options.height is not None:
        check_range("--height", options.height, HEIGHTS)
    return PasteOptions(options.cover, options.feather, options.margin, not options.keep_colours)


def whole_size(options: argparse.Namespace, picture_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the video that shows all of a picture of that size. Raises InputError where no video can."""
    width, height = picture_size
    if options.height is not None:
        width, height = max(round(width * options.height / height), 2), options.height
    if not 2 <= min(width, height) <= max(width, height) <= WIDEST:
        raise InputError(
            f"The video would have {width} x {height} pixels; sides from 2 to {WIDEST} are possible. Choose another "
            f"--height, or another picture."
        )
    return width, height


def into_whole(picture: np.ndarray, crop: Crop, aligned: AlignedMotion, options: argparse.Namespace) -> Finish:
    """What makes full frames of the animated ones, see whole_frames."""
    return lambda frames: whole_frames(picture, [Patch(crop, aligned)], [frames], options, aligned.fps)


def whole_frames(
    picture: np.ndarray, patches: Sequence[Patch], streams: Sequence[Frames], options: argparse.Namespace, fps: float
) -> Iterator[np.ndarray]:
    """Full frames (H,W,3) uint8 with even sides of the animated ones, a stream for each patch. picture (H,W,3) uint8
    RGB."""
    size = whole_size(options, picture.shape[1::-1])
    scaled = [replace(patch, crop=rescaled(patch.crop, size)) for patch in patches]
    paster = Paster(scaled, size, paste_options(options), fps)
    return map(even_sides, paster.paste(resize(picture, size), streams))
