"""Pictures seen through a matrix: cut out of a larger one, turned, and put back into it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..gate import MOST_PIXELS, check_drawable
from .opencv import opencv

Filter = Literal["cubic", "linear", "soft"]  # soft: between both, without the cubic's dark and bright lines at edges
Border = Literal["black", "edge"]  # what lies beyond a picture: nothing, or its last colours going on
_CUBIC = 0.35  # share of the soft filter
_REACH = 3  # pixels that a cubic filter looks beyond


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H,W,3) uint8, or float in [0,1], at another `size` (width, height), same type: area means down, cubic up.

    Raises InputError for a size that no picture has.
    """
    if image.shape[1::-1] == tuple(size):
        return image
    check_drawable(*size)
    cv2 = opencv()
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    picture = cv2.resize(np.ascontiguousarray(image), tuple(size), interpolation=method)
    return picture if picture.dtype == np.uint8 else picture.clip(0, 1)


def sample(image: np.ndarray, image_from_view: np.ndarray, size: tuple[int, int], border: Border) -> np.ndarray:
    """What of an image is seen through a matrix, at `size` (width, height), same type.

    image (H,W,3) or (H,W), uint8 or float in [0,1]; of 16 bits it becomes 32. image_from_view (2,3): pixels of the view
    -> of the image, both from the top left corner. Upright cuts of whole pixels are resized as `resize` does it; others
    are first made smaller by area means where the view is smaller, then turned with a cubic filter.
    Raises InputError for a size that no picture has.
    """
    check_drawable(*size)
    box = whole_box(image_from_view, size)
    if box is not None and box[2] * box[3] <= MOST_PIXELS:  # more: a cut that reaches far beyond the image
        return resize(_padded_cut(image, box, border), size)
    return _turned_cut(image, image_from_view, size, border)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """(2,3) the other way round."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def composed(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """(2,3): first inner, then outer."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def moved(matrix: np.ndarray, x: float, y: float) -> np.ndarray:
    """(2,3): the matrix of a view that begins at x, y of this one's."""
    return np.column_stack([matrix[:, :2], matrix[:, :2] @ (x, y) + matrix[:, 2]])


def corners(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(4,2): where the corners of a picture of `size` (width, height) go, clockwise from the top left."""
    width, height = size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64) @ matrix[:, :2].T + matrix[:, 2]


def warp(
    image: np.ndarray, image_from_view: np.ndarray, size: tuple[int, int], filter: Filter, border: Border
) -> np.ndarray:
    """OpenCV's warpAffine with pixels counted from corners, not from middles. Any number of channels."""
    cv2 = opencv()
    middles = image_from_view.astype(np.float64).copy()
    middles[:, 2] += middles[:, :2] @ (0.5, 0.5) - 0.5
    mode = cv2.BORDER_CONSTANT if border == "black" else cv2.BORDER_REPLICATE

    def through(flag: int) -> np.ndarray:
        flags = flag | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(np.ascontiguousarray(image), middles, tuple(size), flags=flags, borderMode=mode)

    if filter == "soft":
        return cv2.addWeighted(through(cv2.INTER_CUBIC), _CUBIC, through(cv2.INTER_LINEAR), 1 - _CUBIC, 0)
    return through(cv2.INTER_CUBIC if filter == "cubic" else cv2.INTER_LINEAR)


def whole_box(matrix: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, width, height in whole pixels of what is seen; None where it is turned, or between pixels."""
    if matrix[0, 1] or matrix[1, 0] or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        return None
    box = np.array([*matrix[:, 2], *(matrix[[0, 1], [0, 1]] * size)])
    whole = np.rint(box)
    return tuple(whole.astype(int).tolist()) if np.abs(box - whole).max() < 1e-6 and whole[2:].min() >= 1 else None


def _padded_cut(image: np.ndarray, box: tuple[int, int, int, int], border: Border) -> np.ndarray:
    cv2 = opencv()
    left, top, width, height = box
    tall, wide = image.shape[:2]
    # Of the image only what is seen, or its nearest row and column where nothing is.
    y0, x0 = min(max(top, 0), tall - 1), min(max(left, 0), wide - 1)
    y1, x1 = max(min(top + height, tall), y0 + 1), max(min(left + width, wide), x0 + 1)
    seen = _plain(image[y0:y1, x0:x1])
    pads = [y0 - top, top + height - y1, x0 - left, left + width - x1]
    if min(pads) < 0:  # all of it lies beyond
        if border == "black":
            return np.zeros((height, width, *image.shape[2:]), image.dtype)
        rows = np.clip(np.arange(top, top + height), 0, tall - 1)
        return _plain(image[rows][:, np.clip(np.arange(left, left + width), 0, wide - 1)])
    if not any(pads):
        return seen
    mode = cv2.BORDER_CONSTANT if border == "black" else cv2.BORDER_REPLICATE
    return cv2.copyMakeBorder(np.ascontiguousarray(seen), *pads, mode, value=(0, 0, 0))


def _turned_cut(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: Border) -> np.ndarray:
    cv2 = opencv()
    # 1. What of the image is needed; its nearest pixels where the view lies beside it.
    step = np.linalg.norm(matrix[:, :2], axis=1)  # image pixels from one of the view's to the next
    places = corners(matrix, size)
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(places.min(axis=0) - _REACH * np.maximum(step, 1)), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(places.max(axis=0) + _REACH * np.maximum(step, 1)), low + 1, limit).astype(int)
    part = _plain(image[low[1] : high[1], low[0] : high[0]])
    # 2. No finer than the view.
    shrink = np.minimum(np.linalg.norm(inverse(matrix)[:, :2], axis=0), 1.0)
    small = np.maximum(np.ceil((high - low) * shrink), 1).astype(int)
    if (small < high - low).any():
        part = cv2.resize(np.ascontiguousarray(part), tuple(small.tolist()), interpolation=cv2.INTER_AREA)
    # 3. Through the matrix.
    scale = small / (high - low)
    local = np.column_stack([matrix[:, :2], matrix[:, 2] - low]) * scale[:, None]
    picture = warp(part, local, size, "cubic", border)
    return picture if picture.dtype == np.uint8 else picture.clip(0, 1)


def _plain(image: np.ndarray) -> np.ndarray:
    """OpenCV does not filter 16 bit floats."""
    return image.astype(np.float32) if image.dtype == np.float16 else image
