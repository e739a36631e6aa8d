"""A benchmark of drawn people: nothing to download, and the truth of cross reenactment is known, as no camera knows it.

People, drivers and motions are held out: their numbers begin where training never comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...drawn import Acting, Person, paint
from ...errors import InputError
from ...face.motion_file import save_motion
from ...files import check_place, write_whole
from ...media import QUICK, write_video
from ...pictures import write_picture
from ...types import FaceMotion
from ..reenactment import HELD_OUT
from .cases import FRAMES, SIZE, Bench, BenchCase, write_bench

_DRIVER, _MOTION = 500_000, 250_000  # from a number to those of the driver and of the motion
Say = Callable[[str], None]


def draw_bench(
    folder: Path,
    people: int = 20,
    motions: int = 5,
    own: int = 1,
    frames: int = FRAMES,
    size: int = SIZE,
    say: Say = lambda line: None,
) -> Bench:
    """`people` portraits in the motions of `motions` drivers, and of `own` motions of their own (self reenactment).

    Cases of the same numbers are the same on every machine. What lies in the folder already is not drawn again. Every
    motion begins at rest, at 25 frames per second; frame 0 of a person's own motion is his portrait. Raises InputError
    where there would be no case, and for a folder that holds others.
    """
    if motions + own < 1:
        raise InputError("Without motions of others and of their own there is no case. Ask for one of either.")
    check_place(folder / "benchmark.json")
    kept, of = folder / "drawn.json", json.dumps({"frames": frames, "size": size})
    if not kept.exists():
        write_whole(kept, of)
    elif (before := kept.read_bytes()[:200].decode("utf-8", "replace")) != of:
        raise InputError(f"{folder} holds drawn people of {before}, not {of}. Choose another folder, or delete it.")
    side = (size, size)
    cases: list[BenchCase] = []

    def case(id: str, kind: str, portrait: str, driving: str) -> BenchCase:
        cases.append(BenchCase(id, kind, portrait, driving, folder, frames, 25.0, size, neutral=0))
        return cases[-1]

    # 1. Drivers and what they do.
    actings = {}
    for number in range(motions):
        acting = Acting.random(HELD_OUT + _MOTION + number, frames, from_rest=True)
        driver, name = Person.of(HELD_OUT + _DRIVER + number), f"motion{number:03d}"
        actings[name] = acting
        _write_clip(folder / "clips", name, driver, driver.act(acting, side))
        say(f"{name}: {frames} frames")

    # 2. People: the portrait, what should come out of every motion, and motions of their own.
    for number in range(people):
        person, name = Person.of(HELD_OUT + number), f"person{number:03d}"
        rest = person.act(Acting.rest(), side)
        _write_portrait(folder / "portraits", name, paint(person, rest)[0], rest)
        for driving, acting in actings.items():
            made = case(f"cross-{name}-{driving}", "cross", name, driving)
            truth = folder / "truth" / f"{made.id}.mp4"
            if not truth.exists():
                _write_pictures(truth, paint(person, person.act(acting, side)), acting.fps)
        for index in range(own):
            acting = Acting.random(HELD_OUT + _MOTION + 100_000 + number * 100 + index, frames + 1, from_rest=True)
            whole = person.act(acting, side)
            driving = f"{name}-own{index}"
            first = whole.taken(slice(0, 1))
            _write_portrait(folder / "portraits", f"{driving}-first", paint(person, first)[0], first)
            _write_clip(folder / "clips", driving, person, whole.taken(slice(1, None)))
            case(f"self-{driving}", "self", f"{driving}-first", driving)
        say(f"{name}: {motions + own} cases")
    notes = (f"{people} drawn people x {motions} motions, and {own} of their own each; numbers from {HELD_OUT} on",)
    return write_bench(folder, cases, frames, "drawn", notes, size=size)


def _write_portrait(folder: Path, name: str, picture: np.ndarray, face: FaceMotion) -> None:
    path = folder / f"{name}.png"
    if path.exists():
        return
    check_place(path)
    save_motion(folder / f"{name}.safetensors", replace(face, edit=None))
    write_picture(path, picture)


def _write_clip(folder: Path, name: str, person: Person, motion: FaceMotion) -> None:
    path = folder / f"{name}.mp4"
    if path.exists():
        return
    check_place(path)
    save_motion(folder / f"{name}.safetensors", motion)
    _write_pictures(path, paint(person, motion), motion.fps)


def _write_pictures(path: Path, pictures: np.ndarray, fps: float) -> None:
    write_video(path, iter(pictures), fps, preset=QUICK, lossless=True)
