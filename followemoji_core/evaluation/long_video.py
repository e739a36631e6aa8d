"""Does coarse to fine work better? Long cross-reenactments of drawn people, by every strategy, against the truth."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..files import write_whole
from ..walk.animate import plan_job
from ..walk.settings import Settings
from ..walk.studio import SMALL_SETTINGS, Studio
from .reenactment import Case, box_error, cases, parts, psnr

STRATEGIES = {
    "progressive, concat": dict(windows="progressive", known_frames="concat"),
    "progressive, concat, keyframes by motion": dict(windows="progressive", known_frames="concat", keyframes="motion"),
    "progressive, replace": dict(windows="progressive", known_frames="replace"),
    "gaussian": dict(windows="gaussian"),
    "uniform": dict(windows="uniform"),
    "plain": dict(windows="plain"),
}
AROUND = range(-5, 6)  # steps from frame to frame around a border, for the plot
MEASURES = ("box error", "PSNR", "seam ratio", "drift", "frames evaluated per frame", "seconds")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """pictures (T,H,W,3) uint8 RGB; borders: frames at which one window hands over to another; cost: frames that one
    denoising step evaluates, per frame of the clip; seconds: wall time of all."""

    pictures: np.ndarray
    borders: frozenset[int]
    cost: float
    seconds: float


def compare(
    studio: Studio,
    people: int = 3,
    frames: int = 300,
    settings: Settings = SMALL_SETTINGS,
    say: Say = lambda line: None,
) -> dict[str, dict]:
    """Strategy -> measure -> mean over `people` held-out people, clips of so many frames; and "around": changes around
    borders, for the plot."""
    chosen = list(cases(people, frames=frames, stride=1))
    result: dict[str, dict] = {}
    for strategy in STRATEGIES:
        rows, around = [], []
        for case in chosen:
            found = animate(studio, case, strategy, settings)
            rows.append(measure(case, found))
            around.append(around_borders(case, found))
            say(f"{strategy}: " + ", ".join(f"{name} {value:.3f}" for name, value in rows[-1].items()))
        result[strategy] = {name: float(np.mean([row[name] for row in rows])) for name in MEASURES}
        result[strategy]["around"] = np.mean(around, axis=0).tolist()
    return result


def animate(studio: Studio, case: Case, strategy: str, settings: Settings) -> Result:
    """The case by one of STRATEGIES; of `settings` windows and known frames give way to it."""
    started = time.monotonic()
    settings = replace(settings, **STRATEGIES[strategy])
    appearance = studio.read(case.portrait)
    plan = plan_job(studio.networks.denoiser.config, appearance, case.aligned, settings)
    pictures = np.stack(list(studio.frames(studio.animate(appearance, case.aligned, settings))))
    return Result(pictures, plan.borders, plan.cost, time.monotonic() - started)


def measure(case: Case, found: Result) -> dict[str, float]:
    """MEASURES by name: error and drift in 8-bit levels, PSNR in dB, seams over those of the true frames."""
    second = round(case.aligned.fps)
    return {
        "box error": box_error(case, found.pictures),
        "PSNR": psnr(found.pictures, case.truth),
        "seam ratio": seam_ratio(found.pictures, found.borders) / seam_ratio(case.truth, found.borders),
        "drift": drift(case, found.pictures, second),
        "frames evaluated per frame": found.cost,
        "seconds": found.seconds,
    }


def seam_ratio(pictures: np.ndarray, borders: frozenset[int]) -> float:
    """Change from frame to frame of (T,H,W,3) uint8 where windows meet, over that inside of windows; 1 without borders.

    A window's border is both steps at its frame: into it and out of it.
    """
    change = _change(pictures)
    at_border = np.array([bool({index, index + 1} & borders) for index in range(len(change))])
    return float(change[at_border].mean() / change[~at_border].mean()) if at_border.any() else 1.0


def around_borders(case: Case, found: Result) -> list[float]:
    """Change from frame to frame, so many steps after a border as AROUND says, over the change of the true frames."""
    change, true = _change(found.pictures), _change(case.truth)
    places = [[b + k for b in found.borders if 0 <= b + k < len(change)] for k in AROUND]
    return [float(change[at].sum() / max(true[at].sum(), 1e-9)) for at in places]


def _change(pictures: np.ndarray) -> np.ndarray:
    """(T-1,) mean absolute change from each frame to the next."""
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(pictures, pictures[1:], strict=False)])


def drift(case: Case, pictures: np.ndarray, second: int) -> float:
    """How much farther the colours of skin, hair, cloth and ground of (T,H,W,3) uint8 are from the truth in the last
    `second` frames than in the first, in 8-bit levels."""
    here, true = parts(case, pictures), parts(case, case.truth)
    away = np.mean(
        [np.abs(here[name] - true[name]).mean(1) for name in ("skin", "hair", "cloth", "background")], axis=0
    )
    return float(away[-second:].mean() - away[:second].mean())


def write_report(result: dict[str, dict], out: Path, people: int, frames: int) -> str:
    """What `compare` gave to OUT/long_video.md, OUT/long_video.json and the plot OUT/long_video.png; returns the table.

    Raises OutputError where the disk is full.
    """
    lines = ["| | " + " | ".join(MEASURES) + " |", "| --- |" + " --- |" * len(MEASURES)]
    lines += [f"| {name} | " + " | ".join(f"{row[m]:.2f}" for m in MEASURES) + " |" for name, row in result.items()]
    out.mkdir(parents=True, exist_ok=True)
    table = "\n".join(lines)
    write_whole(out / "long_video.md", f"{frames} frames, {people} held-out people.\n\n{table}\n")
    write_whole(out / "long_video.json", json.dumps({"people": people, "frames": frames, "rows": result}, indent=1))
    _plot(result, out / "long_video.png")
    return table


def _plot(result: dict[str, dict], path: Path) -> None:
    """Left: the error of each strategy and what it costs. Right: whether one sees where windows meet."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    bars, lines = figure.subplots(1, 2)
    names = list(result)[::-1]
    colours = {name: f"C{number}" for number, name in enumerate(result)}
    drawn = bars.barh(
        names, [result[name]["box error"] for name in names], color=list(map(colours.get, names)), alpha=0.6
    )
    costs = [f"{result[name]['frames evaluated per frame']:.2f} evaluated per frame" for name in names]
    bars.bar_label(drawn, costs, label_type="center", fontsize=8)
    bars.set_xlabel("error in eye and mouth boxes, 8-bit levels")
    for name, row in result.items():
        lines.plot(list(AROUND), row["around"], color=colours[name])
    lines.set_ylim(0, None)
    lines.set_xlabel("steps from a border between windows")
    lines.set_ylabel("change, of the true frames'")
    figure.savefig(path, dpi=110)
