"""Expression-aware landmark images: what the landmark encoder reads."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import InputError
from ..gate import check_drawable
from ..types import LANDMARKS, AlignedMotion
from .opencv import opencv
from .topology import DRAWN_EDGES, PUPIL_COLOUR, PUPILS

# Published numbers, made for 512 x 512. They do not grow with the picture: the encoder has only ever seen lines of
# one pixel, whatever the size of the face.
LINE_WIDTH = 1
PUPIL_HALFWIDTH = 3


def draw_landmarks(
    points: np.ndarray,
    size: tuple[int, int],
    out_size: tuple[int, int] | None = None,
    *,
    line_width: int = LINE_WIDTH,
    pupil_halfwidth: int = PUPIL_HALFWIDTH,
) -> np.ndarray:
    """(478,2) pixels of a picture of `size` (width, height) -> (H,W,3) uint8 RGB of `out_size` (default: `size`).

    Paper 4.1, published behaviour: brows, lids, inner lips and pupils on black; an edge with an end outside of the
    picture is left out. Departure: a pupil at the border is cut there, where the published code drops it or wraps it.
    line_width, pupil_halfwidth: pixels of the drawing. Points that are not finite are left out.
    Raises InputError for points of another shape, or a size that no picture has.
    """
    points = scale_points(points, size, out_size)
    width, height = out_size or size
    return _draw(np.zeros((height, width, 3), np.uint8), points, line_width, pupil_halfwidth)


def _draw(image: np.ndarray, points: np.ndarray, line_width: int, pupil_halfwidth: int) -> np.ndarray:
    """Draws on (H,W,3) uint8 what draw_landmarks says, points (478,2) float64 in its pixels; gives it back."""
    cv2 = opencv()
    height, width = image.shape[:2]

    # 1. Whole pixels, through float32 fractions of the picture as published: it decides ties.
    fractions = (points / (width, height)).astype(np.float32).astype(np.float64)
    inside = ((fractions >= 0) & (fractions <= 1)).all(axis=-1)  # False for NaN as well
    pixels = np.where(inside[:, None], np.floor(fractions * (width, height)), 0).astype(int)
    pixels = np.minimum(pixels, (width - 1, height - 1)).tolist()

    # 2. Edges, later ones on top.
    for start, end, colour in DRAWN_EDGES:
        if inside[start] and inside[end]:
            cv2.line(image, pixels[start], pixels[end], colour, line_width)

    # 3. Pupils as squares.
    for x, y in points[list(PUPILS)]:
        if np.isfinite(x) and np.isfinite(y):
            rows = slice(max(int(y) - pupil_halfwidth, 0), max(int(y) + pupil_halfwidth, 0))
            columns = slice(max(int(x) - pupil_halfwidth, 0), max(int(x) + pupil_halfwidth, 0))
            image[rows, columns] = PUPIL_COLOUR
    return image


def draw_motion(
    aligned: AlignedMotion, indices: Iterable[int] | None = None, out_size: tuple[int, int] | None = None
) -> np.ndarray:
    """Landmark images (N,H,W,3) uint8 RGB of the frames `indices` (default: all) at `out_size` (width, height).

    `out_size` is the motion's own by default. Raises InputError as draw_landmarks does.
    """
    frames = range(len(aligned)) if indices is None else indices
    images = [draw_landmarks(aligned.points[index], aligned.size, out_size) for index in frames]
    width, height = out_size or aligned.size
    return np.stack(images) if images else np.zeros((0, height, width, 3), np.uint8)


def overlay(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(H,W,3) uint8 RGB picture with its landmarks (478,2) pixels drawn on top, for looking; the input is kept.

    Raises InputError for points of another shape.
    """
    height, width = image.shape[:2]
    unit = max(1, round(min(width, height) / 256))
    return _draw(np.array(image, order="C"), scale_points(points, (width, height), None), unit, 1 + unit)


def scale_points(points: np.ndarray, size: tuple[int, int], out_size: tuple[int, int] | None) -> np.ndarray:
    """(478,2) pixels of a picture of `size` -> float64 pixels of the same picture at `out_size` (default: `size`).

    Raises InputError for points of another shape, or a size that no picture has.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (LANDMARKS, 2):
        raise InputError(f"Landmark points have shape {points.shape}; expected ({LANDMARKS}, 2), pixels of one frame.")
    for width, height in (size, out_size or size):
        check_drawable(width, height)
    return points if out_size is None else points * (out_size[0] / size[0], out_size[1] / size[1])
