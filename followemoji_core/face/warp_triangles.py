"""Triangles of a picture drawn elsewhere, in a map of where each pixel comes from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .opencv import opencv

_BLOCK = 8192  # pixels
_EDGE = 1e-3  # pixels by which a triangle reaches beyond its edges, so that between two of them no pixel is left out


class Back(NamedTuple):
    """Where pixels come from: place (h,w,2) float32, x and y in pixels of the portrait, of the part at low (x, y)."""

    place: np.ndarray
    low: np.ndarray


def warp_triangles(
    picture: np.ndarray, target: np.ndarray, source: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, Back]:
    """The picture (H,W,3) uint8 with its triangles source (N,3,2) at target (N,3,2) pixels, and where pixels come from.

    Later triangles cover earlier ones; where there is none the picture stays. grid (H,W,2): see pixel_grid.
    """
    cv2 = opencv()
    drawn = np.abs(area(target)) > 1e-3
    target, source = target[drawn], source[drawn]

    # 1. The part of the picture in which triangles lie.
    size = np.array(picture.shape[1::-1])
    low, high = np.zeros(2, int), np.zeros(2, int)
    if len(target):
        flat = np.ascontiguousarray(target.reshape(-1, 2).T)  # numpy is slow along short axes
        low = np.clip(np.floor(flat.min(axis=1)), 0, size).astype(int)
        high = np.clip(np.ceil(flat.max(axis=1)) + 1, low, size).astype(int)
    if (high == low).any():
        return picture.copy(), Back(np.zeros((0, 0, 2), np.float32), low)

    # 2. From where each of its pixels comes: from where it is, if no triangle covers it.
    place = grid[low[1] : high[1], low[0] : high[0]].copy()
    _draw(place, target - low, source)

    # 3. There.
    part = cv2.remap(picture, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if part.shape == picture.shape:
        return part, Back(place, low)
    out = picture.copy()
    out[low[1] : high[1], low[0] : high[0]] = part
    return out, Back(place, low)


def pixel_grid(height: int, width: int) -> np.ndarray:
    """(height,width,2) float32: x and y of each pixel."""
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0], grid[..., 1] = np.arange(width), np.arange(height)[:, None]
    return grid


def _draw(place: np.ndarray, corners: np.ndarray, source: np.ndarray) -> None:
    """Write into place (h,w,2) float32, for its pixels in triangles corners (N,3,2), where in source (N,3,2) they lie.

    All at once, row by row of each triangle: a loop over them takes longer than the pixels do.
    """
    height, width = place.shape[:2]

    # 1. Each triangle as two pieces, above and below its middle corner: number 2 n and 2 n + 1.
    order = corners[..., 1].argsort(axis=1)
    x, y = np.take_along_axis(corners, order[..., None], axis=1).transpose(2, 1, 0)
    ends = np.ceil(np.stack([y[0] - _EDGE, y[1], y[2] + _EDGE])).astype(int).clip(0, height)
    lengths = np.diff(ends, axis=0).T.ravel()
    rows = np.arange(lengths.sum()) + np.repeat(ends[:2].T.ravel() - np.cumsum(lengths) + lengths, lengths)

    # 2. Where each row enters and leaves its piece: between the long side and one of the short ones.
    rise = np.maximum(np.stack([y[2] - y[0], y[1] - y[0], y[2] - y[1]]), 1e-9)
    slope = np.stack([x[2] - x[0], x[1] - x[0], x[2] - x[1]]) / rise
    foot = np.stack([x[0], x[0], x[1]]) - slope * np.stack([y[0], y[0], y[1]])

    def crossing(sides: list[int]) -> np.ndarray:
        return np.repeat(foot[sides].T.ravel(), lengths) + np.repeat(slope[sides].T.ravel(), lengths) * rows

    long, short = crossing([0, 0]), crossing([1, 2])
    begin = np.ceil(np.minimum(long, short) - _EDGE).clip(0, width).astype(int)
    count = np.floor(np.maximum(long, short) + _EDGE).clip(-1, width - 1).astype(int) + 1 - begin
    np.maximum(count, 0, out=count)

    # 3. The pixels of all rows, one after the other, as many at a time as stay in the processor's cache; x and y as one
    # number, so that there are half as many steps.
    piece = np.repeat(np.arange(len(lengths)), lengths)
    by_x, by_y, offset = np.repeat(_affine(corners, source), 2, axis=1)
    start = (offset[piece] + by_x[piece] * begin + by_y[piece] * rows).astype(np.complex64)
    step, first = by_x.astype(np.complex64)[piece], rows * width + begin
    done = np.cumsum(count) - count
    blocks = np.unique(np.searchsorted(done, np.arange(0, count.sum() + _BLOCK, _BLOCK)))
    flat = place.view(np.complex64).reshape(-1)
    for a, b in zip(blocks, blocks[1:], strict=False):
        row = np.repeat(np.arange(a, b), count[a:b])
        along = np.arange(done[a], done[a] + len(row)) - done[row]
        ways = step[row]
        ways *= along.astype(np.float32)
        ways += start[row]
        along += first[row]
        flat[along] = ways  # of several the last one stays


def area(corners: np.ndarray) -> np.ndarray:
    """Twice the signed area of triangles (N,3,2): (N,)."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _affine(corners: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Of triangles (N,3,2) that have an area, the way to source (N,3,2): (3,N) complex128, x + iy, what of it goes with
    x, with y, and is always there."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p, q = source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]
    twice = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])[:, None]
    by_x = (p * b[:, 1:] - q * a[:, 1:]) / twice
    by_y = (q * a[:, :1] - p * b[:, :1]) / twice
    offset = source[:, 0] - by_x * corners[:, 0, :1] - by_y * corners[:, 0, 1:]
    return np.ascontiguousarray(np.stack([by_x, by_y, offset])).view(np.complex128)[..., 0]
