"""Frames of several faces side by side: streams of other lengths and other rates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from ..errors import InputError

Picture = TypeVar("Picture")


def together(
    pictures: Iterable[Picture], streams: Sequence[Iterable[np.ndarray]], still: bool
) -> Iterator[tuple[Picture, list[np.ndarray]]]:
    """Each picture with a frame of every stream. As long as the longest stream: the others hold their last frame. The
    pictures end them; where they are not still, streams of one frame hold it as long as there are pictures."""
    pictures = iter(pictures)
    sources = [iter(stream) for stream in streams]
    held: list[np.ndarray] = []
    moves = still
    while True:
        new = [next(source, None) for source in sources]
        ended = all(frame is None for frame in new)
        if not held and any(frame is None for frame in new):
            raise InputError("There are no frames to paste. Connect the frames of every face.")
        if ended and moves:
            return
        moves = moves or (bool(held) and not ended)
        held = [old if frame is None else frame for old, frame in zip(held or new, new, strict=True)]
        picture = next(pictures, None)
        if picture is None:
            return
        yield picture, held


def at_rate(frames: Iterable[Picture], fps: float, rate: float) -> Iterator[Picture]:
    """Frames of `fps` a second as they are seen at `rate` frames a second: each beat shows the latest, so that some are
    repeated or left out and the length in seconds stays."""
    beat = 0
    for index, frame in enumerate(frames):
        while beat * fps < (index + 1) * rate - 1e-6:
            yield frame
            beat += 1
