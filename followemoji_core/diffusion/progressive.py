"""The progressive long-video plan (paper 4.3): keyframes over the whole clip first, then what lies between. Ints only.

Bottom up, so that as few frames as possible are seen twice:
1. The last level fills every frame: its windows begin and end on anchors that lie at most a window apart.
2. The anchors are a clip of their own, filled by the level above in the same way.
3. Until they fit into one window: these are the keyframes, which know nothing and are made together.
Frames that are given from outside are anchors of every level; keyframes are made beside those that share their window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import InputError
from .plan import Window, WindowPlan, check_given

KEYFRAMES = ("even", "motion")
SHORTEST = 3  # frames of a window: two that are known, and one between


def plan_progressive(
    frame_count: int,
    length: int = 16,
    keyframes: str = "even",
    motion: Sequence[float] | None = None,
    given: Sequence[int] = (),
) -> WindowPlan:
    """The plan of a clip for windows of `length` frames.

    keyframes: "even" as in the paper; "motion" puts anchors closer where more happens: `motion` (frame_count - 1,) says
    how much, from each frame to the next, and takes half as many anchors again, for room to choose. given:
    frames that are known before anything is made.

    Raises InputError for a clip without frames, windows of fewer than SHORTEST frames, an unknown way to place
    keyframes, a motion of another length, and given frames that are not in the clip.
    """
    if frame_count < 1:
        raise InputError("There are no frames to animate: the motion is empty. Check the driving clip.")
    if length < SHORTEST:
        raise InputError(
            f"Window length {length}: a window between known frames needs at least {SHORTEST} frames. Set more."
        )
    if keyframes not in KEYFRAMES:
        raise InputError(f'No way to place keyframes is called "{keyframes}". Choose one of: {", ".join(KEYFRAMES)}.')
    if keyframes == "motion" and (motion is None or len(motion) != frame_count - 1):
        raise InputError(f"Keyframes by motion need {frame_count - 1} numbers, one between every two frames.")
    pace = [1.0] * (frame_count - 1) if keyframes == "even" else [float(value) for value in motion]

    check_given(given, frame_count)
    known = set(given)
    fine, levels = tuple(range(frame_count)), []
    while len(fine) > length:
        coarse: list[int] = [fine[0]]
        for stretch in _gaps(fine, sorted({fine[0], *known, fine[-1]})):
            gaps = math.ceil((len(stretch) - 1) / (length - 1))
            if keyframes == "motion":  # more gaps than needed, as long as they take no further level
                room = next(room for n in range(1, 64) if (room := (length - 1) ** n) >= gaps)
                gaps = min(math.ceil(1.5 * gaps), room, len(stretch) - 1)
            coarse += _anchors(stretch, length, pace, gaps)[1:]
        level = tuple(Window(gap, given=(gap[0], gap[-1])) for gap in _gaps(fine, coarse) if len(gap) > 2)
        if not level:  # given frames, and the clip's ends
            break
        levels.append(level)
        fine = tuple(coarse)
    keys = [fine] if len(fine) <= length else [fine[:length], fine[-length:]]
    first = [Window(frames, given=tuple(frame for frame in frames if frame in known)) for frames in keys]
    made: set[int] = set()
    for window in first:  # the two ends of a clip of which much is given
        if made.isdisjoint(window.made) and window.made:
            levels.append((window,))
            made |= set(window.made)
    return WindowPlan(tuple(reversed(levels)), frame_count)


def _anchors(frames: tuple[int, ...], length: int, pace: list[float], gaps: int) -> tuple[int, ...]:
    """Frames that leave `gaps` gaps which windows of `length` can fill; first and last among them."""
    last = len(frames) - 1
    along = [0.0]
    for before, after in zip(frames, frames[1:], strict=False):
        along.append(along[-1] + sum(max(value, 0.0) for value in pace[before:after]))
    if along[-1] <= 0:
        along = [float(index) for index in range(last + 1)]
    chosen = [0]
    for number in range(1, gaps):
        wanted = along[-1] * number / gaps
        # No farther than a window from the anchor before, no nearer than the anchors still to come can make up for.
        low = max(chosen[-1] + 1, last - (gaps - number) * (length - 1))
        high = min(chosen[-1] + length - 1, last - (gaps - number))
        chosen.append(min(range(low, high + 1), key=lambda index: abs(along[index] - wanted)))
    return tuple(frames[index] for index in (*chosen, last))


def _gaps(frames: tuple[int, ...], anchors: Sequence[int]) -> list[tuple[int, ...]]:
    """The frames from each anchor to the next, both included."""
    places = [frames.index(anchor) for anchor in anchors]
    return [frames[start : end + 1] for start, end in zip(places, places[1:], strict=False)]
