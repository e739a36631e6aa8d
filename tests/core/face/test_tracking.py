"""Two people cross, the other hides the followed one: exact landmarks of drawn people, without a detector."""

from __future__ import annotations

import time

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person
from followemoji_core.face.geometry import ScreenFace
from followemoji_core.face.tracking import FaceTracker

WIDE, FRAMES, SIDE = (640, 256), 60, 220


def acted(seed: int, xs: np.ndarray, side: float = SIDE) -> list[ScreenFace]:
    """A person who acts in a square whose left side is at `xs` in a wide picture."""
    motion = Person.of(seed).act(Acting.random(seed, len(xs)), (256, 256))
    scale = np.array((side, side, side)) / (WIDE[0], WIDE[1], WIDE[0])
    faces = []
    for landmarks, x in zip(motion.landmarks, xs, strict=True):
        moved = landmarks * scale + (x / WIDE[0], 0.1, 0)
        faces.append(ScreenFace(moved.astype(np.float32), motion.blendshapes[0], WIDE))
    return faces


def follow(frames, which="leftmost"):
    tracker = FaceTracker(which)
    for faces in frames:
        tracker.see(faces)
    return tracker.chosen(), tracker


def is_one_of(face, faces) -> bool:
    return any(face is other for other in faces)


def cross(pair: int) -> bool:
    """Whether he is found again; he is never taken for the other one."""
    across = np.linspace(0, WIDE[0] - SIDE, FRAMES)
    followed, other = acted(100 + 2 * pair, across), acted(101 + 2 * pair, across[::-1])
    near = np.flatnonzero(np.abs(across - across[::-1]) < 130)  # one hides the other
    first, last = near[0], near[-1]
    frames = [[other[i]] if first <= i <= last else [followed[i], other[i]] for i in range(FRAMES)]
    chosen, _ = follow([faces[:: 1 if i % 3 else -1] for i, faces in enumerate(frames)])
    assert not any(is_one_of(face, other) for face in chosen if face is not None), "the track became the other's"
    assert all(chosen[i] is followed[i] for i in range(first))
    return all(chosen[i] is followed[i] for i in range(last + 4, FRAMES))


def test_when_two_cross_the_track_does_not_become_the_other_s():
    again = [cross(pair) for pair in range(12)]
    assert sum(again) >= 9, "most of them are found again"


def test_a_cut_that_swaps_two_people_does_not_swap_the_track():
    """Sides change, people do not, and one of them is nearer: told by size and proportions, or missing."""
    before = np.arange(80) < 40
    for pair in range(8):
        sides = np.where(before, 0.0, WIDE[0] - SIDE), np.where(before, WIDE[0] - SIDE, 0.0)
        followed, other = (calm(200 + 2 * pair + person, sides[person], SIDE - 40 * person) for person in (0, 1))
        chosen, _ = follow([[a, b] for a, b in zip(followed, other, strict=True)])
        assert not any(is_one_of(face, other) for face in chosen if face is not None), f"pair {pair}"
        assert all(chosen[i] is followed[i] for i in range(40))


def calm(seed: int, xs: np.ndarray, side: float) -> list[ScreenFace]:
    """A person who sits still, but for a tremor of a thousandth of the face."""
    motion = Person.of(seed).act(Acting.rest(), (256, 256))
    random = np.random.default_rng(seed)
    scale = np.array((side, side, side)) / (WIDE[0], WIDE[1], WIDE[0])
    faces = []
    for x in xs:
        moved = (motion.landmarks[0] + random.normal(0, 5e-4, (478, 3))) * scale + (x / WIDE[0], 0.1, 0)
        faces.append(ScreenFace(moved.astype(np.float32), motion.blendshapes[0], WIDE))
    return faces


def test_a_short_absence_is_bridged_and_the_other_left_alone():
    followed, other = acted(400, np.full(50, 10.0)), acted(401, np.full(50, 400.0))
    frames = [[other[i]] if 20 <= i < 26 else [other[i], followed[i]] for i in range(50)]
    chosen, tracker = follow(frames)
    assert [face is None for face in chosen] == [20 <= i < 26 for i in range(50)]
    assert all(face is followed[i] for i, face in enumerate(chosen) if face is not None)
    assert tracker.most == 2 and tracker.unsure == []


def test_one_person_is_followed_after_a_cut_which_is_told():
    before, after = acted(500, np.full(20, 10.0)), acted(500, np.full(20, 400.0))
    chosen, tracker = follow([[face] for face in before + after])
    assert all(face is not None for face in chosen) and tracker.cuts == [20]


def test_many_people_at_once_take_no_time():
    crowd = [acted(600 + number, np.full(20, 70.0 * number), side=60) for number in range(8)]
    chosen, tracker = follow([[faces[i] for faces in crowd][:: 1 if i % 2 else -1] for i in range(20)])
    assert all(face is crowd[0][i] for i, face in enumerate(chosen)) and tracker.most == 8


@pytest.mark.alone
def test_a_crowd_that_comes_and_goes_takes_no_square_time():
    """Thousands of short runs, as a festival seen by a drone gives them."""
    random = np.random.default_rng(0)
    faces = [acted(seed, np.zeros(1))[0] for seed in range(8)]
    tracker = FaceTracker("largest")
    for _ in range(1500):
        chosen = random.choice(8, 2, replace=False)
        moved = random.uniform(-0.4, 0.4, (2, 2)).astype(np.float32)
        crowd = []
        for number, offset in zip(chosen, moved, strict=True):
            landmarks = faces[number].landmarks.copy()
            landmarks[:, :2] += offset
            crowd.append(ScreenFace(landmarks, faces[number].blendshapes, WIDE))
        tracker.see(crowd)
    begun = time.process_time()
    assert len(tracker.chosen()) == 1500
    assert time.process_time() - begun < 6  # three times that where everybody is remembered
