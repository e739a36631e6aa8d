"""Which of the faces of a picture is meant: by a word, by its number, by a box, by a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from ..errors import InputError
from ..types import FaceFrame
from .closer import place_of
from .geometry import ScreenFace, screen_points
from .opencv import opencv

Which = Literal["largest", "leftmost", "rightmost", "center"]
# A word; a number, 1 is the largest face; a box x, y, width, height in pixels of the picture; a mask (H,W), white above
# one half, of the picture or of the picture in another size.
Choice: TypeAlias = Which | int | tuple[float, float, float, float] | np.ndarray


def check_choice(which: Choice) -> None:
    """Raises InputError for what can mean no face in any picture."""
    if isinstance(which, np.ndarray):
        if which.ndim != 2:
            raise InputError(f"The mask has shape {which.shape}; expected (height, width).")
        if not (which > 0.5).any():
            raise InputError("The mask is empty, so it touches no face. Paint on the face that is meant.")
    elif isinstance(which, tuple):
        if len(which) != 4 or not all(map(math.isfinite, which)) or min(which[2:]) <= 0:
            raise InputError(f"The box of the face is {which}; expected x, y, width, height, the last two above 0.")
    elif isinstance(which, str):
        if which not in get_args(Which):
            raise InputError(f"Face choice {which!r} is not known; allowed: {', '.join(get_args(Which))}.")
    elif which < 1:
        raise InputError(f"Face number is {which}; allowed: 1 (the largest) and up.")


def told(which: Choice) -> str:
    """The choice in words, for "... is taken"."""
    if isinstance(which, np.ndarray):
        return "the one that the mask touches"
    if isinstance(which, tuple):
        return "the one in the box"
    return f"the {which}" if isinstance(which, str) else f"number {which}"


def by_size(faces: Sequence[ScreenFace | FaceFrame]) -> list[int]:
    """Indices of the faces of one picture, the largest first; of faces that are as large to the pixel, the left one."""
    places = [place_of(face) for face in faces]
    return sorted(range(len(faces)), key=lambda index: (-round(places[index][1]), *places[index][0]))


def pick(faces: Sequence[ScreenFace | FaceFrame], which: Choice, where: str = "the picture") -> int:
    """Index of the face that is meant among those of one picture, which are at least one.

    A box means the face whose middle lies in it, or that it covers best; a mask the one that it touches.
    Raises InputError where none is meant, or two are: it says how many there are, and where. where: for that.
    """
    check_choice(which)
    order = by_size(faces)
    if isinstance(which, np.ndarray):
        return _touched(faces, order, which, where)
    if isinstance(which, tuple):
        return _in_box(faces, order, which, where)
    if isinstance(which, str):
        places = [place_of(face)[0] for face in faces]
        middle = np.array(faces[0].size) / 2
        ranks = {
            "largest": order.index,
            "leftmost": lambda index: places[index][0],
            "rightmost": lambda index: -places[index][0],
            "center": lambda index: np.linalg.norm(places[index] - middle),
        }
        return min(order, key=ranks[which])
    if which > len(faces):
        raise InputError(f"Face number {which} is not there: {_there(faces, where)}. Allowed: 1 to {len(faces)}.")
    return order[which - 1]


def _in_box(faces: Sequence[ScreenFace | FaceFrame], order: list[int], box: tuple, where: str) -> int:
    low = np.array(box[:2], float)
    high = low + box[2:]
    covers = []
    for index in order:
        points = screen_points(faces[index])
        least, most = points.min(axis=0), points.max(axis=0)
        shared = float(np.prod(np.clip(np.minimum(high, most) - np.maximum(low, least), 0, None)))
        union = float(np.prod(high - low) + np.prod(most - least)) - shared
        middle = (least + most) / 2
        covers.append((bool(((low <= middle) & (middle <= high)).all()), shared / union))
    best = max(range(len(order)), key=lambda place: covers[place])
    if covers[best] <= (False, 0.0):
        raise InputError(
            f"The box (x {box[0]:g}, y {box[1]:g}, {box[2]:g} x {box[3]:g} pixels) holds no face: "
            f"{_there(faces, where)}: {_places(faces, order)}."
        )
    return order[best]


def _touched(faces: Sequence[ScreenFace | FaceFrame], order: list[int], mask: np.ndarray, where: str) -> int:
    (rows, columns), (width, height) = mask.shape, faces[0].size
    if abs(rows - columns * height / width) > max(1.5, 0.01 * rows):
        raise InputError(
            f"The mask is of another picture: it has {columns} x {rows} pixels, {where} has {width} x {height}. "
            "Paint the mask on that picture."
        )
    white = mask > 0.5
    touched = []
    for index in order:
        hull = opencv().convexHull((screen_points(faces[index]) * (columns / width, rows / height)).astype(np.float32))
        inside = np.zeros(mask.shape, np.uint8)
        opencv().fillConvexPoly(inside, np.floor(hull).astype(np.int32), 1)
        if (white & (inside > 0)).any():
            touched.append(index)
    if len(touched) == 1:
        return touched[0]
    if touched:
        raise InputError(
            f"The mask touches {len(touched)} of {len(faces)} faces: {_places(faces, order, touched)}. Paint on one "
            "alone."
        )
    raise InputError(f"The mask touches no face: {_there(faces, where)}: {_places(faces, order)}.")


def places(faces: Sequence[ScreenFace | FaceFrame]) -> str:
    """number 1 around 300, 200; number 2 around ...: pixels of the picture."""
    return _places(faces, by_size(faces), most=len(faces))


def _there(faces: Sequence[ScreenFace | FaceFrame], where: str) -> str:
    width, height = faces[0].size
    return f"{where} ({width} x {height} pixels) has {len(faces)} face{'s' if len(faces) > 1 else ''}"


def _places(
    faces: Sequence[ScreenFace | FaceFrame], order: list[int], shown: Sequence[int] | None = None, most: int = 6
) -> str:
    """number 1 around 300, 200; number 2 around ..."""
    found = []
    for number, index in enumerate(order, 1):
        if shown is None or index in shown:
            x, y = place_of(faces[index])[0]
            found.append(f"number {number} around {x:.0f}, {y:.0f}")
    return "; ".join(found[:most]) + ("; ..." if len(found) > most else "")
