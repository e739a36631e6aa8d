"""A mesh fitted to points that were placed: pose, size and low-order shape modes, held back by how unlikely they are;
and the smooth field that takes what is left."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..types import FaceFrame
from .camera import NEAR, near_plane, project
from .controls import Controls
from .expression import apply_to_mesh
from .gaze import pupil_places, pupil_points
from .geometry import CanonicalFace, screen_points
from .placement import LEAST_HEIGHT, ON_MESH, Frame
from .pose import angles, in_camera, rotations
from .shape_modes import shape_modes

# Standard deviations: of a point from the fitted mesh, and of one that is not placed from the guess, in cm; of the
# head's turns from the guess, in degrees. Modes have 1.
_PLACED, GUESSED, DETECTED = 0.12, 0.35, 0.2
_TURNS = (12.0, 4.0)  # yaw, pitch: a high pitch would explain a short face, which animals have
_STEPS = 6
_NEAR_FIELD, _FAR_FIELD = 1.6, 5.0  # cm over which what is left fades, half of it each
_IRIS = (0.2, 0.42)  # radius of an iris in eye widths, and in openings: the larger one counts


@functools.cache
def resting() -> np.ndarray:
    """(468,3) float64 cm: the canonical face with its mouth shut."""
    return apply_to_mesh(CanonicalFace.default().vertices, Controls.of({"jawOpen": -1.0}))[0]


def middle_of(mesh: np.ndarray) -> np.ndarray:
    """(3,) of a mesh: the middle between forehead, chin and temples."""
    return mesh[[10, 152, 234, 454]].mean(axis=0)


def profile(mesh: np.ndarray) -> tuple[float, float]:
    """cm from the forehead to the chin of a mesh, and how far both are before its centre."""
    ends = mesh[[10, 152]]
    return float(np.linalg.norm(ends[0] - ends[1])), float((ends.mean(axis=0) - middle_of(mesh))[2])


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
class Base:
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
    def of(cls, size: tuple[int, int], frame: Frame | None, detected: FaceFrame | None) -> Base:
        if detected is None:
            mesh, turns, places = resting(), np.zeros(3), None
        else:
            mesh = detected.metric.astype(np.float64)
            pose = detected.camera_from_face.astype(np.float64)
            camera = in_camera(detected.metric, detected.camera_from_face)
            at = middle_of(camera)
            own = _facing(at).T @ pose[:3, :3]
            turns = angles(own[None])[0]
            places = pupil_places(screen_points(detected)[None], camera[None], pose[None], size)
        if frame is None:
            centre, depth = tuple(project(at, size).tolist()), float(-at[2])
        else:
            focal = size[1] / near_plane(size)[1] * NEAR  # pixels
            height, before = profile(mesh)
            centre, depth = frame.centre, focal * height / max(frame.height, LEAST_HEIGHT) + before
            turns = np.array([*turns[:2], frame.turn])
        return cls(tuple(size), mesh - middle_of(mesh), centre, depth, turns, places)

    @property
    def focal(self) -> float:
        return self.size[1] / near_plane(self.size)[1] * NEAR

    @property
    def frame(self) -> Frame:
        height, before = profile(self.mesh)
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


def lifted(mesh: np.ndarray, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """mesh (468,3) cm in camera space moved in depth's plane until it projects to pixels (468,2)."""
    width, height = near_plane(size)
    depth = np.maximum(-mesh[:, 2:], NEAR)
    plane = (pixels / size - 0.5) * (width, -height)
    return np.concatenate([plane * depth / NEAR, -depth], axis=1)


def smooth_field(flat: np.ndarray, points: Mapping[str, tuple[float, float]]) -> np.ndarray:
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
    rest = resting()
    distance = np.linalg.norm(rest[:, None] - rest, axis=-1)

    def matern(scale: float) -> np.ndarray:
        r = math.sqrt(5.0) * distance / scale
        return (1 + r + r * r / 3) * np.exp(-r)

    return (matern(_NEAR_FIELD) + matern(_FAR_FIELD)) / 2
