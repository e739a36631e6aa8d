"""Screen landmarks -> metric face and head pose, as MediaPipe's geometry pipeline does it, for all frames at once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..types import MESH_LANDMARKS, FaceFrame, FaceMotion
from .camera import NEAR, near_plane

_AT_ONCE = 256  # frames: the float64 in between takes about 100 kB a frame


@dataclass(frozen=True)
class CanonicalFace:
    """MediaPipe's average face and its mesh.

    vertices (468,3) float32 cm in canonical face space (y up, face looking at +z).
    basis (33,) int64: landmarks that carry the head pose, with weights (33,) float32.
    triangles (898,3) int16: vertices of the mesh's triangles, counter-clockwise as seen from the front. One sheet
    whose border is the face's oval; eyes and mouth are covered.
    Source: the geometry metadata in MediaPipe's Face Landmarker bundle.
    """

    vertices: np.ndarray
    basis: np.ndarray
    weights: np.ndarray
    triangles: np.ndarray

    @classmethod
    @functools.cache
    def default(cls) -> CanonicalFace:
        """The face that is shipped with this package (Apache-2.0, see canonical_face.LICENSE.txt)."""
        with np.load(Path(__file__).with_name("canonical_face.npz"), allow_pickle=False) as arrays:
            return cls(**arrays)


@functools.cache
def opposite_vertices() -> np.ndarray:
    """(468,) for each vertex of the mesh the one on the other side of the face."""
    vertices = CanonicalFace.default().vertices.astype(np.float64)
    return np.square((vertices * (-1, 1, 1))[:, None] - vertices).sum(axis=-1).argmin(axis=1)


def solve_geometry(landmarks: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Metric face and head pose of screen landmarks.

    landmarks (..., 468 or more, 3): x, y in [0,1] from the top left, z in picture widths; `size` (width, height).
    Returns metric (..., 468, 3) float32 cm in canonical face space, and camera_from_face (..., 4, 4) float32 cm. A face
    gets the same numbers alone and among others.
    Raises InputError for another shape, and where the landmarks of a frame form no face.
    Source: MediaPipe's geometry pipeline; float64 inside.
    """
    canonical = CanonicalFace.default()
    landmarks = np.asarray(landmarks)
    if landmarks.ndim < 2 or landmarks.shape[-2] < MESH_LANDMARKS or landmarks.shape[-1] != 3:
        raise InputError(f"Landmarks have shape {landmarks.shape}; expected (..., {MESH_LANDMARKS} or more, 3).")
    if landmarks.ndim == 3 and len(landmarks) > _AT_ONCE:  # a long clip
        starts = range(0, len(landmarks), _AT_ONCE)
        metrics, poses = zip(*(solve_geometry(landmarks[i : i + _AT_ONCE], size) for i in starts), strict=True)
        return np.concatenate(metrics), np.concatenate(poses)
    # In the order of memory, whatever the leading axes: sums then round the same way for one face and for many.
    posed = functools.partial(np.take, indices=canonical.basis, axis=-2)
    source = posed(canonical.vertices).astype(np.float64)
    weights = canonical.weights.astype(np.float64)

    # 1. Onto the near plane, y up, depth in the same unit and counted from the mean.
    width, height = near_plane(size)
    screen = landmarks[..., :MESH_LANDMARKS, :].astype(np.float64)
    plane = np.stack([screen[..., 0] - 0.5, 0.5 - screen[..., 1], screen[..., 2]], axis=-1) * (width, height, width)
    depth = plane[..., 2] - plane[..., 2].mean(axis=-1, keepdims=True)

    with np.errstate(divide="ignore", invalid="ignore"):
        # 2. First scale estimate: as if the camera were far away.
        flat = posed(plane) * (1, 1, -1)
        _, scale, _ = fit_similarity(source, flat, weights)
        # 3. Second estimate, with perspective undone by the first one.
        _, factor, _ = fit_similarity(source, posed(_unproject(plane, depth, scale)), weights)
        # 4. The face in camera space at its real size.
        face = _unproject(plane, depth, scale * factor)
    if not (np.isfinite(face).all() and (scale > 1e-7).all()):  # a cm of a face one pixel wide takes more
        raise InputError(
            "The landmarks do not form a face: they are not finite, or all of them coincide. Extract or place them "
            "again."
        )

    # 5. Head pose from the basis landmarks, and the face with the pose taken out.
    rotation, scale, translation = fit_similarity(source, posed(face), weights)
    linear = rotation * scale[..., None, None]
    metric = (face - translation[..., None, :]) @ rotation / scale[..., None, None]
    camera_from_face = np.zeros((*scale.shape, 4, 4))
    camera_from_face[..., :3, :3] = linear
    camera_from_face[..., :3, 3] = translation
    camera_from_face[..., 3, 3] = 1.0
    return metric.astype(np.float32), camera_from_face.astype(np.float32)


