"""A face that answers edits at once: the edit at a frame as a picture and as handles, a drag as controls."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..types import AlignedMotion, FaceFrame, FaceMotion
from .align import AlignOptions, align, resting_frame
from .controls import CHANNELS, HEAD, PLACE, Controls, bounded, limits
from .crop import resize
from .detector import rgb_uint8
from .edit_file import Edit
from .geometry import screen_points
from .handles import HANDLES, Handle, with_mirrored
from .opencv import opencv
from .solving import bounded_least_squares, solve
from .topology import DRAWN_PATHS, PUPILS
from .warp import WarpPortrait

LONGEST_SIDE = 640  # pixels of the preview; a larger portrait is shrunk
QUALITY = 88  # of its JPEG
_STEPS = 4  # corrections of a drag
_EASE = 0.004  # cm^2 that a control in full costs: what hardly moves a handle is left alone
_STAY = 0.6  # how much the other side's handle staying is worth, where a control moves both
_SMALL = 0.15  # of an axis: where its effect is measured
_CURVES = {"mouth": ("jawOpen",), "lids": ("eyeBlinkLeft", "eyeBlinkRight")}
_MOST_POINTS = 2000  # of a curve
_SEEN = 0.03  # controls below are the detector's noise


@dataclass(frozen=True)
class Pose:
    """What the editor shows at a frame. points (478,2) and depth (468,) as WarpPortrait.render takes them."""

    points: np.ndarray
    depth: np.ndarray


class LiveFace:
    """A portrait, its face, and what it is edited on: a driving motion, or the face itself.

    picture (H,W,3), see FaceDetector.find; face: found in it; motion (T): None for a still portrait. Previews are at
    most LONGEST_SIDE pixels a side. Raises InputError where picture and face are not of one size.
    """

    def __init__(self, picture: np.ndarray, face: FaceFrame, motion: FaceMotion | None = None):
        picture = rgb_uint8(picture)
        height, width = picture.shape[:2]
        if (width, height) != tuple(face.size):
            raise InputError(
                f"The portrait is {width}x{height} pixels, its face was found in {face.size[0]}x{face.size[1]}. "
                "Connect the face of this picture."
            )
        scale = min(LONGEST_SIDE / max(width, height), 1.0)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        self.picture = resize(picture, size) if scale < 1 else picture
        self.face = replace(face, size=size)
        self.motion = motion if motion is not None and len(motion) else None
        self._base = self.motion or _still(self.face)

    @functools.cached_property
    def portrait(self) -> WarpPortrait:
        return WarpPortrait(self.picture, screen_points(self.face)).prepared()

    @functools.cached_property
    def _neutral(self) -> int:
        return resting_frame(self._base, None)

    @functools.cached_property
    def _path(self) -> tuple[np.ndarray, np.ndarray]:
        """(T,) and (T,2): how much larger, and where, a frame of the motion is than without the head's path."""
        if self.motion is None:
            return np.ones(1), np.zeros((1, 2))
        bare = replace(self._base, edit=None)
        steady = align(self.face, bare, AlignOptions(neutral=self._neutral)).points.astype(np.float64)
        still = align(self.face, bare, AlignOptions(neutral=self._neutral, translation="none")).points
        spread = [np.linalg.norm(p - p.mean(1, keepdims=True), axis=(1, 2)) for p in (steady, still)]
        sizes = spread[0] / np.maximum(spread[1], 1e-9)
        return sizes, steady.mean(1) - still.mean(1) * sizes[:, None]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its previews."""
        return self.face.size

    def frames(self, edit: Edit) -> int:
        """How many frames there are: the motion's, else the edit's."""
        return edit.length() if self.motion is None else len(self.motion)

    def at(self, controls: np.ndarray, frame: int) -> AlignedMotion:
        """The face at a frame of the motion with each of N controls (N,59): N frames."""
        index = min(max(frame, 0), len(self._base) - 1)
        rows = np.concatenate([np.zeros((1, len(CHANNELS))), controls])
        chosen = self._base.taken(np.array([self._neutral] + [index] * len(controls)))
        chosen = chosen.with_edit_added(Controls(bounded(rows), chosen.fps))
        aligned = align(self.face, chosen, AlignOptions(neutral=0, translation="none"))
        sizes, shifts = self._path
        points = aligned.points[1:] * sizes[index] + shifts[index]
        return replace(aligned, points=points, depth=aligned.depth[1:], turn=aligned.turn[1:])

    def pose(self, controls: np.ndarray, frame: int) -> Pose:
        """The same of one frame's controls (59,)."""
        aligned = self.at(controls[None], frame)
        return Pose(aligned.points[0], aligned.depth[0])

    def jpeg(self, pose: Pose) -> bytes:
        """The portrait in a pose, as a JPEG file."""
        cv2 = opencv()
        picture = self.portrait.render(pose.points, pose.depth)
        done, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise InputError(f"A picture of {self.size[0]}x{self.size[1]} pixels cannot be written as JPEG.")
        return content.tobytes()

    def drag(
        self, controls: np.ndarray, frame: int, name: str, target: Sequence[float], mirror: bool = False
    ) -> np.ndarray:
        """Controls (59,) with which a handle is at `target` (x, y) pixels, or as near as its own controls bring it.

        Only the handle's controls change, and with `mirror` those of the other side as much. Raises InputError for a
        handle that is not known.
        """
        handle = _handle(name)
        target = np.asarray(target, np.float64)
        start = np.array([axis.place(controls) for axis in handle.axes])
        low, high = np.array([axis.bounds() for axis in handle.axes]).T
        low, high = np.minimum(low, start), np.maximum(high, start)  # what is beyond may stay
        holds = handle.shared and not mirror
        scale = self._pixels_per_cm

        def moved(places: np.ndarray) -> np.ndarray:
            """Rows of controls at places (N,k) along the axes."""
            return np.stack([_moved(controls, handle, place, mirror) for place in places])

        def seen(rows: np.ndarray) -> np.ndarray:
            """(N, 2 or 4) cm on the screen of the handle, and of its twin where that is to stay."""
            points = self.at(rows, frame).points
            parts = [points[:, handle.landmark]]
            if holds:
                parts.append(_STAY * points[:, HANDLES[handle.twin].landmark])
            return np.concatenate(parts, axis=1) / scale

        # 1. What each axis does there, to the side that has room.
        steps = np.where(start + _SMALL <= high, _SMALL, -_SMALL)
        probes = seen(moved(np.vstack([start, start + np.diag(steps)])))
        jacobian = (probes[1:] - probes[0]) / steps[:, None]
        goal = np.concatenate([target / scale, probes[0][2:]])

        # 2. Least squares within bounds, corrected for what is not straight.
        place, where = start, probes[0]
        normal = jacobian @ jacobian.T + np.eye(len(start)) * _EASE
        for _ in range(_STEPS):
            pull = jacobian @ (goal - where) + place @ (jacobian @ jacobian.T) + start * _EASE
            found = bounded_least_squares(normal, pull[None], low, high, place[None])[0]
            if np.abs(found - place).max() < 2e-3:
                break
            place = found
            where = seen(moved(place[None]))[0]
        return moved(place[None])[0]

    def keyed(self, edit: Edit, frame: int, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
        """What a key at the frame says of the controls that changed from `before` to `after`, both (59,)."""
        changed = np.flatnonzero(np.abs(after - before) > 1e-4)
        keys = {}
        for name, difference in ((CHANNELS[i], after[i] - before[i]) for i in changed):
            keys[name] = round(float(np.clip(edit.keyed(name, frame) + difference, *limits(name))), 4)
        return keys

    def handles(self, pose: Pose) -> dict[str, list[float]]:
        """Where each handle is, in pixels."""
        return {name: _rounded(pose.points[handle.landmark]) for name, handle in HANDLES.items()}

    def ring(self, pose: Pose) -> list[float]:
        """x, y, radius in pixels of a ring around the face."""
        ends = pose.points[[10, 152, 234, 454]].astype(np.float64)
        return _rounded([*ends.mean(axis=0), 0.62 * np.linalg.norm(ends[0] - ends[1])])

    def curves(self) -> dict[str, list[float]]:
        """What the driving motion does, 0 to 1 and a point for each of at most 2000 frames: mouth, lids, head."""
        if self.motion is None:
            return {}
        chosen = np.unique(np.linspace(0, len(self.motion) - 1, min(len(self.motion), _MOST_POINTS)).astype(int))
        motion = self.motion.taken(chosen)
        scores = Controls(np.zeros((len(chosen), len(CHANNELS)))).values
        scores[:, : motion.blendshapes.shape[1] - 1] = motion.blendshapes[:, 1:]
        found = {
            what: scores[:, [CHANNELS.index(name) for name in names]].mean(axis=1) for what, names in _CURVES.items()
        }
        forward = motion.camera_from_face[:, 0, 2]
        found["head"] = np.clip(0.5 + forward - np.median(forward), 0, 1)
        return {what: [round(float(value), 3) for value in values] for what, values in found.items()}

    def copied(self, frame: int) -> dict[str, float]:
        """The driver's expression in a frame, by control, without the head. Raises InputError without a motion."""
        if self.motion is None:
            raise InputError("There is no driving motion to copy from. Connect one and press Run.")
        index = min(max(frame, 0), len(self.motion) - 1)
        return expression_of(self.motion.frame(index), self.motion.frame(self._neutral))

    def weight(self) -> int:
        """Bytes that it keeps, about."""
        height, width = self.picture.shape[:2]
        return 40 * height * width + 12_000 * (len(self.motion) if self.motion else 0)

    @functools.cached_property
    def _pixels_per_cm(self) -> float:
        points = screen_points(self.face)
        return max(float(np.linalg.norm(points[33] - points[263])) / 9.0, 0.1)  # outer corners: 9 cm apart


def answer(
    live: LiveFace,
    edit: Edit,
    frame: int,
    drag: tuple[str, tuple[float, float], bool] | None = None,
    plain: bool = False,
    landmarks: bool = False,
) -> dict:
    """What the editor is told of a frame, as JSON takes it: picture, handles, ring, and `controls`, the key of a drag.

    drag: handle, target, whether mirrored. plain: as it is without the edit. landmarks: also lines of the face.
    """
    controls = Controls.rest().values[0] if plain else edit.frame(frame).values[0]
    controls, keys = controls.astype(np.float64), None
    if drag is not None:
        after = controls + np.round(live.drag(controls, frame, *drag) - controls, 4)  # as keys are written
        keys = live.keyed(edit, frame, controls, after)
        controls = after
    pose = live.pose(controls, frame)
    told = {
        "picture": "data:image/jpeg;base64," + base64.b64encode(live.jpeg(pose)).decode("ascii"),
        "size": list(live.size),
        "frame": frame,
        "frames": live.frames(edit),
        "fps": edit.fps if live.motion is None else live.motion.fps,
        "driven": live.motion is not None,
        "handles": live.handles(pose),
        "ring": live.ring(pose),
    }
    if keys is not None:
        told["controls"] = keys
    if landmarks:
        told["landmarks"] = [_rounded(pose.points[list(path)].ravel()) for path, _ in DRAWN_PATHS]
        told["landmarks"] += [_rounded(pose.points[pupil]) for pupil in PUPILS]
    return told


def expression_of(face: FaceFrame, neutral: FaceFrame | None = None) -> dict[str, float]:
    """A face's expression and gaze by control, as `solve` reads it, without turns and place of the head."""
    named = solve(face, neutral).named()
    return {
        name: round(value, 3) for name, value in named.items() if name not in (*HEAD, *PLACE) and abs(value) >= _SEEN
    }


def _handle(name: str) -> Handle:
    if name not in HANDLES:
        raise InputError(f"{name[:60]!r} is not a handle. Known: {', '.join(HANDLES)}.")
    return HANDLES[name]


def _moved(controls: np.ndarray, handle: Handle, places: np.ndarray, mirror: bool) -> np.ndarray:
    values = controls.copy()
    for number, (axis, other) in enumerate(zip(handle.axes, handle.mirrored(), strict=True)):
        axis.put(values, float(places[number]))
        if mirror and other.above not in (axis.above, axis.below):
            change = with_mirrored(handle, number, places[number] - axis.place(controls))
            (low, high), place = other.bounds(), other.place(controls)
            other.put(values, float(np.clip(place + change, min(low, place), max(high, place))))
    return bounded(values)


def _still(face: FaceFrame) -> FaceMotion:
    arrays = (face.landmarks, face.metric, face.camera_from_face, face.blendshapes)
    return FaceMotion(*(array[None] for array in arrays), face.size, np.ones(1, bool), 25.0)


def _rounded(numbers: Sequence[float] | np.ndarray) -> list[float]:
    return [round(float(number), 2) for number in numbers]
