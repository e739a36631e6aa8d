"""Expressions: named controls <-> the mesh of any face, both ways, and gaze. No picture and no network is involved."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..types import MESH_LANDMARKS, FaceFrame, FaceMotion
from .camera import NEAR, near_plane, project
from .controls import GAZE_DEGREES, SHAPES, SIDES, Controls, set_gaze
from .gaze import gaze_of_shifts, moved_pupils, pupil_places, pupil_points
from .geometry import CanonicalFace, fit_similarity
from .motion import neutral_frame
from .topology import (
    INNER_LIP_LOWER,
    INNER_LIP_UPPER,
    LEFT_EYE,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS,
    REGIONS,
    RIGHT_EYE,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)

PIVOT = np.array([0.0, -7.0, -4.0])  # cm in face space: where a head turns on its neck
LID_SHARE = 0.86  # of a closing eye's opening: what the upper lid comes down; the lower one rises by the rest
SHUT_FROM = 0.9  # eyeBlink from which also what other controls open is shut, so that 1 always shuts
EYES = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))  # in the order of SIDES
_CHIN = (152, 148, 377, 176, 400, 149, 378, 199, 175)
_GAZES = tuple(index for index, name in enumerate(SHAPES) if name.startswith("eyeLook"))
_FREE = tuple(index for index in range(len(SHAPES)) if index not in _GAZES)
_AT_ONCE = 128  # frames


@dataclass(frozen=True)
class ExpressionSpace:
    """What the shapes do to an average adult's face.

    fields (51,468,3) float32: cm in canonical face space at 1, in the order of SHAPES; those of eyeLook are the lids'
    following. gains (51,): control = gain * score of the detector, which seldom reports 1. lowest, highest (51,): how
    far beyond [0,1] each goes alone before the mesh folds; what lies beyond is cut off.
    Source: expression_fields.txt.
    """

    fields: np.ndarray
    gains: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    @functools.cache
    def default(cls) -> ExpressionSpace:
        """The space that is shipped with this package."""
        with np.load(Path(__file__).with_name("expression_fields.npz"), allow_pickle=False) as arrays:
            return cls(*(arrays[name].astype(np.float32) for name in ("fields", "gains", "lowest", "highest")))

    def carried(self, rest: np.ndarray) -> np.ndarray:
        """The fields on the proportions of a face, (51,468,3) float64; rest (468,3) cm."""
        return self.fields * proportions(rest)[:, None]


def apply_to_mesh(
    metric: np.ndarray,
    controls: Controls | np.ndarray,
    rest: np.ndarray | None = None,
    lid_follow: float = 1.0,
    space: ExpressionSpace | None = None,
) -> np.ndarray:
    """Faces with expressions added: (T,468,3) float64 cm in canonical face space, pose and scale of the mesh as given.

    metric (468,3) or (T,468,3) cm; controls of 1 or T frames, or their shapes (T,51). rest (468,3): the face whose
    proportions count, the first one unless given. lid_follow: share of the lids' following the gaze, 0 to leave them.
    Displacements add up, then lids and lips that crossed are parted; a blink shuts the eye as it is in `metric`.
    Zero controls change nothing.
    """
    space = space or ExpressionSpace.default()
    shapes = controls.shapes if isinstance(controls, Controls) else np.asarray(controls)
    metric = np.asarray(metric, np.float64).reshape(-1, MESH_LANDMARKS, 3)
    rest = metric[0] if rest is None else np.asarray(rest, np.float64)
    weights = np.clip(shapes.astype(np.float64), space.lowest, space.highest)
    if len(weights) != len(metric) and 1 not in (len(weights), len(metric)):
        raise InputError(f"Controls of {len(weights)} frames do not fit a motion of {len(metric)}. Retime one of them.")
    weights = np.repeat(weights, len(metric), 0) if len(weights) == 1 < len(metric) else weights
    metric = np.broadcast_to(metric, (len(weights), MESH_LANDMARKS, 3))
    for one, other, ratio in _OPPOSED:  # eyes that look up and down at once look nowhere
        both = np.maximum(np.minimum(weights[:, one], weights[:, other] * ratio), 0.0)
        weights[:, one] -= both
        weights[:, other] -= both / ratio
    weights[:, _GAZES] *= lid_follow

    # 1. Jaw and lips close what the face, or the jaw, has opened, and no more.
    fields = space.carried(rest)
    gap = _lip_gap(metric)
    weights[:, _JAW] = np.maximum(weights[:, _JAW], np.minimum(-gap / _lip_gap(fields[_JAW]), 0.0))
    opened = gap + weights[:, _JAW] * _lip_gap(fields[_JAW])
    weights[:, _CLOSE] = np.clip(weights[:, _CLOSE], 0.0, np.maximum(opened, 0.0) / -_lip_gap(fields[_CLOSE]))

    # 2. The sum, but for the blinks: they shut the opening that the face has.
    blinks = weights[:, _BLINKS]
    summed = np.tensordot(np.where(_IS_BLINK, 0.0, weights), fields, 1)
    for side, (upper, lower) in enumerate(EYES):
        blink = blinks[:, side, None, None]
        opened = metric[:, upper] - metric[:, lower]
        ratio = np.clip(opened[:, 1:-1, 1].mean(axis=1) / _OPENING, 0.0, 3.0)[:, None, None]
        field = ratio * space.fields[_BLINKS[side]]
        field[:, upper], field[:, lower] = -LID_SHARE * opened, (1 - LID_SHARE) * opened
        summed += blink * field
    mesh = metric + summed

    # 3. Once, after the sum: lids and lips do not cross, nor more than they did; an eye that shuts is shut.
    for side, (upper, lower) in enumerate(EYES):
        mesh = _parted(mesh, metric, upper, lower, _shut(blinks[:, side]))
    return _parted(mesh, metric, INNER_LIP_UPPER, INNER_LIP_LOWER, None)


def apply(
    face: FaceFrame | FaceMotion,
    controls: Controls,
    rest: np.ndarray | None = None,
    lid_follow: float = 1.0,
) -> FaceFrame | FaceMotion:
    """The face with expression, gaze, head turn and place added, as if it had been seen so in its picture.

    A FaceFrame with controls of T > 1 frames gives a FaceMotion at their rate; T = 1 gives a FaceFrame. A FaceMotion
    takes 1 or as many frames. rest (468,3) cm: the face whose proportions count; that of the frame, or of the motion's
    calmest one, unless given. lid_follow: see apply_to_mesh. Blendshapes become those of the face plus the controls, as
    the detector would report them. The result is consistent: geometry solved from its landmarks is its own.
    Raises InputError for numbers of frames that do not fit.
    """
    moving = isinstance(face, FaceMotion)
    if moving and not len(face):
        raise InputError("The motion has no frames.")
    arrays = {
        name: np.asarray(getattr(face, name)) for name in ("landmarks", "metric", "camera_from_face", "blendshapes")
    }
    if not moving:
        arrays = {name: array[None] for name, array in arrays.items()}
    count = max(len(controls), len(arrays["metric"]))
    if {len(controls), len(arrays["metric"])} - {1, count}:
        raise InputError(f"Controls of {len(controls)} frames do not fit a motion of {len(face)}. Retime one of them.")
    values = np.broadcast_to(controls.values, (count, controls.values.shape[1]))
    arrays = {name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in arrays.items()}
    if rest is None:
        rest = arrays["metric"][neutral_frame(face) if moving else 0]

    def part(start: int) -> list[np.ndarray]:
        chosen = slice(start, start + _AT_ONCE)
        given = replace(controls, values=values[chosen])
        return _applied(*(array[chosen] for array in arrays.values()), given, rest, lid_follow, face.size)

    parts = [part(start) for start in range(0, count, _AT_ONCE)]
    landmarks, metric, camera_from_face, blendshapes = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    if not moving and count == 1:
        return FaceFrame(landmarks[0], metric[0], camera_from_face[0], blendshapes[0], face.size)
    if moving and len(face) == count:
        return replace(
            face, landmarks=landmarks, metric=metric, camera_from_face=camera_from_face, blendshapes=blendshapes
        )
    found = np.full(count, bool(face.found[0]) if moving else True)
    return FaceMotion(landmarks, metric, camera_from_face, blendshapes, face.size, found, controls.fps)


def _applied(
    landmarks: np.ndarray,
    metric: np.ndarray,
    camera_from_face: np.ndarray,
    scores: np.ndarray,
    controls: Controls,
    rest: np.ndarray,
    lid_follow: float,
    size: tuple[int, int],
) -> list[np.ndarray]:
    """The arrays of T frames with the controls of T frames on them, float32."""
    # 1. Expression, head pose, gaze.
    mesh = apply_to_mesh(metric, controls, rest, lid_follow)
    linear, translation = turned(camera_from_face, controls)
    places = moved_pupils(pupils_of(landmarks, metric, camera_from_face, size), controls)
    results = seen_as(landmarks, metric, camera_from_face, size, mesh, (linear, translation), places)

    # 2. What the detector would report, about; frames at rest stay as they are.
    scores = scores.copy()
    scores[:, 1:] = np.clip(scores[:, 1:] + controls.shapes / ExpressionSpace.default().gains, 0.0, 1.0)
    still = ~controls.values.any(axis=1)
    for result, given in zip(results, (landmarks, metric, camera_from_face), strict=True):
        result[still] = given[still]
    return [*results, scores.astype(np.float32)]


def seen_as(
    landmarks: np.ndarray,
    metric: np.ndarray,
    camera_from_face: np.ndarray,
    size: tuple[int, int],
    mesh: np.ndarray,
    pose: tuple[np.ndarray, np.ndarray],
    places: np.ndarray,
) -> list[np.ndarray]:
    """T faces that were changed, as they would have been seen: landmarks, metric and camera_from_face, float32, which
    agree. landmarks, metric, camera_from_face: as they were; mesh (T,468,3) cm in face space, pose (T,3,3) and (T,3)
    camera from face, and the pupils' places (T,2,5,2): as they are now."""
    linear, translation = pose
    before = in_camera(metric, camera_from_face)
    after = mesh @ linear.swapaxes(1, 2) + translation[:, None]

    # 1. What the solver of geometry calls pose and scale, taken out, so that both agree.
    new_metric, new_pose = normalised(after)

    # 2. Points on the screen; depth in picture widths about the mean that it had, irises as far before the lids.
    own_places = pupils_of(landmarks, metric, camera_from_face, size)
    points = np.concatenate([after, pupil_points(places, after, linear)], axis=1)
    own = np.concatenate([before, pupil_points(own_places, before, camera_from_face)], axis=1)
    z = screen_depth(points, size)
    mean = landmarks[:, :MESH_LANDMARKS, 2].mean(axis=1, keepdims=True)
    z[:, MESH_LANDMARKS:] += (landmarks[..., 2] - mean - screen_depth(own, size))[:, MESH_LANDMARKS:]
    seen = np.concatenate([project(points, size) / size, (mean + z)[..., None]], axis=-1)
    return [result.astype(np.float32) for result in (seen, new_metric, new_pose)]


