"""Screen landmarks -> metric face and head pose, as MediaPipe's geometry pipeline does it, for all frames at once."""

from __future__ import annotations

import functools
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import CheckpointError, InputError
from ..types import MESH_LANDMARKS, FaceFrame, FaceMotion
from .camera import NEAR, near_plane

_METADATA = "geometry_pipeline_metadata_landmarks.binarypb"


@dataclass(frozen=True)
class CanonicalFace:
    """MediaPipe's average face: vertices (468,3) float32 cm in canonical face space (y up, face looking at +z).

    basis (33,) int64: landmarks that carry the head pose, with weights (33,) float32.
    """

    vertices: np.ndarray
    basis: np.ndarray
    weights: np.ndarray

    @classmethod
    @functools.cache
    def default(cls) -> CanonicalFace:
        """The face that is shipped with this package (Apache-2.0, see canonical_face.LICENSE.txt)."""
        with np.load(Path(__file__).with_name("canonical_face.npz"), allow_pickle=False) as arrays:
            return cls(arrays["vertices"], arrays["basis"], arrays["weights"])

    @classmethod
    def from_task(cls, path: str | Path) -> CanonicalFace:
        """Read it from a MediaPipe Face Landmarker bundle (.task)."""
        try:
            with zipfile.ZipFile(path) as bundle:
                return cls._from_metadata(bundle.read(_METADATA))
        except (OSError, KeyError, IndexError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise CheckpointError(
                f"No face geometry in {path} ({error}). Expected a MediaPipe Face Landmarker bundle (.task)."
            ) from error

    @classmethod
    def _from_metadata(cls, message: bytes) -> CanonicalFace:
        # GeometryPipelineMetadata: 1 = canonical mesh (Mesh3d: 3 = packed floats), 2 = repeated landmark + weight.
        mesh, pairs = b"", []
        for field, value in _fields(message):
            if field == 1:
                mesh = value
            elif field == 2:
                pair = dict(_fields(value))
                pairs.append((pair.get(1, 0), np.frombuffer(pair[2], "<f4")[0]))
        vertices = np.frombuffer(b"".join(value for field, value in _fields(mesh) if field == 3), "<f4")
        vertices = vertices.reshape(MESH_LANDMARKS, 5)[:, :3].copy()  # x y z u v
        return cls(vertices, np.array([i for i, _ in pairs]), np.array([w for _, w in pairs], np.float32))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message in the wire format: (number, int for varints, bytes for everything else)."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"protobuf wire type {kind}")
        length = {1: 8, 5: 4}.get(kind) or varint()
        if position + length > len(message):
            raise ValueError("protobuf message is cut short")
        yield tag >> 3, message[position : position + length]
        position += length


def solve_geometry(
    landmarks: np.ndarray, size: tuple[int, int], canonical: CanonicalFace | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Metric face and head pose of screen landmarks.

    landmarks (..., 468 or more, 3): x, y in [0,1] from the top left, z in picture widths; `size` (width, height).
    Returns metric (..., 468, 3) float32 cm in canonical face space, and camera_from_face (..., 4, 4) float32 cm.
    Source: MediaPipe's geometry pipeline; float64 inside.
    """
    canonical = canonical or CanonicalFace.default()
    landmarks = np.asarray(landmarks)
    if landmarks.ndim < 2 or landmarks.shape[-2] < MESH_LANDMARKS or landmarks.shape[-1] != 3:
        raise InputError(f"Landmarks have shape {landmarks.shape}; expected (..., {MESH_LANDMARKS} or more, 3).")
    source = canonical.vertices[canonical.basis].astype(np.float64)
    weights = canonical.weights.astype(np.float64)

    # 1. Onto the near plane, y up, depth in the same unit and counted from the mean.
    width, height = near_plane(size)
    screen = landmarks[..., :MESH_LANDMARKS, :].astype(np.float64)
    plane = np.stack([screen[..., 0] - 0.5, 0.5 - screen[..., 1], screen[..., 2]], axis=-1) * (width, height, width)
    depth = plane[..., 2] - plane[..., 2].mean(axis=-1, keepdims=True)

    with np.errstate(divide="ignore", invalid="ignore"):
        # 2. First scale estimate: as if the camera were far away.
        flat = plane[..., canonical.basis, :] * (1, 1, -1)
        _, scale, _ = fit_similarity(source, flat, weights)
        # 3. Second estimate, with perspective undone by the first one.
        _, factor, _ = fit_similarity(source, _unproject(plane, depth, scale)[..., canonical.basis, :], weights)
        # 4. The face in camera space at its real size.
        face = _unproject(plane, depth, scale * factor)
    if not (np.isfinite(face).all() and (scale > 1e-7).all()):  # a cm of a face one pixel wide takes more
        raise InputError("The landmarks do not form a face: they are not finite, or all of them coincide.")

    # 5. Head pose from the basis landmarks, and the face with the pose taken out.
    rotation, scale, translation = fit_similarity(source, face[..., canonical.basis, :], weights)
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

    source (N,3), target (...,N,3), weights (N,). Returns rotation (...,3,3), scale (...), translation (...,3).
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


def face_frame(
    landmarks: np.ndarray, blendshapes: np.ndarray, size: tuple[int, int], canonical: CanonicalFace | None = None
) -> FaceFrame:
    """A FaceFrame from landmarks (478,3) as MediaPipe gives them, blendshapes (52,) and picture `size`."""
    metric, camera_from_face = solve_geometry(landmarks, size, canonical)
    return FaceFrame(
        np.asarray(landmarks, np.float32), metric, camera_from_face, np.asarray(blendshapes, np.float32), tuple(size)
    )


def screen_points(face: FaceFrame | FaceMotion) -> np.ndarray:
    """Landmarks of a face or a motion in pixels of its picture: (478,2) or (T,478,2) float64, from the top left."""
    return face.landmarks[..., :2].astype(np.float64) * face.size
