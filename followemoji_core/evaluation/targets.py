"""The small model's report: what was asked of it, what it does, and beside it the worst and the best one could do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..face.opencv import opencv
from ..files import write_whole
from ..types import AlignedMotion
from ..walk.settings import Settings
from ..walk.studio import SMALL_SETTINGS, Studio
from .reenactment import Case, cases, flicker, gaze_correlation, parts, score

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One line of the table. wanted: "at least", "at most" or "" and the number."""

    what: str
    value: float
    sense: str = ""
    wanted: float = 0.0

    @property
    def reached(self) -> bool | None:
        """Whether the value is what was wanted; None where nothing was."""
        if not self.sense:
            return None
        return self.value >= self.wanted if self.sense == "at least" else self.value <= self.wanted


def measure(
    studio: Studio, people: int = 24, settings: Settings = SMALL_SETTINGS, say: Say = lambda line: None
) -> dict:
    """ "rows" (Row) and the "scores" behind them, over `people` held-out people and motions; "sheet": (H,W,3) uint8."""
    moving, still = list(cases(people)), list(cases(people, still_head=True))
    looking, frozen = list(cases(people, looking=True)), list(cases(people, still=True, frames=8))
    sampled = {}
    for name, chosen in (("moving head", moving), ("still head", still), ("looking", looking), ("still", frozen)):
        say(f"animating: {name}")
        sampled[name] = [animate(studio, case.portrait, case.aligned, settings) for case in chosen]
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
    shaking = float(np.mean([flicker(pictures) for pictures in sampled["still"]]))
    rows = [
        Row("autoencoder alone, PSNR in dB", alone.psnr, "at least", 29),
        Row("autoencoder alone, eye and mouth boxes, PSNR in dB", alone.box_psnr, "at least", 24),
        Row("moving head, box error of the portrait's", scores["model, moving head"].ratio, "at most", 0.40),
        Row("still head, box error of the portrait's", scores["model, still head"].ratio, "at most", 0.80),
        Row("gaze, horizontal correlation", gazes["model"][0], "at least", 0.90),
        Row("gaze, vertical correlation", gazes["model"][1], "at least", 0.70),
        Row("flicker on a still motion, 8-bit levels", shaking, "at most", 1),
        Row("identity: portrait found again among all, share", recognised(moving, sampled["moving head"])),
        Row("gaze probe on the true pictures, horizontal", gazes["truth"][0]),
        Row("gaze probe on the true pictures, vertical", gazes["truth"][1]),
    ]
    return {"rows": rows, "scores": scores, "sheet": contact_sheet(moving[:12], sampled["moving head"][:12])}


def animate(studio: Studio, portrait: np.ndarray, aligned: AlignedMotion, settings: Settings) -> np.ndarray:
    """(T,H,W,3) uint8 RGB from a portrait (H,W,3) uint8 RGB, by the walk."""
    return np.stack(list(studio.frames(studio.animate(portrait, aligned, settings))))


def recognised(chosen: Sequence[Case], videos: Sequence[np.ndarray]) -> float:
    """Share in [0,1] of the videos, (T,H,W,3) uint8 each, that are nearest to their own person by the colours of skin,
    hair, brow, cloth, ground."""

    def colours(case: Case, pictures: np.ndarray) -> np.ndarray:
        return np.concatenate([values.mean(0) for values in parts(case, pictures).values()])

    true = np.stack([colours(case, case.truth) for case in chosen])
    found = np.stack([colours(case, pictures) for case, pictures in zip(chosen, videos, strict=True)])
    distance = np.abs(found[:, None] - true[None]).sum(-1)
    return float((distance.argmin(1) == np.arange(len(true))).mean())


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
    """What `measure` gave to OUT/targets.json, OUT/targets.md and OUT/targets.jpg; returns the table.

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
    out.mkdir(parents=True, exist_ok=True)
    table = "\n".join(lines)
    write_whole(out / "targets.md", table + "\n")
    plain = {"rows": [asdict(row) for row in rows], "scores": {k: asdict(v) for k, v in report["scores"].items()}}
    write_whole(out / "targets.json", json.dumps(plain, indent=1))
    cv2 = opencv()
    cv2.imwrite(str(out / "targets.jpg"), report["sheet"][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return table


def _still(case: Case) -> np.ndarray:
    return np.broadcast_to(case.portrait, case.truth.shape)


def _through(studio: Studio, pictures: np.ndarray) -> np.ndarray:
    return studio.codec.decode(studio.codec.encode(torch.from_numpy(pictures))).numpy()


def _next(chosen: Sequence[Case]) -> Sequence[Case]:
    return [*chosen[1:], chosen[0]]
