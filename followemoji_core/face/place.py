"""A face from points placed by hand: for animals, drawings, masks and statues that no detector finds.

The mesh of a first guess (the canonical face, or a detected one that is corrected) is fitted to the points: pose, size
and low-order shape modes, held back by how unlikely they are. What is left goes into a smooth field, so that the
landmarks pass through the points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..errors import InputError
from ..types import BLENDSHAPES, FaceFrame
from .camera import project
from .geometry import CanonicalFace, face_frame, screen_points
from .place_fit import DETECTED, GUESSED, Base, lifted, middle_of, profile, resting, smooth_field
from .placement import (
    BELOW,
    EYES,
    LEAST_HEIGHT,
    MINIMUM,
    ON_MESH,
    PUPIL_POINTS,
    SHUT,
    Frame,
    Placement,
    check_points,
)
from .pose import screen_depth
from .topology import LEFT_EYE_UPPER, RIGHT_EYE_UPPER

_FOLDED = 0.15  # share of the mesh, by area, that may be turned round
_CROSSED = 0.05  # of the eye's or the mouth's width, by which a lower line may be above an upper one


def placed_face(placement: Placement, guess: FaceFrame | Frame | None = None) -> FaceFrame:
    """The face that passes through the points: landmarks, metric face and pose, at rest.

    guess: a detected face of the same picture to correct, or where a face is about. The placement's own frame goes
    before it. Without any the points alone say where it is, and no points at all give a face in the middle.
    Raises InputError for points that are no face: at one place, mirrored, outside, folded, too few.
    """
    size, points = placement.size, placement.points
    check_points(points, size)
    detected = guess if isinstance(guess, FaceFrame) else None
    if detected is not None:
        if tuple(detected.size) != tuple(size):
            raise InputError(
                f"The face to correct belongs to a picture of {detected.size[0]} x {detected.size[1]} pixels, this "
                f"one has {size[0]} x {size[1]}. Extract it from the same picture."
            )
        if placement.frame is None and not points:
            return detected
    frame = placement.frame or (guess if isinstance(guess, Frame) else None)
    known = detected is not None or frame is not None or not points
    if frame is None and detected is None:
        frame = _frame_of_points(points) if points else middle_frame(size)
    base = Base.of(size, frame, detected)

    # 1. Pose, size and shape.
    trust = None if not known else GUESSED if detected is None else DETECTED
    mesh, rotation = base.fitted(points, trust)
    flat = project(mesh, size)
    irises = base.irises(mesh, rotation)

    # 2. What is left, as a smooth field over the face.
    moved = flat + smooth_field(flat, points)
    shift = np.zeros((10, 2))
    eyes = project(base.irises(lifted(mesh, moved, size), rotation), size)
    for number, name in enumerate(PUPIL_POINTS):
        if name in points:
            shift[5 * number : 5 * number + 5] = np.subtract(points[name], eyes[5 * number])
    _check_shape(moved, project(base.mesh @ rotation.T + middle_of(mesh), size), points, flat)

    # 3. A face like any other.
    depth = screen_depth(np.concatenate([mesh, irises])[None], size)[0]
    pixels = np.concatenate([moved, eyes + shift])
    landmarks = np.column_stack([pixels / size, depth]).astype(np.float32)
    rest = np.zeros(BLENDSHAPES, np.float32) if detected is None else detected.blendshapes
    return face_frame(landmarks, rest, size)


def placed_points(face: FaceFrame) -> dict[str, tuple[float, float]]:
    """Where the points of POINTS are on a face, in pixels of its picture."""
    pixels = screen_points(face)
    places = {name: pixels[list(vertices)].mean(axis=0) for name, vertices in ON_MESH.items()}
    places |= {name: pixels[iris[0]] for name, iris in PUPIL_POINTS.items()}
    return {name: (float(x), float(y)) for name, (x, y) in places.items()}


# --- first guesses


def middle_frame(size: tuple[int, int]) -> Frame:
    """A face in the middle of a picture, half as high as its shorter side."""
    return Frame((size[0] / 2, size[1] / 2), 0.5 * min(size))


def frame_in_box(x: float, y: float, width: float, height: float) -> Frame:
    """A face that fills a box in pixels. Raises InputError where the box has no inside."""
    if not (all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0):
        raise InputError(
            f"The bounding box is {width:g} x {height:g} pixels at {x:g}, {y:g}; it needs a width and a height. Draw "
            "it around the face, or disconnect it."
        )
    high = min(height, width * _height_per_width())
    return Frame((x + width / 2, y + height / 2), max(high, LEAST_HEIGHT))


def frame_of_mask(mask: np.ndarray) -> Frame | None:
    """A face that fills what is white in a mask (H,W), 0 to 1; None where nothing is."""
    rows, columns = (np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    width, height = columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
    return frame_in_box(float(columns[0]), float(rows[0]), float(width), float(height))


def frame_of_face(face: FaceFrame) -> Frame:
    """Where a face is as a whole."""
    return Base.of(face.size, None, face).frame


def _height_per_width() -> float:
    rest = resting()
    return profile(rest)[0] / float(np.ptp(rest[:, 0]))


def _frame_of_points(points: Mapping[str, tuple[float, float]]) -> Frame:
    """Where points alone say that a face is. Raises InputError where they are too few for it, or form none."""
    groups = [[name for name in group if name in points] for group in (*EYES, BELOW)]
    if not all(groups):
        raise InputError(
            f"{len(points)} points are too few to say where the face is: {MINIMUM} are needed. Place more, give a "
            "frame, or connect a mask or a bounding box."
        )
    rest = resting()
    flat = {name: rest[list(vertices), :2].mean(axis=0) * (1, -1) for name, vertices in ON_MESH.items()}
    for (name, _), path in zip(PUPIL_POINTS.items(), (RIGHT_EYE_UPPER, LEFT_EYE_UPPER), strict=True):
        flat[name] = rest[[path[0], path[-1]], :2].mean(axis=0) * (1, -1)
    source, target = (np.array([those[name] for name in points], np.float64) for those in (flat, points))
    # Complex numbers: turned and sized, not mirrored.
    a, b = ((each - each.mean(axis=0)) @ (1, 1j) for each in (source, target))
    factor = (a.conj() * b).sum() / max(float((abs(a) ** 2).sum()), 1e-9)
    centre = target.mean(axis=0) @ (1, 1j) + factor * ((middle_of(rest)[:2] * (1, -1) - source.mean(axis=0)) @ (1, 1j))
    height = abs(factor) * profile(rest)[0]
    if not height >= LEAST_HEIGHT:
        raise InputError(
            f"The points form a face only {height:.1f} pixels high; at least {LEAST_HEIGHT:g} are needed. Place them "
            "farther apart, or use a larger picture."
        )
    return Frame((centre.real, centre.imag), height, -math.degrees(math.atan2(factor.imag, factor.real)))


def _check_shape(
    moved: np.ndarray, own: np.ndarray, points: Mapping[str, tuple[float, float]], flat: np.ndarray
) -> None:
    """Raises InputError where points pull the mesh over itself: moved (468,2) pixels, own (468,2) in the same pose
    without them, flat (468,2) before the field."""
    for upper, lower in SHUT:
        if upper not in points and lower not in points:
            continue
        ends = {"m": (61, 291), "r": (33, 133), "l": (362, 263)}["m" if upper[0] == "m" else upper[10]]
        across = moved[ends[1]] - moved[ends[0]]
        width = max(float(np.linalg.norm(across)), 1e-6)
        gap = moved[ON_MESH[lower][0]] - moved[ON_MESH[upper][0]]
        if float(gap @ (-across[1], across[0])) / width < -_CROSSED * width:
            raise InputError(f"{upper} lies below {lower}. Swap them, or drag one of them back.")
    turned = _areas(moved) * np.sign(_areas(own))
    share = float(-turned[turned < 0].sum() / max(np.abs(turned).sum(), 1e-9))
    if share > _FOLDED:
        left = {
            name: float(np.linalg.norm(points[name] - flat[list(vertices)].mean(axis=0)))
            for name, vertices in ON_MESH.items()
            if name in points
        }
        worst = max(left, key=left.get, default="a point")
        raise InputError(
            f"The face folds over itself ({share:.0%} of it; at most {_FOLDED:.0%}), most of all near {worst}. Drag "
            f"{worst} back, or leave it out."
        )


def _areas(points: np.ndarray) -> np.ndarray:
    """(898,) signed: of the mesh's triangles with vertices at (468,2)."""
    a, b, c = np.moveaxis(points[CanonicalFace.default().triangles.astype(np.int64)], 1, 0)
    return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
