"""Animated faces put back into the picture they were cut from: nothing else of it changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, get_args

import numpy as np

from ..errors import InputError, check_range
from ..gate import check_drawable
from ..types import AlignedMotion, Crop
from .colour import ColourMatch, as_float, small
from .cover import Outline, frame_distance, signed_distance, softened
from .opencv import opencv
from .resample import composed, corners, inverse, moved, resize, sample, warp, whole_box
from .streams import together

Cover = Literal["face", "crop"]
FEATHERS = (0.0, 1024.0)  # pixels of the picture
MARGINS = (0.0, 1.0)  # face heights
_STRIP = 64_000  # pixels that are made and blended at a time: they stay in the processor's cache
_GRID = 128  # cells along the longer side of a crop on which colours are compared
_MEMORY = 1.0  # seconds over which a correction of colours is averaged
_BAND = 0.1  # width of the ring where colours are compared: of the face's height, or of the crop
_SOFT = 0.8  # pixels of a frame to one of the picture
_SHARPNESS = 4  # of the border between two faces that overlap: power of the depth below which each gives way


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
                f"The aligned motion is of a picture of {_by(self.aligned.size)} pixels, the crop has {_by(crop.size)}."
                f" Align the motion to the face that comes from the same Frame Portrait as the crop."
            )
        if self.mask is None:
            return
        if self.mask.ndim not in (2, 3) or self.mask_size not in (tuple(crop.size), tuple(crop.picture_size)):
            raise InputError(
                f"The mask has {_by(self.mask_size)} pixels; it must have those of the picture, "
                f"{_by(crop.picture_size)}, or of the crop, {_by(crop.size)}."
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
        return float(np.linalg.norm(self.frame_from_picture[:, :2], axis=0).min()) < _SOFT

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


def check_crop(crop: Crop, picture_size: tuple[int, int]) -> None:
    """Raises InputError for a crop of a picture of another size (width, height)."""
    if tuple(crop.picture_size) != tuple(picture_size):
        raise InputError(
            f"The picture has {_by(picture_size)} pixels, the crop was cut from one of {_by(crop.picture_size)}. "
            f"Connect the picture that went into Frame Portrait."
        )


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
        self._pieces = [_Piece(patch, options, fps) for patch in patches]
        self._size = tuple(picture_size)
        self.steady = all(patch.steady for patch in patches)
        self._weights: list[_Region] | None = None

    def regions(self, index: int) -> list[_Region]:
        if self._weights is None or not self.steady:
            self._weights = _shared([piece.region(index) for piece in self._pieces])
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
                f"A frame of the original has {_by(picture.shape[1::-1])} pixels, the first has {_by(self._size)}. "
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


# --- one face


@dataclass(frozen=True)
class _Region:
    """box (left, top, width, height); weights (height, width) float32; depth the same, 0 to 1: how far inside."""

    box: tuple[int, int, int, int]
    weights: np.ndarray
    depth: np.ndarray


class _Piece:
    def __init__(self, patch: Patch, options: PasteOptions, fps: float):
        self._patch, self._crop, self._options = patch, patch.crop, options
        self._outline: Outline | None = None
        if patch.mask is None and options.cover == "face":
            motion = [] if patch.aligned is None else [patch.aligned.points]
            self._outline = Outline([self._crop.points, *motion], self._crop.size, options.margin)
        self._colours = ColourMatch(_MEMORY * fps) if options.match_colours else None
        shrink = min(_GRID / max(self._crop.size), 1.0)
        self._grid = tuple(max(round(side * shrink), 1) for side in self._crop.size)
        self._ring: np.ndarray | None = None
        self._around: tuple[np.ndarray, np.ndarray] | None = None  # the picture last seen, and what was cut of it

    def region(self, index: int) -> _Region:
        matrix, (wide, tall) = self._matrix(index), self._crop.picture_size
        # 1. No more of the picture than can be covered.
        view = (np.zeros(2), np.array(self._crop.size, float)) if self._outline is None else self._outline.box()
        if view is None:
            return _nothing()
        low, high = np.maximum(view[0], 0), np.minimum(view[1], self._crop.size)
        places = corners(moved(matrix, *low), tuple(np.maximum(high - low, 0)))
        left, top = np.clip(np.floor(places.min(axis=0)), 0, (wide, tall)).astype(int).tolist()
        right, bottom = np.clip(np.ceil(places.max(axis=0)), 0, (wide, tall)).astype(int).tolist()
        box = left, top, right - left, bottom - top
        if box[2] < 1 or box[3] < 1:
            return _nothing()
        # 2. How far inside each pixel lies, of the frame and of what is covered.
        feather = self._options.feather
        inside = frame_distance(self._crop, index, box)
        side = float(min(np.linalg.norm(matrix[:, :2], axis=0) * self._crop.size))
        weights = softened(inside, min(feather, side / 4))
        if self._patch.mask is not None:
            given = self._mask_seen(index, box)
            own = signed_distance((given > 0).astype(np.uint8)).clip(max=side)
            weights *= given * softened(own, min(feather, float(own.max()) / 2))
        elif self._outline is not None:
            scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
            own = self._outline.seen(moved(inverse(matrix), left, top), box[2:]) * np.float32(scale)
            weights *= softened(own, min(feather, self._outline.margin * scale))
        else:
            own = np.float32(side / 2)
        depth = np.minimum(inside, own)
        return _trimmed(box, weights, depth)

    def place(self, index: int, picture: np.ndarray, frame: np.ndarray, region: _Region) -> Placed:
        if frame.ndim == 3 and frame.shape[2] == 1:
            frame = np.repeat(frame, 3, axis=2)
        times = self._times(index, frame)
        pixels = as_float(frame[..., :3])
        if self._colours is not None:
            self._learn(index, picture, pixels)
            pixels = self._colours.apply(pixels)
        frame_from_picture = composed(np.diag([times, times, 0])[:2], inverse(self._matrix(index)))
        pixels = _within(pixels, frame_from_picture, self._crop.picture_size)
        whole = self._whole(index, pixels.shape[1::-1])
        if whole is None:  # no finer than the picture
            shrink = np.minimum(np.linalg.norm(inverse(frame_from_picture)[:, :2], axis=0), 1.0)
            fewer = np.maximum(np.ceil(np.array(pixels.shape[1::-1]) * shrink), 1).astype(int)
            scale = fewer / pixels.shape[1::-1]
            pixels = resize(pixels, tuple(fewer.tolist()))
            frame_from_picture = frame_from_picture * scale[:, None]
        return Placed(region.box, region.weights, pixels, frame_from_picture, whole)

    def _times(self, index: int, frame: np.ndarray) -> float:
        """How many times as large as the crop a frame is."""
        size = self._crop.size
        times = frame.shape[1] / size[0] if frame.ndim == 3 and frame.shape[2] >= 3 else 0.0
        if not times or frame.shape[0] != size[1] * times:
            raise InputError(
                f"Frame {index} has {_by(frame.shape[1::-1])} pixels, the crop {_by(size)}. Paste frames of the "
                f"picture that Frame Portrait gave, as they are or enlarged."
            )
        return times

    def _matrix(self, index: int) -> np.ndarray:
        count = self._crop.frames
        if count is not None and index >= count:
            raise InputError(
                f"The crop has {count} frames, and there are more to paste. Frame the whole clip, or paste fewer."
            )
        return self._crop.matrix(index)

    def _whole(self, index: int, frame_size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """The crop's box in whole pixels, where it is upright, lies on them, and is hardly enlarged."""
        box = whole_box(self._matrix(index), self._crop.size)
        return box if box is not None and (np.array(box[2:]) * _SOFT <= frame_size).all() else None

    def _mask_of(self, index: int) -> np.ndarray:
        mask = self._patch.mask
        if mask.ndim == 3:
            if 1 < len(mask) <= index:
                raise InputError(f"The mask has {len(mask)} frames, and there are more to paste. Give one, or as many.")
            mask = mask[min(index, len(mask) - 1)]
        return np.clip(mask.astype(np.float32), 0, 1)

    def _mask_seen(self, index: int, box: tuple[int, int, int, int]) -> np.ndarray:
        left, top, width, height = box
        mask = self._mask_of(index)
        if self._patch.mask_size == tuple(self._crop.picture_size):
            return mask[top : top + height, left : left + width]
        return warp(mask, moved(inverse(self._matrix(index)), left, top), (width, height), "linear", "edge")

    # Colours

    def _learn(self, index: int, picture: np.ndarray, frame: np.ndarray) -> None:
        picture_from_grid = composed(self._matrix(index), self._crop_from_grid())
        if self._around is None or self._around[0] is not picture or self._crop.frames is not None:
            seen = sample(picture[..., :3], picture_from_grid, self._grid, "edge")
            self._around = picture, as_float(seen)
        if self._ring is None or not self._patch.steady:
            self._ring = self._ring_at(index, picture_from_grid)
        self._colours.learn(small(frame, self._grid), self._around[1], self._ring)

    def _crop_from_grid(self) -> np.ndarray:
        scale = np.array(self._crop.size) / self._grid
        return np.column_stack([np.diag(scale), np.zeros(2)])

    def _ring_at(self, index: int, picture_from_grid: np.ndarray) -> np.ndarray:
        """(h,w) bool of the grid: just outside of what is covered, where both show the same; just inside where a crop
        ends there."""
        wide, tall = self._grid
        cells = np.stack(np.meshgrid(np.arange(wide) + 0.5, np.arange(tall) + 0.5), axis=-1)
        places = cells @ picture_from_grid[:, :2].T + picture_from_grid[:, 2]
        seen = ((places > 0) & (places < self._crop.picture_size)).all(axis=-1)
        band = _BAND * max(self._crop.size)
        if self._patch.mask is not None:
            whole = self._patch.mask_size == tuple(self._crop.picture_size)
            mask = sample(
                self._mask_of(index), picture_from_grid if whole else self._crop_from_grid(), self._grid, "black"
            )
            own = signed_distance((mask > 0).astype(np.uint8)) * (self._crop.size[0] / wide)
        elif self._outline is not None:
            own = self._outline.seen(self._crop_from_grid(), self._grid)
            band = max(_BAND * self._outline.height, self._outline.margin)
        else:
            scale = np.linalg.norm(picture_from_grid[:, :2], axis=0)  # where the frame ends, or the picture
            ends = np.minimum(places, self._crop.picture_size - places).min(axis=-1) / scale.min()
            own = np.minimum(np.minimum(cells, np.array(self._grid) - cells).min(axis=-1), ends)
            own = own * (self._crop.size[0] / wide)
        ring = seen & (own <= 0) & (own > -band)
        inner = seen & (own > 0) & (own <= band)
        return ring if ring.sum() > inner.sum() / 4 else inner


