"""One face through a clip that may show several."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, TypeVar, get_args

import numpy as np

from ..errors import InputError
from ..types import FaceFrame
from .geometry import ScreenFace, screen_points

log = logging.getLogger(__name__)

Which = Literal["largest", "leftmost", "rightmost", "center"]
Face = TypeVar("Face", ScreenFace, FaceFrame)  # screen landmarks are all that is looked at

# How far a face may move from one frame to the next, in its own size. Two heads side by side are further apart.
REACH = 0.8


class FaceTracker:
    """Chooses a face by `which` in the first frame that has one, and follows it from there.

    Sides are the picture's. A face further than REACH from where the followed one was last seen is somebody else, if
    several were ever seen at once; in a clip of one person it is the same one after a cut or a fast move.
    Raises InputError for another `which`.
    """

    def __init__(self, which: Which = "largest") -> None:
        if which not in get_args(Which):
            raise InputError(f"Face choice {which!r} is not known; allowed: {', '.join(get_args(Which))}.")
        self._which = which
        self._last: tuple[np.ndarray, float] | None = None
        self._alone = True

    def pick(self, faces: Sequence[Face]) -> Face | None:
        """The followed face among those of the next frame, one of `faces` itself; None when it is not there."""
        if not faces:
            return None
        self._alone &= len(faces) == 1
        places = [_place(face) for face in faces]
        if self._last is None:
            best = min(range(len(faces)), key=lambda index: self._rank(*places[index], faces[index].size))
        else:
            centre, extent = self._last
            distances = [float(np.linalg.norm(place[0] - centre)) for place in places]
            best = int(np.argmin(distances))
            if distances[best] > REACH * extent:
                if not self._alone:
                    return None
                log.warning("The face jumps by %.1f times its size: a cut? It is followed.", distances[best] / extent)
        self._last = places[best]
        return faces[best]

    def _rank(self, centre: np.ndarray, extent: float, size: tuple[int, int]) -> float:
        """The first choice has the least rank."""
        return {
            "largest": -extent,
            "leftmost": float(centre[0]),
            "rightmost": -float(centre[0]),
            "center": float(np.linalg.norm(centre - np.array(size) / 2)),
        }[self._which]


def _place(face: ScreenFace | FaceFrame) -> tuple[np.ndarray, float]:
    """Centre (2,) and longer side of a face's box, pixels."""
    points = screen_points(face)
    low, high = points.min(axis=0), points.max(axis=0)
    return (low + high) / 2, float((high - low).max())
