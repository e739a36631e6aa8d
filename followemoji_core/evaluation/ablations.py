"""The paper's ablations (Table 2) on drawn people: every row trained alike, with three seeds, and measured alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..encoders.interfaces import Codec
from ..encoders.opening import open_codec
from ..errors import InputError
from ..face.geometry import screen_points
from ..files import write_whole
from ..model.weights.build import Networks, load_networks
from ..model.weights.files import find_files
from ..training.batches import draw
from ..training.sampling import Part, make
from ..training.settings import TrainSettings
from ..training.shards import find_clips
from ..training.trainer import train
from ..walk.studio import SMALL_SETTINGS
from .reenactment import Case, cases, gaze_correlation, score

SAMPLING = replace(SMALL_SETTINGS, steps=8)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ablation:
    """name as in the table; changes of the training settings; aligned: whether motion alignment is used."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    aligned: bool = True


FULL = Ablation("full model")
ABLATIONS = (
    FULL,
    Ablation("without the expression part of the loss", {"expression_weight": 0.0}),
    Ablation("without the face part of the loss", {"face_weight": 0.0}),
    Ablation("plain 2D landmarks, not aligned", aligned=False),  # trained as the full model: it differs in use alone
    Ablation("landmarks with the face contour", {"contour": True}),
    Ablation("without pupils", {"pupils": False}),
    Ablation("linear projection instead of the Q-Former", {"model": {"queries": 0}}),
)
MEASURES = {
    "box error, moving head": "lower",
    "box error, still head": "lower",
    "PSNR, moving head": "higher",
    "gaze, horizontal": "higher",
    "gaze, vertical": "higher",
    "skin and hair colour": "lower",
}


def ablate(
    base: TrainSettings,
    folder: Path,
    seeds: int = 3,
    people: int = 16,
    workers: int = 1,
    say: Say = lambda line: None,
) -> dict[str, dict[str, tuple[float, float]]]:
    """Row -> measure -> mean and standard deviation over the seeds. What is finished is not done again.

    workers: runs at once, each with its share of the cores: small networks hardly gain from several.
    """
    if not base.vae:
        raise InputError("The settings name no autoencoder (vae = ...): results are pictures here.")
    runs = [(row, seed) for seed in range(seeds) for row in ABLATIONS if row.aligned]
    found: dict[str, list[dict[str, float]]] = {row.name: [] for row in ABLATIONS}
    threads = max((os.cpu_count() or 1) // workers, 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_run, replace(base, threads=threads), folder, *run, people) for run in runs]
        try:
            for (_, seed), job in zip(runs, jobs, strict=True):
                for name, measured in job.result().items():
                    say(f"{name}, seed {seed}: " + ", ".join(f"{what} {value:.3f}" for what, value in measured.items()))
                    found[name].append(measured)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {
        row: {what: _mean_and_spread([measured[what] for measured in values]) for what in MEASURES}
        for row, values in found.items()
    }


def _mean_and_spread(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


_KINDS: dict[str, dict[str, bool]] = {"moving": {}, "still": {"still_head": True}, "looking": {"looking": True}}


def _run(base: TrainSettings, folder: Path, trained: Ablation, seed: int, people: int) -> dict[str, dict[str, float]]:
    """Train one row with one seed, and measure it; the full model also without alignment."""
    settings = _settings(base, trained, seed)
    torch.set_num_threads(settings.threads)
    last = train(settings, folder)  # at once where it is trained; an error where that was with other settings
    kept, now = folder / settings.out / "measured.json", {"steps": settings.steps, "people": people}
    if kept.exists() and (before := json.loads(kept.read_text("utf-8")))["of"] == now:
        return before["rows"]
    networks, codec = load_networks(find_files(last), "cpu", torch.float32), open_codec(folder / settings.vae)
    size = find_clips(folder / settings.data)[0].size
    sets = {name: list(cases(people, size=size, **kind)) for name, kind in _KINDS.items()}
    rows = [trained, *(row for row in ABLATIONS if trained == FULL and not row.aligned)]
    measured = {row.name: _measure(networks, codec, settings, row, sets) for row in rows}
    write_whole(kept, json.dumps({"of": now, "rows": measured}, indent=1))
    return measured


def _settings(base: TrainSettings, row: Ablation, seed: int) -> TrainSettings:
    changes = dict(row.changes)
    model = replace(base.model, **changes.pop("model", {}))
    name = "".join(c if c.isalnum() else "-" for c in row.name)
    return replace(base, **changes, model=model, seed=seed, out=f"{base.out}/{name}-{seed}")


def _measure(networks: Networks, codec: Codec, settings: TrainSettings, row: Ablation, sets) -> dict[str, float]:
    made = {
        name: [_animate(networks, codec, settings, case, row.aligned) for case in part] for name, part in sets.items()
    }
    moving, still = score(sets["moving"], made["moving"]), score(sets["still"], made["still"])
    across, up = gaze_correlation(sets["looking"], made["looking"])
    values = (moving.ratio, still.ratio, moving.psnr, across, up, moving.identity["skin"] + moving.identity["hair"])
    return dict(zip(MEASURES, values, strict=True))


def _animate(networks: Networks, codec: Codec, settings: TrainSettings, case: Case, aligned: bool) -> np.ndarray:
    size = case.portrait.shape[0]
    points = case.aligned.points if aligned else screen_points(case.driving)
    images = torch.from_numpy(np.stack([draw(frame, size, settings) for frame in points]))
    portrait = torch.from_numpy(case.portrait)[None]
    return make(networks, Part(portrait, codec.encode(portrait), images), codec, None, SAMPLING).numpy()


def write_table(result: dict[str, dict[str, tuple[float, float]]], out: Path, seeds: int) -> str:
    """OUT/ablations.json and OUT/ablations.md; returns the table. A row that differs from the full model by more than
    both spreads together is marked with what that means."""
    lines = ["| | " + " | ".join(MEASURES) + " |", "| --- |" + " --- |" * len(MEASURES)]
    for row, values in result.items():
        cells = []
        for name, (mean, spread) in values.items():
            best, best_spread = result[FULL.name][name]
            apart = abs(mean - best) > spread + best_spread
            worse = (mean > best) == (MEASURES[name] == "lower")
            mark = "" if row == FULL.name or not apart else (" (worse)" if worse else " (better)")
            cells.append(f"{mean:.3f} ± {spread:.3f}{mark}")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "ablations.md", f"Mean and spread over {seeds} seeds.\n\n{table}\n")
    write_whole(out / "ablations.json", json.dumps(result, indent=1))
    return table
