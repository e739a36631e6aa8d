"""The whole picture, or clip, that faces are put back into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat

import numpy as np
import torch

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.blend import blend
from ..followemoji_core.face.crop import rescaled, resize
from ..followemoji_core.face.paste import Paster
from ..followemoji_core.face.patch import PasteOptions, Patch, check_crop
from ..followemoji_core.face.streams import together
from .footage import Footage, open_footage
from .host.pictures import to_numpy

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Original:
    """The whole picture, or a clip. pictures: each as 8 bits and as it came; size (width, height) in pixels, own_size
    before it was brought to another height; count of frames (None: still; an estimate for videos), footage: of a clip.
    """

    pictures: Iterable[Pair]
    size: tuple[int, int]
    own_size: tuple[int, int]
    count: int | None
    footage: Footage | None

    @property
    def still(self) -> bool:
        return self.count is None


def open_original(source, height: int = 0) -> Original:
    """source: IMAGE (1 or T,H,W,C) or VIDEO. height: in pixels, 0 for its own; the width follows."""
    footage = None
    if isinstance(source, torch.Tensor):
        if not len(source):
            raise InputError("The original has no picture. Connect the one that went into Frame Portrait.")
        pairs: Iterator[Pair] = (_pair(source, index) for index in range(len(source)))
        count = None if len(source) == 1 else len(source)
    else:
        footage = open_footage(source)
        pairs, count = ((frame, frame) for frame in footage.frames), footage.count
    first = next(pairs)
    own_size = size = first[0].shape[1::-1]
    if height and height != size[1]:
        size = max(round(size[0] * height / size[1]), 1), height
        first, pairs = _resized(first, size), (_resized(pair, size) for pair in pairs)
    return Original(repeat(first) if count is None else chain([first], pairs), size, own_size, count, footage)


def _pair(images: torch.Tensor, index: int) -> Pair:
    """As 8 bits, and with its own numbers: 16 bit floats that numpy has not become 32."""
    picture = images[index]
    picture = picture.expand(-1, -1, 3) if picture.shape[-1] == 1 else picture
    own = picture if picture.dtype in (torch.float16, torch.float32) else picture.float()
    return to_numpy(picture[None], 0), own.cpu().numpy()


def _resized(pair: Pair, size: tuple[int, int]) -> Pair:
    eight, own = pair
    made = resize(eight, size)
    return made, made if own is eight else resize(own.astype(np.float32), size)


def pasted(
    original: Original,
    patches: Sequence[Patch],
    streams: Sequence[Iterable[np.ndarray]],
    options: PasteOptions,
    fps: float,
) -> tuple[Paster, Iterator[tuple[np.ndarray, list, np.ndarray]]]:
    """Of each frame the full one as 8 bits, what was placed, and the original with its own numbers."""
    patches = [_fitting(patch, original) for patch in patches]
    paster = Paster(patches, original.size, options, fps)

    def frames() -> Iterator[tuple[np.ndarray, list, np.ndarray]]:
        for index, ((eight, own), made) in enumerate(together(original.pictures, streams, original.still)):
            placed = paster.place(index, eight, made)
            yield blend(eight, placed), placed, own

    return paster, frames()


def _fitting(patch: Patch, original: Original) -> Patch:
    """The patch where the original was brought to another height. Raises InputError for one of another picture."""
    check_crop(patch.crop, original.own_size)
    mask = patch.mask
    if mask is not None and patch.mask_size == tuple(original.own_size):
        mask = np.stack([resize(each, original.size) for each in mask.reshape(-1, *mask.shape[-2:])])
    return replace(patch, crop=rescaled(patch.crop, original.size), mask=mask)
