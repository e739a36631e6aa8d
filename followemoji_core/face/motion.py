"""A face through time: stack frames, fill gaps, find the neutral frame, smooth."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ..errors import InputError, NoFaceError
from ..types import FaceFrame, FaceMotion
from .geometry import ScreenFace, solve_geometry

log = logging.getLogger(__name__)

Missing = Literal["interpolate", "hold", "error"]

FACE_ADVICE = (
    "Crop closer to the face, so that it fills a third of the picture or more; take one that looks more to the camera, "
    "is larger, or less stylised. A lower confidence finds nothing more. Most animals are not found: Place Face."
)


def stack_frames(frames: Sequence[FaceFrame | None], fps: float, missing: Missing = "interpolate") -> FaceMotion:
    """T faces, None where there is none, -> FaceMotion of T frames at `fps` frames per second.

    missing: "interpolate" landmarks linearly between the neighbours and solve their geometry, "hold" the face before,
    or "error". Before the first and after the last face both hold it.
    Raises NoFaceError where there is no face at all, or one is missing that may not; InputError for no frames, frames
    of different sizes, or an `fps` that is not positive.
    """
    gaps = _fill(frames, fps, missing, FACE_ADVICE)
    faces = [frame for frame in frames if frame is not None]
    metric = np.stack([face.metric for face in faces])[gaps.before]
    camera_from_face = np.stack([face.camera_from_face for face in faces])[gaps.before]
    if gaps.mixed.any():
        metric[gaps.mixed], camera_from_face[gaps.mixed] = solve_geometry(gaps.landmarks[gaps.mixed], gaps.size)
    return FaceMotion(gaps.landmarks, metric, camera_from_face, gaps.blendshapes, gaps.size, gaps.found, float(fps))


def stack_screen_faces(
    frames: Sequence[ScreenFace | None], fps: float, missing: Missing = "interpolate", advice: str = FACE_ADVICE
) -> FaceMotion:
    """The same as stack_frames of the solved faces, bit for bit, and its errors; geometry is solved here, at once.

    advice: for the error of a clip without a face.
    """
    gaps = _fill(frames, fps, missing, advice)
    metric, camera_from_face = solve_geometry(gaps.landmarks, gaps.size)
    return FaceMotion(gaps.landmarks, metric, camera_from_face, gaps.blendshapes, gaps.size, gaps.found, float(fps))


@dataclass(frozen=True)
class _Filled:
    """T frames without gaps. before (T,): which seen face comes last; mixed (T,) bool: made from two of them."""

    landmarks: np.ndarray
    blendshapes: np.ndarray
    size: tuple[int, int]
    found: np.ndarray
    before: np.ndarray
    mixed: np.ndarray


def _fill(frames: Sequence[ScreenFace | FaceFrame | None], fps: float, missing: Missing, advice: str) -> _Filled:
    """What stack_frames says of landmarks and blendshapes."""
    check_clip(fps, missing)
    if not frames:
        raise InputError("The driving clip has no frames.")
    found = np.array([frame is not None for frame in frames])
    if not found.any():
        raise NoFaceError(f"No face in any of the {len(frames)} frames. {advice}")
    if missing == "error" and not found.all():
        raise NoFaceError(
            f"The face is not seen in {runs_of(np.flatnonzero(~found))} of {len(frames)} (counted from 0). Trim the "
            'clip, or set missing frames to "interpolate" or "hold".'
        )
    if not found.all():
        log.warning("The face is not seen in %s of %d; %s.", runs_of(np.flatnonzero(~found)), len(frames), missing)
    faces = [frame for frame in frames if frame is not None]
    sizes = {tuple(face.size) for face in faces}
    if len(sizes) > 1:
        raise InputError(f"The frames of the clip differ in size: {sorted(sizes)}. Resize them to one size.")

    # 1. For every frame the seen ones before and after it, and how far it is between them.
    seen = np.flatnonzero(found)
    index = np.arange(len(frames))
    before = np.maximum(np.searchsorted(seen, index, side="right") - 1, 0)
    after = np.minimum(np.searchsorted(seen, index, side="left"), len(seen) - 1)
    if missing == "hold":
        after = before
    gap = np.maximum(seen[after] - seen[before], 1)
    share = np.clip((index - seen[before]) / gap, 0.0, 1.0)

    # 2. Landmarks and blendshapes between the two.
    def between(values: np.ndarray) -> np.ndarray:
        part = share.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
        return np.where(after.reshape(part.shape) == before.reshape(part.shape), values[before],
                        values[before] * (1 - part) + values[after] * part)  # fmt: skip

    landmarks = between(np.stack([face.landmarks for face in faces]))
    blendshapes = between(np.stack([face.blendshapes for face in faces]))
    return _Filled(landmarks, blendshapes, sizes.pop(), found, before, after != before)


def neutral_frame(motion: FaceMotion) -> int:
    """Index, from 0, of the frame with the calmest face: least sum of blendshapes without `_neutral`, as published.

    Departure: frames in which no face was seen do not stand for election.
    """
    activity = motion.blendshapes[:, 1:].sum(axis=1, dtype=np.float64)
    return int(np.where(motion.found, activity, np.inf).argmin())


def smooth(motion: FaceMotion, strength: float) -> FaceMotion:
    """The motion without jitter; `strength` in [0,1], 0 changes nothing. Smooths landmarks, solves geometry again.

    Raises InputError for another strength.
    """
    if _check_strength(strength) == 0 or len(motion) < 2:
        return motion
    width, height = motion.size
    to_pixels = np.array([width, height, width], np.float64)
    landmarks = smooth_points(motion.landmarks * to_pixels, strength, motion.fps) / to_pixels
    metric, camera_from_face = solve_geometry(landmarks, motion.size)
    return replace(motion, landmarks=landmarks.astype(np.float32), metric=metric, camera_from_face=camera_from_face)


def smooth_points(points: np.ndarray, strength: float, fps: float) -> np.ndarray:
    """points (T,N,2 or 3), any unit -> the same smoothed in time, without lag; `strength` in [0,1], 0 changes nothing.

    One-Euro filter (Casiez et al. 2012): what rests is smoothed, what moves fast is let through. Run forwards and
    backwards and averaged, so that the two lags cancel. Raises InputError for another strength.
    """
    if _check_strength(strength) == 0 or len(points) < 2:
        return points
    values = np.asarray(points, np.float64)
    # 1. Speed of each point in face sizes per second.
    extent = np.median(np.ptp(values, axis=1).max(axis=-1)) or 1.0
    speed = np.linalg.norm(np.gradient(values, axis=0), axis=-1, keepdims=True) * fps / extent
    # 2. Cutoff in Hz: 0.5 at rest at full strength; a blink (about 0.6 face sizes per second) gets 9 more.
    cutoff = 0.5 / strength + 15.0 * speed
    gain = 1.0 / (1.0 + fps / (2.0 * math.pi * cutoff))
    # 3. Both directions.
    forwards = _low_pass(values, gain)
    backwards = _low_pass(values[::-1], gain[::-1])[::-1]
    return ((forwards + backwards) / 2).astype(np.asarray(points).dtype)


def _low_pass(values: np.ndarray, gain: np.ndarray) -> np.ndarray:
    result = values.copy()
    for index in range(1, len(values)):
        result[index] = result[index - 1] + gain[index] * (values[index] - result[index - 1])
    return result


def _check_strength(strength: float) -> float:
    if not 0.0 <= strength <= 1.0:
        raise InputError(f"Smoothing is {strength}; allowed: 0 (none) to 1.")
    return strength


def check_clip(fps: float, missing: str) -> None:
    """Raises InputError unless `fps` is a positive number and `missing` one of the known ways."""
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"Frame rate is {fps}; it must be a positive number of frames per second.")
    if missing not in get_args(Missing):
        raise InputError(f"Missing frames mode {missing!r} is not known; allowed: {', '.join(get_args(Missing))}.")


def runs_of(indices: Sequence[int] | np.ndarray, shown: int = 6) -> str:
    """[3, 7, 8, 9] -> 'frames 3, 7-9'."""
    indices = np.asarray(indices)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    names = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = f" and {len(runs) - shown} more places" if len(runs) > shown else ""
    return ("frame " if len(indices) == 1 else "frames ") + ", ".join(names[:shown]) + more
