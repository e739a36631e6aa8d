"""Colours of a pasted face brought to those of the picture around it: mean and spread in Lab, calm over time."""

from __future__ import annotations

import numpy as np

from .opencv import opencv
from .resample import resize

GAINS = (0.8, 1.25)  # of the spread
_SHIFT = 20.0  # most, in Lab; about 50 levels
_EVEN = 2.0  # spread in Lab below which a ring says little of it
_LEAST = 24  # cells of a ring that say something
_APART = (3.0, 3.0)  # what moved is left out: median deviations, and at least so much in Lab, from the usual difference


class ColourMatch:
    """Frames of one face, with the picture around it, one after the other.

    memory: frames over which the correction is averaged; the first frames are averaged over what there is.
    """

    def __init__(self, memory: float):
        self._memory, self._seen = max(memory, 1.0), 0
        self._gain, self._shift = np.ones(3), np.zeros(3)

    def learn(self, frame: np.ndarray, picture: np.ndarray, ring: np.ndarray) -> None:
        """frame, picture (h,w,3) float32 in [0,1], small, of one place; ring (h,w) bool: where they should agree."""
        found = _correction(frame[ring], picture[ring])
        if found is None:
            return
        self._seen += 1
        share = 1.0 / min(self._seen, self._memory)
        self._gain += share * (found[0] - self._gain)
        self._shift += share * (found[1] - self._shift)

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """(H,W,3) float32 in [0,1] -> the same, corrected."""
        if np.abs(self._gain - 1).max() < 1e-3 and np.abs(self._shift).max() < 0.02:
            return frame
        cv2 = opencv()
        lab = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2Lab)
        lab *= self._gain.astype(np.float32)
        lab += self._shift.astype(np.float32)
        return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB).clip(0, 1)


def small(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H,W,3), uint8 or float, as `learn` takes it, at `size` (width, height)."""
    return as_float(resize(picture, size))


def as_float(picture: np.ndarray) -> np.ndarray:
    """uint8, or float in [0,1] -> float32 in [0,1]."""
    if picture.dtype == np.uint8:
        return picture.astype(np.float32) / 255
    return np.clip(np.nan_to_num(picture.astype(np.float32, copy=False)), 0, 1)


def _correction(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Gain and shift (3,) of Lab that bring pixels (N,3) to those of the same places; None where there are too few."""
    if len(ours) < _LEAST:
        return None
    cv2 = opencv()
    ours, theirs = (cv2.cvtColor(np.ascontiguousarray(each[None]), cv2.COLOR_RGB2Lab)[0] for each in (ours, theirs))
    apart = theirs - ours
    off = np.linalg.norm(apart - np.median(apart, axis=0), axis=1)
    kept = off <= max(_APART[0] * float(np.median(off)), _APART[1])
    ours, theirs = ours[kept].astype(np.float64), theirs[kept].astype(np.float64)
    gain = np.clip((theirs.std(axis=0) + _EVEN) / (ours.std(axis=0) + _EVEN), *GAINS)
    means = ours.mean(axis=0), theirs.mean(axis=0)
    goal = means[0] + np.clip(means[1] - means[0], -_SHIFT, _SHIFT)
    return gain, goal - gain * means[0]
