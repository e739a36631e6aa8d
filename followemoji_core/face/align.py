"""Motion alignment (paper 4.1): the driver's expression and head motion, on the portrait's face, in its picture."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np

from ..errors import InputError
from ..types import AlignedMotion, FaceFrame, FaceMotion
from .camera import NEAR, near_plane, project
from .controls import Controls
from .expression import express, pupils_of
from .gaze import mixed_places, moved_pupils, pupil_places, pupil_points
from .geometry import CanonicalFace, screen_points
from .motion import neutral_frame, smooth
from .steady import room_inside, steady_path
from .topology import LEFT_EYE, LEFT_IRIS, REGIONS, RIGHT_EYE, RIGHT_IRIS

Rotation = Literal["driving", "relative", "none"]
Translation = Literal["driving", "none", "steady"]
PupilAnchor = Literal["corners", "box"]
STRONGEST = 3.0

# An eye flatter than this share of its length is shut: where the pupil is in it cannot be told from there. Blinks that
# MediaPipe reports stay above (0.06 seen), so the published numbers hold.
FLATTEST_EYE = 0.02


@dataclass(frozen=True)
class AlignOptions:
    """How much of the driver the portrait takes over. The defaults suit any pair; `published` is the paper's.

    rotation: "driving" the driver's own head rotation; "relative" the portrait's, turned as the driver turns away from
    the neutral frame; "none" the portrait's. translation: "driving" the portrait's, moved by the centimetres that the
    driver is away from the first frame; "none" the portrait's; "steady" the portrait's, moved by the face sizes that
    the driver is away from where he rests, without walk and approach (a high-pass, see `steady`), inside the picture.
    neutral: driving frame whose expression counts as the portrait's (negative counts from the end); None: the calmest.
    brows, eyes (lids), pupils, mouth: strength of the expression there, 0 the portrait's, 1 the driver's, up to 3;
    whole: factor on all of them and on the rest of the face. smoothing: of the driving motion, 0 to 1.
    pupil_anchor: what the place of a pupil is measured from. "corners" the two corners of its eye, in 3D, so that
    neither a head that rolls nor lids that close push it; "box" the box around the eye on the screen.
    Raises InputError for a value outside its range.
    """

    rotation: Rotation = "relative"
    translation: Translation = "steady"
    neutral: int | None = None
    brows: float = 1.0
    eyes: float = 1.0
    pupils: float = 1.0
    mouth: float = 1.0
    whole: float = 1.0
    smoothing: float = 0.0
    pupil_anchor: PupilAnchor = "corners"

    def __post_init__(self) -> None:
        allowed = {"rotation": Rotation, "translation": Translation, "pupil_anchor": PupilAnchor}
        for name, choices in ((name, get_args(kind)) for name, kind in allowed.items()):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(choices)}.")
        for field in fields(self):
            value, most = getattr(self, field.name), 1.0 if field.name == "smoothing" else STRONGEST
            if field.type == "float" and not 0.0 <= value <= most:
                raise InputError(f"{field.name} is {value}; allowed: 0 to {most:g}.")

    @classmethod
    def published(cls) -> AlignOptions:
        """What the published code does: the driver's own rotation, his way through the picture, pupils by boxes."""
        return cls(rotation="driving", translation="driving", pupil_anchor="box")


