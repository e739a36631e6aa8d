"""Metrics of faces: landmarks, expression, pose, gaze, how they move, and who they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.errors import CheckpointError, MissingDependencyError
from followemoji_core.evaluation.emojibench.metrics import METRICS, THRESHOLDS, Tools
from followemoji_core.evaluation.emojibench.metrics.expression import expression_distance, gaze_error, pose_distance
from followemoji_core.evaluation.emojibench.metrics.frechet import POINTS, Moments, frechet_distance, movement
from followemoji_core.evaluation.emojibench.metrics.identity import arcface, arcface_crop, dlib_embedder
from followemoji_core.evaluation.emojibench.metrics.landmarks import average_precision, landmark_error
from followemoji_core.evaluation.emojibench.metrics.shown import Faces, eye_distance, eye_opening
from followemoji_core.face.camera import project
from followemoji_core.face.gaze import pupil_places, pupil_points, shifts_of_gaze
from followemoji_core.face.pose import rotations
from followemoji_core.types import MESH_LANDMARKS

SIZE = (256, 256)


@pytest.fixture(scope="module")
def person() -> Person:
    return Person.of(20_000_003)


@pytest.fixture(scope="module")
def faces(person) -> Faces:
    return Faces.of_motion(person.act(Acting.random(5, 30), SIZE))


def without(faces: Faces, frames: list[int]) -> Faces:
    """The same, not found in those frames."""
    found = faces.found.copy()
    found[frames] = False
    holes = {}
    for name in ("points", "mesh", "rotation", "blendshapes"):
        holes[name] = getattr(faces, name).copy()
        holes[name][frames] = np.nan
    return replace(faces, found=found, **holes)


# --- landmarks


def test_metric_landmark_accuracy_by_hand():
    """Half of the landmarks at their place, half 0.11 eye distances off: of ten thresholds, five are farther."""
    expected = np.zeros((4, 10, 2))
    found = expected.copy()
    found[:, 5:, 0] = 0.11 * 50
    far = sum(threshold > 0.11 for threshold in THRESHOLDS)
    assert far == 5
    assert average_precision(found, expected, 50) == pytest.approx(0.5 + 0.5 * far / len(THRESHOLDS))
    assert average_precision(expected, expected, 50) == 1
    assert landmark_error(found, expected, 50) == pytest.approx(0.055)
    found[:2] = np.nan  # two frames without a face
    assert average_precision(found, expected, 50) == pytest.approx((0.5 + 0.5 * far / len(THRESHOLDS)) / 2)
    assert landmark_error(found, expected, 50) == pytest.approx(0.055)
    assert np.isnan(landmark_error(found * np.nan, expected, 50))


def test_metric_eyes_are_where_they_are(person):
    closed = Faces.of_motion(person.act(Acting.rest(), SIZE)).points
    apart = eye_distance(closed)
    assert apart == pytest.approx(np.linalg.norm(closed[:, [33, 133]].mean(1) - closed[:, [263, 362]].mean(1), axis=1))
    assert (eye_opening(closed) > 0.15).all()


# --- what the driver does


def test_metric_pose_is_the_angle_of_a_known_turn(faces):
    turned = replace(faces, rotation=faces.rotation @ rotations(np.array([[12.0, 0.0, 0.0]])))
    assert pose_distance(turned, faces) == pytest.approx(12)
    assert pose_distance(faces, faces) == pytest.approx(0, abs=1e-4)
    assert pose_distance(replace(turned, rotation=turned.rotation * 1.3), faces) == pytest.approx(12)
    assert np.isnan(pose_distance(without(turned, [3]), faces)).tolist() == [i == 3 for i in range(30)]


def test_metric_expression_by_hand(faces):
    other = faces.blendshapes.copy()
    other[:, 0] += 0.5  # `_neutral` counts for nothing
    other[:, 20] += 0.51
    assert expression_distance(replace(faces, blendshapes=other), faces) == pytest.approx(0.01)


@pytest.mark.parametrize("degrees", [(10.0, 0.0), (-6.0, 8.0)])
def test_metric_gaze_is_the_angle_of_a_known_look(person, degrees):
    """Pupils that look elsewhere by a known angle, on the same head; shut eyes show no gaze."""
    ahead = Faces.of_motion(person.act(Acting.rest(3), SIZE))
    places = pupil_places(ahead.points, ahead.mesh, ahead.rotation, SIZE)
    places = np.zeros_like(places) + (places - places[:, :, :1])  # straight ahead
    shift = shifts_of_gaze(np.full((3, 2, 2), degrees))

    def looking(places: np.ndarray) -> Faces:
        irises = project(pupil_points(places, ahead.mesh, ahead.rotation), SIZE)
        return replace(ahead, points=np.concatenate([ahead.points[:, :MESH_LANDMARKS], irises], axis=1))

    assert gaze_error(looking(places + shift[:, :, None]), looking(places)) == pytest.approx(
        np.hypot(*degrees), abs=0.01
    )
    shut = looking(places)
    for upper, lower in ((159, 145), (386, 374)):
        shut.points[1, upper] = shut.points[1, lower]
    assert np.isnan(gaze_error(looking(places), shut)).tolist() == [False, True, False]


# --- how faces move


def apart(ours: np.ndarray, theirs: np.ndarray, parts: int = 3) -> float:
    """The distance of two sets (n,d) that come in parts."""
    sets = Moments(), Moments()
    for moments, rows in zip(sets, (ours, theirs), strict=True):
        for part in np.array_split(rows, parts):
            moments.add(part)
        assert moments.mean == pytest.approx(rows.mean(axis=0)) and moments.count == len(rows)
        assert moments.covariance() == pytest.approx(np.atleast_2d(np.cov(rows, rowvar=False)))
    return frechet_distance(*sets)


def test_metric_frechet_of_gaussians_in_closed_form():
    """One dimension: (difference of means)^2 + (that of deviations)^2. Covariances that commute: by eigenvalue."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(500, 1))
    base = (base - base.mean()) / base.std(ddof=1)
    assert apart(base * 2 + 3, base * 5 - 1) == pytest.approx(16 + 9)
    white = rng.normal(size=(400, 4))
    white -= white.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(white, rowvar=False)), white.T).T  # covariance one, exactly
    one, other = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 2])
    assert apart(white * one + 1, white * other) == pytest.approx(4 + np.square(one - other).sum())


