"""What the comparison of strategies for long clips says: tables with intervals, sentences, numbers as JSON, a plot."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..files import write_whole
from .bootstrap import paired_ratio
from .long_video import BLOCKS, ERRORS, FADE, FIRST
from .targets import Row

Found = dict[str, dict[str, dict[str, list[float]]]]  # block -> way -> measure -> a number for each person
# Measure -> its column and digits.
COLUMNS = {
    "error": ("error", 3),
    "ground error": ("ground error", 3),
    "jump": ("jump at borders", 2),
    "drift": ("drift", 3),
    "sharpness": ("sharpness beside keyframes", 2),
    "calls": ("passes", 0),
    "evaluated": ("evaluated per frame", 2),
    "seconds": ("CPU seconds", 1),
}
MADE, GIVEN = (block.name for block in BLOCKS[:2])
_MOST_JUMP, _LEAST_SHARP = 2.0, 0.95


def verdict(ratio: tuple[float, float, float], people: int = 2) -> str:
    """ "better", "worse", or "not told apart": of an error's ratio with its interval, by whether it excludes 1. One
    person tells nothing apart."""
    _, low, high = ratio
    if people < 2:
        return "not told apart"
    return "better" if high < 1 else "worse" if low > 1 else "not told apart"


def ratios(found: Found) -> dict[str, dict[str, dict[str, tuple[float, float, float]]]]:
    """Block -> way -> error -> ratio to FIRST of the same block and its 95 % interval, of the same people."""
    return {
        block: {
            way: {name: paired_ratio(values[name], rows[FIRST][name]) for name in ERRORS}
            for way, values in rows.items()
            if way != FIRST
        }
        for block, rows in found.items()
    }


def gains(found: Found) -> dict[str, tuple[float, float, float]]:
    """Way -> ground error with given keyframes, of that with made ones, and its 95 % interval."""
    return {
        way: paired_ratio(values["ground error"], found[MADE][way]["ground error"])
        for way, values in found[GIVEN].items()
    }


def rows(found: Found) -> list[Row]:
    """What was asked of borders: no pop."""
    result = []
    for block in (MADE, GIVEN):
        values = found[block][FIRST]
        what = f"{FIRST}, {block}: "
        result += [
            Row(what + "jump of the hidden state at borders, of inside", _mean(values["jump"]), "at most", _MOST_JUMP),
            Row(what + "sharpness beside keyframes, of theirs", _mean(values["sharpness"]), "at least", _LEAST_SHARP),
        ]
    return result


def write_report(found: Found, out: Path, people: int, frames: int, steps: int, weights: str) -> str:
    """What `compare` found to OUT/long_video.md, OUT/long_video.json and the plot OUT/long_video.png; returns the text.

    weights: the file's name.
    Raises OutputError where the disk is full.
    """
    about = f"{frames} frames, {people} held-out people, {steps} denoising steps"
    text = f"{about}, {weights}. Behind an error its ratio to {FIRST}, 95 % interval.\n{_text(found, people)}"
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "long_video.md", text + "\n")
    plain = {
        "people": people,
        "frames": frames,
        "steps": steps,
        "weights": weights,
        "rows": [asdict(row) | {"reached": row.reached} for row in rows(found)],
        "ratios": ratios(found),
        "gains": gains(found),
        "each": found,
    }
    write_whole(out / "long_video.json", json.dumps(plain, indent=1))
    _plot(found, out / "long_video.png", about)
    return text


def _text(found: Found, people: int) -> str:
    lines: list[str] = []
    compared = ratios(found)
    for block, ways in found.items():
        lines += ["", f"| {block} | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
        lines += ["| --- |" + " --- |" * len(COLUMNS)]
        for way, values in ways.items():
            cells = [_cell(name, values[name], compared[block].get(way, {})) for name in COLUMNS]
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
        lines += ["", _sentence(block, compared[block], people)]
    brought = "; ".join(f"{way} {_interval(ratio)}" for way, ratio in gains(found).items())
    lines += ["", f"**Error of the ground with given keyframes, of that with made ones:** {brought}.", ""]
    lines += ["| no pop | reached | target |", "| --- | --- | --- |"]
    for row in rows(found):
        missed = "" if row.reached else " - missed"
        lines.append(f"| {row.what} | {row.value:.2f} | {row.sense} {row.wanted:g}{missed} |")
    return "\n".join(lines)


def _cell(name: str, values: list[float], compared: dict[str, tuple[float, float, float]]) -> str:
    mean = f"{_mean(values):.{COLUMNS[name][1]}f}"
    return f"{mean}; {_interval(compared[name])}, {verdict(compared[name], len(values))}" if name in compared else mean


def _interval(ratio: tuple[float, float, float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*ratio)


def _sentence(block: str, compared: dict[str, dict[str, tuple[float, float, float]]], people: int) -> str:
    """Which intervals of the ground's error exclude 1, and which do not."""
    by_verdict: dict[str, list[str]] = {}
    for way, errors in compared.items():
        by_verdict.setdefault(verdict(errors["ground error"], people), []).append(way)
    said = [f"{', '.join(ways)} {is_}" for is_, ways in by_verdict.items()]
    end = ""
    if set(by_verdict) == {"not told apart"} and "made" in block:
        end = " A state that nothing tells comes out as a mean, whatever the strategy."
    return f"**{block.capitalize()}, error of the ground beside {FIRST}:** {'; '.join(said)}.{end}"


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _plot(found: Found, path: Path, title: str) -> None:
    """Left: the ground's error by every strategy, keyframes made and given. Right: whether borders pop."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    errors, jumps = figure.subplots(1, 2, sharey=True)
    ways = [*(way for way in found[MADE] if way != FADE), FADE][::-1]
    for block, colour, mark in ((MADE, "C1", "s"), (GIVEN, "C0", "o")):
        for axes, name in ((errors, "ground error"), (jumps, "jump")):
            values = [found[block][way][name] for way in ways]
            middle, low, high = np.array([paired_ratio(one, np.ones(len(one))) for one in values]).T
            spread = [middle - low, high - middle]
            axes.errorbar(middle, ways, xerr=spread, fmt=mark, color=colour, mfc="none", capsize=3, label=block)
    errors.set_xlabel("error of the ground, mean square of latents")
    jumps.set_xlabel("jump of the ground at borders, of the truth's")
    jumps.axvline(1, color="0.6", linewidth=1)
    jumps.axvline(_MOST_JUMP, color="0.6", linewidth=1, linestyle=":")
    for axes in (errors, jumps):
        axes.set_xlim(0, None)
        axes.grid(axis="y", alpha=0.3)
    figure.legend(*errors.get_legend_handles_labels(), title=title, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=110)
