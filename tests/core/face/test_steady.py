"""Translation "steady": a high-pass about the neutral frame, without lag, inside the picture."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion import stack_frames
from followemoji_core.face.steady import CUTOFF, baseline, room_inside, steady_path
from followemoji_core.face.topology import LEFT_EYE, LIPS, RIGHT_EYE
from followemoji_core.types import FaceFrame, FaceMotion
from tests import measure_align
from tests.core.face.test_geometry import make_face, turn

DRIVERS = [name for name, _ in measure_align.drivers()]


@pytest.fixture(scope="module")
def everybody() -> tuple[dict[str, FaceFrame], dict[str, FaceMotion]]:
    """Portraits and drivers by name: golden ones and drawn ones."""
    return dict(measure_align.portraits()), dict(measure_align.drivers())


def driver(places: np.ndarray, fps: float = 25.0, at_rest: int = 0) -> FaceMotion:
    """The average face on its way (T,3) cm, seen from 40 cm; at rest in one frame."""
    frames = [make_face(translation=tuple(np.add(place, (0, 0, -40)))) for place in places]
    motion = stack_frames(frames, fps)
    motion.blendshapes[:] = 0.05
    motion.blendshapes[at_rest] = 0.01
    return motion


def path(height: np.ndarray) -> np.ndarray:
    """(T,) cm upwards -> (T,3)."""
    return np.column_stack([0 * height, height, 0 * height])


@pytest.fixture(scope="module")
def portrait() -> FaceFrame:
    rng = np.random.default_rng(1)
    return make_face(turn(-15, 5, 8), (1.0, -1.0, -40.0), (640, 480), 0.2 * rng.normal(size=(468, 3)))


@pytest.mark.parametrize("name", DRIVERS)
def test_targets_over_all_pairs(everybody: tuple[dict[str, FaceFrame], dict[str, FaceMotion]], name: str) -> None:
    """Eyes and mouth within 1 % of the eye distance at rest, no point outside, and the motion still there."""
    portraits, drivers = everybody
    followed = []
    for who, portrait in portraits.items():
        pair = measure_align.measure(portrait, drivers[name])
        assert pair.rest <= 1.0 and pair.outside == 0 and pair.growth < 9, (who, pair)
        if pair.follows is not None:
            assert pair.follows >= 0.9 and 0.7 <= pair.gain <= 1.1, (who, pair)
            followed.append(who)
    assert followed


def test_a_walking_driver_leaves_the_mouth_where_the_portrait_s_is() -> None:
    """He crosses the picture and comes nearer, in 4 s: 4 % of the eye distance is the most, in any frame."""
    share = np.linspace(0, 1, 100)[:, None]
    acting = dataclasses.replace(Acting.rest(100), places=(-30, 0, -70) + share * (40, 5, 40))
    driving = Person.of(1).act(acting, (512, 512))
    portrait = Person.of(2).act(Acting.rest(), (512, 512)).frame(0)
    own, parts = screen_points(portrait), [*RIGHT_EYE, *LEFT_EYE, *LIPS]
    eyes = np.linalg.norm(np.subtract(*(own[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE))))

    def away(options: AlignOptions | None) -> float:
        points = align(portrait, driving, options).points
        return np.linalg.norm(points[:, parts] - own[parts], axis=-1).max() / eyes

    assert away(AlignOptions.published()) > 1
    assert away(None) < 0.04


def test_the_stated_cutoff() -> None:
    """0.707 at CUTOFF, 0.03 at 0.1 Hz, 0.99 at 0.5 Hz; whatever the frame rate."""
    for fps in (12.0, 25.0, 60.0):
        time = np.arange(round(40 * fps)) / fps
        middle = (time > 12) & (time < 28)
        for frequency, left in ((0.1, 0.03), (CUTOFF, 0.707), (0.5, 0.99), (2.0, 1.0)):
            wave = np.sin(2 * np.pi * frequency * time)[:, None]
            fast = wave - baseline(wave, fps)
            projected = (fast * wave)[middle].sum() / np.square(wave[middle]).sum()
            assert projected == pytest.approx(left, abs=0.01), (fps, frequency)
    walk = np.column_stack([time, 3 - time, 0.1 * time**2])
    np.testing.assert_allclose(baseline(walk, 60.0), walk, atol=1e-8)  # the ends of the clip too


def test_no_lag(portrait: FaceFrame) -> None:
    """An impulse stays at its frame, and what it leaves around it is the same before and after."""
    jump = np.zeros(201)
    jump[100] = 2.0
    driving = driver(path(jump))
    moves, sizes = steady_path(driving, 0)
    assert -moves[100, 1] == pytest.approx(2.0, abs=0.1) and np.abs(np.delete(moves, 100, axis=0)).max() < 0.1
    np.testing.assert_allclose(moves[50:100], moves[150:100:-1], atol=1e-3)
    np.testing.assert_allclose(sizes, 1, atol=1e-3)
    heights = align(portrait, driving).points[:, 1, 1]
    assert heights.argmin() == 100 and heights[100] < heights[99] - 10


def test_the_neutral_frame_stays_where_it_is(portrait: FaceFrame) -> None:
    """Even at the top of a nod; ten seconds later the nod is about the portrait's place again."""
    time = np.arange(500) / 25
    driving = driver(path(np.sin(2 * np.pi * time)), at_rest=106)
    moves, sizes = steady_path(driving, 106)
    assert moves[106].tolist() == [0, 0] and sizes[106] == 1
    assert abs(moves[400:475, 1].mean()) < 0.01 and np.ptp(moves[400:475, 1]) == pytest.approx(2, abs=0.05)
    np.testing.assert_allclose(align(portrait, driving).points[106, :468], screen_points(portrait)[:468], atol=1e-3)


