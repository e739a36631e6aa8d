"""Controls read off a face: least squares against a neutral one, or the detector's scores; a clip made neutral."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..types import FaceFrame, FaceMotion
from .controls import SHAPES, Controls, set_gaze
from .expression import CLOSE, GAZES, JAW, ExpressionSpace, apply, apply_to_mesh, pupils_of
from .gaze import gaze_of_shifts
from .motion import neutral_frame
from .pose import PIVOT, angles, canonical_fit, normalised

_FREE = tuple(index for index in range(len(SHAPES)) if index not in GAZES)
_AT_ONCE = 128  # frames
_DAMPING = 1e-3


def controls_from_scores(scores: np.ndarray, fps: float = 25.0) -> Controls:
    """The detector's scores (T,52), index 0 `_neutral`, as controls of T frames."""
    values = Controls.rest(len(scores), fps).values
    values[:, : len(SHAPES)] = np.clip(scores[:, 1:] * ExpressionSpace.default().gains, 0.0, 1.0)
    return Controls(values, fps)


def solve(face: FaceFrame | FaceMotion, neutral: FaceFrame | None = None, highest: float = 1.0) -> Controls:
    """The controls that make `neutral` look like the face; T frames give T frames.

    With a neutral face of the same person: least squares within [0, highest] on the mesh, gaze from the pupils, head
    turn and place from the pose; apply(neutral, solve(face, neutral)) is close to the face. Without one: the detector's
    scores, and the gaze that the pupils have in their eyes; head and place stay 0.
    """
    moving = isinstance(face, FaceMotion)
    motion = face if moving else _as_motion(face)
    parts = []
    for start in range(0, len(motion), _AT_ONCE):
        chosen = motion.taken(slice(start, start + _AT_ONCE))
        parts.append(_read(chosen) if neutral is None else _solved(chosen, neutral, highest))
    return Controls(np.concatenate(parts) if parts else Controls.rest(0).values, motion.fps)


def neutralise(motion: FaceMotion, neutral: FaceFrame | None = None, strength: float = 1.0) -> FaceMotion:
    """The motion (T frames) without its mean expression: what the face keeps up all the time is taken out.

    neutral: the same person's calm face; the motion's calmest frame unless given. Lids and gaze keep theirs, so that
    blinks stay blinks. strength: share that is taken out, 0 to 1. Raises InputError for a motion without frames.
    """
    if not len(motion):
        raise InputError("The motion has no frames.")
    if not 0.0 <= strength <= 1.0:
        raise InputError(f"Strength is {strength}; allowed: 0 (as it is) to 1 (all of the mean expression).")
    neutral = neutral or motion.frame(neutral_frame(motion))
    mean = solve(motion, neutral).values.mean(axis=0, keepdims=True)
    values = Controls.rest().values
    kept = [i for i, name in enumerate(SHAPES) if not name.startswith(("eyeLook", "eyeBlink", "eyeWide"))]
    values[:, kept] = np.clip(-strength * mean[:, kept], -1.0, 0.0)
    return apply(motion, Controls(values, motion.fps), rest=neutral.metric)


def _as_motion(face: FaceFrame) -> FaceMotion:
    arrays = (face.landmarks, face.metric, face.camera_from_face, face.blendshapes)
    return FaceMotion(*(array[None] for array in arrays), face.size, np.ones(1, bool), 25.0)


def _places(motion: FaceMotion) -> np.ndarray:
    return pupils_of(motion.landmarks, motion.metric, motion.camera_from_face, motion.size)


def _read(motion: FaceMotion) -> np.ndarray:
    values = controls_from_scores(motion.blendshapes).values
    set_gaze(values, gaze_of_shifts(_places(motion)[:, :, 0]))
    return values


def _solved(motion: FaceMotion, neutral: FaceFrame, highest: float) -> np.ndarray:
    """(T,59) controls by least squares."""
    space = ExpressionSpace.default()
    values = Controls.rest(len(motion)).values.astype(np.float64)

    # 1. Gaze: where the pupils went between the corners of their eyes.
    own = _places(_as_motion(neutral))[:, :, 0]
    set_gaze(values, gaze_of_shifts(_places(motion)[:, :, 0] - own))

    # 2. Shapes: Gauss-Newton with the derivative at the neutral face, of the mesh as the geometry solver would see it.
    bounds = np.clip(space.highest[list(_FREE)], 0.0, highest)
    normal, jacobian = _normal_equations(neutral.metric)
    found = np.zeros((len(motion), len(_FREE)))
    target = motion.metric.astype(np.float64)
    for _ in range(8):
        values[:, _FREE] = found
        seen = normalised(apply_to_mesh(neutral.metric, values[:, : len(SHAPES)]))[0]
        pull = (target - seen).reshape(len(seen), -1) @ jacobian.T + found @ normal
        step = bounded_least_squares(normal, pull, np.zeros_like(bounds), bounds, found) - found
        found = found + step
        if np.abs(step).max(initial=0.0) < 1e-3:
            break
    values[:, _FREE] = found

    # 3. Head: what of the pose is not the expression's doing.
    mesh = apply_to_mesh(neutral.metric, values[:, : len(SHAPES)])
    _, offset = normalised(mesh)
    _, scale, _ = canonical_fit(mesh)
    mine = neutral.camera_from_face.astype(np.float64)
    theirs = motion.camera_from_face.astype(np.float64)
    linear = theirs[:, :3, :3] @ offset[:, :3, :3].swapaxes(1, 2)
    turn = mine[:3, :3].T @ linear
    values[:, -6:-3] = np.clip(angles(turn), -90, 90)
    moved = PIVOT - turn @ PIVOT
    pushed = theirs[:, :3, 3] * scale[:, None] - (linear @ (offset[:, :3, 3] * scale[:, None])[..., None])[..., 0]
    values[:, -3:] = np.clip(pushed - mine[:3, 3] - moved @ mine[:3, :3].T, -100, 100)
    return values.astype(np.float32)


def _normal_equations(metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(43,43) and (43,1404): derivative of the normalised mesh by the shapes that are no gaze, and its square with a
    little damping, so that shapes that look alike share what they explain."""
    small = 0.05
    steps = np.zeros((len(_FREE) + 1, len(SHAPES)))
    steps[np.arange(len(_FREE)), _FREE] = small
    steps[_FREE.index(CLOSE), JAW] = small  # lips close only what a jaw has opened
    moved = normalised(apply_to_mesh(metric, steps))[0]
    jacobian = (moved[:-1] - moved[-1]).reshape(len(_FREE), -1) / small
    jacobian[_FREE.index(CLOSE)] -= jacobian[_FREE.index(JAW)]
    normal = jacobian @ jacobian.T
    return normal + np.eye(len(normal)) * _DAMPING, jacobian


def bounded_least_squares(
    normal: np.ndarray, pull: np.ndarray, lowest: np.ndarray, highest: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Minimise x normal x / 2 - pull x within lowest <= x <= highest, for T rows at once, by coordinate descent.

    normal (N,N), pull and start (T,N), lowest and highest (N,).
    """
    found = start.copy()
    for _ in range(200):
        before = found.copy()
        for index in range(len(normal)):
            rest = pull[:, index] - found @ normal[index] + found[:, index] * normal[index, index]
            found[:, index] = np.clip(rest / normal[index, index], lowest[index], highest[index])
        if np.abs(found - before).max(initial=0.0) < 1e-4:
            break
    return found
