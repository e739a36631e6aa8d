"""Triangles of a picture drawn elsewhere, in a map of where each pixel comes from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .opencv import opencv

_BITS = 4  # of a pixel's fractions in OpenCV's integer coordinates


class Back(NamedTuple):
    """Where pixels come from: place (h,w,2) float32, x and y in pixels of the portrait, of the part at low (x, y)."""

    place: np.ndarray
    low: np.ndarray


def warp_triangles(
    picture: np.ndarray, target: np.ndarray, source: np.ndarray, coarse: int, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, Back]:
    """The picture (H,W,3) uint8 with its triangles source (N,3,2) at target (N,3,2) pixels, and where pixels come from.

    Later triangles cover earlier ones; where there is none the picture stays. The first `coarse` are drawn at half the
    resolution outside of what the others cover. low, high (x, y): pixels beyond which nothing is drawn.
    """
    cv2 = opencv()
    drawn = np.abs(area(target)) > 1e-3
    corners, source = target[drawn], source[drawn]

    # 1. Of each triangle the affine way back to the portrait; number 0 is what lies around: as it was.
    back = np.zeros((3, len(corners) + 1, 2), np.float32)
    back[:, 1:] = _affine(corners, source)

    # 2. The way of each pixel: around the face, where little happens between two pixels, of every other one.
    size = np.array(picture.shape[1::-1])
    low = np.clip(low, 0, size).astype(int)
    high = np.clip(high, low, size).astype(int)
    if (high == low).any():
        return picture.copy(), Back(np.zeros((0, 0, 2), np.float32), low)
    around = int(drawn[:coarse].sum())
    width, height = high - low
    place = cv2.resize(_ways(back[:, : around + 1], corners[:around], low, high, 2), None, fx=2, fy=2)[:height, :width]
    place[[0, -1]] = 0  # the outermost vertices stay, and half a pixel within them something has moved already
    place[:, [0, -1]] = 0
    start, end = _bounds(corners[around:], low, high)
    if (end > start).all():
        near = np.ones(len(corners), bool)
        a, b, c = corners[:around].swapaxes(0, 1)
        largest, least = np.maximum(np.maximum(a, b), c), np.minimum(np.minimum(a, b), c)
        near[:around] = ((largest >= start) & (least <= end)).all(axis=1)
        (x0, y0), (x1, y1) = start - low, end - low
        place[y0:y1, x0:x1] = _ways(back[:, np.r_[True, near]], corners[near], start, end, 1)

    # 3. From where each pixel comes.
    place += _grid(low, high, 1)
    part = cv2.remap(picture, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if part.shape == picture.shape:
        return part, Back(place, low)
    out = picture.copy()
    out[low[1] : high[1], low[0] : high[0]] = part
    return out, Back(place, low)


def _bounds(corners: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole pixels between low and high (x, y) in which triangles (N,3,2) lie: first, and the one after the last."""
    if not len(corners):
        return low, low
    flat = np.ascontiguousarray(corners.reshape(-1, 2).T)  # numpy is slow along short axes
    start = np.clip(np.floor(flat.min(axis=1)).astype(int) - 1, low, high)
    return start, np.clip(np.ceil(flat.max(axis=1)).astype(int) + 2, start, high)


def _ways(back: np.ndarray, corners: np.ndarray, low: np.ndarray, high: np.ndarray, step: int) -> np.ndarray:
    """The way back (h,w,2) float32, x and y, of every step-th pixel between low and high (x, y), beginning half a step
    within; h and w rounded up.

    back (3,N+1,2) float32: nothing, then as _affine gives it of triangles (N,3,2), in the order in which they are
    drawn.
    """
    cv2 = opencv()
    width, height = -(-(high - low) // step)
    numbers = np.zeros((height, width), np.int32)
    pixels = np.rint(((corners - low + 0.5) / step - 0.5) * 2**_BITS).astype(np.int32)
    for number, triangle in enumerate(pixels, 1):
        cv2.fillConvexPoly(numbers, triangle, number, cv2.LINE_8, _BITS)
    numbers = numbers.astype(np.intp)
    # x and y side by side in one number of 8 bytes: half as many steps through the picture.
    by_x, by_y, offset = (
        np.ascontiguousarray(part).view(np.int64)[:, 0].take(numbers, mode="clip").view(np.float32) for part in back
    )
    grid = _grid(low, high, step)
    by_x *= np.repeat(grid[0, :, 0], 2)
    by_y *= grid[:, :1, 1]
    by_x += by_y
    by_x += offset
    return by_x.reshape(height, width, 2)


def _grid(low: np.ndarray, high: np.ndarray, step: int) -> np.ndarray:
    """(h,w,2) float32: x and y of every step-th pixel between low and high (x, y), beginning half a step within."""
    x, y = (
        np.arange(a, b, step, dtype=np.float32) + np.float32((step - 1) / 2) for a, b in zip(low, high, strict=True)
    )
    grid = np.empty((len(y), len(x), 2), np.float32)
    grid[..., 0], grid[..., 1] = x, y[:, None]
    return grid


def area(corners: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles (N,3,2): (N,)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _affine(corners: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Of triangles (N,3,2) that have an area, the way to source (N,3,2): (3,N,2), what of it goes with x, with y, and
    is always there."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p, q = source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]
    twice = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])[:, None]
    by_x = (p * b[:, 1:] - q * a[:, 1:]) / twice
    by_y = (q * a[:, :1] - p * b[:, :1]) / twice
    offset = source[:, 0] - by_x * corners[:, 0, :1] - by_y * corners[:, 0, 1:]
    by_x[:, 0] -= 1
    by_y[:, 1] -= 1
    return np.stack([by_x, by_y, offset])
