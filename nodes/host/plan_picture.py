"""A plan over the clip's timeline: a row for each level, a bar for each window, brighter when it is done."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from ...followemoji_core.diffusion.plan import WindowPlan

_ROW, _GAP = 14, 4  # pixels
_COLOURS = ((244, 176, 66), (96, 178, 224), (140, 200, 120), (200, 130, 200), (230, 120, 110))
_GROUND, _DIM = np.array((28, 28, 32)), 0.35


def draw_plan(plan: WindowPlan, width: int = 480, done: Container[int] = ()) -> np.ndarray:
    """(H,width,3) uint8 RGB, H by the number of levels.

    Rows are levels, keyframes above; a bar spans the frames of its window, its ends are the frames that it is given,
    notches the frames that it makes. done: numbers of finished windows, in the plan's order.
    """
    height = len(plan.levels) * (_ROW + _GAP) + _GAP
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = _GROUND
    last = max(plan.frame_count - 1, 1)

    def column(frame: int) -> int:
        return round(3 + frame * (width - 8) / last)

    number = 0
    for level, windows in enumerate(plan.levels):
        top = _GAP + level * (_ROW + _GAP)
        colour = np.array(_COLOURS[level % len(_COLOURS)])
        for window in windows:
            shade = colour if number in done else _GROUND + (colour - _GROUND) * _DIM
            left, right = column(window.frames[0]), column(window.frames[-1])
            picture[top + _ROW // 2 - 1 : top + _ROW // 2 + 1, left : right + 1] = shade
            for frame in window.made:
                picture[top + 3 : top + _ROW - 3, column(frame) : column(frame) + 2] = shade
            for frame in window.frames if not window.given else (window.frames[0], window.frames[-1]):
                picture[top : top + _ROW, column(frame) : column(frame) + 2] = shade
            number += 1
    return picture
