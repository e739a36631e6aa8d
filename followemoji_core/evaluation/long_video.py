"""Which strategy for long clips? Drawn people before a ground that pans in a wandering light, against the truth.

Portrait and landmarks do not tell that state. Keyframes that the model makes can only guess it; keyframes that are
given show it, and what lies between can follow them. Every strategy makes the same clips, with and without them. Errors
are mean squares of latents of unit variance, over frames that are no keyframes; all is compared person by person.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..diffusion.plan import WindowPlan
from ..drawn import Acting, Person
from ..drawn.hidden import Hidden, ground_mask, paint_hidden
from ..errors import InputError
from ..face.geometry import screen_points
from ..files import write_whole
from ..types import AlignedMotion
from ..walk.animate import plan_windows_of
from ..walk.appearance import Appearance
from ..walk.given import GivenFrames
from ..walk.job import digest
from ..walk.settings import Settings
from ..walk.studio import SMALL_SETTINGS, Studio
from .reenactment import HELD_OUT

FIRST = "progressive, concat"  # what the others are compared with
FADE = "cross-fade of the keyframes"
WAYS = {
    FIRST: dict(windows="progressive", known_frames="concat"),
    "progressive, replace": dict(windows="progressive", known_frames="replace"),
    "gaussian": dict(windows="gaussian", known_frames="concat"),
    "uniform": dict(windows="uniform", known_frames="concat"),
    "plain": dict(windows="plain", known_frames="concat"),
}
ERRORS = ("error", "ground error")  # of what `measure` gives, those that strategies are compared by
_NUMBER = HELD_OUT + 2_000_000
Say = Callable[[str], None]
Measured = dict[str, float]


@dataclass(frozen=True)
class Block:
    """A part of the table: the same clips with keyframes `given` (true ones) or made, noise `shared` as the settings
    say or each frame's own, by these of WAYS. fade: whether the cross-fade of the keyframes stands beside."""

    name: str
    given: bool
    shared: bool
    ways: tuple[str, ...] = tuple(WAYS)
    fade: bool = True

    def settings(self, settings: Settings, way: str) -> Settings:
        """What of `settings` gives way."""
        return replace(settings, **WAYS[way], shared_noise=settings.shared_noise if self.shared else 0.0)


_TWO = (FIRST, "gaussian")
BLOCKS = (
    Block("keyframes made, shared noise", False, True),
    Block("keyframes given, shared noise", True, True),
    Block("keyframes made, own noise", False, False, _TWO, fade=False),
    Block("keyframes given, own noise", True, False, _TWO, fade=False),
)


@dataclass(frozen=True)
class Clip:
    """A held-out person, T frames: portrait (H,W,3) in plain light, truth (T,H,W,3), both uint8 RGB; latents (T,c,h,w)
    of the truth; cells (T,h,w) bool: which show ground alone. keyframes: the frames that windows of the finest level of
    the progressive plan begin and end on."""

    appearance: Appearance
    landmarks: AlignedMotion
    truth: np.ndarray
    latents: Tensor
    cells: Tensor
    keyframes: tuple[int, ...]
    coarse: WindowPlan

    @classmethod
    def of(cls, studio: Studio, index: int, frames: int, settings: Settings, size: int = 128) -> Clip:
        """The `index`-th of them. Raises InputError for a clip that is one window."""
        number = _NUMBER + index
        plan = plan_windows_of(frames, None, replace(settings, windows="progressive", keyframes="even"))
        if len(plan.levels) < 2:
            raise InputError(f"{frames} frames are one window of {settings.window_length}. Compare longer clips.")
        person = Person.of(number)
        rest = person.act(Acting.rest(), (size, size))
        motion = person.act(Acting.random(number, frames, from_rest=True), (size, size))
        truth = paint_hidden(person, motion, Hidden.of(number, frames))
        pieces = torch.from_numpy(truth).split(16)
        latents = torch.cat([studio.codec.encode(piece).float().cpu() for piece in pieces])
        ground = torch.from_numpy(ground_mask(person, motion)).float()
        return cls(
            appearance=studio.read(paint_hidden(person, rest, Hidden.none(1))[0]),
            landmarks=AlignedMotion(screen_points(motion).astype(np.float32), motion.size, motion.fps),
            truth=truth,
            latents=latents,
            cells=adaptive_avg_pool2d(ground, latents.shape[2:]) > 0.99,
            keyframes=tuple(sorted({f for level in plan.levels[:-1] for w in level for f in w.frames})),
            coarse=WindowPlan(plan.levels[:-1], frames),
        )

    @property
    def frame_count(self) -> int:
        return len(self.landmarks)

    @property
    def given(self) -> GivenFrames:
        """The true keyframes."""
        frames = list(self.keyframes)
        return GivenFrames(self.keyframes, self.latents[frames], self.truth[frames])


