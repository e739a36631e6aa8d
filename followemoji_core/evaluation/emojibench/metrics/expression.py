"""Whether the face does what the driver's does: expression, head pose and gaze, both seen by the same detector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....face.gaze import gaze_of_shifts, pupil_places
from .metric import Metric, Tools, Value
from .shown import Faces, Shown, detector_file, eye_opening

OPEN = 0.15  # eye widths: an eye that is less open shows no gaze


def expression_distance(ours: Faces, theirs: Faces) -> np.ndarray:
    """(T,) mean absolute difference of the 51 blendshape scores (without `_neutral`), in [0,1]; NaN where either face
    is not found."""
    return np.abs(ours.blendshapes[:, 1:] - theirs.blendshapes[:, 1:]).mean(axis=1)


def pose_distance(ours: Faces, theirs: Faces) -> np.ndarray:
    """(T,) degrees by which one head must turn to be as the other; NaN where either is not found."""
    between = np.swapaxes(ours.rotation, -1, -2) @ theirs.rotation
    with np.errstate(invalid="ignore"):
        scale = np.cbrt(np.linalg.det(between))  # the solver's poses may hold one
    cosine = (np.trace(between, axis1=-2, axis2=-1) / scale - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def gaze_error(ours: Faces, theirs: Faces) -> np.ndarray:
    """(T,) degrees between where their eyes look, from their heads: mean of the eyes that are open in both faces; NaN
    where there is none."""
    apart = np.linalg.norm(_gaze(ours) - _gaze(theirs), axis=-1)
    shut = ~((eye_opening(ours.points) > OPEN) & (eye_opening(theirs.points) > OPEN))
    apart[shut] = np.nan
    counts = np.isfinite(apart).sum(axis=1)
    return np.where(counts > 0, np.nansum(apart, axis=1) / counts.clip(1), np.nan)


def _gaze(faces: Faces) -> np.ndarray:
    """(T,2,2) degrees: right eye, left; sideways, up. By the pupil's place between the corners of its eye."""
    gaze = np.full((len(faces.found), 2, 2), np.nan)
    at = np.flatnonzero(faces.found)
    if len(at):
        places = pupil_places(faces.points[at], faces.mesh[at], faces.rotation[at], faces.size)
        gaze[at] = gaze_of_shifts(places[:, :, 0])
    return gaze


def _against_driver(measure: Callable[[Faces, Faces], np.ndarray]) -> Callable[[Tools], Callable[[Shown], Value]]:
    def value(shown: Shown) -> Value:
        ours, theirs = shown.faces, shown.given.driving.faces
        values = measure(ours, theirs)
        seen = np.isfinite(values)
        if seen.all():
            return Value(float(values.mean()))
        reason = "; ".join(filter(None, (ours.seen(), theirs.seen() and f"the driver's {theirs.seen()}")))
        of = f"of {int(seen.sum())} of {len(seen)} frames"
        reason = f"{of}: {reason}" if reason else f"{of}, in which the eyes are open"
        return Value(float(values[seen].mean()) if seen.any() else None, reason)

    def opened(tools: Tools) -> Callable[[Shown], Value]:
        detector_file(tools.detector)
        return value

    return opened


EXPRESSION = Metric(
    "expression",
    "Expression distance",
    "lower",
    "",
    "Mean absolute difference of the 51 blendshape scores (0 to 1) that our detector gives the face and the driver's.",
    _against_driver(expression_distance),
)
POSE = Metric(
    "pose",
    "Pose distance",
    "lower",
    "degrees",
    "Angle between the head and the driver's, both as our detector sees them. A method that keeps the portrait's own "
    "pose and adds the driver's turns differs from the driver by what that own pose is.",
    _against_driver(pose_distance),
)
GAZE = Metric(
    "gaze",
    "Gaze error",
    "lower",
    "degrees",
    "Difference of gaze from the driver's, relative to the head, by where our detector sees the pupils between the "
    f"corners of their eyes; of eyes that are open by more than {OPEN:g} of their width in both faces.",
    _against_driver(gaze_error),
)
