"""Drawn people as training clips, in the format of `prepare`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ..drawn.acting import Acting
from ..drawn.hidden import Hidden, paint_hidden
from ..drawn.painting import paint
from ..drawn.people import Person
from ..face.controls import CHANNELS, SHAPES, Controls, bounded
from ..face.geometry import screen_points
from ..face.named_expressions import named_expressions
from ..face.opencv import opencv
from ..files import check_place
from ..types import FaceMotion
from .shards import save_clip

STILL_HEADS = 0.3  # share of the clips in which only the expression changes
STILL_GROUNDS = 0.4  # share of those with a hidden state in which it does not change
EXPRESSIVE = 0.35  # share of those with expressions of the whole space beside the usual ones
_CALMED = 0.3  # what the usual ones are then scaled by
_SINGLE = 2  # shapes that come and go by themselves beside a named expression
_OTHERS = 7_000_000  # from a clip's number to that of its portrait's expression


def synthesize(
    out: Path,
    people: int,
    frames: int = 16,
    size: int = 128,
    first: int = 0,
    stride: int = 1,
    most_stride: int = 0,
    hidden: bool = False,
    workers: int = 1,
    on_clip: Callable[[int], None] = lambda done: None,
) -> None:
    """One clip of each person `first`, `first` + 1, ... to OUT/NUMBER.safetensors; clips that are there are kept.

    stride: only every so many frames of a motion at 25 fps, so that few frames show much: for training on single ones.
    most_stride: strides from `stride` to this one, drawn for each clip; small ones as often as large ones.
    hidden: see `hidden_clip`. on_clip learns how many are done. Raises OutputError where the disk is full.
    """
    check_place(out / "0.safetensors")
    jobs = [number for number in range(first, first + people) if not _file(out, number).exists()]
    draw = partial(draw_clip, out, frames=frames, size=size, stride=stride, most_stride=most_stride, hidden=hidden)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            try:
                for done, _ in enumerate(pool.map(draw, jobs, chunksize=8)):
                    on_clip(people - len(jobs) + done + 1)
            except BaseException:
                pool.shutdown(cancel_futures=True)  # else the pool draws all that was handed to it before it ends
                raise
    else:
        for done, number in enumerate(jobs):
            draw(number)
            on_clip(people - len(jobs) + done + 1)


def draw_clip(
    out: Path, number: int, frames: int, size: int, stride: int = 1, most_stride: int = 0, hidden: bool = False
) -> None:
    """The clip of one person, `size` x `size` pixels, to OUT/NUMBER.safetensors. Raises OutputError."""
    cv2 = opencv()
    if most_stride > stride:
        low, high = np.log(stride), np.log(most_stride + 1)
        stride = int(np.exp(np.random.default_rng([number, 4]).uniform(low, high)))
    more = {}
    if hidden:
        motion, pictures, still = hidden_clip(number, frames, size, stride)
        more = {"hidden": str(int(not still))}
    else:
        person, acting = Person.of(number), training_acting(number, frames * stride).every(stride)
        motion = person.act(acting, (size, size))
        pictures = paint(person, motion)
    images = [cv2.imencode(".png", picture[..., ::-1])[1] for picture in pictures]
    about = dict(size=str(size), fps=repr(motion.fps), video=f"person {number}", first="0", last=str(frames))
    about |= more
    save_clip(_file(out, number), images, screen_points(motion), about)


def hidden_clip(number: int, frames: int, size: int, stride: int) -> tuple[FaceMotion, np.ndarray, bool]:
    """The motion and (T,H,W,3) uint8 RGB of a person whose ground pans in a light that wanders; and whether it is one
    of the clips in which the ground is still.

    Frame 0 is a portrait apart, at rest in half of them, without a pan, in plain light: `portrait` of the settings.
    Expressions of the whole space, the portrait's too, in EXPRESSIVE of them.
    """
    rng = np.random.default_rng([number, 303])
    person, acting = Person.of(number), training_acting(number, (frames - 1) * stride).every(stride)
    apart = Acting.rest() if rng.random() < 0.5 else Acting.random(number + _OTHERS, 1)
    still = bool(rng.random() < STILL_GROUNDS)
    if rng.random() < EXPRESSIVE:
        controls = expressive_controls(number, frames)
        motion = person.express(controls, (size, size), acting.after(apart).calmed(_CALMED))
    else:
        motion = person.act(acting.after(apart), (size, size))
    if still:
        return motion, paint(person, motion), True
    return motion, paint_hidden(person, motion, Hidden.of(number, frames - 1, stride).after(Hidden.none(1))), False


def expressive_controls(number: int, frames: int) -> Controls:
    """A named expression of that number that comes and goes, and single shapes beside it; frame 0, a portrait apart,
    is at rest or anywhere in it."""
    rng = np.random.default_rng([number, 404])
    named = list(named_expressions().values())
    length = int(frames * rng.uniform(0.7, 2.0))
    values = np.resize(named[rng.integers(len(named))].over(length, rng.uniform(0.5, 1.2)), (2 * frames, len(CHANNELS)))
    values = values[(start := rng.integers(frames)) : start + frames]
    time = np.arange(frames)
    for shape in rng.choice(len(SHAPES), _SINGLE, replace=False):
        wave = np.sin(2 * np.pi * (time / rng.uniform(12, 40) + rng.random()))
        values[:, shape] += rng.uniform(0.3, 0.8) * np.clip(wave, 0, 1)
    values[0] = values[rng.integers(frames)] * (rng.random() < 0.5)
    return Controls(bounded(values))


def training_acting(number: int, frames: int) -> Acting:
    """What that person does in its training clip; every second one starts at rest."""
    still = np.random.default_rng([number, 3]).random() < STILL_HEADS
    return Acting.random(number, frames, still_head=bool(still), from_rest=number % 2 == 0)


def _file(out: Path, number: int) -> Path:
    return out / f"{number:08d}.safetensors"