def test_the_same_whatever_the_clip_s_length() -> None:
    time = np.arange(500) / 25
    whole = driver(path(np.sin(3 * time) + 0.3 * time))
    part = driver(path(np.sin(3 * time) + 0.3 * time)[:300])
    np.testing.assert_allclose(steady_path(whole, 0)[0][:150], steady_path(part, 0)[0][:150], atol=2e-3)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips(portrait: FaceFrame, frames: int) -> None:
    """A parabola goes through so few frames: nothing tells a nod from a walk, and the head stays."""
    driving = driver(np.array([(0, 0, 0), (2, 1, 3), (-1, 4, 5)])[:frames])
    points = align(portrait, driving).points
    assert points.shape == (frames, 478, 2)
    np.testing.assert_allclose(points[:, :468], np.tile(screen_points(portrait)[:468], (frames, 1, 1)), atol=0.05)


@pytest.mark.parametrize("fps", [1e-9, 0.1, 1.0, 1000.0, 1e9])
def test_any_frame_rate(portrait: FaceFrame, fps: float) -> None:
    driving = driver(np.random.default_rng(0).normal(size=(20, 3)), fps)
    points = align(portrait, driving).points
    assert np.isfinite(points).all() and (points >= 0).all() and (points <= (640, 480)).all()


def test_kept_inside() -> None:
    """A square of 20 in a picture of 100: itself up to half of the room, then shortened, never over the edge."""
    square = np.array([(40, 40), (60, 60)], float)
    moves = np.array([(0, 0), (20, -20), (30, 0), (1000, -1000)], float)
    points = np.tile(square, (4, 1, 1))
    fits, shifts = room_inside(points, moves, np.array([50.0, 50.0]), np.zeros(2), np.full(2, 100.0))
    np.testing.assert_allclose(shifts[:2], moves[:2])
    assert 20 < shifts[2, 0] < 30 and shifts[3].tolist() == [40, -40] and (fits == 1).all()
    big = np.array([[(-50, 10), (150, 60)]], float)  # does not fit, and hangs over on one side
    fits, shifts = room_inside(big, np.zeros((1, 2)), np.array([0.0, 0.0]), np.zeros(2), np.full(2, 100.0))
    kept = big * fits + shifts
    assert kept.min() >= 0 and kept.max() <= 100 and np.ptp(kept[0, :, 1]) == 25


def test_a_face_at_the_edge_goes_no_farther(portrait: FaceFrame) -> None:
    """A portrait whose chin is cut by the picture: landmarks leave it as far as its own do."""
    cut = make_face(translation=(0.0, -9.0, -25.0))
    own = screen_points(cut)
    assert own[:, 1].max() > 512
    motion = driver(path(2 * np.sin(np.arange(100) / 4)))
    points = align(cut, motion).points
    assert points[..., 1].max() <= own[:, 1].max() + 1e-2 and np.ptp(points[:, 1, 1]) > 5
