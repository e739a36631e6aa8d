"""Where pupils are in their eyes: in the frame of the two corners, in 3D, so that neither a head that rolls nor lids
that close move them."""

from __future__ import annotations

import numpy as np

from .camera import NEAR, near_plane
from .controls import EYEBALL, GAZE_DEGREES, Controls
from .topology import LEFT_EYE_UPPER, LEFT_IRIS, RIGHT_EYE_UPPER, RIGHT_IRIS

_CORNERS = tuple((upper[0], upper[-1]) for upper in (RIGHT_EYE_UPPER, LEFT_EYE_UPPER))  # outer, inner
_IRISES = (RIGHT_IRIS, LEFT_IRIS)
_SOCKET = (0.42, 0.26)  # eye widths: how far from the middle of the corners a pupil may be moved


def pupil_places(
    points: np.ndarray, mesh: np.ndarray, camera_from_face: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Places (T,2,5,2) float64 of the iris points in eye widths: right eye, left; towards the person's left, and up,
    from the middle of the eye's corners; the pupil first.

    points (T,478,2) pixels of a picture of `size`; mesh (T,468,3) cm in camera space; camera_from_face (T,3,3) or
    (T,4,4): where the face looks.
    """
    width, height = near_plane(size)
    plane = (points / size - 0.5) * (width, -height)
    rays = np.concatenate([plane, np.full((*plane.shape[:-1], 1), -NEAR)], axis=-1)
    places = []
    for side, iris in enumerate(_IRISES):
        middle, across, up, forward = _eye_frame(mesh, camera_from_face, side)
        ray = rays[:, iris]
        facing = (ray * forward[:, None]).sum(axis=-1)
        facing = np.where(np.abs(facing) < 1e-3, np.copysign(1e-3, facing), facing)  # an eye seen from the side
        distance = (middle * forward).sum(axis=-1)[:, None] / facing
        offset = ray * distance[..., None] - middle[:, None]
        extent = (across**2).sum(axis=-1)[:, None]
        places.append(np.stack([(offset * axis[:, None]).sum(axis=-1) / extent for axis in (across, up)], axis=-1))
    return np.stack(places, axis=1)


def moved_pupils(places: np.ndarray, controls: Controls) -> np.ndarray:
    """The same places with the gaze of controls (1 or T frames) added, pupils kept inside their sockets."""
    shift = shifts_of_gaze(controls.gaze)
    pupil = places[:, :, 0]
    limit = np.maximum(np.abs(pupil), _SOCKET)  # a pupil that is farther out may stay
    return places + (np.clip(pupil + shift, -limit, limit) - pupil)[:, :, None]


def pupil_points(places: np.ndarray, mesh: np.ndarray, camera_from_face: np.ndarray) -> np.ndarray:
    """Iris points (T,10,3) cm in camera space, landmarks 468..477, of places (T,2,5,2) on a mesh (T,468,3)."""
    irises = []
    for side in range(2):
        middle, across, up, _ = _eye_frame(mesh, camera_from_face, side)
        x, y = places[:, side, :, :1], places[:, side, :, 1:]
        irises.append(middle[:, None] + x * across[:, None] + y * up[:, None])
    return np.concatenate(irises, axis=1)


def mixed_places(portrait: np.ndarray, driving: np.ndarray, strength: float) -> np.ndarray:
    """Where the driver's pupils (T,2,5,2) bring the portrait's (1,2,5,2): strength 0 is the portrait's own place, 1 the
    driver's; beyond, within the socket. Irises keep the portrait's size."""
    mine, theirs = portrait[:, :, 0], driving[:, :, 0]
    limit = np.maximum(np.maximum(np.abs(mine), np.abs(theirs)), _SOCKET)
    pupil = np.clip(mine + strength * (theirs - mine), -limit, limit)
    return portrait + (pupil - mine)[:, :, None]


def _eye_frame(mesh: np.ndarray, camera_from_face: np.ndarray, side: int) -> tuple[np.ndarray, ...]:
    """Middle of an eye's corners, and its axes, each as long as the eye is wide, to the person's left, up, forwards."""
    outer, inner = (mesh[:, corner] for corner in _CORNERS[side])
    across = (inner - outer) * (1 if side == 0 else -1)
    length = np.linalg.norm(across, axis=-1, keepdims=True).clip(1e-6)
    facing = np.broadcast_to(np.asarray(camera_from_face, np.float64)[..., :3, 2], across.shape)
    up = np.cross(facing, across)
    up = up / np.linalg.norm(up, axis=-1, keepdims=True).clip(1e-9) * length
    forward = np.cross(across, up) / length
    return (outer + inner) / 2, across, up, forward


def shifts_of_gaze(gaze: np.ndarray) -> np.ndarray:
    """Pupil displacement (T,2,2) in eye widths of a gaze in degrees: as measured at 1, in proportion between."""
    full = {name: np.sin(np.radians(degrees)) * EYEBALL / degrees for name, degrees in GAZE_DEGREES.items()}
    yaw, pitch = gaze[..., 0], gaze[..., 1]
    inwards = np.array([1.0, -1.0])
    along = np.where(yaw * inwards > 0, full["eyeLookIn"], full["eyeLookOut"]) * yaw
    return np.stack([along, np.where(pitch > 0, full["eyeLookUp"], full["eyeLookDown"]) * pitch], axis=-1)


def gaze_of_shifts(shifts: np.ndarray) -> np.ndarray:
    """The reverse of shifts_of_gaze."""
    full = {name: degrees / (np.sin(np.radians(degrees)) * EYEBALL) for name, degrees in GAZE_DEGREES.items()}
    inwards = np.array([1.0, -1.0])
    yaw = np.where(shifts[..., 0] * inwards > 0, full["eyeLookIn"], full["eyeLookOut"]) * shifts[..., 0]
    return np.stack([yaw, np.where(shifts[..., 1] > 0, full["eyeLookUp"], full["eyeLookDown"]) * shifts[..., 1]], -1)