def _within(frame: np.ndarray, frame_from_picture: np.ndarray, picture_size: tuple[int, int]) -> np.ndarray:
    """The frame of an upright crop with what lies beyond the picture replaced by its edge: bars are not blended in."""
    if frame_from_picture[0, 1] or frame_from_picture[1, 0]:
        return frame
    low, high = corners(frame_from_picture, picture_size)[[0, 2]]
    x0, y0 = np.clip(np.ceil(low - 1e-6), 0, None).astype(int)
    x1, y1 = np.minimum(np.floor(high + 1e-6), frame.shape[1::-1]).astype(int)
    pads = [y0, frame.shape[0] - y1, x0, frame.shape[1] - x1]
    if not any(pads) or x1 <= x0 or y1 <= y0:
        return frame
    cv2 = opencv()
    return cv2.copyMakeBorder(np.ascontiguousarray(frame[y0:y1, x0:x1]), *map(int, pads), cv2.BORDER_REPLICATE)


def _trimmed(box: tuple[int, int, int, int], weights: np.ndarray, depth: np.ndarray) -> _Region:
    """Without the rows and columns where nothing is covered."""
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    if not len(rows):
        return _nothing()
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    weights, depth = np.ascontiguousarray(weights[part]), depth[part]
    deepest = max(float(depth.max()), 1e-6)
    box = box[0] + int(columns[0]), box[1] + int(rows[0]), weights.shape[1], weights.shape[0]
    return _Region(box, weights, (depth / np.float32(deepest)).clip(0, 1))


