"""Head poses: turning a head on its neck, a mesh in the camera's space, and what the geometry solver calls its pose."""

from __future__ import annotations

import numpy as np

from ..types import MESH_LANDMARKS
from .camera import NEAR, near_plane
from .controls import Controls
from .geometry import CanonicalFace, fit_similarity

PIVOT = np.array([0.0, -7.0, -4.0])  # cm in face space: where a head turns on its neck


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


def in_camera(metric: np.ndarray, camera_from_face: np.ndarray) -> np.ndarray:
    """(...,N,3) cm in face space -> (...,N,3) float64 in camera space; camera_from_face (...,4,4)."""
    pose = camera_from_face.astype(np.float64)
    return metric.astype(np.float64) @ np.swapaxes(pose[..., :3, :3], -1, -2) + pose[..., None, :3, 3]


def normalised(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Meshes (T,468,3) cm in camera space -> metric (T,468,3) and camera_from_face (T,4,4), float64, as solve_geometry
    gives them for what the camera sees of them: the face scaled about the camera to its canonical size."""
    rotation, scale, offset = canonical_fit(mesh)
    metric = (mesh - offset[:, None]) @ rotation / scale[:, None, None]
    camera_from_face = np.tile(np.eye(4), (len(mesh), 1, 1))
    camera_from_face[:, :3, :3], camera_from_face[:, :3, 3] = rotation, offset / scale[:, None]
    return metric, camera_from_face


def canonical_fit(mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation (T,3,3), scale (T,) and offset (T,3) of the canonical face in meshes (T,468,3), by the points that carry
    the head pose."""
    canonical = CanonicalFace.default()
    source = canonical.vertices[canonical.basis].astype(np.float64)
    return fit_similarity(source, mesh[:, canonical.basis], canonical.weights.astype(np.float64))


def screen_depth(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth (T,N) in picture widths, 0 on the average of the mesh, of points (T,N,3) cm; 468 are the mesh."""
    depth = -points[..., 2]
    return (depth / depth[:, :MESH_LANDMARKS].mean(axis=1, keepdims=True) - 1) * NEAR / near_plane(size)[0]
