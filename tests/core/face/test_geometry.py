from __future__ import annotations

import math
import time

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.face.camera import NEAR, near_plane, project
from followemoji_core.face.geometry import CanonicalFace, face_frame, fit_similarity, screen_points, solve_geometry
from followemoji_core.face.topology import (
    BLENDSHAPE_NAMES,
    DRAWN_EDGES,
    FACE_CONTOUR,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from followemoji_core.types import FaceFrame


def turn(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Rotation matrix from degrees, roll first."""
    cy, sy, cp, sp, cr, sr = (f(math.radians(a)) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def make_face(
    rotation: np.ndarray | None = None,
    translation: tuple[float, float, float] = (0.0, 0.0, -30.0),
    size: tuple[int, int] = (512, 512),
    offsets: np.ndarray | float = 0.0,
    activity: float = 0.0,
) -> FaceFrame:
    """The average face (plus `offsets` in cm) seen by the camera as MediaPipe would see it, pupils amid the eyes."""
    mesh = CanonicalFace.default().vertices + offsets
    mesh = mesh @ (np.eye(3) if rotation is None else rotation).T + translation
    screen = project(mesh, size) / size
    depth = -mesh[:, 2] / -mesh[:, 2].mean() * NEAR - NEAR
    landmarks = np.column_stack([screen, depth / near_plane(size)[0]])
    irises = []
    for eye in (RIGHT_EYE, LEFT_EYE):
        outline = landmarks[list(eye)]
        middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
        irises += [middle, *(middle + 0.004 * np.array([[1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]]))]
    return face_frame(np.vstack([landmarks, *irises]), np.full(52, activity), size)


def test_the_camera_looks_down_minus_z() -> None:
    assert project(np.array([0.0, 0.0, -50.0]), (640, 480)).tolist() == [320, 240]
    # tan(63 / 2 degrees) = 0.6128: at 100 cm the picture is 61.28 cm high above its middle.
    np.testing.assert_allclose(project(np.array([0.0, 61.28, -100.0]), (640, 480)), [320, 0], atol=0.01)
    np.testing.assert_allclose(project(np.array([61.28, 0.0, -100.0]), (480, 480)), [480, 240], atol=0.01)
    assert np.isfinite(project(np.array([1.0, 1.0, 5.0]), (64, 64))).all()  # behind the camera


def test_fit_similarity_finds_a_known_one() -> None:
    source = np.random.default_rng(0).normal(size=(33, 3))
    rotation = turn(40, -20, 100)
    found = fit_similarity(source, 2.5 * source @ rotation.T + (1, 2, 3), np.linspace(0.1, 1, 33))
    for got, expected in zip(found, (rotation, 2.5, (1, 2, 3)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_fit_similarity_never_mirrors() -> None:
    source = np.random.default_rng(0).normal(size=(33, 3))
    rotation, _, _ = fit_similarity(source, source * (1, 1, -1), np.ones(33))
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("size", [(512, 512), (640, 360), (360, 640)])
def test_head_pose_is_recovered(size: tuple[int, int]) -> None:
    rotation = turn(25, -10, 15)
    face = make_face(rotation, (3.0, -2.0, -45.0), size)
    np.testing.assert_allclose(face.camera_from_face[:3, :3], rotation, atol=0.02)
    np.testing.assert_allclose(face.camera_from_face[:3, 3], (3.0, -2.0, -45.0), atol=0.5)
    assert np.abs(face.metric - CanonicalFace.default().vertices).max() < 0.5


@pytest.mark.parametrize("size", [(512, 512), (640, 360)])
def test_projecting_the_mesh_gives_back_the_screen_landmarks(size: tuple[int, int]) -> None:
    face = make_face(turn(-30, 20, 50), (5.0, 5.0, -35.0), size)
    mesh = face.metric @ face.camera_from_face[:3, :3].T + face.camera_from_face[:3, 3]
    np.testing.assert_allclose(project(mesh, size), screen_points(face)[:468], atol=1e-3)


@pytest.mark.alone
def test_frames_are_solved_at_once_and_fast() -> None:
    faces = [make_face(turn(yaw)) for yaw in range(-20, 20, 10)]
    landmarks = np.stack([face.landmarks for face in faces] * 25)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        metric, camera_from_face = solve_geometry(landmarks, (512, 512))
        took.append(time.perf_counter() - start)
    assert metric.shape == (100, 468, 3) and camera_from_face.shape == (100, 4, 4)
    np.testing.assert_allclose(metric[1], faces[1].metric, atol=1e-5)
    assert min(took) < 0.1


def test_no_frames_are_fine() -> None:
    metric, camera_from_face = solve_geometry(np.zeros((0, 478, 3)), (512, 512))
    assert metric.shape == (0, 468, 3) and camera_from_face.shape == (0, 4, 4)


@pytest.mark.parametrize("landmarks", [np.zeros((478, 3)), np.full((478, 3), np.nan)])
def test_what_is_not_a_face_is_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(InputError, match="do not form a face"):
        solve_geometry(landmarks, (512, 512))


def test_too_few_landmarks_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(68, 3\); expected"):
        solve_geometry(np.zeros((68, 3)), (512, 512))


def test_a_long_clip_is_solved_as_its_frames_are() -> None:
    landmarks = np.stack([make_face(turn(yaw), (0.0, 1.0, -40.0)).landmarks for yaw in range(-30, 30)] * 9)
    metric, camera_from_face = solve_geometry(landmarks, (512, 512))
    for index in (0, 1, 255, 256, 300, 539):
        alone = solve_geometry(landmarks[index], (512, 512))
        assert np.array_equal(metric[index], alone[0]) and np.array_equal(camera_from_face[index], alone[1])


def test_the_canonical_mesh_is_one_sheet() -> None:
    triangles = CanonicalFace.default().triangles
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    edges, times = np.unique(edges, axis=0, return_counts=True)
    assert set(triangles.flat) == set(range(468)) and times.max() == 2
    assert 468 - len(edges) + len(triangles) == 1  # Euler: no hole at the eyes or the mouth
    assert np.isin(FACE_CONTOUR, edges[times == 1]).all()  # the contour that is drawn is part of the border
    a, b, c = CanonicalFace.default().vertices[triangles].transpose(1, 0, 2)
    assert np.cross(b - a, c - a)[:, 2].min() > -0.05  # counter-clockwise from the front


def test_tables() -> None:
    assert len(set(LEFT_EYE)) == len(set(RIGHT_EYE)) == 16 and len(set(LIPS)) == 40
    assert RIGHT_IRIS == tuple(range(468, 473)) and LEFT_IRIS == tuple(range(473, 478))
    assert len(DRAWN_EDGES) == len({frozenset(edge[:2]) for edge in DRAWN_EDGES}) == 2 * 16 + 2 * 8 + 20
    assert len(BLENDSHAPE_NAMES) == 52
    vertices = CanonicalFace.default().vertices
    assert vertices[list(LEFT_EYE), 0].min() > 0 > vertices[list(RIGHT_EYE), 0].max()  # the person's own left is +x