def _nothing() -> _Region:
    return _Region((0, 0, 0, 0), np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32))


def _shared(regions: list[_Region]) -> list[_Region]:
    """Each region with the weight that is left to it where others overlap it: together the greatest, by depth."""
    pulls = [region.depth**_SHARPNESS for region in regions]
    shared = []
    for index, region in enumerate(regions):
        total, most = pulls[index].copy(), region.weights.copy()
        overlapped = False
        for other in range(len(regions)):
            both = _overlap(region.box, regions[other].box)
            if other == index or both is None:
                continue
            overlapped = True
            mine, theirs = both
            covered = regions[other].weights[theirs]
            total[mine] += np.where(covered > 0, pulls[other][theirs], 0)
            np.maximum(most[mine], covered, out=most[mine])
        if overlapped:
            own = np.where(region.weights > 0, pulls[index], 0)
            share = np.divide(own, total, out=np.zeros_like(own), where=total > 0)
            region = _Region(region.box, most * share, region.depth)
        shared.append(region)
    return shared


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Rows and columns of what two boxes share, in each of them."""
    spans = []
    for axis in (1, 0):
        first = max(one[axis], other[axis])
        last = min(one[axis] + one[axis + 2], other[axis] + other[axis + 2])
        if last <= first:
            return None
        spans.append((slice(first - one[axis], last - one[axis]), slice(first - other[axis], last - other[axis])))
    return (spans[0][0], spans[1][0]), (spans[0][1], spans[1][1])


def _by(size: Iterable[int]) -> str:
    return "x".join(str(int(side)) for side in size)