def fit_similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted least squares `target = scale * rotation @ source + translation` (weighted orthogonal Procrustes).

    source (N,3) and target (...,N,3) in any unit, weights (N,) of any sum. Returns rotation (...,3,3), never a mirror,
    scale (...), translation (...,3), float64. A target that is not finite is no error; its numbers mean nothing.
    """
    weights = weights / weights.sum()
    centre = weights @ source
    weighted = weights[:, None] * (source - centre)
    covariance = np.swapaxes(target, -1, -2) @ weighted
    covariance = np.where(np.isfinite(covariance), covariance, 0.0)  # SVD would raise; a zero scale is seen later
    left, _, right = np.linalg.svd(covariance)
    left[..., 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[..., None]  # a rotation, not a reflection
    rotation = left @ right
    scale = (rotation * covariance).sum(axis=(-1, -2)) / (weighted * source).sum()
    translation = weights @ target - scale[..., None] * (rotation @ centre)
    return rotation, scale, translation


def _unproject(plane: np.ndarray, depth: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Points on the near plane -> camera space in cm, given how many near-plane units a cm of the face takes."""
    z = (depth + NEAR) / scale[..., None]
    return np.stack([plane[..., 0] * z / NEAR, plane[..., 1] * z / NEAR, -z], axis=-1)


@dataclass(frozen=True)
class ScreenFace:
    """A face as it is detected, its geometry not solved yet; the fields mean what they mean in FaceFrame.

    landmarks (478,3) float32, blendshapes (52,) float32 in [0,1], size (width, height) in pixels.
    """

    landmarks: np.ndarray
    blendshapes: np.ndarray
    size: tuple[int, int]

    @functools.cached_property
    def shape(self) -> np.ndarray:
        """(468,3) float32 cm: the metric face as it would be in the middle of a square picture, filling half of it.

        For comparing faces: that of the picture depends on where in it the face is, since a wide picture's camera
        skews what is at its sides. Raises InputError where the landmarks form no face.
        """
        scale = np.array([self.size[0], self.size[1], self.size[0]], np.float64)
        points = self.landmarks[:MESH_LANDMARKS].astype(np.float64) * scale
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        side = max(2.0 * float((high - low).max()), 1e-6)
        moved = (points - [*(low + high) / 2, 0.0]) / side + (0.5, 0.5, 0.0)
        return solve_geometry(moved, (512, 512))[0]

    def solved(self) -> FaceFrame:
        """With metric face and head pose. Raises InputError where the landmarks form no face."""
        return face_frame(self.landmarks, self.blendshapes, self.size)


def face_frame(landmarks: np.ndarray, blendshapes: np.ndarray, size: tuple[int, int]) -> FaceFrame:
    """A face with its geometry solved.

    landmarks (478,3) as MediaPipe gives them (x, y in [0,1] from the top left, z in picture widths), blendshapes (52,)
    in [0,1], `size` (width, height) in pixels. Raises InputError where the landmarks form no face.
    """
    metric, camera_from_face = solve_geometry(landmarks, size)
    return FaceFrame(
        np.asarray(landmarks, np.float32), metric, camera_from_face, np.asarray(blendshapes, np.float32), tuple(size)
    )


def screen_points(face: ScreenFace | FaceFrame | FaceMotion) -> np.ndarray:
    """Landmarks of a face or a motion in pixels of its picture: (478,2) or (T,478,2) float64, from the top left."""
    return face.landmarks[..., :2].astype(np.float64) * face.size