def test_metric_frechet_is_that_of_scipy_and_knows_no_order():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6)), rng.normal(size=(90, 6)) @ rng.normal(size=(6, 6)) + 0.3
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(one @ other).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(one + other - 2 * root)
    assert apart(a, b) == pytest.approx(expected) == pytest.approx(apart(b, a))
    assert apart(a, a) == pytest.approx(0, abs=1e-6)
    assert apart(a, rng.permutation(a)) == pytest.approx(0, abs=1e-6)
    fewer = rng.normal(size=(3, 6))  # singular covariances
    assert apart(fewer, fewer) == pytest.approx(0, abs=1e-6)


def test_metric_movement_by_hand(faces):
    """A head that slides by half an eye distance a frame at 25 frames per second: 12.5 a second, no acceleration."""
    still = np.repeat(faces.points[:1], 6, axis=0)
    eyes = eye_distance(still)[0]
    sliding = still + np.arange(6)[:, None, None] * (0.5 * eyes, 0.0)
    velocity, acceleration = movement(sliding, 25, 1), movement(sliding, 25, 2)
    assert velocity.shape == (5, 2 * len(POINTS)) and acceleration.shape == (4, 2 * len(POINTS))
    assert velocity[:, ::2] == pytest.approx(12.5) and velocity[:, 1::2] == pytest.approx(0)
    assert acceleration == pytest.approx(0, abs=1e-6)
    sliding[2] = np.nan
    assert len(movement(sliding, 25, 1)) == 3 and len(movement(sliding, 25, 2)) == 1
    assert len(movement(sliding * np.nan, 25, 1)) == 0


