"""A face from points placed by hand: for animals, drawings, masks and statues that no detector finds.

The mesh of a first guess (the canonical face, or a detected one that is corrected) is fitted to the points: pose, size
and low-order shape modes, held back by how unlikely they are. What is left goes into a smooth field, so that the
landmarks pass through the points.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..types import BLENDSHAPES, FaceFrame
from .camera import NEAR, near_plane, project
from .controls import Controls
from .expression import apply_to_mesh
from .gaze import pupil_places, pupil_points
from .geometry import CanonicalFace, face_frame, screen_points
from .pose import angles, in_camera, rotations, screen_depth
from .shape_modes import shape_modes
from .topology import FACE_CONTOUR, LEFT_EYE_UPPER, LEFT_IRIS, RIGHT_EYE_UPPER, RIGHT_IRIS

_SIDED = {  # vertices, whose mean is the point: of the right side, of the left
    "eye_outer": ((33,), (263,)),
    "eye_inner": ((133,), (362,)),
    "lid_upper": ((159,), (386,)),
    "lid_lower": ((145,), (374,)),
    "brow_outer": ((46, 70), (276, 300)),
    "brow_middle": ((52, 105), (282, 334)),
    "brow_inner": ((55, 107), (285, 336)),
    "nose_wing": ((64,), (294,)),
    "mouth_corner": ((61,), (291,)),
    "cheek": ((234,), (454,)),
    "jaw": ((172,), (397,)),
}
_MIDDLE = {
    "nose_tip": (4,),
    "lip_upper": (0,),
    "mouth_upper": (13,),
    "mouth_lower": (14,),
    "lip_lower": (17,),
    "chin": (152,),
    "forehead": (10,),
}
# Name -> vertices whose mean it is; left and right are the person's own. Pupils are not on the mesh.
ON_MESH: dict[str, tuple[int, ...]] = {
    f"{name}_{side}": vertices
    for name, both in _SIDED.items()
    for side, vertices in zip(("right", "left"), both, strict=True)
} | _MIDDLE
PUPIL_POINTS = {"pupil_right": RIGHT_IRIS, "pupil_left": LEFT_IRIS}
POINTS = (*ON_MESH, *PUPIL_POINTS)

_EYES = tuple(tuple(f"{part}_{side}" for part in ("eye_outer", "eye_inner", "lid_upper", "lid_lower", "pupil"))
              for side in ("right", "left"))  # fmt: skip
_BELOW = ("nose_tip", "nose_wing_right", "nose_wing_left", "mouth_corner_right", "mouth_corner_left",
          *(name for name in _MIDDLE if name not in ("forehead", "nose_tip")))  # fmt: skip
# May coincide: a mouth and an eye can be shut. The first one is the upper one.
_SHUT = (("mouth_upper", "mouth_lower"), ("lid_upper_right", "lid_lower_right"), ("lid_upper_left", "lid_lower_left"))
MINIMUM = "one of each eye and one below them (nose, lips or chin)"

FARTHEST = 0.5  # picture sides from the picture, up to which a point is taken
LEAST_HEIGHT = 16.0  # pixels of a face
_CLOSEST = 0.004  # of the face's height: points nearer to each other are at the same place
_FOLDED = 0.15  # share of the mesh, by area, that may be turned round
_CROSSED = 0.05  # of the eye's or the mouth's width, by which a lower line may be above an upper one

# Standard deviations: of a point from the fitted mesh, and of one that is not placed from the guess, in cm; of the
# head's turns from the guess, in degrees. Modes have 1.
_PLACED, _GUESSED, _DETECTED = 0.12, 0.35, 0.2
_TURNS = (12.0, 4.0)  # yaw, pitch: a high pitch would explain a short face, which animals have
_STEPS = 6
_NEAR_FIELD, _FAR_FIELD = 1.6, 5.0  # cm over which what is left fades, half of it each
_IRIS = (0.2, 0.42)  # radius of an iris in eye widths, and in openings: the larger one counts


@dataclass(frozen=True)
class Frame:
    """Where a face is as a whole: centre (x, y) and height, forehead to chin, in pixels; turn in degrees, + is the
    picture's anticlockwise."""

    centre: tuple[float, float]
    height: float
    turn: float = 0.0


