"""What a video shows, looked at once for all metrics: its frames at the measured size, and the face in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ....errors import InputError, MissingDependencyError
from ....face.crop import resize
from ....face.detector import FaceDetector
from ....face.extraction import in_order
from ....face.geometry import ScreenFace, solve_geometry
from ....face.plausible import plausible
from ....face.pose import in_camera
from ....face.topology import LEFT_EYE_UPPER, RIGHT_EYE_UPPER
from ....types import BLENDSHAPES, LANDMARKS, FaceMotion
from ..cases import BenchCase

_EYES = tuple((upper[0], upper[-1]) for upper in (RIGHT_EYE_UPPER, LEFT_EYE_UPPER))


@dataclass(frozen=True)
class Faces:
    """The face in T frames, NaN where none is found: points (T,478,2) pixels; mesh (T,468,3) cm in the camera's space;
    rotation (T,3,3); blendshapes (T,52); found (T,) bool; size (width, height)."""

    points: np.ndarray
    mesh: np.ndarray
    rotation: np.ndarray
    blendshapes: np.ndarray
    found: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of_motion(cls, motion: FaceMotion) -> Faces:
        """Of a motion in which every face is found."""
        mesh = in_camera(motion.metric, motion.camera_from_face)
        rotation = motion.camera_from_face[:, :3, :3].astype(np.float64)
        points = motion.landmarks[..., :2].astype(np.float64) * motion.size
        return cls(points, mesh, rotation, motion.blendshapes.astype(np.float64), motion.found, motion.size)

    @classmethod
    def of_screen(cls, faces: Sequence[ScreenFace | None], size: tuple[int, int]) -> Faces:
        """Of what a detector found, frame by frame."""
        found = np.array([face is not None for face in faces], bool)
        landmarks = np.full((len(faces), LANDMARKS, 3), np.nan)
        blendshapes = np.full((len(faces), BLENDSHAPES), np.nan)
        mesh, rotation = np.full((len(faces), 468, 3), np.nan), np.full((len(faces), 3, 3), np.nan)
        seen = [face for face in faces if face is not None]
        if seen:
            landmarks[found] = np.stack([face.landmarks for face in seen])
            blendshapes[found] = np.stack([face.blendshapes for face in seen])
            metric, pose = solve_geometry(landmarks[found], size)
            mesh[found], rotation[found] = in_camera(metric, pose), pose[:, :3, :3]
        return cls(landmarks[..., :2] * size, mesh, rotation, blendshapes, found, size)

    def seen(self) -> str:
        """How many frames it is missing in, in words; empty where it is in all."""
        missing = int((~self.found).sum())
        return f"face found in {len(self.found) - missing} of {len(self.found)} frames" if missing else ""


Find = Callable[[np.ndarray], Faces]  # (T,H,W,3) uint8 RGB -> the face in it


def finder(detector: FaceDetector) -> Find:
    """The largest face in each frame that is shaped like one, by MediaPipe's detector: frame by frame, so that nothing
    is filled in or smoothed."""

    def look(frame: np.ndarray) -> ScreenFace | None:
        faces, _ = plausible(detector.find(frame))
        return max(faces, key=lambda face: np.ptp(face.landmarks[:, :2], axis=0).max(), default=None)

    return lambda frames: Faces.of_screen(list(in_order(look, frames)), frames.shape[2:0:-1])


def detector_file(detector: Path | None) -> Path:
    """The detector's file. Raises MissingDependencyError, with the command, where there is none."""
    if detector is None or not detector.is_file():
        raise MissingDependencyError(
            f"There is no face detector{f' at {detector}' if detector else ''}. python -m followemoji_core download "
            f"--detector{f' --models {detector.parents[1]}' if detector and len(detector.parents) > 1 else ''} fetches "
            "it, or name one with --detector."
        )
    return detector


class Shown:
    """A video of a case: frames (T,S,S,3) uint8 RGB."""

    def __init__(self, frames: np.ndarray, given: Given, find: Find) -> None:
        self.frames, self.given, self._find = frames, given, find

    @cached_property
    def faces(self) -> Faces:
        return self._find(self.frames)


class Given:
    """What every method was given for a case, and what should come out, at S x S pixels; read when it is asked for.

    Raises a FollowEmojiError then, where a file of the case cannot be read.
    """

    def __init__(self, case: BenchCase, size: int, find: Find) -> None:
        self.case, self.size, self._find = case, size, find

    @cached_property
    def portrait(self) -> np.ndarray:
        """(S,S,3) uint8 RGB."""
        return resize(self.case.picture(), (self.size, self.size))

    @cached_property
    def portrait_points(self) -> np.ndarray:
        """(478,2) pixels: as the detector finds them, like those of the videos; else as the case has them."""
        faces = self._find(self.portrait[None])
        if faces.found[0]:
            return faces.points[0]
        face = self.case.face()
        return face.landmarks[:, :2].astype(np.float64) * self.size

    @cached_property
    def driving(self) -> Shown:
        return self._read(self.case.driving_frames(), "driving clip")

    @cached_property
    def truth(self) -> Shown | None:
        if self.case.kind == "self":
            return self.driving
        frames = self.case.truth_frames()
        return None if frames is None else self._read(frames, "truth")

    def _read(self, frames: np.ndarray, what: str) -> Shown:
        if len(frames) != self.case.frames:
            raise InputError(f"The {what} of {self.case.id} has {len(frames)} frames, not {self.case.frames}. Make the "
                             "benchmark again.")  # fmt: skip
        return Shown(sized(frames, self.size), self, self._find)

    @cached_property
    def expected(self) -> np.ndarray:
        """(T,478,2) pixels: where the landmarks should come out."""
        found = self.case.expected()
        return found.points.astype(np.float64) * (self.size / np.array(found.size, np.float64))

    @cached_property
    def eyes(self) -> float:
        """Pixels between the middles of the eyes that should come out, the median over the frames: a head that turns
        brings them together."""
        return float(np.median(eye_distance(self.expected)))


def eye_distance(points: np.ndarray) -> np.ndarray:
    """(...,478,2) -> (...) between the middles of the two eyes' corners; closing eyes and gaze do not move those."""
    right, left = (points[..., list(corners), :].mean(axis=-2) for corners in _EYES)
    return np.linalg.norm(right - left, axis=-1)


def eye_opening(points: np.ndarray) -> np.ndarray:
    """(T,478,2) -> (T,2) how far the right and the left eye are open, in their widths."""
    openings = []
    for upper, lower, (outer, inner) in ((159, 145, _EYES[0]), (386, 374, _EYES[1])):
        height = np.linalg.norm(points[:, upper] - points[:, lower], axis=-1)
        openings.append(height / np.linalg.norm(points[:, outer] - points[:, inner], axis=-1).clip(1e-6))
    return np.stack(openings, axis=-1)


def sized(frames: np.ndarray, size: int) -> np.ndarray:
    """(T,H,W,3) uint8 at size x size: by area where they become smaller, else cubic."""
    return np.stack([resize(frame, (size, size)) for frame in frames])
