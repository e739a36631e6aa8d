import itertools

import pytest

from followemoji_core.diffusion.windows import STRATEGIES, gaussian_weights, plan_windows
from followemoji_core.errors import InputError


def test_by_hand():
    """14 frames in windows of 6 that share 2: the third ends with the clip anyway; 15 need a fourth, moved back."""
    starts = [window.frames[0] for window in plan_windows(14, "gaussian", 6, 2).windows]
    assert starts == [0, 4, 8]
    assert [window.frames[0] for window in plan_windows(15, "gaussian", 6, 2).windows] == [0, 4, 8, 9]
    closed = plan_windows(30, "uniform", 24, 0).windows
    assert closed[1].frames == (*range(24, 30), *range(18))  # runs on into the clip's start, as published


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_frame_is_covered(strategy):
    for frames, length in itertools.product(range(1, 90), (1, 2, 5, 16, 32)):
        for overlap in {0, length // 4, length - 1}:
            plan = plan_windows(frames, strategy, length, overlap)
            seen = [frame for window in plan.windows for frame in window.frames]
            assert set(seen) == set(range(frames)) and plan.evaluated == len(seen)
            for window in plan.windows:
                assert len(set(window.frames)) == len(window.frames) == len(window.weights) <= length
                assert min(window.weights) > 0


def test_gaussian_weights():
    weights = gaussian_weights(5)
    assert weights == weights[::-1] and weights[2] == 1.0
    assert weights[0] == pytest.approx(3.35462628e-4)  # exp(-(2 / 5)^2 / 0.02) = exp(-8)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ((0,), "no frames"),
        ((9, "gaussian", 4, 4), "never move on"),
        ((9, "gaussian", 0, 0), "never move on"),
        ((9, "spiral"), "gaussian, uniform"),
    ],
)
def test_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        plan_windows(*arguments)


def test_what_is_sampled_together():
    """Windows that overlap go as one; those that stand alone in batches of one length; what is done is left out."""
    gaussian = plan_windows(40, "gaussian", 16, 4)
    (together,) = gaussian.batches(0, lambda window: False, lambda frames: 1)
    assert together == gaussian.levels[0]
    plain = plan_windows(40, "plain", 16)
    sizes = [len(batch) for batch in plain.batches(0, lambda window: False, lambda frames: 2)]
    assert sizes == [2, 1]  # two of 16 frames, one of 8
    (rest,) = plain.batches(0, lambda window: window.frames[0] < 20, lambda frames: 2)
    assert [window.frames[0] for window in rest] == [32]
    assert plain.borders == {15, 31} and gaussian.longest == 16


def test_given_frames_lie_wherever_they_lie():
    """Frames 0 to 3 and 6 of 8: a window of given ones is not made; all of them leave nothing."""
    (only,) = plan_windows(8, "plain", 4, 1, given=(0, 1, 2, 3, 6)).windows
    assert only.frames == (4, 5, 6, 7) and only.made == (4, 5, 7)
    first, second = plan_windows(7, "gaussian", 4, 1, given=(3,)).windows
    assert first.given == second.given == (3,) and first.weights == plan_windows(7, "gaussian", 4, 1).windows[0].weights
    assert plan_windows(7, "gaussian", 4, 1, given=(3,)).borders == {2, 3}, "into and out of it: both end on it"
    for given, words in (((8,), "the frames 0 to 7"), (range(8), "All frames are given")):
        with pytest.raises(InputError, match=words):
            plan_windows(8, "plain", 4, 1, given=given)
