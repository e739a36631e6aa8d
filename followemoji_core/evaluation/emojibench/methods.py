"""Methods that are built in: what they make of a case.

model: this pack, with any weights. warp: the portrait bent by its landmarks, no network. untouched: the portrait as it
is. truth: what should come out, where it is known; noise: what nothing should be worse than. The last three say what
the worst and the best are worth, and `truth` what the codec takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...face.crop import resize
from ...face.warp import warp_motion
from ...files import clear_partial
from ...media import write_video
from ...types import AlignedMotion
from ...walk.settings import Settings
from .cases import BenchCase, open_bench

ABOUT = {
    "model": "this pack's networks",
    "warp": "this pack's warp: the portrait bent by the landmarks, no network",
    "untouched": "the portrait as it is, in every frame",
    "truth": "the true frames, where they are known, through the same codec as all others",
    "noise": "uniform noise, new in every frame",
}
BUILT_IN = tuple(ABOUT)
Frames = Iterator[np.ndarray]


@dataclass(frozen=True)
class Model:
    """Which networks, and how they sample. weights None: the small model that ships. side: of the pictures that they
    are given, in pixels; the portrait is brought to it, and the measure brings what comes out to its own size."""

    side: int
    settings: Settings
    models: Path | None = None
    weights: Path | None = None
    vae: Path | None = None
    device: str = "auto"  # these two are decided where it computes, see `device_and_dtype`
    precision: str = "auto"

    @property
    def is_small(self) -> bool:
        return self.weights is None and self.models is None

    @property
    def told(self) -> str:
        """For the table: what made the row."""
        how = self.settings
        steps = f"{how.steps} step{'s' * (how.steps > 1)}"
        which = "the small model that ships" if self.is_small else self.weights.name if self.weights else "released"
        return f"{ABOUT['model']}: {which}, {self.side} px, {steps}, guidance {how.guidance:g}, seed {how.seed}"


@dataclass(frozen=True)
class MakeOutputs:
    """The work of `evaluate run` for one built-in method: a video for each case of a benchmark, under the name `name`.

    model: for the method "model" alone. Jobs are cases by their id; their facts the "seconds" they took without loading
    and writing.
    """

    bench: Path
    method: str
    name: str
    model: Model | None = None

    def open(self) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
        """Loads what the method needs, once a worker."""
        bench = open_bench(self.bench)
        cases = {case.id: case for case in bench.cases}
        make = self._opened()

        def run(key: str, arguments: dict[str, Any]) -> dict[str, Any]:
            case = cases[key]
            started = time.perf_counter()
            frames = list(make(case))
            seconds = time.perf_counter() - started
            path = bench.output(self.name, case)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, iter(frames), case.fps)
            return {"seconds": round(seconds, 3)}

        return run

    def clean(self, key: str, arguments: dict[str, Any]) -> None:
        """Half a video of a case that was broken off."""
        clear_partial(self.bench / "outputs" / self.name / f"{key}.mp4")

    def _opened(self) -> Callable[[BenchCase], Frames]:
        if self.method == "model":
            return _animating(self.model)
        makers = {"warp": _warp, "untouched": _untouched, "truth": _truth, "noise": _noise}
        if self.method not in makers:
            raise InputError(f"Method {self.method!r} is not built in; there are {', '.join(BUILT_IN)}.")
        return makers[self.method]


def _animating(model: Model) -> Callable[[BenchCase], Frames]:
    from ...walk.studio import device_and_dtype, open_studio, small_studio

    where = device_and_dtype(model.device, model.precision)
    if model.is_small:
        studio = small_studio(*where)
    else:
        studio = open_studio(model.models or Path("models"), *where, model.weights, model.vae)
    side = (model.side, model.side)
    known: dict[str, Any] = {}

    def make(case: BenchCase) -> Frames:
        if case.portrait not in known:
            known.clear()  # cases of one portrait follow each other
            known[case.portrait] = studio.read(resize(case.picture(), side))
        aligned = scaled(case.expected(), side)
        return studio.frames(studio.animate(known[case.portrait], aligned, model.settings))

    return make


def scaled(aligned: AlignedMotion, size: tuple[int, int]) -> AlignedMotion:
    """The same motion in the same picture, shown at another size (width, height)."""
    factor = np.divide(size, aligned.size).astype(np.float32)
    return replace(aligned, points=aligned.points * factor, size=tuple(size))


def _warp(case: BenchCase) -> Frames:
    return warp_motion(case.picture(), case.face(), case.expected())


def _untouched(case: BenchCase) -> Frames:
    picture = case.picture()
    return (picture for _ in range(case.frames))


def _truth(case: BenchCase) -> Frames:
    frames = case.truth_frames()
    if frames is None:
        raise InputError("nobody knows the true frames of cross reenactment but for drawn people")
    return iter(frames)


def _noise(case: BenchCase) -> Frames:
    rng = np.random.default_rng(list(case.id.encode()))
    return (rng.integers(0, 256, (case.side, case.side, 3), np.uint8) for _ in range(case.frames))
