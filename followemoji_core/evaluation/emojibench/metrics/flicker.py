"""Temporal flicker: what a video shows of unrest that the motion does not explain."""

from __future__ import annotations

import numpy as np

from .metric import Metric, Tools, Value
from .shown import Shown

BLOCKS = 16  # a side


def unrest(frames: np.ndarray, blocks: int = BLOCKS) -> np.ndarray:
    """(blocks, blocks) 8-bit levels: how much the pictures (T,H,W,3) uint8, T at least 3, jump to and fro.

    A quarter of the mean absolute second difference in time: a picture that alternates by a level above and below has
    1, one that fades or rests has 0; motion has some, where edges come and go.
    """
    total = np.zeros(frames.shape[1:3])
    for before, here, after in zip(frames, frames[1:], frames[2:], strict=False):
        total += np.abs(before.astype(np.float32) - 2 * here.astype(np.float32) + after).mean(axis=-1)
    total /= 4 * (len(frames) - 2)
    rows, columns = (np.linspace(0, side, blocks + 1).astype(int)[:-1] for side in total.shape)
    sums = np.add.reduceat(np.add.reduceat(total, rows, axis=0), columns, axis=1)
    counts = np.diff(np.append(rows, total.shape[0]))[:, None] * np.diff(np.append(columns, total.shape[1]))
    return sums / counts


def flicker(frames: np.ndarray, truth: np.ndarray) -> float:
    """8-bit levels by which blocks of the frames are more restless than the same blocks of the truth, their mean; both
    (T,H,W,3). Less unrest is no flicker: 0."""
    return float(np.maximum(unrest(frames) - unrest(truth), 0).mean())


def _value(shown: Shown) -> Value:
    if len(shown.frames) < 3:
        return Value(None, "flicker takes three frames or more")
    if shown.given.truth is not None:
        return Value(flicker(shown.frames, shown.given.truth.frames))
    # The driver's face is elsewhere: the whole picture's unrest, against his.
    ours, theirs = (float(unrest(frames, 1)[0, 0]) for frames in (shown.frames, shown.given.driving.frames))
    return Value(max(ours - theirs, 0.0), "of the whole picture against the driver's: the truth is not known")


def _open(tools: Tools):
    return _value


FLICKER = Metric(
    "flicker",
    "Flicker",
    "lower",
    "8-bit levels",
    f"How much more the picture jumps to and fro than the truth, by second differences in {BLOCKS} x {BLOCKS} blocks; "
    "of the whole picture and against the driver's clip where the truth is not known. 0 for a picture that rests, so "
    "the untouched portrait has none either.",
    _open,
)
