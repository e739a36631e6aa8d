"""Landmark accuracy: whether eyes, brows, mouth and outline come out where the driving motion puts them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .metric import Metric, Tools, Value
from .shown import Given, Shown, detector_file

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 11))  # of the eye distance


def average_precision(found: np.ndarray, expected: np.ndarray, eyes: float) -> float:
    """Mean over THRESHOLDS of the share of landmarks that lie nearer to their place than the threshold times `eyes`.

    found, expected (T,N,2) and eyes in pixels. What is not found (NaN) is not near: [0,1].
    """
    errors = np.linalg.norm(found - expected, axis=-1) / eyes
    return float(np.mean([(errors < threshold).mean() for threshold in THRESHOLDS]))


def landmark_error(found: np.ndarray, expected: np.ndarray, eyes: float) -> float:
    """Mean distance of landmarks from their places in eye distances, where they are found; NaN where none is."""
    errors = np.linalg.norm(found - expected, axis=-1) / eyes
    return float(errors[np.isfinite(errors)].mean()) if np.isfinite(errors).any() else float("nan")


def _open(tools: Tools) -> Callable[[Shown], Value]:
    detector_file(tools.detector)
    return _accuracy


def _accuracy(shown: Shown) -> Value:
    given: Given = shown.given
    return Value(average_precision(shown.faces.points, given.expected, given.eyes), shown.faces.seen())


def _error(shown: Shown) -> Value:
    given: Given = shown.given
    number = landmark_error(shown.faces.points, given.expected, given.eyes)
    return Value(number, shown.faces.seen()) if np.isfinite(number) else Value(None, shown.faces.seen())


def _open_error(tools: Tools) -> Callable[[Shown], Value]:
    detector_file(tools.detector)
    return _error


LANDMARK_ACCURACY = Metric(
    "landmark_accuracy",
    "Landmark accuracy",
    "higher",
    "",
    "Average precision of the 478 landmarks that our detector finds: the share that is nearer to where the driving "
    "motion belongs on the portrait than a threshold, mean over thresholds of "
    f"{THRESHOLDS[0]:g} to {THRESHOLDS[-1]:g} eye distances; a frame without a face has none. In self reenactment that "
    "place is the driver's own, in cross reenactment it is our alignment's: who moves heads by another rule, even "
    "rightly, is not where it says.",
    _open,
    paper=True,
)
LANDMARK_ERROR = Metric(
    "landmark_error",
    "Landmark error",
    "lower",
    "eye distances",
    "Mean distance of the same landmarks from the same places, in the frames in which a face is found.",
    _open_error,
)
