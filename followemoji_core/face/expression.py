"""Expressions: named controls on the mesh of any face, and gaze. No picture and no network is involved."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..types import MESH_LANDMARKS, FaceFrame, FaceMotion
from .camera import project
from .controls import GAZE_DEGREES, SHAPES, SIDES, Controls
from .gaze import moved_pupils, pupil_places, pupil_points
from .motion import neutral_frame
from .parting import EYES, LID_SHARE, parted_lines, shut_share
from .pose import in_camera, normalised, screen_depth, turned
from .proportions import proportions
from .topology import INNER_LIP_LOWER, INNER_LIP_UPPER

GAZES = tuple(index for index, name in enumerate(SHAPES) if name.startswith("eyeLook"))
JAW, CLOSE = SHAPES.index("jawOpen"), SHAPES.index("mouthClose")
_BLINKS = [SHAPES.index(f"eyeBlink{side}") for side in SIDES]
_IS_BLINK = np.isin(np.arange(len(SHAPES)), _BLINKS)
_OPPOSED = [  # two looks of an eye, and how much of the first one unit of the second undoes
    (SHAPES.index(one + side), SHAPES.index(other + side), GAZE_DEGREES[other] / GAZE_DEGREES[one])
    for one, other in (("eyeLookIn", "eyeLookOut"), ("eyeLookUp", "eyeLookDown"))
    for side in SIDES
]
_OPENING = 0.455  # cm, mean opening of the canonical face's eyes
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
    space: ExpressionSpace | None = None,
) -> np.ndarray:
    """Faces with expressions added: (T,468,3) float64 cm in canonical face space, pose and scale of the mesh as given.

    metric (468,3) or (T,468,3) cm; controls of 1 or T frames, or their shapes (T,51). rest (468,3): the face whose
    proportions count, the first one unless given.
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
    if isinstance(controls, Controls):
        weights[:, GAZES] *= controls.lids_follow[:, None]

    # 1. Jaw and lips close what the face, or the jaw, has opened, and no more.
    fields = space.carried(rest)
    gap = _lip_gap(metric)
    weights[:, JAW] = np.maximum(weights[:, JAW], np.minimum(-gap / _lip_gap(fields[JAW]), 0.0))
    opened = gap + weights[:, JAW] * _lip_gap(fields[JAW])
    weights[:, CLOSE] = np.clip(weights[:, CLOSE], 0.0, np.maximum(opened, 0.0) / -_lip_gap(fields[CLOSE]))

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
        mesh = parted_lines(mesh, metric, upper, lower, shut_share(blinks[:, side]))
    return parted_lines(mesh, metric, INNER_LIP_UPPER, INNER_LIP_LOWER, None)


def apply(
    face: FaceFrame | FaceMotion,
    controls: Controls,
    rest: np.ndarray | None = None,
) -> FaceFrame | FaceMotion:
    """The face with expression, gaze, head turn and place added, as if it had been seen so in its picture.

    A FaceFrame with controls of T > 1 frames gives a FaceMotion at their rate; T = 1 gives a FaceFrame. A FaceMotion
    takes 1 or as many frames. rest (468,3) cm: the face whose proportions count; that of the frame, or of the motion's
    calmest one, unless given. Blendshapes become those of the face plus the controls, as
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
        return _applied(*(array[chosen] for array in arrays.values()), given, rest, face.size)

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
    size: tuple[int, int],
) -> list[np.ndarray]:
    """The arrays of T frames with the controls of T frames on them, float32."""
    # 1. Expression, head pose, gaze.
    mesh = apply_to_mesh(metric, controls, rest)
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
    places = [np.zeros((0, 2, 5, 2))]
    for start in range(0, len(landmarks), _AT_ONCE):  # a long clip
        part = slice(start, start + _AT_ONCE)
        points = landmarks[part, :, :2].astype(np.float64) * size
        mesh = in_camera(metric[part], camera_from_face[part])
        places.append(pupil_places(points, mesh, camera_from_face[part], size))
    return np.concatenate(places)


def express(
    metric: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    edit: Controls,
    rest: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An edit on an aligned portrait, after the driver's expression: the same three of T frames, in float64.

    metric (T,468,3) cm in face space, rotation (3,3) or (T,3,3) and translation (3,) or (T,3) camera from face, cm;
    edit of 1 or T frames; rest (468,3): the portrait's own mesh. Raises InputError where the frames do not fit.
    """
    mesh = apply_to_mesh(metric, edit, rest)
    pose = np.zeros((len(mesh), 4, 4))
    pose[:, :3, :3], pose[:, :3, 3] = rotation, translation
    linear, moved = turned(pose, edit)
    return mesh, linear, moved


def _lip_gap(mesh: np.ndarray) -> np.ndarray:
    """(...) cm between the lips, in the middle, of meshes (...,468,3); of a field, by how much it widens."""
    return mesh[..., INNER_LIP_UPPER[5], 1] - mesh[..., INNER_LIP_LOWER[5], 1]
