"""One face to put back: the region that it covers, its colours, its frames."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .blend import SOFT, Placed
from .colour import ColourMatch, as_float, small
from .cover import Outline, frame_distance, signed_distance, softened
from .opencv import opencv
from .paste_region import Region, nothing, trimmed
from .patch import PasteOptions, Patch, sides
from .resample import composed, corners, inverse, moved, resize, sample, warp, whole_box

_GRID = 128  # cells along the longer side of a crop on which colours are compared
_MEMORY = 1.0  # seconds over which a correction of colours is averaged
_BAND = 0.1  # width of the ring where colours are compared: of the face's height, or of the crop


class Piece:
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

    def region(self, index: int) -> Region:
        matrix, (wide, tall) = self._matrix(index), self._crop.picture_size
        # 1. No more of the picture than can be covered.
        view = (np.zeros(2), np.array(self._crop.size, float)) if self._outline is None else self._outline.box()
        if view is None:
            return nothing()
        low, high = np.maximum(view[0], 0), np.minimum(view[1], self._crop.size)
        places = corners(moved(matrix, *low), tuple(np.maximum(high - low, 0)))
        left, top = np.clip(np.floor(places.min(axis=0)), 0, (wide, tall)).astype(int).tolist()
        right, bottom = np.clip(np.ceil(places.max(axis=0)), 0, (wide, tall)).astype(int).tolist()
        box = left, top, right - left, bottom - top
        if box[2] < 1 or box[3] < 1:
            return nothing()
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
        return trimmed(box, weights, depth)

    def place(self, index: int, picture: np.ndarray, frame: np.ndarray, region: Region) -> Placed:
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
                f"Frame {index} has {sides(frame.shape[1::-1])} pixels, the crop {sides(size)}. Paste frames of the "
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
        return box if box is not None and (np.array(box[2:]) * SOFT <= frame_size).all() else None

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