def align(portrait: FaceFrame, driving: FaceMotion, options: AlignOptions | None = None) -> AlignedMotion:
    """The driving motion (T frames) on the portrait's face.

    An edit that the motion carries is added to the portrait's own face after the driver's expression: no strength, no
    smoothing and no choice of the neutral frame weakens it.
    Returns points (T,478,2) float32 in pixels of the portrait's picture, from its top left. They may lie outside; with
    translation "steady" no farther than the portrait's own, but for what an edit moves.
    Raises InputError for a motion without frames, an edit of other frames, or a neutral frame that it does not have.
    Paper 4.1. Departures: rotation "relative", translation "steady", pupils by corners, unless the options are
    `published`; the published code drops the first frame, here T frames give T frames.
    """
    options = options or AlignOptions()
    if len(driving) == 0:
        raise InputError("The driving motion has no frames.")
    neutral = resting_frame(driving, options.neutral)
    driving = smooth(driving, options.smoothing)

    # 1. Expression: how the driver's face departs from the neutral one, added to the portrait's face.
    strength = vertex_strengths(options)[:, None]
    metric = portrait.metric + strength * (driving.metric - driving.metric[neutral]).astype(np.float64)

    # 2. Head pose, in the camera's space.
    rotation = head_rotations(portrait, driving, options.rotation, neutral)
    rotation = np.broadcast_to(rotation, (len(driving), 3, 3))
    place = portrait.camera_from_face[:3, 3].astype(np.float64)
    path = driving.camera_from_face[:, :3, 3].astype(np.float64)
    translation = place + (path - path[0]) * (options.translation == "driving")
    followed = metric @ np.swapaxes(rotation, -1, -2) + translation[:, None]
    mesh, turned = followed, rotation

    # 3. The edit: on the portrait's own proportions.
    edit: Controls | None = driving.edit
    if edit is not None:
        if len(edit) not in (1, len(driving)):
            raise InputError(f"The motion has {len(driving)} frames, its edit {len(edit)}. Retime one of them.")
        metric, turned, moved = express(metric, rotation, translation, edit, portrait.metric)
        mesh = metric @ np.swapaxes(turned, -1, -2) + moved[:, None]

    # 4. Onto the portrait's picture. The mesh has no pupils: they are at the driver's place in their eyes.
    points = project(mesh, portrait.size)
    unedited = points if edit is None else project(followed, portrait.size)
    places = None
    if options.pupil_anchor == "box":
        irises = _irises_by_box(portrait, driving, unedited, options.whole * options.pupils)
        if edit is not None:
            places = pupil_places(np.append(unedited, irises, axis=1), followed, rotation, portrait.size)
    else:
        own = (portrait.landmarks[None], portrait.metric[None], portrait.camera_from_face[None], portrait.size)
        theirs = (driving.landmarks, driving.metric, driving.camera_from_face, driving.size)
        places = mixed_places(pupils_of(*own), pupils_of(*theirs), options.whole * options.pupils)
    if places is not None:
        places = places if edit is None else moved_pupils(places, edit)
        irises = project(pupil_points(places, mesh, turned), portrait.size)
    points = np.append(points, irises, axis=1)

    # 5. Place and size in the picture: flat, so that it shows the head from where the portrait does. An edit moves the
    # head from there, as far as it says.
    if options.translation == "steady":
        points = _placed(points, points if edit is None else unedited, portrait, *steady_path(driving, neutral))
    turn = _turns(portrait.camera_from_face[:3, :3], turned)
    return AlignedMotion(points.astype(np.float32), portrait.size, driving.fps, -mesh[..., 2].astype(np.float32), turn)


def _irises_by_box(portrait: FaceFrame, driving: FaceMotion, points: np.ndarray, strength: float) -> np.ndarray:
    """(T,10,2) pixels, landmarks 468..477: where the driver's irises are in the boxes of their eyes, as published."""
    faces = screen_points(driving), screen_points(portrait)
    irises = []
    for iris, eye in ((RIGHT_IRIS, RIGHT_EYE), (LEFT_IRIS, LEFT_EYE)):
        theirs, own = (_place_in_eye(face[..., iris, :], face[..., eye, :]) for face in faces)
        centre, extent = _box(points[:, eye])
        irises.append(centre + (own + strength * (theirs - own)) * extent)
    return np.concatenate(irises, axis=1)


def _turns(own: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(T,) float32 degrees between where heads of rotation (T,3,3) look and where one of `own` (3,3) does. A head that
    only rolls in the picture's plane keeps looking there."""
    cosine = rotation[..., 2] @ own[:, 2] / np.maximum(np.linalg.norm(rotation[..., 2], axis=-1), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine / max(np.linalg.norm(own[:, 2]), 1e-9), -1, 1))).astype(np.float32)


