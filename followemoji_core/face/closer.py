"""A second look, closer: small faces that the detector does not see in the whole picture.

The detector shrinks a picture to 128 pixels first, so a face of a tenth of its longer side is often missed. Here
overlapping squares of the picture are looked at, and around every face found so once more, which must find it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..types import FaceFrame
from .geometry import ScreenFace, screen_points

Find = Callable[[np.ndarray], list[ScreenFace]]
Box = tuple[int, int, int, int]  # left, top, width, height in whole pixels

SMALLEST = 96  # pixels: side of a square that is worth a look
_LEVELS = (1.0, 0.5)  # sides of the squares, in the picture's shorter side
FINE = 480  # pixels: in a large picture squares are halved further, as long as they are not smaller
_MOST = 400  # squares of a size: no further halving where there would be more
_AROUND = 3.0  # side of the square around a face, in sizes of the face
_NEARER = 2.0  # and of a second one: among other faces one in 100 is not seen in the first
_EDGE = 0.01  # of a square's side: landmarks so close to a cut are of half a face
_SAME = 0.35  # of a face's size: as far apart as two findings of one face are


def tiles(size: tuple[int, int], fine: bool = False) -> list[Box]:
    """Squares that cover a picture of `size` (width, height) with a half of each in its neighbour, large ones first.

    fine: smaller ones as well, down to FINE: 98 more in a picture of 3840 x 2160, none in one of 1920 x 1080.

    Every face of less than a quarter of the shorter side lies whole in one of the smaller ones: 9 of them and one
    large one in a square picture, 33 and 5 in one of 3:1, none in a tiny picture.
    """
    boxes: list[Box] = []
    sides = [round(min(size) * level) for level in _LEVELS]
    while fine and sides[-1] // 2 >= FINE:
        sides.append(sides[-1] // 2)
    for level, side in enumerate(sides):
        if side >= SMALLEST and side < max(size):
            columns, rows = (_starts(length, side) for length in size)
            if level >= len(_LEVELS) and len(columns) * len(rows) > _MOST:
                break
            boxes += [(left, top, side, side) for top in rows for left in columns]
    return boxes


def square_around(face: ScreenFace, sizes: float = _AROUND) -> Box:
    """A square of the picture around a face, `sizes` times as large as it, cut at the picture's border."""
    centre, extent = place_of(face)
    side = max(sizes * extent, SMALLEST)
    low = np.clip(np.floor(centre - side / 2), 0, face.size).astype(int)
    high = np.clip(np.ceil(centre + side / 2), low + 1, face.size).astype(int)
    return (*low.tolist(), *(high - low).tolist())


def look_closer(find: Find, image: np.ndarray, boxes: Iterable[Box], known: Sequence[ScreenFace]) -> list[ScreenFace]:
    """`known`, and the faces of the picture (H,W,C) that are found in `boxes` of it beside them: each once.

    A face that is found so must be found again in one of two squares around it; that finding is the one that counts.
    """
    faces = apart(known)
    for box in boxes:
        for seen in _in_box(find, image, box):
            if _among(seen, faces):
                continue
            for sizes in (_AROUND, _NEARER):
                again = [face for face in _in_box(find, image, square_around(seen, sizes)) if _same(face, seen)]
                if again:
                    faces.append(again[0])
                    break
    return faces


def apart(faces: Sequence[ScreenFace]) -> list[ScreenFace]:
    """Each face once, the earlier finding of it: the detector may give one twice."""
    kept: list[ScreenFace] = []
    for face in faces:
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return kept


def _in_box(find: Find, image: np.ndarray, box: Box) -> list[ScreenFace]:
    """Faces of a part of the picture, as faces of the picture; without those that its border cuts."""
    left, top, width, height = box
    rows, columns = image.shape[:2]
    found = []
    for face in find(np.ascontiguousarray(image[top : top + height, left : left + width])):
        inner = screen_points(face) / (width, height)
        cut = (
            (left > 0 and inner[:, 0].min() < _EDGE)
            or (top > 0 and inner[:, 1].min() < _EDGE)
            or (left + width < columns and inner[:, 0].max() > 1 - _EDGE)
            or (top + height < rows and inner[:, 1].max() > 1 - _EDGE)
        )
        if not cut:
            landmarks = face.landmarks.astype(np.float64) * (width, height, width) + (left, top, 0)
            landmarks = (landmarks / (columns, rows, columns)).astype(np.float32)
            found.append(replace(face, landmarks=landmarks, size=(columns, rows)))
    return found


def _among(face: ScreenFace, faces: Sequence[ScreenFace]) -> bool:
    """Whether it is one of them, or a part of one: an eye can look like a face from very near."""
    centre, extent = place_of(face)
    return any(np.linalg.norm(centre - place) < max(size, extent) / 2 for place, size in map(place_of, faces))


def _same(face: ScreenFace, other: ScreenFace) -> bool:
    (centre, extent), (place, size) = place_of(face), place_of(other)
    return bool(np.linalg.norm(centre - place) < _SAME * min(extent, size) and 0.6 < extent / size < 1.7)


def place_of(face: ScreenFace | FaceFrame) -> tuple[np.ndarray, float]:
    """Centre (2,) and longer side of a face's box, pixels."""
    points = screen_points(face)
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low).max())


def _starts(length: int, side: int) -> list[int]:
    """Where squares of that side begin along a length, half a side apart or a little less."""
    steps = int(np.ceil((length - side) / (side / 2)))
    return [round(step * (length - side) / steps) for step in range(steps + 1)] if steps else [0]
