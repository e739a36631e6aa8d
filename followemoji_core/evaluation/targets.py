"""The small model's report: what was asked of it, what it does, and beside it the worst and the best one could do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..face.opencv import opencv
from ..files import write_whole
from ..types import AlignedMotion
from ..walk.settings import Settings
from ..walk.studio import SMALL_SETTINGS, Studio
from .neighbours import examine, windows
from .reenactment import (
    Case,
    blurred,
    cases,
    flicker,
    gaze_correlation,
    recognised_each,
    score,
    sharpness,
)

STEPS = (1, 2, 4, 8)
_BEST = "best number of steps"
_SHARP = 0.95  # of the truth
Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One line of the table. wanted: "at least", "at most", "exactly" or "" and the number."""

    what: str
    value: float
    sense: str = ""
    wanted: float = 0.0

    @property
    def reached(self) -> bool | None:
        """Whether the value is what was wanted; None where nothing was."""
        if not self.sense:
            return None
        below = self.value < self.wanted and self.sense != "at most"
        above = self.value > self.wanted and self.sense != "at least"
        return not below and not above


def measure(
    studio: Studio, people: int = 24, settings: Settings = SMALL_SETTINGS, say: Say = lambda line: None
) -> dict:
    """ "rows" (Row), and behind them the "scores", "steps" (a row of numbers for each of STEPS) and "neighbours", over
    `people` held-out people and motions; "sheet" and "ends": (H,W,3) uint8."""
    moving, still = list(cases(people)), list(cases(people, still_head=True))
    looking, frozen = list(cases(people, looking=True)), list(cases(people, still=True, frames=8))
    own_noise = replace(settings, shared_noise=0.0)
    sampled = {}
    for name, chosen in (("moving head", moving), ("still head", still), ("looking", looking), ("still", frozen)):
        say(f"animating: {name}")
        how = own_noise if name == "still" else settings  # of shared noise, what does not move could not flicker
        sampled[name] = [animate(studio, case.portrait, case.aligned, how) for case in chosen]
    say("in 1 to 8 steps")
    by_steps = {}
    for count in STEPS:
        same, other = sampled["moving head"], replace(settings, steps=count)
        made = same if other == settings else [animate(studio, c.portrait, c.aligned, other) for c in moving]
        by_steps[count] = _outlines(moving, made) | {"box error": score(moving, made).ratio}
    say("with known frames")
    neighbours, ends = examine(studio, list(windows(people)), settings)
    say("comparing")
    scores = {
        "model, moving head": score(moving, sampled["moving head"]),
        "model, still head": score(still, sampled["still head"]),
        "untouched portrait, moving head": score(moving, [_still(case) for case in moving]),
        "untouched portrait, still head": score(still, [_still(case) for case in still]),
        "autoencoder alone, moving head": score(moving, [_through(studio, case.truth) for case in moving]),
        "autoencoder alone, still head": score(still, [_through(studio, case.truth) for case in still]),
    }
    pairs = zip(moving, _next(moving), strict=True)
    wrong = [animate(studio, case.portrait, other.aligned, settings) for case, other in pairs]
    scores["model, landmarks of another motion, moving head"] = score(moving, wrong)
    looks = {"model": sampled["looking"], "truth": [case.truth for case in looking]}
    gazes = {name: gaze_correlation(looking, pictures) for name, pictures in looks.items()}
    alone = scores["autoencoder alone, moving head"]
    outlines = by_steps.get(settings.steps) or _outlines(moving, sampled["moving head"])
    ways = sampled["moving head"], [blurred(case.truth) for case in moving]
    identity, identity_of_blur = recognised_each(moving, ways)
    shaking = float(np.mean([flicker(pictures) for pictures in sampled["still"]]))
    rows = [
        Row("given first and last frame: error there, of not given", neighbours.given, "at most", 0.10),
        Row("hidden state in the middle, both ends given, of nothing given", neighbours.middle, "at most", 0.27),
        Row("the same of a cross-fade of the true ends", neighbours.fade),
        Row("ends moved by 1 to 4 frames: the middle follows, correlation", neighbours.correlation, "at least", 0.95),
        Row("ends moved by 1 to 4 frames: the middle follows, slope", neighbours.slope, "at least", 0.80),
        Row("the same of a cross-fade, correlation", neighbours.fade_correlation),
        Row("the same of a cross-fade, slope", neighbours.fade_slope),
        Row("temporal layers zeroed: error in the middle, of intact", neighbours.zeroed, "at least", 3),
        Row("moving head, box error of the portrait's", scores["model, moving head"].ratio, "at most", 0.36),
        Row("still head, box error of the portrait's", scores["model, still head"].ratio, "at most", 0.60),
        Row("sharpness, of the truth", outlines["sharpness"], "at least", 0.95),
        Row("outlines: correlation with the truth", outlines["outlines"], "at least", 0.56),
        Row("gaze, horizontal, of what the probe reads on true pictures", _share(gazes, 0), "at least", 0.97),
        Row("gaze, vertical, of what the probe reads on true pictures", _share(gazes, 1), "at least", 0.97),
        Row("identity among 256 people", identity, "at least", 0.85),
        Row("identity of true pictures blurred to 8 x 8", identity_of_blur),
        Row("flicker on a still motion, noise of each frame's own, 8-bit levels", shaking),
        Row(
            _BEST if any(_is_sharp(row) for row in by_steps.values()) else f"{_BEST}, none of them sharp enough",
            best_steps(by_steps),
            "exactly",
            settings.steps,
        ),
        Row("autoencoder alone, PSNR in dB", alone.psnr, "at least", 29),
        Row("autoencoder alone, eye and mouth boxes, PSNR in dB", alone.box_psnr, "at least", 24),
    ]
    sheet = contact_sheet(moving[:12], sampled["moving head"][:12])
    return {
        "rows": rows, "scores": scores, "steps": by_steps, "neighbours": neighbours, "sheet": sheet, "ends": ends
    }  # fmt: skip


