"""What of a picture a pasted face covers, as distances: from its outline, and from where its frame ends."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..types import Crop
from .opencv import opencv
from .resample import corners, warp
from .warp_mesh import OVAL

_FINEST = 256  # cells along the longer side of a crop: an outline is drawn on them, and is smooth between
_SMOOTH = 2.0  # cells over which the steps of what is drawn are levelled
_BEYOND = 0.5  # share of the crop around it that is drawn too, so that an outline may leave it
_FAR = 1e6
_AT_BORDER = 1.0  # pixels: a frame that ends so near to the picture's own border ends there
_SHIFT = 4  # bits of a cell's fractions


class Outline:
    """Distance to the outline of a face that moves, over all of its frames, in pixels of the crop; positive inside."""

    def __init__(self, faces: Iterable[np.ndarray], size: tuple[int, int], margin: float):
        """faces: (N,478,2) pixels of a crop of `size` (width, height). margin: what is added around the face, in face
        heights; above the brow as much again, for the hair."""
        cv2 = opencv()
        faces = [np.asarray(each, np.float64).reshape(-1, 478, 2)[:, list(OVAL)] for each in faces]
        self.height = float(np.median(np.linalg.norm(faces[0][:, 0] - faces[0][:, 18], axis=-1)))
        self.margin = margin * self.height
        self._cell = max(max(size) / _FINEST, 1.0)  # pixels of the crop
        self._offset = np.array(size) * _BEYOND
        wide, tall = (np.ceil(np.array(size) * (1 + 2 * _BEYOND) / self._cell)).astype(int)
        drawn = np.zeros((tall, wide), np.uint8)
        far = 4.0 * max(wide, tall)
        for ovals in faces:
            up = ovals[:, :1] - ovals[:, 18:19]
            up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
            lifted = ovals[:, _BROW] + self.margin * up
            places = (np.concatenate([ovals, lifted], axis=1) + self._offset) / self._cell - 0.5
            whole = np.rint(np.clip(np.nan_to_num(places), -far, far) * (1 << _SHIFT)).astype(np.int32)
            for each in whole:
                cv2.fillConvexPoly(drawn, cv2.convexHull(np.ascontiguousarray(each)), 1, shift=_SHIFT)
        smooth = cv2.GaussianBlur(signed_distance(drawn), (0, 0), _SMOOTH)
        self._distance = smooth * np.float32(self._cell) + np.float32(self.margin)

    def seen(self, crop_from_view: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(H,W) float32 distances in a view of the crop of `size` (width, height), still in pixels of the crop."""
        cells = np.column_stack([crop_from_view[:, :2], crop_from_view[:, 2] + self._offset]) / self._cell
        return warp(self._distance, cells, size, "linear", "edge")

    def box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Least and greatest (2,) place of what is covered, in pixels of the crop; None where nothing is."""
        rows, columns = (np.flatnonzero((self._distance > 0).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return None
        low, high = np.array([columns[0] - 1, rows[0] - 1]), np.array([columns[-1] + 2, rows[-1] + 2])
        return low * self._cell - self._offset, high * self._cell - self._offset


_BROW = [index for index in range(36) if index <= 7 or index >= 29]  # of the oval: from temple to temple, over the top


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """(H,W) float32 pixels to the outline of a mask (H,W), uint8 0 or 1: positive inside, negative outside."""
    cv2 = opencv()
    if mask.all() or not mask.any():
        return np.full(mask.shape, _FAR if mask.all() else -_FAR, np.float32)
    inside, outside = (cv2.distanceTransform(each, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for each in (mask, 1 - mask))
    return np.where(mask > 0, inside - 0.5, 0.5 - outside).astype(np.float32)


def frame_distance(crop: Crop, index: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """(height, width) float32: how far the pixels of a box (left, top, width, height) of the picture are from where the
    crop's frame ends inside of it; negative outside. Where the frame ends at the picture's border it does not count.
    """
    matrix, size = crop.matrix(index), np.array(crop.picture_size, float)
    left, top, width, height = box
    x, y = left + np.arange(width, dtype=np.float32) + 0.5, top + np.arange(height, dtype=np.float32)[:, None] + 0.5
    distance = np.full((height, width), _FAR, np.float32)
    places = corners(matrix, crop.size)
    turned = np.sign(np.linalg.det(matrix[:, :2]))
    for start, end in zip(places, np.roll(places, -1, axis=0), strict=True):
        pair = np.stack([start, end])
        if (pair <= _AT_BORDER).all(axis=0).any() or (pair >= size - _AT_BORDER).all(axis=0).any():
            continue
        along = (end - start) / np.linalg.norm(end - start) * turned
        inward = np.array([-along[1], along[0]])
        own = np.float32(inward[0]) * x + (np.float32(inward[1]) * y - np.float32(inward @ start))
        np.minimum(distance, own, out=distance)
    return distance


def softened(distance: np.ndarray, feather: float) -> np.ndarray:
    """(...) float32 shares, 0 outside and at the outline to 1 at `feather` pixels inside."""
    if feather <= 0:
        return (distance > 0).astype(np.float32)
    share = np.clip(distance / np.float32(feather), 0.0, 1.0)
    return share * share * (3 - 2 * share)


def face_cover(crop: Crop, margin: float, feather: float, index: int = 0) -> np.ndarray:
    """(h,w) float32 mask, in the crop, of the face that it is framed around. margin: face heights; feather: pixels."""
    outline = Outline([crop.points if crop.points.ndim == 2 else crop.points[index]], crop.size, margin)
    return softened(outline.seen(np.eye(2, 3), crop.size), min(feather, outline.margin))