def pupils_of(
    landmarks: np.ndarray, metric: np.ndarray, camera_from_face: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Places (T,2,5,2) of the irises of T faces in their eyes, see pupil_places."""
    points = landmarks[..., :2].astype(np.float64) * size
    return pupil_places(points, in_camera(metric, camera_from_face), camera_from_face, size)


def express(
    metric: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    edit: Controls,
    rest: np.ndarray,
    lid_follow: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An edit on an aligned portrait, after the driver's expression: the same three of T frames, in float64.

    metric (T,468,3) cm in face space, rotation (3,3) or (T,3,3) and translation (3,) or (T,3) camera from face, cm;
    edit of 1 or T frames; rest (468,3): the portrait's own mesh. Raises InputError where the frames do not fit.
    """
    mesh = apply_to_mesh(metric, edit, rest, lid_follow)
    pose = np.zeros((len(mesh), 4, 4))
    pose[:, :3, :3], pose[:, :3, 3] = rotation, translation
    linear, moved = turned(pose, edit)
    return mesh, linear, moved


def normalised(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Meshes (T,468,3) cm in camera space -> metric (T,468,3) and camera_from_face (T,4,4), float64, as solve_geometry
    gives them for what the camera sees of them: the face scaled about the camera to its canonical size."""
    canonical = CanonicalFace.default()
    source = canonical.vertices[canonical.basis].astype(np.float64)
    rotation, scale, offset = fit_similarity(source, mesh[:, canonical.basis], canonical.weights.astype(np.float64))
    metric = (mesh - offset[:, None]) @ rotation / scale[:, None, None]
    camera_from_face = np.tile(np.eye(4), (len(mesh), 1, 1))
    camera_from_face[:, :3, :3], camera_from_face[:, :3, 3] = rotation, offset / scale[:, None]
    return metric, camera_from_face


def in_camera(metric: np.ndarray, camera_from_face: np.ndarray) -> np.ndarray:
    """(...,N,3) cm in face space -> (...,N,3) float64 in camera space; camera_from_face (...,4,4)."""
    pose = camera_from_face.astype(np.float64)
    return metric.astype(np.float64) @ np.swapaxes(pose[..., :3, :3], -1, -2) + pose[..., None, :3, 3]


def screen_depth(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth (T,N) in picture widths, 0 on the average of the mesh, of points (T,N,3) cm; 468 are the mesh."""
    depth = -points[..., 2]
    return (depth / depth[:, :MESH_LANDMARKS].mean(axis=1, keepdims=True) - 1) * NEAR / near_plane(size)[0]


def turned(camera_from_face: np.ndarray, controls: Controls) -> tuple[np.ndarray, np.ndarray]:
    """Head pose with the head controls added: linear part (T,3,3) and translation (T,3) cm, float64.

    The head turns on its neck about its own axes, roll first, then pitch, then yaw; its place is moved in the camera's.
    """
    pose = np.asarray(camera_from_face, np.float64)
    turn = rotations(controls.turns)
    moved = PIVOT - turn @ PIVOT
    linear = pose[..., :3, :3] @ turn
    return linear, pose[..., :3, 3] + (pose[..., :3, :3] @ moved[..., None])[..., 0] + controls.places


def rotations(degrees: np.ndarray) -> np.ndarray:
    """(T,3) yaw, pitch, roll in degrees -> (T,3,3): roll first, then pitch, then yaw; + is left, up, anticlockwise."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians(np.asarray(degrees, np.float64))).T for f in (np.cos, np.sin))
    zero, one = np.zeros_like(cy), np.ones_like(cy)

    def matrices(*rows) -> np.ndarray:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    about_y = matrices((cy, zero, sy), (zero, one, zero), (-sy, zero, cy))
    about_x = matrices((one, zero, zero), (zero, cp, sp), (zero, -sp, cp))
    return about_y @ about_x @ matrices((cr, -sr, zero), (sr, cr, zero), (zero, zero, one))


def angles(rotation: np.ndarray) -> np.ndarray:
    """The reverse of `rotations`: (T,3,3) -> (T,3) yaw, pitch, roll in degrees."""
    yaw = np.arctan2(rotation[..., 0, 2], rotation[..., 2, 2])
    pitch = np.arcsin(np.clip(rotation[..., 1, 2], -1.0, 1.0))
    roll = np.arctan2(rotation[..., 1, 0], rotation[..., 1, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))


# Reading controls off a face.


def controls_from_scores(scores: np.ndarray, fps: float = 25.0) -> Controls:
    """The detector's scores (T,52), index 0 `_neutral`, as controls of T frames."""
    values = Controls.rest(len(scores), fps).values
    values[:, : len(SHAPES)] = np.clip(scores[:, 1:] * ExpressionSpace.default().gains, 0.0, 1.0)
    return Controls(values, fps)


def solve(
    face: FaceFrame | FaceMotion, neutral: FaceFrame | None = None, lid_follow: float = 1.0, highest: float = 1.0
) -> Controls:
    """The controls that make `neutral` look like the face; T frames give T frames.

    With a neutral face of the same person: least squares within [0, highest] on the mesh, gaze from the pupils, head
    turn and place from the pose; apply(neutral, solve(face, neutral)) is close to the face. Without one: the detector's
    scores, and the gaze that the pupils have in their eyes; head and place stay 0.
    """
    moving = isinstance(face, FaceMotion)
    motion = face if moving else _as_motion(face)
    parts = []
    for start in range(0, len(motion), _AT_ONCE):
        chosen = _frames(motion, slice(start, start + _AT_ONCE))
        parts.append(_read(chosen) if neutral is None else _solved(chosen, neutral, lid_follow, highest))
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


def _frames(motion: FaceMotion, chosen: slice) -> FaceMotion:
    names = ("landmarks", "metric", "camera_from_face", "blendshapes", "found")
    return replace(motion, **{name: getattr(motion, name)[chosen] for name in names})


def _places(motion: FaceMotion) -> np.ndarray:
    return pupils_of(motion.landmarks, motion.metric, motion.camera_from_face, motion.size)


def _read(motion: FaceMotion) -> np.ndarray:
    values = controls_from_scores(motion.blendshapes).values
    set_gaze(values, gaze_of_shifts(_places(motion)[:, :, 0]))
    return values


def _solved(motion: FaceMotion, neutral: FaceFrame, lid_follow: float, highest: float) -> np.ndarray:
    """(T,58) controls by least squares."""
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
        seen = normalised(apply_to_mesh(neutral.metric, values[:, : len(SHAPES)], lid_follow=lid_follow))[0]
        pull = (target - seen).reshape(len(seen), -1) @ jacobian.T + found @ normal
        step = _bounded_least_squares(normal, pull, bounds, found) - found
        found = found + step
        if np.abs(step).max(initial=0.0) < 1e-3:
            break
    values[:, _FREE] = found

    # 3. Head: what of the pose is not the expression's doing.
    mesh = apply_to_mesh(neutral.metric, values[:, : len(SHAPES)], lid_follow=lid_follow)
    _, offset = normalised(mesh)
    _, scale, _ = _basis_fit(mesh)
    mine = neutral.camera_from_face.astype(np.float64)
    theirs = motion.camera_from_face.astype(np.float64)
    linear = theirs[:, :3, :3] @ offset[:, :3, :3].swapaxes(1, 2)
    turn = mine[:3, :3].T @ linear
    values[:, len(SHAPES) + 1 : len(SHAPES) + 4] = np.clip(angles(turn), -90, 90)
    moved = PIVOT - turn @ PIVOT
    pushed = theirs[:, :3, 3] * scale[:, None] - (linear @ (offset[:, :3, 3] * scale[:, None])[..., None])[..., 0]
    values[:, -3:] = np.clip(pushed - mine[:3, 3] - moved @ mine[:3, :3].T, -100, 100)
    return values.astype(np.float32)


def _basis_fit(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    canonical = CanonicalFace.default()
    source = canonical.vertices[canonical.basis].astype(np.float64)
    return fit_similarity(source, mesh[:, canonical.basis], canonical.weights.astype(np.float64))


def _normal_equations(metric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(43,43) and (43,1404): derivative of the normalised mesh by the shapes that are no gaze, and its square with a
    little damping, so that shapes that look alike share what they explain."""
    small = 0.05
    steps = np.zeros((len(_FREE) + 1, len(SHAPES)))
    steps[np.arange(len(_FREE)), _FREE] = small
    steps[_FREE.index(_CLOSE), _JAW] = small  # lips close only what a jaw has opened
    moved = normalised(apply_to_mesh(metric, steps))[0]
    jacobian = (moved[:-1] - moved[-1]).reshape(len(_FREE), -1) / small
    jacobian[_FREE.index(_CLOSE)] -= jacobian[_FREE.index(_JAW)]
    normal = jacobian @ jacobian.T
    return normal + np.eye(len(normal)) * _DAMPING, jacobian


def _bounded_least_squares(normal: np.ndarray, pull: np.ndarray, highest: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Minimise x normal x / 2 - pull x within 0 <= x <= highest, for T rows at once, by coordinate descent."""
    found = start.copy()
    for _ in range(200):
        before = found.copy()
        for index in range(len(normal)):
            rest = pull[:, index] - found @ normal[index] + found[:, index] * normal[index, index]
            found[:, index] = np.clip(rest / normal[index, index], 0.0, highest[index])
        if np.abs(found - before).max(initial=0.0) < 1e-4:
            break
    return found


# Proportions, and what must not cross.

_ADULT = {"eye": 2.9, "mouth": 5.4, "chin": 7.7}  # cm: eye and mouth widths, nose to chin, of those who were measured


def proportions(rest: np.ndarray) -> np.ndarray:
    """(468,) float64: how much farther each vertex of this face goes than an average adult's; rest (468,3) cm.

    The root of how much larger its part is: whoever has large eyes opens them wider, but not in proportion; and a mouth
    that smiles or yawns is wide and long without being so at rest.
    """

    def length(a: int, b: int) -> float:
        return float(np.linalg.norm(rest[a] - rest[b]))

    sizes = {"eye": (length(33, 133) + length(263, 362)) / 2, "mouth": length(61, 291), "chin": length(2, 152)}
    eye, mouth, chin = (np.clip(sizes[name] / size, 0.4, 2.0) ** 0.5 for name, size in _ADULT.items())
    return _region_shares() @ np.array([eye, mouth, chin, 1.0])


@functools.cache
def _region_shares() -> np.ndarray:
    """(468,4): shares of eyes and brows, mouth, chin, and none of them, in each vertex; rows sum to 1."""
    vertices = CanonicalFace.default().vertices
    eyes = LEFT_EYE + RIGHT_EYE + REGIONS["brows"]
    weights = [1.0 / (_distance(points) ** 4 + 0.05) for points in (eyes, LIPS, _CHIN)]
    weights.append(np.full(len(vertices), 1.0 / 1.5**4))
    shares = np.stack(weights, axis=-1)
    return shares / shares.sum(axis=-1, keepdims=True)


def _distance(points: Sequence[int]) -> np.ndarray:
    """(468,) cm on the canonical face to the nearest of the vertices."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    return np.linalg.norm(vertices[:, None] - vertices[list(points)], axis=-1).min(axis=1)


def _lip_gap(mesh: np.ndarray) -> np.ndarray:
    """(...) cm between the lips, in the middle, of meshes (...,468,3); of a field, by how much it widens."""
    return mesh[..., INNER_LIP_UPPER[5], 1] - mesh[..., INNER_LIP_LOWER[5], 1]


def parted(mesh: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Meshes (T,468,3) cm whose lids and lips do not cross, unless they did `before`, (T,468,3), and then no more."""
    for upper, lower in (*EYES, (INNER_LIP_UPPER, INNER_LIP_LOWER)):
        mesh = _parted(mesh, before, upper, lower, None)
    return mesh


def _shut(blink: np.ndarray) -> np.ndarray:
    """(T,1) share of what others opened that this much of a blink shuts too."""
    return np.clip((blink - SHUT_FROM) / (1.0 - SHUT_FROM), 0.0, 1.0)[:, None]


def _parted(
    mesh: np.ndarray, before: np.ndarray, upper: Sequence[int], lower: Sequence[int], shut: np.ndarray | None
) -> np.ndarray:
    """Meshes (T,468,3) whose lower line is nowhere above its upper one, unless it was `before`, and then no farther.

    Each line gives back in proportion to how far it came towards the other; the skin around follows. With shut (T,1):
    that share of the gap that is left is closed as well.
    """
    above, below = list(upper[1:-1]), list(lower[1:-1])
    gap = mesh[:, above, 1] - mesh[:, below, 1]
    least = np.minimum(before[:, above, 1] - before[:, below, 1], 0.0)
    crossed = np.maximum(least - gap, 0.0)
    came = (
        np.maximum(before[:, above, 1] - mesh[:, above, 1], 0.0),
        np.maximum(mesh[:, below, 1] - before[:, below, 1], 0.0),
    )
    share = (came[0] + 1e-9) / (came[0] + came[1] + 2e-9)
    up, down = share * crossed, (1 - share) * crossed
    if shut is not None:
        rest = shut * np.maximum(gap, 0.0)
        up, down = up - LID_SHARE * rest, down - (1 - LID_SHARE) * rest
    if not (up.any() or down.any()):
        return mesh
    from_above, from_below = _followers(tuple(above), tuple(below))
    result = mesh.copy()
    result[..., 1] += up @ from_above.T - down @ from_below.T
    if shut is not None:  # shut lids meet in depth and sideways too
        meeting = np.broadcast_to(shut, up.shape)[..., None] * (result[:, below] - result[:, above])
        result[:, above] += LID_SHARE * meeting
        result[:, below] -= (1 - LID_SHARE) * meeting
    return result


@functools.cache
def _followers(above: tuple[int, ...], below: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(468,N) each: how much every vertex follows the N vertices of the upper line, and of the lower one."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    reach = 0.4 if len(above) < 8 else 1.2
    results = []
    for line, other in ((above, below), (below, above)):
        distance = np.linalg.norm(vertices[:, None] - vertices[list(line)], axis=-1)
        kernel = np.exp(-((distance / reach) ** 2))
        shares = kernel / kernel.sum(axis=1, keepdims=True).clip(1e-12) * kernel.max(axis=1, keepdims=True)
        shares[_distance(other) < distance.min(axis=1)] = 0.0  # the other lip, or lid
        shares[list(line)] = np.eye(len(line))
        results.append(shares)
    return results[0], results[1]


def _index(*names: str) -> list[int]:
    return [SHAPES.index(name) for name in names]


_JAW, _CLOSE = _index("jawOpen", "mouthClose")
_BLINKS = _index("eyeBlinkRight", "eyeBlinkLeft")
_OPPOSED = [  # two looks of an eye, and how much of the first one unit of the second undoes
    (SHAPES.index(one + side), SHAPES.index(other + side), GAZE_DEGREES[other] / GAZE_DEGREES[one])
    for one, other in (("eyeLookIn", "eyeLookOut"), ("eyeLookUp", "eyeLookDown"))
    for side in SIDES
]
_IS_BLINK = np.isin(np.arange(len(SHAPES)), _BLINKS)
_OPENING = 0.455  # cm, mean opening of the canonical face's eyes
_DAMPING = 1e-3
