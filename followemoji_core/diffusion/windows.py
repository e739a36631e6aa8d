"""Windows over a clip that is longer than the denoiser sees at once. Ints and floats only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import InputError
from .plan import Window, WindowPlan, check_given

STRATEGIES = ("gaussian", "uniform", "plain")
_GAUSSIAN_VARIANCE = 0.01  # published; in units of the squared window length


def plan_windows(
    frame_count: int, strategy: str = "gaussian", length: int = 16, overlap: int = 4, given: Sequence[int] = ()
) -> WindowPlan:
    """A plan by the strategy's name. A clip of at most `length` frames is one window, whatever the strategy.

    gaussian: windows slide by length - overlap, the middle of each counts most; the last one is moved back to end with
    the clip (published `forward_long`). uniform: windows count evenly and the last one runs on into the clip's start
    (published default call, which asks for length 24 and always runs with overlap 0). plain: windows side by side, the
    last one as short as what is left; to compare with. given: frames that are known before, anywhere in windows.

    Raises InputError for a clip without frames, an unknown strategy, windows that would never move on, and where given
    frames leave nothing to make or are not in the clip.
    """
    if frame_count < 1:
        raise InputError("There are no frames to animate: the motion is empty. Check the driving clip.")
    if strategy not in STRATEGIES:
        raise InputError(f'No window strategy is called "{strategy}". Choose one of: {", ".join(STRATEGIES)}.')
    if length < 1 or not 0 <= overlap < length:
        raise InputError(
            f"Window length {length} with overlap {overlap}: the windows would never move on. "
            f"The overlap must be at least 0 and less than the length; a quarter of it is a good start."
        )
    check_given(given, frame_count)
    if frame_count <= length:
        return _side_by_side([tuple(range(frame_count))], (), frame_count, given)
    if strategy == "plain":
        parts = [tuple(range(start, min(start + length, frame_count))) for start in range(0, frame_count, length)]
        return _side_by_side(parts, (), frame_count, given)
    starts = list(range(0, frame_count, length - overlap))
    if strategy == "uniform":
        weights = (1.0,) * length
        windows = [tuple(frame % frame_count for frame in range(start, start + length)) for start in starts]
    else:
        weights = gaussian_weights(length)
        # The first window that reaches the end is the last, moved back so that it ends with the clip.
        count = 1 + math.ceil((frame_count - length) / (length - overlap))
        starts = [*starts[: count - 1], frame_count - length]
        windows = [tuple(range(start, start + length)) for start in starts]
    return _side_by_side(windows, weights, frame_count, given)


def _side_by_side(
    parts: Sequence[tuple[int, ...]], weights: tuple[float, ...], frame_count: int, given: Sequence[int]
) -> WindowPlan:
    known = set(given)
    windows = (Window(part, weights, tuple(frame for frame in part if frame in known)) for part in parts)
    return WindowPlan((tuple(window for window in windows if window.made),), frame_count)


def gaussian_weights(length: int) -> tuple[float, ...]:
    """Weight of each place in a window; published shape, scaled so that the middle is 1."""
    middle = (length - 1) / 2
    return tuple(math.exp(-((place - middle) ** 2) / length**2 / (2 * _GAUSSIAN_VARIANCE)) for place in range(length))
