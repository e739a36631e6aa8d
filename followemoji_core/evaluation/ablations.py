"""The paper's ablations on drawn people: one base, every row trained on from it on the same batches, and measured where
it should act.

OUT/data            training clips with latents, drawn once
OUT/base            the base, where none is given; OUT/base.json: what it reaches
OUT/runs/ROW-SEED   a training, and what was measured of it: TABLE.json
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.interfaces import TokenEncoder
from ..encoders.opening import open_codec
from ..errors import InputError
from ..files import write_whole
from ..small import SMALL_VAE
from ..training.settings import TrainSettings, plain
from ..training.shards import add_latents, find_clips
from ..training.synthesize import synthesize
from ..training.trainee import chosen_tokens
from ..training.trainer import train
from ..walk.studio import SMALL_SETTINGS, open_studio
from .ablation_tables import FRAMES, STRIDE, TABLES, TRAININGS, Made, Values
from .neighbours import without_temporal_layers
from .reenactment import cases, score
from .targets import animate

WORST = 0.7  # box error of the base, of the untouched portrait's: above, rows would differ by what they do not know yet
_CLIPS = {True: 400, False: 1600}  # drawn people, where a base is given and where it is trained
_BEGINNING = {"learning_rate": 4e-3, "warmup": 100, "ema": 0.99, "high_noise": 0.4}  # of a base from nothing
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """rows[table][row]: for each seed, in order, a number for each of the people by measure. base: its box error, of
    the portrait's. seconds: of processor time, by what it was spent on; of trainings that were interrupted, the last
    part alone."""

    rows: dict[str, dict[str, list[Values]]]
    base: float
    seconds: dict[str, float]


def ablate(
    settings: TrainSettings,
    out: Path,
    base: Path | None = None,
    base_steps: int = 1500,
    seeds: int = 3,
    people: int = 64,
    workers: int = 1,
    tables: Sequence[str] = tuple(TABLES),
    clips: int | None = None,
    worst: float = WORST,
    say: Say = lambda line: None,
) -> Found:
    """Train and measure what the tables need; what is in OUT is not done again.

    settings: of every row, stage 1; data, out, initial, vae and seed are set here. base: trained weights to go on from;
    None: `base_steps` steps from nothing. clips: drawn people to train on; None: 400, or 1,600 from nothing. worst: box
    error of the base, of the untouched portrait's, above which nothing is begun. workers: trainings at once, each with
    its share of the cores. Raises InputError for a base that is worse, and where OUT is of another base or settings;
    whatever `train` raises.
    """
    cores = torch.get_num_threads()
    threads = max(cores // workers, 1)
    clips = clips or _CLIPS[base is not None]
    _draw_people(out / "data", clips, say)
    seconds = {"training": 0.0, "measuring": 0.0}
    if base is None:
        begun = replace(
            settings, **_BEGINNING, data="data", out="base", initial="", vae="", steps=base_steps, threads=0
        )
        base = train(begun, out, say)
        record = json.loads((out / "base" / "record.json").read_text("utf-8"))
        seconds["base"] = record["seconds"] * cores
    base = base.resolve()
    _check_same(out, settings, base, clips)
    size = find_clips(out / "data")[0].size
    ratio = _base_ratio(out, base, people, size)
    say(f"base: box error {ratio:.3f} of the untouched portrait's")
    if ratio > worst:
        raise InputError(
            f"The base {base} has a box error of {ratio:.2f} of the untouched portrait's; at most {worst:g} is "
            f"allowed, or rows differ by chance. Train it longer (--base-steps), or give trained weights with --base."
        )
    jobs = [
        _Job(replace(settings, data="data", initial=str(base), vae="", threads=threads, seed=seed), name, out, people)
        for seed in range(seeds)
        for name in TRAININGS
        if any(name in TABLES[table].trainings() for table in tables)
    ]
    found: dict[str, dict[str, list[Values]]] = {t: {row.name: [] for row in TABLES[t].rows} for t in tables}
    for job, (rows, spent) in zip(jobs, _done(jobs, tuple(tables), workers), strict=True):
        for table, values in rows.items():
            for row, measured in values.items():
                found[table][row].append(measured)
        for what, time_of in spent.items():
            seconds[what] += time_of
        say(f"{job.folder.name}: trained in {spent['training']:.0f} s, measured in {spent['measuring']:.0f} s")
    return Found(found, ratio, seconds)


def _done(jobs: Sequence[_Job], tables: tuple[str, ...], workers: int) -> Iterator[tuple[dict, dict]]:
    if workers == 1:
        yield from (job.run(tables) for job in jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(job.run, tables) for job in jobs]
        try:
            yield from (job.result() for job in running)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


# --- what is shared


def _draw_people(folder: Path, count: int, say: Say) -> None:
    """Training clips with latents; those that are there are kept."""
    say(f"{count} people to train on")
    synthesize(folder, count, stride=4)
    codec = open_codec(SMALL_VAE).to("cpu", torch.float32)
    add_latents(folder, lambda pictures: codec.encode(torch.from_numpy(pictures.copy())).cpu().numpy())


def _check_same(out: Path, settings: TrainSettings, base: Path, clips: int) -> None:
    """InputError where OUT was begun with another base, other settings, or other people to train on."""
    may_change = ("data", "out", "initial", "vae", "threads", "seed")
    now = {name: value for name, value in plain(settings).items() if name not in may_change}
    now["clips"] = clips
    now["base"] = hashlib.blake2b(base.read_bytes(), digest_size=16).hexdigest()
    now = json.loads(json.dumps(now))
    kept = out / "made_with.json"
    if not kept.exists():
        write_whole(kept, json.dumps(now, indent=1))
    before = json.loads(kept.read_text("utf-8"))
    changed = [f"{name} was {before.get(name)!r}, is {now[name]!r}" for name in now if now[name] != before.get(name)]
    if changed:
        raise InputError(
            f"{out} holds ablations that were made otherwise: {', '.join(changed)}. Set it back to go on, or choose "
            f"another --out."
        )


def _base_ratio(out: Path, base: Path, people: int, size: int) -> float:
    kept, of = out / "base.json", {"people": people, "size": size}
    if kept.exists() and (before := json.loads(kept.read_text("utf-8")))["of"] == of:
        return before["box error"]
    studio = open_studio(out, "cpu", torch.float32, weights=base, vae=SMALL_VAE)
    chosen = list(cases(people, FRAMES, size, stride=STRIDE))
    ratio = score(chosen, [animate(studio, case.portrait, case.aligned, SMALL_SETTINGS) for case in chosen]).ratio
    write_whole(kept, json.dumps({"of": of, "box error": ratio}))
    return ratio


# --- one training


@dataclass(frozen=True)
class _TheseTokens:
    """A token encoder whose tokens are chosen as in training."""

    encoder: TokenEncoder
    which: str

    @property
    def width(self) -> int:
        return self.encoder.width

    def tokens(self, pictures: Tensor) -> Tensor:
        return chosen_tokens(self.encoder.tokens(pictures), self.which)


@dataclass(frozen=True)
class _Job:
    """One of TRAININGS with one seed: what all rows share is in `settings`."""

    settings: TrainSettings
    name: str
    out: Path
    people: int

    @property
    def folder(self) -> Path:
        plain_name = "".join(c if c.isalnum() else "-" for c in self.name)
        return self.out / "runs" / f"{plain_name}-{self.settings.seed}"

    def row_settings(self) -> TrainSettings:
        changes = dict(TRAININGS[self.name])
        model = replace(self.settings.model, **changes.pop("model", {}))
        return replace(self.settings, **changes, model=model, out=f"runs/{self.folder.name}")

    def run(self, tables: Sequence[str]) -> tuple[dict[str, dict[str, Values]], dict[str, float]]:
        """By table and row; and the seconds that training and measuring took."""
        settings = self.row_settings()
        torch.set_num_threads(settings.threads)
        started, trained = time.process_time(), self.folder / "trained.json"
        if trained.exists():
            last = self.folder / f"checkpoint-{settings.steps:07d}.safetensors"
        else:
            last = train(settings, self.out)
            write_whole(trained, json.dumps({"seconds": time.process_time() - started}))
            for state in self.folder.glob("state-*.safetensors"):  # four times the checkpoint, and done with
                state.unlink()
        spent = {"training": json.loads(trained.read_text("utf-8"))["seconds"], "measuring": 0.0}
        rows, made = {}, None
        for table in tables:
            if self.name not in TABLES[table].trainings():
                continue
            kept, of = self.folder / f"{table}.json", {"steps": settings.steps, "people": self.people}
            if not (kept.exists() and json.loads(kept.read_text("utf-8"))["of"] == of):
                started, made = time.process_time(), made or self._open(settings, last)
                with without_temporal_layers(made.studio.networks.denoiser):  # as it was trained
                    chosen = [row for row in TABLES[table].rows if row.training == self.name]
                    values = TABLES[table].examine(made, chosen)
                about = {"of": of, "seconds": time.process_time() - started, "rows": _storable(values)}
                write_whole(kept, json.dumps(about, indent=1))
            before = json.loads(kept.read_text("utf-8"))
            spent["measuring"] += before["seconds"]
            rows[table] = _read(before["rows"])
        return rows, spent

    def _open(self, settings: TrainSettings, weights: Path) -> Made:
        studio = open_studio(self.out, "cpu", torch.float32, weights=weights, vae=SMALL_VAE)
        studio = replace(studio, token_encoder=_TheseTokens(studio.token_encoder, settings.tokens))
        return Made(studio, settings, self.people, find_clips(self.out / "data")[0].size)


def _storable(rows: dict[str, Values]) -> dict:
    """JSON knows no nan."""
    return {
        row: {what: [None if math.isnan(value) else round(value, 5) for value in each] for what, each in values.items()}
        for row, values in rows.items()
    }


def _read(rows: dict) -> dict[str, Values]:
    return {
        row: {what: np.array(each, float).tolist() for what, each in values.items()} for row, values in rows.items()
    }
