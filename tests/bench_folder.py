"""A benchmark folder made of flat colours in no time, with made-up scores, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from followemoji_core.evaluation.emojibench.cases import Bench, BenchCase, write_bench
from followemoji_core.evaluation.emojibench.rows import MethodNote, MetricNote, Row, Scores, write_scores
from followemoji_core.media import QUICK, write_video

FRAMES, SIDE, FPS = 8, 64, 25.0
METHODS = {"model": "Follow-Your-Emoji, small", "warp": "Warp", "untouched": "Untouched portrait", "noise": "Noise"}
METRICS = {
    "l1": MetricNote("L1", "lower", "", ["self"], "Mean absolute error of pixels in [0,1].", paper=True),
    "lpips": MetricNote("LPIPS", "lower", "", ["self"], "", paper=True),
    "fvd": MetricNote("FVD", "lower", "", ["self"], "", paper=True, missing="No network: evaluate fetch fvd"),
    "identity": MetricNote("Identity similarity", "higher", "", ["cross"], "Cosine.", paper=True),
    "landmark_accuracy": MetricNote("Landmark accuracy", "higher", "", ["cross"], "", paper=True),
    "flicker": MetricNote("Flicker", "lower", "8-bit levels", ["self", "cross"], ""),
}


def frames(hue: int, count: int = FRAMES, side: int = SIDE) -> np.ndarray:
    """(count,side,side,3) uint8: a block that moves over a ground of a colour of its own."""
    ground = np.random.default_rng(hue).integers(40, 200, 3)
    made = np.empty((count, side, side, 3), np.uint8)
    made[:] = ground
    for index, picture in enumerate(made):
        left = 4 + index * (side - 24) // max(count - 1, 1)
        picture[side // 3 : side // 3 + 16, left : left + 16] = 255 - ground
    return made


def make(folder: Path, count: int = 3, methods: dict[str, str] | None = None) -> Bench:
    """`count` cases of each kind, a video of every method and case."""
    cases = []
    for kind in ("self", "cross"):
        for index in range(count):
            portrait, driving = f"p{index}", f"d{index}"
            case = BenchCase(f"{kind}-{index}", kind, portrait, driving, folder, FRAMES, FPS, SIDE)
            cases.append(case)
            for part in ("portraits", "clips", "truth"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(frames(index)[0]).save(folder / "portraits" / f"{portrait}.png")
            write_video(folder / "clips" / f"{driving}.mp4", frames(index + 50), FPS, preset=QUICK)
            for number, method in enumerate(methods or METHODS):
                path = folder / "outputs" / method / f"{case.id}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_video(path, frames(100 + number), FPS, preset=QUICK)
    return write_bench(folder, cases, FRAMES, "drawn", size=SIDE)


def score(bench: Bench, methods: dict[str, str] | None = None, without: set[tuple[str, str]] = frozenset()) -> None:
    """scores.csv and scores.json. Every method is worse than the one before by more than cases differ. without: (case,
    method) that could not be had."""
    methods = methods or METHODS
    rows = []
    for case in bench.cases:
        for metric, note in METRICS.items():
            if note.missing or case.kind not in note.kinds:
                continue
            for number, method in enumerate(methods):
                had = (case.id, method) not in without
                worse = 0.1 + 0.2 * number + 0.01 * int(case.id[-1])
                value = 1 - worse if note.better == "higher" else worse
                words = (case.id, case.kind, case.portrait, case.driving, method, metric)
                rows.append(Row(*words, value if had else None, "" if had else "no face in frame 3"))
    notes = {name: MethodNote(label) for name, label in methods.items()}
    write_scores(bench.folder, Scores(rows, METRICS, notes, (0.05, 0.1), SIDE, FRAMES))
