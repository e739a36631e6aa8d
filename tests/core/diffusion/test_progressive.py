"""The progressive plan: every frame once, nothing used before it is known, no level too many."""

from __future__ import annotations

import random

import pytest

from followemoji_core.diffusion.progressive import plan_progressive
from followemoji_core.errors import InputError


def check(plan, frame_count, length):
    known: set[int] = set()
    for level in plan.levels:
        made = []
        for window in level:
            assert len(window.frames) <= length and list(window.frames) == sorted(set(window.frames))
            if window.given:
                assert {window.frames[0], window.frames[-1]} <= known
            made += window.made
        assert len(made) == len(set(made)) and not known & set(made)
        known |= set(made)
    assert known == set(range(frame_count))
    # Levels: each multiplies the gaps by at most length - 1.
    least = next(n for n in range(1, 20) if (length - 1) ** n >= frame_count - 1)
    assert len(plan.levels) == least


@pytest.mark.parametrize("length", range(3, 33))
def test_every_plan(length):
    for frame_count in range(1, 401):
        check(plan_progressive(frame_count, length), frame_count, length)


def test_keyframes_by_motion():
    rng = random.Random(0)
    for _ in range(200):
        frame_count, length = rng.randint(2, 400), rng.randint(3, 32)
        motion = [rng.choice((0.0, 0.0, 1.0, 50.0)) for _ in range(frame_count - 1)]
        check(plan_progressive(frame_count, length, "motion", motion), frame_count, length)
    # All happens in the middle third: that is where the keyframes are.
    motion = [1.0 if 20 <= index < 40 else 0.01 for index in range(60)]
    even, placed = (plan_progressive(61, 16, kind, motion).levels[0][0].frames for kind in ("even", "motion"))
    assert sum(20 <= frame <= 40 for frame in placed) > sum(20 <= frame <= 40 for frame in even)


def test_by_hand():
    (only,) = plan_progressive(16).windows
    assert only.frames == tuple(range(16)) and only.given == () and plan_progressive(16).cost == 1
    first, second = plan_progressive(17).levels
    assert [window.frames for window in first] == [(0, 8, 16)]
    assert [window.frames for window in second] == [tuple(range(9)), tuple(range(8, 17))]
    assert [plan_progressive(count).levels[0][0].frames for count in (1, 2)] == [(0,), (0, 1)]
    long = plan_progressive(300)
    assert len(long.levels) == 3 and long.evaluated == 344 and round(long.cost, 2) == 1.15
    assert plan_progressive(226).levels[0][0].frames == tuple(range(0, 226, 15))


def test_given_frames_are_anchors():
    """Windows begin and end on them, nothing makes them again, and without any the plan is the old one."""
    rng = random.Random(1)
    for _ in range(300):
        frame_count, length = rng.randint(2, 400), rng.randint(3, 24)
        given = rng.sample(range(frame_count), rng.randint(1, min(frame_count - 1, 40)))
        plan = plan_progressive(frame_count, length, given=given)
        known = set(given)
        for level in plan.levels:
            made = [frame for window in level for frame in window.made]
            assert all(len(window.frames) <= length and set(window.given) <= known for window in level)
            assert len(made) == len(set(made)) and not known & set(made)
            known |= set(made)
        assert known == set(range(frame_count))
        for window in (window for level in plan.levels[1:] for window in level):
            if 0 not in window.made and frame_count - 1 not in window.made:
                assert not set(window.frames[1:-1]) & set(given), "it reaches past a given frame"
    assert plan_progressive(300, given=()) == plan_progressive(300)
    first, second = plan_progressive(31, given=(10, 20)).levels
    assert first[0].frames == (0, 10, 20, 30) and first[0].given == (10, 20)
    assert [window.frames for window in second] == [tuple(range(a, a + 11)) for a in (0, 10, 20)]
    for given, words in (((30,), "the frames 0 to 29"), (range(30), "All frames are given")):
        with pytest.raises(InputError, match=words):
            plan_progressive(30, given=given)


def test_refusals():
    for arguments, words in (
        ((0,), "motion is empty"),
        ((9, 2), "at least 3 frames"),
        ((9, 4, "some"), "even, motion"),
        ((9, 4, "motion"), "need 8 numbers"),
    ):
        with pytest.raises(InputError, match=words):
            plan_progressive(*arguments)
