"""A user study as a folder that any browser opens: blinded, in another order for every rater, and silent.

The page fetches nothing and sends nothing; a rater saves a file of answers and sends it. Names of files, their sizes in
pixels, lengths and codec are the same for every method; which is which stands in a key beside the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FollowEmojiError, InputError
from ...files import check_place, write_whole
from ...gate import short
from .cases import Bench, BenchCase
from .page import policy, source
from .players import as_picture, as_video, output_frames, small
from .scoring import method_record

VERSION = 1
STUDY, KEY, ANSWERS = (f"followemoji-study{part}" for part in ("", "-key", "-answers"))
# What raters put into an order, best first: name -> what the page asks.
QUESTIONS = {
    "expression": "Expression: whose face does what the driver's face does?",
    "identity": "Identity: who still looks like the portrait?",
    "overall": "Overall: which video is the best one?",
}
_MOST_METHODS = 8
_OURS = re.compile(r"\.?[0-9a-f]{12}\.(mp4|jpg)(\.[0-9a-f]{8}\.partial)?")


@dataclass(frozen=True)
class Study:
    """page: to be opened, in the folder to be handed out; key: to be kept; cases: how many there are in it; left_out:
    cases that could not be shown, and why."""

    page: Path
    key: Path
    cases: int
    left_out: dict[str, str]


def write_study(
    bench: Bench,
    out: Path,
    methods: Sequence[str],
    cases: int = 45,
    seed: int | None = None,
    on_case: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """A study of 2 to 8 methods as the folder `out`, and its key as the file OUT_key.json beside it.

    cases: at most so many, drawn from those of which every method has a whole video, cross reenactment first, in which
    nobody knows what is right. seed: draws cases, names and orders; None: one that nobody can guess; the key has it.
    on_case: called with cases done and in all.
    Raises InputError for methods that are unknown or too few, where no case has a video of all, and where `out` holds
    a study already; OutputError where it cannot be written.
    """
    _check(bench, methods, cases)
    key_path, page = out.with_name(f"{out.name}_key.json"), out / "index.html"
    for path in (page, key_path):
        if path.exists():
            raise InputError(f"{path} is there already: answers to it may come. Choose another folder.")
        check_place(path)
    seed = secrets.randbits(63) if seed is None else seed
    rng = np.random.default_rng(seed)
    names = _names(rng)
    media = out / "media"
    media.mkdir(parents=True, exist_ok=True)
    for left in media.iterdir():  # by one that was broken off: it would be handed out too
        if _OURS.fullmatch(left.name):
            left.unlink()
    shown: list[dict[str, Any]] = []
    key: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    drawn = _drawn(bench.cases, rng)
    total = min(cases, len(drawn))
    for case in drawn:
        if len(shown) == total:
            break
        try:
            made = {method: output_frames(bench, method, case) for method in methods}
        except FollowEmojiError as error:
            left_out[case.id] = short(error)
            continue
        blind, candidates = next(names), {}
        for index in rng.permutation(len(methods)):  # in an order that times of files do not tell either
            candidates[next(names)] = methods[index]
        for name, method in candidates.items():
            write_whole(media / f"{name}.mp4", as_video(made[method], case.fps))
        driving = small(case.driving_frames(), bench.size, case.frames)
        write_whole(media / f"{blind}.mp4", as_video(driving, case.fps))
        write_whole(media / f"{blind}.jpg", as_picture(case.picture(), bench.size))
        shown.append({"id": blind, "candidates": sorted(candidates), "frames": case.frames, "fps": case.fps})
        key[blind] = {"case": case.id, "candidates": candidates}
        on_case(len(shown), total)
    if not shown:
        why = next(iter(left_out.values()), "the benchmark has none")
        raise InputError(
            f"No case has a whole video of {', '.join(methods)}: {why.rstrip('.')}. Run the methods first."
        )
    about = {"format": KEY, "version": VERSION, "seed": seed, "cases": key}
    about["methods"] = {name: str(method_record(bench, name).get("label") or name) for name in methods}
    about["study"] = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    write_whole(key_path, json.dumps(about, indent=1))
    write_whole(page, _page({"format": STUDY, "version": VERSION, "study": about["study"], "cases": shown}))
    return Study(page, key_path, len(shown), left_out)


def _check(bench: Bench, methods: Sequence[str], cases: int) -> None:
    made = bench.methods()
    for method in methods:
        if method not in made:
            raise InputError(f"{short(method, 60)!r} has made nothing; there are {', '.join(made) or 'none'}.")
    if not 2 <= len(set(methods)) == len(methods) <= _MOST_METHODS:
        raise InputError(
            f"A study compares 2 to {_MOST_METHODS} different methods, not {', '.join(methods) or 'none'}. There are "
            f"{', '.join(made)}."
        )
    if cases < 1:
        raise InputError(f"A study of {cases} cases is none; the paper's has 45.")


def _names(rng: np.random.Generator):
    """Names that say nothing, none twice."""
    seen: set[str] = set()
    while True:
        name = rng.bytes(6).hex()
        if name not in seen:
            seen.add(name)
            yield name


def _drawn(cases: Sequence[BenchCase], rng: np.random.Generator) -> list[BenchCase]:
    shuffled = [cases[index] for index in rng.permutation(len(cases))]
    return sorted(shuffled, key=lambda case: case.kind != "cross")


def _page(study: dict[str, Any]) -> str:
    style, script = source("study.css"), source("player.js") + source("study.js")
    plain = json.dumps(study | {"questions": QUESTIONS}).replace("<", "\\u003c")
    body = source("study.html")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape("Which animation is best?")}</title>
<meta http-equiv="Content-Security-Policy" content="{policy(style, script, "'self' file:")}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head>
<body>{body}<script type="application/json" id="study">{plain}</script><script>{script}</script></body></html>
"""