def compare(
    studio: Studio,
    out: Path,
    people: int = 12,
    frames: int = 300,
    settings: Settings = SMALL_SETTINGS,
    say: Say = lambda line: None,
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Block -> way -> measure -> a number for each of `people` held-out people, clips of so many frames.

    Who is finished is kept in OUT/people, and is not made again by the same networks, settings and length. Raises
    InputError for clips of one window, OutputError where the disk is full.
    """
    codec = tuple(studio.codec.module.state_dict().values())
    made_by = digest(repr(BLOCKS), repr(WAYS), studio.identity, codec, repr(settings), frames)
    found = []
    for index in range(people):
        kept = out / "people" / f"{index:03d}.json"
        before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        if before.get("of") != made_by:
            before = {"of": made_by, "rows": measure_person(studio, Clip.of(studio, index, frames, settings), settings)}
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, json.dumps(before, indent=1))
        found.append(before["rows"])
        rows = (found[-1][block.name][FIRST] for block in BLOCKS[:2])
        made, given = (f"{row['ground error']:.3f}" for row in rows)
        say(f"{index + 1} of {people} people: error of the ground {made} with made keyframes, {given} with given ones")
    return {
        block: {
            way: {name: [one[block][way][name] for one in found] for name in numbers} for way, numbers in rows.items()
        }
        for block, rows in found[0].items()
    }


def measure_person(studio: Studio, clip: Clip, settings: Settings) -> dict[str, dict[str, Measured]]:
    """Block -> way -> measure, see `measure`, of one person's clip."""
    result: dict[str, dict[str, Measured]] = {}
    for block in BLOCKS:
        rows: dict[str, Measured] = {}
        keys = clip.given.latents
        for way in block.ways:
            made, cost = _make(studio, clip, block.settings(settings, way), clip.given if block.given else None)
            rows[way] = measure(studio, clip, made, cost.pop("borders"), block.given) | cost
            if way == FIRST and not block.given:
                keys = made[list(clip.keyframes)]
        if block.fade:
            made = cross_fade(keys, clip.keyframes)
            cost = _cost_of_fade(clip, settings, rows[FIRST], block.given)
            rows[FADE] = measure(studio, clip, made, around(clip.keyframes, clip.frame_count), block.given) | cost
        result[block.name] = rows
    return result


def cross_fade(keys: Tensor, places: tuple[int, ...]) -> Tensor:
    """Keyframes (n,c,h,w) at rising `places` from 0 -> (places[-1] + 1,c,h,w): from each to the next, evenly."""
    frames = torch.arange(places[-1] + 1)
    at = torch.tensor(places)
    after = torch.searchsorted(at, frames).clamp_min(1)
    share = ((frames - at[after - 1]) / (at[after] - at[after - 1]))[:, None, None, None]
    return keys[after - 1] * (1 - share) + keys[after] * share


def _make(studio: Studio, clip: Clip, settings: Settings, given: GivenFrames | None) -> tuple[Tensor, dict]:
    """Latents (T,c,h,w), and what they cost: passes through the denoiser, frames that one step evaluates per frame of
    the clip, CPU seconds of the sampling; and its borders: steps at which windows meet, or around given frames."""
    numbers = given.numbers if given else ()
    plan = plan_windows_of(len(clip.landmarks), clip.landmarks, settings, numbers)
    calls = 0

    def count(done: int, total: int) -> None:
        nonlocal calls
        calls += 1

    started = time.process_time()
    made = studio.animate(clip.appearance, clip.landmarks, settings, given=given, on_pass=count).latents.float()
    seconds = time.process_time() - started
    borders = around(numbers, len(made)) if given else plan.borders
    return made, {"calls": calls, "evaluated": plan.cost, "seconds": seconds, "borders": borders}


def _cost_of_fade(clip: Clip, settings: Settings, whole: Measured, given: bool) -> Measured:
    """Of keyframes alone: nothing where they are given; otherwise that of their levels, seconds in proportion."""
    if given:
        return {"calls": 0, "evaluated": 0.0, "seconds": 0.0}
    cost = clip.coarse.cost
    calls = len(clip.coarse.windows) * settings.steps
    return {"calls": calls, "evaluated": cost, "seconds": whole["seconds"] * cost / whole["evaluated"]}


def measure(studio: Studio, clip: Clip, made: Tensor, borders: frozenset[int], given: bool) -> Measured:
    """Of latents (T,c,h,w), of which the keyframes are `given` or not; borders: steps, s from frame s to s + 1.

    error, ground error: over frames that are no keyframes. jump: how much the ground changes in those steps, over the
    others, of the truth's. drift: ground error in the last second less that in the
    first. sharpness: mean slope from pixel to pixel beside keyframes, over that at keyframes, of the truth's: below 1
    keyframes are sharper and pop. key sharpness: at keyframes, of the truth's.
    """
    between = torch.ones(len(made), dtype=torch.bool)
    between[list(clip.keyframes)] = False
    squares = (made - clip.latents).square().mean(1)
    ground = (squares * clip.cells).sum((1, 2)) / clip.cells.sum((1, 2)).clamp_min(1)
    second = max(min(round(clip.landmarks.fps), len(made) // 4), 1)
    at_keys, beside = _sharpness(studio, clip, made, given)
    return {
        "error": float(squares[between].mean()),
        "ground error": float(ground[between].mean()),
        "jump": jump(made, clip.cells, borders) / jump(clip.latents, clip.cells, borders),
        "drift": float(_mean(ground, between, slice(-second, None)) - _mean(ground, between, slice(None, second))),
        "key sharpness": at_keys,
        "sharpness": beside / at_keys,
    }


def around(frames: Sequence[int], count: int) -> frozenset[int]:
    """The steps into and out of those of `count` frames."""
    return frozenset(step for frame in frames for step in (frame - 1, frame) if 0 <= step < count - 1)


def jump(latents: Tensor, cells: Tensor, borders: frozenset[int]) -> float:
    """Mean change of the ground cells (T,h,w) bool of latents (T,c,h,w) in those steps, over that in the others; 1
    where there are none."""
    both = cells[1:] & cells[:-1]
    change = ((latents[1:] - latents[:-1]).abs().mean(1) * both).sum((1, 2)) / both.sum((1, 2)).clamp_min(1)
    at = torch.tensor([step in borders for step in range(len(change))])
    return float(change[at].mean() / change[~at].mean()) if at.any() and not at.all() else 1.0


def _mean(values: Tensor, where: Tensor, part: slice) -> Tensor:
    return values[part][where[part]].mean()


def _sharpness(studio: Studio, clip: Clip, made: Tensor, given: bool) -> tuple[float, float]:
    """Slopes of the pictures at keyframes and of those right beside them, of the truth's. Given ones are shown as they
    were given."""
    last = len(made) - 1
    keys = list(clip.keyframes)
    beside = sorted({near for key in keys for near in (key - 1, key + 1) if 0 <= near <= last} - set(keys))

    def of(frames: list[int], true: bool) -> float:
        pictures = clip.truth[frames] if true else np.stack(list(studio.frames(made[frames])))
        return _slope(pictures) / _slope(clip.truth[frames])

    return of(keys, given), of(beside, False)


def _slope(pictures: np.ndarray) -> float:
    """Mean slope from pixel to pixel of (T,H,W,3) uint8."""
    values = pictures.astype(np.float32)
    return float(np.mean([np.abs(np.diff(values, axis=axis)).mean() for axis in (1, 2)]))
