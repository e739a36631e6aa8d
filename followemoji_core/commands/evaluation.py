"""targets, ablations, long-video: measured against drawn people's truth."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import check_place
from .shared import Command, Facts, say

if TYPE_CHECKING:
    from ..walk.settings import Settings
    from ..walk.studio import Studio

ABLATIONS = ("loss", "pupils", "contour", "alignment", "tokens")


def add_commands(command: Command) -> None:
    """Add targets, ablations and long-video."""
    targets = command("targets", _targets, "Measure the small model on people and motions held out; writes the table.")
    targets.add_argument("--out", type=Path, default=Path("out/targets"), help="folder for table, numbers and pictures")
    targets.add_argument("--people", type=int, default=24, help="held-out people, each with a motion of its own")
    _add_model(targets)

    ablations = command("ablations", _ablations, "Train and measure the paper's ablations on drawn people; resumable.")
    ablations.add_argument("settings", type=Path, nargs="?", help="TOML file of a row, instead of small/ablations.toml")
    ablations.add_argument("--out", type=Path, default=Path("out/ablations"), help="folder for all of it")
    ablations.add_argument(
        "--base", type=Path, help="trained weights that rows go on from, instead of a base of its own"
    )
    ablations.add_argument("--base-steps", type=int, default=1500, help="of a base of its own, from nothing")
    ablations.add_argument("--clips", type=int, help="drawn people to train on [400; 1600 for a base of its own]")
    ablations.add_argument("--steps", type=int, help="of every row, instead of the settings'")
    ablations.add_argument("--seeds", type=int, default=3, help="trainings of every row")
    ablations.add_argument("--people", type=int, default=64, help="held-out people")
    ablations.add_argument("--workers", type=int, default=1, help="trainings at once, which share the cores")
    ablations.add_argument("--tables", nargs="+", choices=ABLATIONS, default=ABLATIONS, help="which of the tables")

    long = command("long-video", _long_video, "Measure the strategies for long clips on drawn people; resumable.")
    long.add_argument("--out", type=Path, default=Path("out/long_video"), help="folder for table, numbers and plot")
    long.add_argument("--people", type=int, default=12, help="held-out people, each with a motion of its own")
    long.add_argument("--frames", type=int, default=300, help="length of the clips")
    long.add_argument("--shared-noise", type=float, default=1.0, help="share of the noise that is common, where it is")
    _add_model(long)
    long.set_defaults(steps=2)  # in one step there is no noise yet in which *replace* could set frames


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, help="another checkpoint, instead of the one that ships")
    parser.add_argument("--vae", type=Path, help="its autoencoder")
    parser.add_argument("--steps", type=int, help="denoising steps [the small model's own; 2 for long-video]")


def _model(options: argparse.Namespace) -> tuple[Studio, Settings]:
    """What `_add_model` asked for."""
    import torch

    from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
    from ..walk.studio import SMALL_SETTINGS, open_studio

    weights, vae = options.weights or SMALL_MODEL, options.vae or SMALL_VAE
    settings = replace(SMALL_SETTINGS, steps=options.steps) if options.steps else SMALL_SETTINGS
    return open_studio(SMALL_MODELS, "cpu", torch.float32, weights, vae), settings


def _targets(options: argparse.Namespace) -> Facts:
    from ..evaluation.targets import measure, write_report

    check_place(options.out / "targets.json")
    studio, settings = _model(options)
    say(write_report(measure(studio, options.people, settings, say), options.out))
    facts = _facts(options.out, "targets", ".json", ".md", ".jpg")
    return facts | {"files": [*facts["files"], options.out / "ends.jpg"]}


def _ablations(options: argparse.Namespace) -> Facts:
    from ..evaluation.ablation_report import write_report
    from ..evaluation.ablations import ablate
    from ..small import SMALL_MODELS
    from ..training.settings import load_settings

    check_place(options.out / "ablations.json")
    changes = {"steps": options.steps} if options.steps is not None else None
    settings = load_settings(options.settings or SMALL_MODELS / "ablations.toml", changes)
    found = ablate(
        settings,
        options.out,
        options.base,
        options.base_steps,
        options.seeds,
        options.people,
        options.workers,
        options.tables,
        options.clips,
        say=say,
    )
    about = {"base": options.base.name if options.base else f"{options.base_steps} steps from nothing"}
    about |= {"steps": settings.steps, "seeds": options.seeds, "people": options.people}
    say(write_report(found, options.out, about))
    return _facts(options.out, "ablations", ".json", ".md")


def _long_video(options: argparse.Namespace) -> Facts:
    from ..evaluation.long_report import write_report
    from ..evaluation.long_video import compare

    check_place(options.out / "long_video.json")
    studio, settings = _model(options)
    settings = replace(settings, shared_noise=options.shared_noise)
    weights = options.weights.name if options.weights else "the weights that ship"
    found = compare(studio, options.out, options.people, options.frames, settings, say)
    say(write_report(found, options.out, options.people, options.frames, settings.steps, weights))
    return _facts(options.out, "long_video", ".json", ".md", ".png")


def _facts(out: Path, name: str, *kinds: str) -> Facts:
    """The report's files, and as "report" the numbers in OUT/NAME.json."""
    report = json.loads((out / f"{name}.json").read_text("utf-8"))
    return {"files": [out / f"{name}{kind}" for kind in kinds], "report": report}