@dataclass(frozen=True)
class Placement:
    """Points placed by hand, by name (POINTS), in pixels of a picture of `size` (width, height), from its top left.

    frame: where the whole face was put first; None: it is guessed.
    """

    size: tuple[int, int]
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    frame: Frame | None = None

    def scaled(self, size: tuple[int, int]) -> Placement:
        """The same on the same picture at `size`. Raises InputError where its sides are in another proportion."""
        if tuple(size) == tuple(self.size):
            return self
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        if abs(x / y - 1) > 2.0 / min(*size, *self.size):  # a side may have been rounded
            raise InputError(
                f"The points were placed on a picture of {self.size[0]} x {self.size[1]} pixels; this one has "
                f"{size[0]} x {size[1]}, another shape. Connect the picture that they belong to, or place them again."
            )
        points = {name: (px * x, py * y) for name, (px, py) in self.points.items()}
        frame = self.frame
        if frame is not None:
            frame = Frame((frame.centre[0] * x, frame.centre[1] * y), frame.height * y, frame.turn)
        return Placement(tuple(size), points, frame)


def placed_face(placement: Placement, guess: FaceFrame | Frame | None = None) -> FaceFrame:
    """The face that passes through the points: landmarks, metric face and pose, at rest.

    guess: a detected face of the same picture to correct, or where a face is about. The placement's own frame goes
    before it. Without any the points alone say where it is, and no points at all give a face in the middle.
    Raises InputError for points that are no face: at one place, mirrored, outside, folded, too few.
    """
    size, points = placement.size, placement.points
    _check_points(points, size)
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
    base = _Base.of(size, frame, detected)

    # 1. Pose, size and shape.
    trust = None if not known else _GUESSED if detected is None else _DETECTED
    mesh, rotation = base.fitted(points, trust)
    flat = project(mesh, size)
    irises = base.irises(mesh, rotation)

    # 2. What is left, as a smooth field over the face.
    moved = flat + _field(flat, points)
    shift = np.zeros((10, 2))
    eyes = project(base.irises(_lifted(mesh, moved, size), rotation), size)
    for number, name in enumerate(PUPIL_POINTS):
        if name in points:
            shift[5 * number : 5 * number + 5] = np.subtract(points[name], eyes[5 * number])
    _check_shape(moved, project(base.mesh @ rotation.T + _centre(mesh), size), points, flat)

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
    return _Base.of(face.size, None, face).frame


@functools.cache
def _rest() -> np.ndarray:
    """(468,3) float64 cm: the canonical face with its mouth shut."""
    return apply_to_mesh(CanonicalFace.default().vertices, Controls.of({"jawOpen": -1.0}))[0]


def _height_per_width() -> float:
    rest = _rest()
    return _profile(rest)[0] / float(np.ptp(rest[:, 0]))


def _frame_of_points(points: Mapping[str, tuple[float, float]]) -> Frame:
    """Where points alone say that a face is. Raises InputError where they are too few for it, or form none."""
    groups = [[name for name in group if name in points] for group in (*_EYES, _BELOW)]
    if not all(groups):
        raise InputError(
            f"{len(points)} points are too few to say where the face is: {MINIMUM} are needed. Place more, give a "
            "frame, or connect a mask or a bounding box."
        )
    rest = _rest()
    flat = {name: rest[list(vertices), :2].mean(axis=0) * (1, -1) for name, vertices in ON_MESH.items()}
    for (name, _), path in zip(PUPIL_POINTS.items(), (RIGHT_EYE_UPPER, LEFT_EYE_UPPER), strict=True):
        flat[name] = rest[[path[0], path[-1]], :2].mean(axis=0) * (1, -1)
    source, target = (np.array([those[name] for name in points], np.float64) for those in (flat, points))
    # Complex numbers: turned and sized, not mirrored.
    a, b = ((each - each.mean(axis=0)) @ (1, 1j) for each in (source, target))
    factor = (a.conj() * b).sum() / max(float((abs(a) ** 2).sum()), 1e-9)
    centre = target.mean(axis=0) @ (1, 1j) + factor * ((_centre(rest)[:2] * (1, -1) - source.mean(axis=0)) @ (1, 1j))
    height = abs(factor) * _profile(rest)[0]
    if not height >= LEAST_HEIGHT:
        raise InputError(
            f"The points form a face only {height:.1f} pixels high; at least {LEAST_HEIGHT:g} are needed. Place them "
            "farther apart, or use a larger picture."
        )
    return Frame((centre.real, centre.imag), height, -math.degrees(math.atan2(factor.imag, factor.real)))


