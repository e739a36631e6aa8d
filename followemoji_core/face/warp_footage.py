"""An edit warped into a clip of a face: each frame is its own portrait, and stays as it is where nothing is edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..types import MESH_LANDMARKS, FaceMotion
from .camera import project
from .controls import Controls
from .expression import apply_to_mesh, pupils_of
from .gaze import gaze_of_shifts, moved_pupils, pupil_points
from .geometry import screen_points
from .motion import neutral_frame, smooth
from .named_expressions import ease
from .pose import in_camera, turned
from .topology import BLENDSHAPE_NAMES, LEFT_EYE, RIGHT_EYE
from .warp import WarpPortrait

_LEAST = 0.02  # pixels: what moves less stays
_BRIDGED = 3  # frames without a face that are edited like those around them; longer gaps stay as they are
_FADE = 6  # frames in which the edit fades in and out around those
_AT_ONCE = 64  # frames
_STEADY = 0.3  # of motion.smooth: a pupil that is seen to tremble would make the brought one tremble
_AHEAD = (
    0.04  # eye widths above the line of its corners: a pupil looking ahead, median of faces that look at the viewer
)
_BLINKING = 0.4  # score from which pupils are not seen
_BLINKS = [BLENDSHAPE_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


def warp_footage(
    frames: Iterable[np.ndarray], motion: FaceMotion, edit: Controls | None = None
) -> Iterator[np.ndarray]:
    """A clip with an edit on its face: T pictures (H,W,3) uint8 RGB, made one by one as they are asked for.

    frames: T pictures (H,W,3) uint8 RGB; motion: the face found in them, T frames; edit: controls of 1 or T frames,
    those that the motion carries unless given.
    Where the face was not seen for more than a few frames the picture stays, and the edit fades towards it. An edit
    that turns the head farther than `warp.LARGEST_TURN` shows what the frame does not have.
    Raises InputError where frames, motion and edit do not fit, and for a motion without an edit.
    """
    edit = motion.edit if edit is None else edit
    if edit is None:
        raise InputError(
            "The motion carries no edit, so the clip would stay as it is. Add one, such as an expression, or turn up "
            "look_at_camera."
        )
    if not len(motion) or len(edit) not in (1, len(motion)):
        raise InputError(f"The motion has {len(motion)} frames, its edit {len(edit)}. Retime one of them.")
    return _warped(frames, motion, edit)


def _warped(frames: Iterable[np.ndarray], motion: FaceMotion, edit: Controls) -> Iterator:
    size, points = tuple(int(side) for side in motion.size), footage_points(motion, edit)
    count = 0
    for picture in frames:
        if picture.shape[1::-1] != size:
            raise InputError(
                f"Frame {count} is {picture.shape[1]}x{picture.shape[0]} pixels, the face was found in "
                f"{size[0]}x{size[1]}. Extract the motion from this clip."
            )
        own, moves, depth = next(points, (None, None, None))
        if own is None:
            raise InputError(f"The clip has more frames than the motion, {count}. Extract the motion from this clip.")
        count += 1
        yield WarpPortrait(picture, own).render(own + moves, depth) if moves.any() else picture
    if count != len(motion):
        raise InputError(f"The clip has {count} frames, the motion {len(motion)}. Extract the motion from this clip.")


def footage_points(motion: FaceMotion, edit: Controls) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each frame its landmarks (478,2) in pixels, how far the edit moves them, (478,2), and the depth (468,) cm.

    As differences, so that landmarks that the edit does not reach stay to the last bit; the portrait's proportions are
    those of the calmest frame.
    """
    rest = motion.metric[neutral_frame(motion)]
    shares = _shares(motion.found)
    values = np.broadcast_to(edit.values, (len(motion), edit.values.shape[1]))
    for start in range(0, len(motion), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        given = replace(edit, values=values[part] * shares[part, None])
        metric, pose = motion.metric[part], motion.camera_from_face[part]
        before = in_camera(metric, pose)
        linear, translation = turned(pose, given)
        after = apply_to_mesh(metric, given, rest) @ linear.swapaxes(1, 2) + translation[:, None]
        places = pupils_of(motion.landmarks[part], metric, pose, motion.size)
        was = np.append(before, pupil_points(places, before, pose), axis=1)
        now = np.append(after, pupil_points(moved_pupils(places, given), after, linear), axis=1)
        moves = project(now, motion.size) - project(was, motion.size)
        moves[np.abs(moves).max(axis=-1) < _LEAST] = 0
        own = screen_points(replace(motion, landmarks=motion.landmarks[part]))
        yield from zip(own, moves, -now[:, :MESH_LANDMARKS, 2], strict=True)


def look_at_camera(motion: FaceMotion, strength: float = 1.0) -> Controls:
    """The edit that brings both eyes to the camera: (T,) controls with the gaze that is missing; strength 0 to 1.

    Read from the motion steadied in time; through blinks, in which pupils cannot be seen, it goes on as around them.
    """
    if not 0.0 <= strength <= 1.0:
        raise InputError(f"Strength is {strength}; allowed: 0 (as it is) to 1 (all of the way).")
    if not len(motion):
        raise InputError("The motion has no frames.")
    motion = smooth(motion, _STEADY)
    pose = motion.camera_from_face.astype(np.float64)

    # 1. Where the camera is, as eyes that look there turn: to the person's left, and up, in the face's own axes.
    middle = in_camera(motion.metric[:, list(RIGHT_EYE + LEFT_EYE)], pose).mean(axis=1)
    x, y, z = -(middle[:, None] @ pose[:, :3, :3])[:, 0].T
    camera = np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], axis=-1))

    # 2. Where they look: both together, so that eyes set apart stay so.
    places = pupils_of(motion.landmarks, motion.metric, motion.camera_from_face, motion.size)[:, :, 0]
    missing = camera - gaze_of_shifts(places - (0, _AHEAD)).mean(axis=1)
    seen = motion.found & (motion.blendshapes[:, _BLINKS].max(axis=1) < _BLINKING)
    if seen.any():
        frames, clear = np.arange(len(motion)), np.flatnonzero(seen)
        missing = np.stack([np.interp(frames, clear, track[clear]) for track in missing.T], axis=-1)
    return Controls.rest(len(motion), motion.fps).with_gaze(strength * np.repeat(missing[:, None], 2, axis=1))


def _shares(found: np.ndarray) -> np.ndarray:
    """(T,) how much of an edit is shown: 0 where no face was seen for longer, easing to 1 around."""
    lost = ~found
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start <= _BRIDGED:
            lost[start:end] = False
    if not lost.any():
        return np.ones(len(found))
    frames, gone = np.arange(len(found)), np.flatnonzero(lost)
    after = np.searchsorted(gone, frames)
    away = np.minimum(
        np.abs(frames - gone[np.minimum(after, len(gone) - 1)]), np.abs(frames - gone[np.maximum(after - 1, 0)])
    )
    return ease(np.clip(away / (_FADE + 1), 0, 1))