def best_steps(by_steps: dict[int, dict[str, float]]) -> int:
    """The number of steps with the lowest box error, among those that are sharp; among all, where none is."""
    among = [count for count, row in by_steps.items() if _is_sharp(row)] or list(by_steps)
    return min(among, key=lambda count: by_steps[count]["box error"])


def _is_sharp(row: dict[str, float]) -> bool:
    return row["sharpness"] >= _SHARP


def _outlines(chosen: Sequence[Case], videos: Sequence[np.ndarray]) -> dict[str, float]:
    found = [sharpness(pictures, case.truth) for case, pictures in zip(chosen, videos, strict=True)]
    return dict(zip(("sharpness", "outlines"), np.mean(found, axis=0).tolist(), strict=True))


def _share(gazes: dict[str, tuple[float, float]], axis: int) -> float:
    return gazes["model"][axis] / gazes["truth"][axis]


def animate(studio: Studio, portrait: np.ndarray, aligned: AlignedMotion, settings: Settings) -> np.ndarray:
    """(T,H,W,3) uint8 RGB from a portrait (H,W,3) uint8 RGB, by the walk."""
    return np.stack(list(studio.frames(studio.animate(portrait, aligned, settings))))


def contact_sheet(
    chosen: Sequence[Case], videos: Sequence[np.ndarray], frames: Sequence[int] = (4, 9, 14)
) -> np.ndarray:
    """(H,W,3) uint8 RGB: per person the portrait, and for some frames what was sampled above the truth."""
    rows = []
    for case, pictures in zip(chosen, videos, strict=True):
        above = np.concatenate([case.portrait, *(pictures[frame] for frame in frames)], axis=1)
        below = np.concatenate([np.full_like(case.portrait, 255), *(case.truth[frame] for frame in frames)], axis=1)
        rows.append(np.concatenate([above, below]))
    if len(rows) % 2:
        return np.concatenate(rows)
    half = len(rows) // 2
    return np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], axis=1)


def write_report(report: dict, out: Path) -> str:
    """What `measure` gave to OUT/targets.json, OUT/targets.md, OUT/targets.jpg and OUT/ends.jpg; returns the table.

    Raises OutputError where the disk is full.
    """
    rows: list[Row] = report["rows"]
    lines = ["| | reached | target |", "| --- | --- | --- |"]
    lines += [
        f"| {row.what} | {row.value:.2f} | {f'{row.sense} {row.wanted:g}' if row.sense else ''}"
        f"{' - missed' if row.reached is False else ''} |"
        for row in rows
    ]
    lines += ["", "| | box error | of the portrait's | PSNR | in the boxes | skin | hair | cloth | ground |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, scores in report["scores"].items():
        parts = " | ".join(f"{scores.identity[part]:.1f}" for part in ("skin", "hair", "cloth", "background"))
        numbers = f"{scores.box_error:.1f} | {scores.ratio:.2f} | {scores.psnr:.1f} | {scores.box_psnr:.1f}"
        lines.append(f"| {name} | {numbers} | {parts} |")
    lines += [
        "",
        "| steps, moving head | box error, of the portrait's | sharpness | outlines |",
        "| --- |" + " --- |" * 3,
    ]
    for count, row in report["steps"].items():
        numbers = f"{row['box error']:.3f} | {row['sharpness']:.2f} | {row['outlines']:.2f}"
        lines.append(f"| {count} | {numbers} |")
    out.mkdir(parents=True, exist_ok=True)
    table = "\n".join(lines)
    write_whole(out / "targets.md", table + "\n")
    plain = {
        "rows": [asdict(row) for row in rows],
        "scores": {name: asdict(scores) for name, scores in report["scores"].items()},
        "steps": report["steps"],
        "neighbours": asdict(report["neighbours"]),
    }
    write_whole(out / "targets.json", json.dumps(plain, indent=1))
    cv2 = opencv()
    for name, sheet in (("targets", report["sheet"]), ("ends", report["ends"])):
        cv2.imwrite(str(out / f"{name}.jpg"), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return table


def _still(case: Case) -> np.ndarray:
    return np.broadcast_to(case.portrait, case.truth.shape)


def _through(studio: Studio, pictures: np.ndarray) -> np.ndarray:
    return studio.codec.decode(studio.codec.encode(torch.from_numpy(pictures))).numpy()


def _next(chosen: Sequence[Case]) -> Sequence[Case]:
    return [*chosen[1:], chosen[0]]