def _check_points(points: Mapping[str, tuple[float, float]], size: tuple[int, int]) -> None:
    width, height = size
    for name, (x, y) in points.items():
        if name not in POINTS:
            raise InputError(f"{name} is not a point of the face; allowed: {', '.join(POINTS)}.")
        if max(abs(x / width - 0.5), abs(y / height - 0.5)) > 0.5 + FARTHEST:
            raise InputError(
                f"{name} is at {x:g}, {y:g}, far outside of the picture of {width} x {height} pixels. Points are "
                "pixels of the picture, from its top left; drag it back, or leave it out."
            )
    if not points:
        return
    names, places = list(points), np.array(list(points.values()), np.float64)

    # 1. Not all at one place, no two at the same.
    extent = float(np.ptp(places, axis=0).max())
    if len(names) > 1 and extent < 2.0:
        raise InputError(
            f"All {len(names)} points lie at one place, near {places[0, 0]:g}, {places[0, 1]:g}. Drag them apart."
        )
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    for i, j in zip(*np.nonzero(np.triu(apart < max(_CLOSEST * extent, 0.25), 1)), strict=True):
        if (names[i], names[j]) not in _SHUT and (names[j], names[i]) not in _SHUT:
            raise InputError(
                f"{names[i]} and {names[j]} lie at the same place, {places[i, 0]:g}, {places[i, 1]:g}. Drag them "
                "apart, or leave one out."
            )

    # 2. Left and right, and up and down, as a face has them.
    groups = [[points[name] for name in group if name in points] for group in (*_EYES, _BELOW)]
    if all(groups):
        right, left, below = (np.mean(group, axis=0) for group in groups)
        across, down = left - right, below - (left + right) / 2
        if across[0] * down[1] - across[1] * down[0] < 0:
            raise InputError(
                "The points are mirrored: left and right are the person's own, so the right eye of a face that looks "
                "at you is at the left of the picture. Swap left and right."
            )


def _check_shape(
    moved: np.ndarray, own: np.ndarray, points: Mapping[str, tuple[float, float]], flat: np.ndarray
) -> None:
    """Raises InputError where points pull the mesh over itself: moved (468,2) pixels, own (468,2) in the same pose
    without them, flat (468,2) before the field."""
    for upper, lower in _SHUT:
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


# --- the fit


def _centre(mesh: np.ndarray) -> np.ndarray:
    """(3,) of a mesh: the middle between forehead, chin and temples."""
    return mesh[[10, 152, 234, 454]].mean(axis=0)


def _profile(mesh: np.ndarray) -> tuple[float, float]:
    """cm from the forehead to the chin of a mesh, and how far both are before its centre."""
    ends = mesh[[10, 152]]
    return float(np.linalg.norm(ends[0] - ends[1])), float((ends.mean(axis=0) - _centre(mesh))[2])


def _facing(ray: np.ndarray) -> np.ndarray:
    """(3,3) the shortest turn that makes a face at `ray` (3,) from the camera look at it."""
    back = -ray / np.linalg.norm(ray)
    axis = np.cross((0.0, 0.0, 1.0), back)
    cross = np.array([(0, -axis[2], axis[1]), (axis[2], 0, -axis[0]), (-axis[1], axis[0], 0)])
    return np.eye(3) + cross + cross @ cross / (1.0 + back[2])