# --- who it is


def onnx_that_gives_its_picture(side: int = 112) -> bytes:
    """A network of one Flatten, written by hand: field numbers as in onnx.proto."""

    def field(number: int, value: bytes | int) -> bytes:
        if isinstance(value, int):
            return varint(number << 3) + varint(value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    def varint(value: int) -> bytes:
        return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

    def tensor(name: bytes, *sides: int) -> bytes:
        shape = b"".join(field(1, field(1, length)) for length in sides)
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    node = field(1, b"x") + field(2, b"y") + field(4, b"Flatten")
    graph = field(1, node) + field(2, b"g") + field(11, tensor(b"x", 1, 3, side, side))
    graph += field(12, tensor(b"y", 1, 3 * side * side))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def test_metric_identity_arcface_sees_the_same_face_however_it_lies(person, tmp_path):
    """Turned, shrunk and moved, face and landmarks: the same crop, and a cosine of 1 with itself."""
    pytest.importorskip("onnxruntime")
    from followemoji_core.face.opencv import opencv

    motion = person.act(Acting.rest(), SIZE)
    picture, points = paint(person, motion)[0], Faces.of_motion(motion).points[0]
    matrix = opencv().getRotationMatrix2D((128, 128), 25, 0.8)
    turned = opencv().warpAffine(picture, matrix, SIZE, flags=1)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    crops = arcface_crop(picture, points), arcface_crop(turned, moved)
    inner = np.s_[16:-16, 16:-16]  # without what was outside of the turned picture
    assert np.abs(crops[0][inner].astype(float) - crops[1][inner]).mean() < 4
    eyes = arcface_crop(np.indices((256, 256)).transpose(1, 2, 0).astype(np.uint8), points)[52, [38, 74], 1]
    assert eyes[0] == pytest.approx(points[[33, 133], 0].mean(), abs=6)
    assert eyes[1] == pytest.approx(points[[362, 263], 0].mean(), abs=6)

    path = tmp_path / "face.onnx"
    path.write_bytes(onnx_that_gives_its_picture())
    embed = arcface(path)
    wanted = (crops[0].transpose(2, 0, 1).ravel() - 127.5) / np.linalg.norm(crops[0] - 127.5)
    assert embed(picture, points) == pytest.approx(wanted, abs=1e-6)
    assert embed(picture, points) @ embed(turned, moved) > 0.95


def test_metric_identity_refuses_another_network(tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "face.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="face.onnx"):
        arcface(path)
    path.write_bytes(onnx_that_gives_its_picture(64))
    with pytest.raises(CheckpointError, match="not pictures of 112 x 112"):
        arcface(path)
    task = tmp_path / "face_landmarker.task"
    task.write_bytes(b"opened on use")
    with pytest.raises(MissingDependencyError, match="networks --fetch auraface"):
        METRICS["identity"].open(Tools(task, tmp_path))
    with pytest.raises(MissingDependencyError, match="download --detector"):
        METRICS["identity"].open(Tools(networks=tmp_path))


def test_metric_identity_dlib_tells_people_apart(person):
    """Nearer to himself with another face than to others; the chip is what dlib itself would cut."""
    dlib = pytest.importorskip("dlib")
    embed = dlib_embedder()

    def seen(who: Person, acting: Acting) -> tuple[np.ndarray, np.ndarray]:
        motion = who.act(acting, SIZE)
        return paint(who, motion)[0], Faces.of_motion(motion).points[0]

    smiling = Acting.random(7, 20).at([12])
    own = embed(*seen(person, Acting.rest()))
    assert own.shape == (128,) and np.linalg.norm(own - embed(*seen(person, Acting.rest()))) == 0
    himself = np.linalg.norm(own - embed(*seen(person, smiling)))
    others = [np.linalg.norm(own - embed(*seen(Person.of(20_000_100 + n), smiling))) for n in range(3)]
    assert himself < min(others), (himself, others)
    assert dlib.__version__