def vertex_strengths(options: AlignOptions) -> np.ndarray:
    """Factor on each vertex' expression, (468,) float64, 0 to 9: exact in the regions, blended smoothly between."""
    if options.brows == options.eyes == options.mouth == 1.0:
        return np.full(len(CanonicalFace.default().vertices), options.whole)
    return options.whole * (_region_weights() @ (options.brows, options.eyes, options.mouth, 1.0))


@functools.cache
def _region_weights() -> np.ndarray:
    """(468,4) shares of brows, eyes, mouth and the rest in each vertex; rows sum to 1. Inverse distance weighting."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    weights = []
    for name in ("brows", "eyes", "mouth"):
        offsets = vertices[:, None] - vertices[list(REGIONS[name])]
        weights.append(1.0 / (np.square(offsets).sum(axis=-1).min(axis=1) ** 2 + 1e-12))
    weights.append(np.full(len(vertices), 1.0 / 1.5**4))  # the rest has half of a vertex 1.5 cm from a region
    shares = np.stack(weights, axis=-1)
    return shares / shares.sum(axis=-1, keepdims=True)


def resting_frame(driving: FaceMotion, index: int | None) -> int:
    """The frame that AlignOptions.neutral means, counted from 0. Raises InputError where the motion lacks it."""
    if index is None:
        return neutral_frame(driving)
    if not -len(driving) <= index < len(driving):
        raise InputError(
            f"Neutral frame {index} is not in the driving motion; it has {len(driving)} frames, counted from 0. "
            "Choose one of them, or let it be found."
        )
    return index % len(driving)


def head_rotations(portrait: FaceFrame, driving: FaceMotion, mode: Rotation, neutral: int) -> np.ndarray:
    """(3,3) or (T,3,3) float64 camera-from-face rotation of the aligned head."""
    own = portrait.camera_from_face[:3, :3].astype(np.float64)
    theirs = driving.camera_from_face[:, :3, :3].astype(np.float64)
    if mode == "driving":
        return theirs
    if mode == "relative":
        return own @ theirs[neutral].T @ theirs  # about the portrait's own axes
    return own


def _placed(
    points: np.ndarray, unedited: np.ndarray, portrait: FaceFrame, moves: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """points (T,N,2) of a head that keeps its place, moved (T,2) in cm at the face and grown (T,) about that place, as
    far as the picture, or the portrait's own points where they lie outside, leave room for the unedited ones."""
    size, position = portrait.size, portrait.camera_from_face[:3, 3].astype(np.float64)
    centre = project(position, size)
    pixels_per_cm = size[1] / near_plane(size)[1] * NEAR / max(-position[2], NEAR)
    own = screen_points(portrait)
    low, high = np.minimum(own.min(axis=0), 0), np.maximum(own.max(axis=0), size)
    grown = centre + (unedited - centre) * sizes[:, None, None]
    fits, shifts = room_inside(grown, moves * pixels_per_cm, centre, low, high)
    return centre + (points - centre) * (sizes * fits)[:, None, None] + shifts[:, None]


def _box(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (...,1,2) and extent (...,1,2) of the box around points (...,N,2)."""
    low, high = outline.min(axis=-2, keepdims=True), outline.max(axis=-2, keepdims=True)
    return (low + high) / 2, high - low


def _place_in_eye(iris: np.ndarray, eye: np.ndarray) -> np.ndarray:
    """Iris points (...,5,2) relative to the box of their eye (...,16,2): 0 in the middle, -0.5 and 0.5 at the sides.

    As published for open eyes. A shut eye has no height to speak of: it is given some, and the pupil (first of the
    five) is kept within a box of the middle, so that it neither flies off nor becomes infinite.
    """
    centre, extent = _box(eye)
    extent = np.maximum(extent, np.maximum(FLATTEST_EYE * extent.max(axis=-1, keepdims=True), 1e-6))
    pupil = iris[..., :1, :]
    return np.clip((pupil - centre) / extent, -1.0, 1.0) + (iris - pupil) / extent