@functools.cache
def _averages() -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V,) that points are made of, and (P,V) how: each row sums to 1, in the order of ON_MESH."""
    vertices = sorted({vertex for group in ON_MESH.values() for vertex in group})
    rows = np.zeros((len(ON_MESH), len(vertices)))
    for row, group in zip(rows, ON_MESH.values(), strict=True):
        row[[vertices.index(vertex) for vertex in group]] = 1 / len(group)
    return np.array(vertices), rows


@dataclass(frozen=True)
class _Base:
    """The mesh of a guess where it was guessed to be.

    mesh (468,3) cm about its centre; centre (x, y) pixels; depth cm; turns (3,) degrees of yaw, pitch, roll from
    looking at the camera; irises: places in the eyes as pupil_places gives them, None where the guess has none.
    """

    size: tuple[int, int]
    mesh: np.ndarray
    centre: tuple[float, float]
    depth: float
    turns: np.ndarray
    places: np.ndarray | None

    @classmethod
    def of(cls, size: tuple[int, int], frame: Frame | None, detected: FaceFrame | None) -> _Base:
        if detected is None:
            mesh, turns, places = _rest(), np.zeros(3), None
        else:
            mesh = detected.metric.astype(np.float64)
            pose = detected.camera_from_face.astype(np.float64)
            camera = in_camera(detected.metric, detected.camera_from_face)
            at = _centre(camera)
            own = _facing(at).T @ pose[:3, :3]
            turns = angles(own[None])[0]
            places = pupil_places(screen_points(detected)[None], camera[None], pose[None], size)
        if frame is None:
            centre, depth = tuple(project(at, size).tolist()), float(-at[2])
        else:
            focal = size[1] / near_plane(size)[1] * NEAR  # pixels
            height, before = _profile(mesh)
            centre, depth = frame.centre, focal * height / max(frame.height, LEAST_HEIGHT) + before
            turns = np.array([*turns[:2], frame.turn])
        return cls(tuple(size), mesh - _centre(mesh), centre, depth, turns, places)

    @property
    def focal(self) -> float:
        return self.size[1] / near_plane(self.size)[1] * NEAR

    @property
    def frame(self) -> Frame:
        height, before = _profile(self.mesh)
        high = self.focal * height / max(self.depth - before, NEAR)
        return Frame(tuple(self.centre), high, float(self.turns[2]))

    @functools.cached_property
    def guessed(self) -> np.ndarray:
        """(468,2) pixels of the guess."""
        return project(self._posed(self.mesh, np.zeros(6))[0], self.size)

    def _posed(self, mesh: np.ndarray, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """mesh (N,3) in camera space, and its rotation; by (6,): cm to the right and down, growth, degrees."""
        middle, facing = self._middle(by)
        rotation = facing @ rotations(self.turns + by[3:6])
        return mesh @ rotation.T + middle, rotation

    def _middle(self, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the mesh's centre then is, (3,) cm in camera space, and the rotation that looks at the camera there."""
        unit = self.focal / self.depth
        x, y = self.centre[0] + by[0] * unit, self.centre[1] + by[1] * unit
        width, height = near_plane(self.size)
        ray = np.array([(x / self.size[0] - 0.5) * width, (0.5 - y / self.size[1]) * height, -NEAR]) / NEAR
        return self.depth * math.exp(-by[2]) * ray, _facing(ray)

    def fitted(self, points: Mapping[str, tuple[float, float]], trust: float | None) -> tuple[np.ndarray, np.ndarray]:
        """The mesh (468,3) cm in camera space, as near to the points as is likely, and its rotation (3,3).

        trust: cm by which points that are not placed may leave the guess; None: freely.
        Gauss-Newton on pose and modes, with a prior for each.
        """
        vertices, averages = _averages()
        modes = shape_modes()
        unit = self.focal / self.depth  # pixels a cm
        goal = averages @ self.guessed[vertices]
        weight = np.full(len(goal), 0.0 if trust is None else 1 / trust)
        for row, name in enumerate(ON_MESH):
            if name in points:
                goal[row], weight[row] = points[name], 1 / _PLACED
        count = 6 + len(modes)
        prior = np.concatenate([[1e-3, 1e-3, 1e-3, *(1 / turn for turn in _TURNS), 1e-2], np.ones(len(modes))])
        few, shapes = self.mesh[vertices], modes[:, vertices]
        scale = np.repeat(weight / unit, 2)
        state = np.zeros(count)

        bound = np.concatenate([[8, 8, 0.7, 15, 15, 40], np.full(len(modes), 3.0)])
        for _ in range(_STEPS if any(name in points for name in ON_MESH) else 0):
            camera, rotation = self._posed(few + np.tensordot(state[6:], shapes, 1), state)
            at = (averages @ project(camera, self.size)).ravel()
            # 1. Where a little of each takes the vertices: along, down, nearer, about three axes, each mode.
            middle, facing = self._middle(state)
            yaw = math.radians(self.turns[0] + state[3])
            axes = np.array([facing[:, 1], -facing @ (math.cos(yaw), 0, -math.sin(yaw)), rotation[:, 2]])
            ways = np.concatenate([
                np.broadcast_to(np.array([(1, 0, 0), (0, -1, 0), -middle])[:, None], (3, *camera.shape)),
                np.radians(np.cross(axes[:, None], camera - middle)),
                shapes @ rotation.T,
            ])  # fmt: skip
            depth = np.maximum(-camera[:, 2:], NEAR)
            flat = (ways[..., :2] + camera[:, :2] / depth * ways[..., 2:]) / depth * (self.focal, -self.focal)
            slope = (averages @ flat).reshape(count, -1) * scale
            # 2. Least squares with the priors.
            step = np.linalg.solve(
                slope @ slope.T + np.diag(prior**2), slope @ ((at - goal.ravel()) * scale) + prior**2 * state
            )
            state -= np.clip(step, -bound, bound)
            if np.abs(step / bound).max() < 1e-3:
                break
        return self._posed(self.mesh + np.tensordot(state[6:], modes, 1), state)

    def irises(self, mesh: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """(10,3) cm in camera space, landmarks 468..477: as in the guess, or in the middle of their eyes."""
        places = self.places
        if places is None:
            places = np.zeros((1, 2, 5, 2))
            for side, (outer, inner, upper, lower) in enumerate(((33, 133, 159, 145), (263, 362, 386, 374))):
                width = np.linalg.norm(mesh[outer] - mesh[inner])
                opening = float(np.linalg.norm(mesh[upper] - mesh[lower]) / max(width, 1e-6))
                radius = max(_IRIS[0], _IRIS[1] * opening)
                places[0, side, 1:] = radius * np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
        return pupil_points(places, mesh[None], rotation)[0]


def _lifted(mesh: np.ndarray, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """mesh (468,3) cm in camera space moved in depth's plane until it projects to pixels (468,2)."""
    width, height = near_plane(size)
    depth = np.maximum(-mesh[:, 2:], NEAR)
    plane = (pixels / size - 0.5) * (width, -height)
    return np.concatenate([plane * depth / NEAR, -depth], axis=1)


def _field(flat: np.ndarray, points: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """(468,2) pixels to add to flat (468,2), so that its points are where they were placed: least squares in the space
    of a Matern kernel over the face, so smooth, exact at the points, and nothing far from them."""
    rows = [row for row, name in enumerate(ON_MESH) if name in points]
    if not rows:
        return np.zeros_like(flat)
    vertices, averages = _averages()
    averages = averages[rows]
    wanted = np.array([points[name] for name in ON_MESH if name in points]) - averages @ flat[vertices]
    spread = _kernel()[:, vertices] @ averages.T  # (468,P)
    among = averages @ spread[vertices]
    return spread @ np.linalg.solve(among + 1e-6 * np.eye(len(rows)), wanted)


@functools.cache
def _kernel() -> np.ndarray:
    """(468,468) how far each vertex goes along with each other one."""
    rest = _rest()
    distance = np.linalg.norm(rest[:, None] - rest, axis=-1)

    def matern(scale: float) -> np.ndarray:
        r = math.sqrt(5.0) * distance / scale
        return (1 + r + r * r / 3) * np.exp(-r)

    return (matern(_NEAR_FIELD) + matern(_FAR_FIELD)) / 2


OUTLINES = (FACE_CONTOUR, (168, 6, 197, 195, 5, 4), (64, 98, 97, 2, 326, 327, 294))  # for looking: contour and nose
