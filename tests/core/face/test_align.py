from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.face.align import AlignOptions, align, vertex_strengths
from followemoji_core.face.geometry import CanonicalFace, screen_points
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.topology import INNER_LIPS, LEFT_EYE, PUPILS, REGIONS, RIGHT_IRIS
from followemoji_core.types import FaceFrame, FaceMotion
from tests.core.face.test_geometry import make_face, turn


def mouth_open(amount: float) -> np.ndarray:
    """Offsets (468,3) in cm that move the lips (and nothing else) down."""
    offsets = np.zeros((468, 3))
    offsets[list(REGIONS["mouth"]), 1] = -amount
    return offsets


@pytest.fixture(scope="module")
def driving() -> FaceMotion:
    """Neutral, turned, nearer with an open mouth, looking right."""
    frames = [
        make_face(activity=0.1),
        make_face(turn(20, 5, -10), (2.0, 0.0, -30.0), activity=0.2),
        make_face(turn(10), (2.0, 1.0, -25.0), offsets=mouth_open(1.0), activity=0.5),
        make_face(activity=0.3),
    ]
    frames[3].landmarks[list(RIGHT_IRIS), 0] += 0.005
    return stack_frames(frames, 25.0)


@pytest.fixture(scope="module")
def portrait() -> FaceFrame:
    rng = np.random.default_rng(1)
    return make_face(turn(-15, 5, 8), (1.0, -1.0, -40.0), (640, 480), 0.2 * rng.normal(size=(468, 3)))


def test_a_motion_aligned_to_its_own_neutral_frame_is_itself(driving: FaceMotion) -> None:
    for rotation in ("driving", "relative"):
        options = dataclasses.replace(AlignOptions.published(), rotation=rotation)
        aligned = align(driving.frame(0), driving, options)
        assert aligned.points.dtype == np.float32 and aligned.size == (512, 512) and aligned.fps == 25.0
        np.testing.assert_allclose(aligned.points, screen_points(driving), atol=1e-3)


def test_published_is_what_the_defaults_were() -> None:
    published = AlignOptions.published()
    assert (published.rotation, published.translation) == ("driving", "driving")
    defaults = AlignOptions()
    assert (defaults.rotation, defaults.translation) == ("relative", "steady")
    assert published == dataclasses.replace(defaults, rotation="driving", translation="driving")


def test_strength_zero_is_a_still(portrait: FaceFrame, driving: FaceMotion) -> None:
    options = AlignOptions(rotation="none", translation="none", whole=0.0)
    points = align(portrait, driving, options).points
    np.testing.assert_allclose(points, np.broadcast_to(screen_points(portrait), points.shape), atol=1e-3)


def test_one_frame_clip(portrait: FaceFrame, driving: FaceMotion) -> None:
    clip = stack_frames([driving.frame(2)], 25.0)
    options = AlignOptions(rotation="none", smoothing=1.0)  # its only frame is the first and the neutral one
    np.testing.assert_allclose(align(portrait, clip, options).points[0, :468], screen_points(portrait)[:468], atol=1e-3)


def test_regions_have_strengths_of_their_own(portrait: FaceFrame, driving: FaceMotion) -> None:
    still = {"rotation": "none", "translation": "none"}
    full, half, without = (
        align(portrait, driving, AlignOptions(mouth=mouth, **still)).points[2] for mouth in (1.0, 0.5, 0.0)
    )
    lips, own = list(INNER_LIPS), screen_points(portrait)
    assert (full - own)[lips, 1].min() > 5  # pixels downwards
    np.testing.assert_allclose(without[lips], own[lips], atol=0.1)
    np.testing.assert_allclose((half - own)[lips], (full - own)[lips] / 2, atol=0.5)
    only_mouth = align(portrait, driving, AlignOptions(brows=0.0, eyes=0.0, pupils=0.0, **still)).points[2]
    np.testing.assert_allclose(only_mouth[lips], full[lips], atol=1e-3)


def test_vertex_strengths_are_exact_in_regions_and_do_not_tear() -> None:
    strengths = vertex_strengths(AlignOptions(brows=0.0, eyes=2.0, mouth=3.0, whole=0.5))
    for region, expected in (("brows", 0.0), ("eyes", 1.0), ("mouth", 1.5)):
        np.testing.assert_allclose(strengths[list(REGIONS[region])], expected, atol=1e-3)
    assert strengths[10] == pytest.approx(0.5, abs=0.02)  # top of the forehead: `whole` alone
    vertices = CanonicalFace.default().vertices
    distances = np.linalg.norm(vertices[:, None] - vertices, axis=-1) + np.eye(468)
    assert (np.abs(strengths[:, None] - strengths) / distances).max() < 3  # per cm


def test_pupils_keep_their_place_in_the_eye(portrait: FaceFrame, driving: FaceMotion) -> None:
    options = {"rotation": "none", "translation": "none"}
    looking = align(portrait, driving, AlignOptions(**options)).points[3]
    not_looking = align(portrait, driving, AlignOptions(pupils=0.0, **options)).points[3]
    right, left = PUPILS[1], PUPILS[0]
    assert looking[right, 0] - not_looking[right, 0] > 0.5 and abs(looking[left, 0] - not_looking[left, 0]) < 0.1
    np.testing.assert_allclose(not_looking[[right, left]], screen_points(portrait)[[right, left]], atol=0.5)


def test_a_shut_eye_keeps_the_pupil_near(portrait: FaceFrame, driving: FaceMotion) -> None:
    landmarks = driving.landmarks.copy()
    heights = landmarks[:, list(LEFT_EYE), 1].mean(axis=1, keepdims=True)
    for frame, openness in enumerate((1.0, 0.05, 1e-6, 0.0)):
        eye = landmarks[frame, list(LEFT_EYE), 1]
        landmarks[frame, list(LEFT_EYE), 1] = heights[frame] + openness * (eye - heights[frame])
    shut = dataclasses.replace(driving, landmarks=landmarks)
    points = align(portrait, shut, AlignOptions(rotation="none", translation="none")).points
    own = screen_points(portrait)
    assert np.isfinite(points).all()
    assert np.abs(points[:, PUPILS[0]] - own[PUPILS[0]]).max() <= np.ptp(own[list(LEFT_EYE)], axis=0).max()


def test_rotation_modes(portrait: FaceFrame, driving: FaceMotion) -> None:
    none, relative, theirs = (
        align(portrait, driving, AlignOptions(rotation=mode, translation="none")).points
        for mode in ("none", "relative", "driving")
    )
    np.testing.assert_allclose(relative[0], none[0], atol=0.1)  # the neutral frame turns nothing
    assert np.abs(theirs[0] - none[0]).max() > 5  # published: the portrait takes the driver's own rotation
    assert np.abs(relative[1] - none[1]).max() > 5


def test_an_explicit_neutral_frame(portrait: FaceFrame, driving: FaceMotion) -> None:
    still = {"rotation": "none", "translation": "none"}
    first, last = (align(portrait, driving, AlignOptions(neutral=n, **still)).points for n in (2, -2))
    np.testing.assert_array_equal(first, last)
    np.testing.assert_allclose(first[2, :468], screen_points(portrait)[:468], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": "sideways"}, "rotation is 'sideways'; allowed: driving, relative, none"),
        ({"translation": "relative"}, "translation is 'relative'; allowed: driving, none, steady"),
        ({"mouth": -0.1}, "mouth is -0.1; allowed: 0 to 3"),
        ({"whole": float("nan")}, "whole is nan; allowed: 0 to 3"),
        ({"smoothing": 1.5}, "smoothing is 1.5; allowed: 0 to 1"),
    ],
)
def test_refused_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AlignOptions(**options)


def test_refused_neutral_frames(portrait: FaceFrame, driving: FaceMotion) -> None:
    for index in (4, -5):
        with pytest.raises(InputError, match=f"Neutral frame {index} is not in the driving motion; it has 4 frames"):
            align(portrait, driving, AlignOptions(neutral=index))
