"""The commands for training and measuring: `python -m followemoji_core COMMAND --help`."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

Command = Callable[..., argparse.ArgumentParser]


def add_commands(command: Command) -> None:
    """command(name, run, about) -> the parser of a new command."""
    ready = command("prepare", _prepare, "Turn a folder of talking-head videos into training clips; resumable.")
    ready.add_argument("videos", type=Path, help="folder, searched with its subfolders")
    ready.add_argument("out", type=Path, help="folder for the clips and the report")
    ready.add_argument(
        "--models", type=Path, default=Path("models"), help="folder with followemoji/face_landmarker.task"
    )
    ready.add_argument("--detector", type=Path, help="face_landmarker.task, if not there")
    ready.add_argument("--size", type=int, default=512, help="side of the clips")
    ready.add_argument("--shortest", type=int, default=16, help="frames that a clip must have")
    ready.add_argument("--workers", type=int, default=1, help="processes")

    drawn = command("synthesize", _synthesize, "Draw people as training clips; resumable.")
    drawn.add_argument("out", type=Path, help="folder for the clips")
    drawn.add_argument("--people", type=int, default=1600, help="clips, each of a person of its own")
    drawn.add_argument("--first", type=int, default=0, help="number of the first person")
    drawn.add_argument("--frames", type=int, default=16, help="of a clip")
    drawn.add_argument("--stride", type=int, default=1, help="keep every so many frames of a motion at 25 fps")
    drawn.add_argument("--size", type=int, default=128, help="side of the clips")
    drawn.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")

    encode = command("encode", _encode, "Write latents into training clips, so that training needs no VAE; resumable.")
    encode.add_argument("clips", type=Path, help="folder of clips")
    encode.add_argument("--vae", type=Path, required=True, help="SD VAE in diffusers' layout, or a small autoencoder")
    encode.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of the autoencoder")
    encode.add_argument("--device", default="cpu", help="cpu, cuda, mps")

    small = command("autoencoder", _autoencoder, "Train the small model's autoencoder on drawn people.")
    small.add_argument("settings", type=Path, help="TOML file; an empty one takes the defaults")
    small.add_argument("--begun", type=Path, help="an autoencoder whose decoder alone is trained on")
    small.add_argument("out", type=Path, help="folder for autoencoder.safetensors and its record")

    train = command("train", _train, "Train a stage; interrupted, the same command goes on (accelerate launch works).")
    train.add_argument("settings", type=Path, help="TOML file of the stage")
    train.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, instead of the file's"
    )

    give = command("export", _export, "Write a checkpoint as it is given away: float16, with a table for previews.")
    give.add_argument("checkpoint", type=Path)
    give.add_argument("out", type=Path, help="file to write (.safetensors)")
    give.add_argument("--clips", type=Path, required=True, help="folder of clips with latents, for the table")
    give.add_argument("--records", type=Path, nargs="*", default=[], help="record.json of the runs, to keep beside it")

    targets = command("targets", _targets, "Measure the small model on people and motions held out; writes the table.")
    targets.add_argument("--out", type=Path, default=Path("out/targets"), help="folder for table, numbers and pictures")
    targets.add_argument("--people", type=int, default=24, help="held-out people, each with a motion of its own")
    targets.add_argument("--weights", type=Path, help="another checkpoint, instead of the one that ships")
    targets.add_argument("--vae", type=Path, help="its autoencoder")
    targets.add_argument("--steps", type=int, default=2, help="denoising steps")

    ablations = command("ablations", _ablations, "Train and measure the paper's ablations on drawn people; resumable.")
    ablations.add_argument("settings", type=Path, help="TOML file of a short stage 1: every row's budget")
    ablations.add_argument("--out", type=Path, default=Path("out/ablations"), help="folder for the table")
    ablations.add_argument("--seeds", type=int, default=3, help="runs of every row")
    ablations.add_argument("--people", type=int, default=16, help="held-out people")
    ablations.add_argument("--workers", type=int, default=1, help="runs at once, which share the cores")

    long = command("long-video", _long_video, "Measure the strategies for long clips on drawn people.")
    long.add_argument("--out", type=Path, default=Path("out/long_video"), help="folder for table, numbers and plot")
    long.add_argument("--people", type=int, default=3, help="held-out people, each with a motion of its own")
    long.add_argument("--frames", type=int, default=300, help="length of the clips")
    long.add_argument("--steps", type=int, default=2, help="denoising steps")
    long.add_argument("--shared-noise", type=float, default=1.0, help="share of noise common to all frames")


def _prepare(options: argparse.Namespace) -> None:
    from ..training.prepare import PrepareSettings, prepare

    task = options.detector or options.models / "followemoji" / "face_landmarker.task"
    settings = PrepareSettings(size=options.size, shortest=options.shortest)
    counts = prepare(options.videos, options.out, task, settings, options.workers, _say)
    for what, count in counts.items():
        _say(f"{count:>8}  {what}")


def _synthesize(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..training.shards import check_size
    from ..training.synthesize import synthesize

    check_size(options.size)
    with tqdm(total=options.people, desc="drawing", unit="clip", leave=False) as bar:
        synthesize(
            options.out,
            options.people,
            options.frames,
            options.size,
            options.first,
            options.stride,
            options.workers,
            lambda done: bar.update(done - bar.n),
        )
    _say(f"{options.out}: {options.people} clips of {options.frames} frames")


def _encode(options: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    from ..encoders.opening import open_codec
    from ..training.shards import add_latents

    codec = open_codec(options.vae).to(options.device, dict(fp32=torch.float32, bf16=torch.bfloat16)[options.precision])
    with tqdm(desc="encoding", unit="clip", leave=False) as bar:

        def on_clip(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        count = add_latents(options.clips, lambda p: codec.encode(torch.from_numpy(p.copy())).cpu().numpy(), on_clip)
    _say(f"{options.clips}: latents written into {count} clips")


def _autoencoder(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    import torch
    from safetensors.torch import save_file

    from ..encoders.opening import open_codec
    from ..files import write_whole
    from ..training.settings import read_file, read_table
    from ..training.train_autoencoder import AutoencoderSettings, train_autoencoder

    settings = read_table(AutoencoderSettings, read_file(options.settings), options.settings.name)
    curve: list[dict[str, float]] = []

    def on_step(step: int, scalars: dict[str, float]) -> None:
        if step % 100 == 0 or step + 1 == settings.steps + settings.decoder_steps:
            curve.append({"step": step, **{name: round(value, 4) for name, value in scalars.items()}})
            _say(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in scalars.items()))

    options.out.mkdir(parents=True, exist_ok=True)
    begun = open_codec(options.begun).module if options.begun else None
    network = train_autoencoder(settings, on_step, begun)
    state = {key: value.to(torch.float16).contiguous() for key, value in network.full_state().items()}
    save_file(state, options.out / "autoencoder.safetensors", {"format": "pt"})
    record = {"settings": asdict(settings), "seconds": curve[-1]["seconds"], "curve": curve}
    write_whole(options.out / "autoencoder.json", json.dumps(record, indent=1))
    _say(f"{options.out / 'autoencoder.safetensors'}: opens in ComfyUI's Load VAE")


def _train(options: argparse.Namespace) -> None:
    from ..training.settings import load_settings, parse_changes
    from ..training.trainer import train

    settings = load_settings(options.settings, parse_changes(options.set))
    leads = os.environ.get("RANK", "0") == "0"
    last = train(settings, options.settings.parent, _say if leads else lambda line: None)
    if leads:
        _say(f"{last}: copy it to ComfyUI's models/followemoji, or pass it to animate --weights")


def _export(options: argparse.Namespace) -> None:
    from ..training.export import export, write_record

    export(options.checkpoint, options.out, options.clips)
    if options.records:
        write_record(options.records, options.out.with_name("record"))
    _say(f"{options.out}: {options.out.stat().st_size / 2**20:.1f} MiB")


def _targets(options: argparse.Namespace) -> None:
    import torch

    from ..evaluation.targets import measure, write_report
    from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
    from ..walk.studio import SMALL_SETTINGS, open_studio

    weights, vae = options.weights or SMALL_MODEL, options.vae or SMALL_VAE
    studio = open_studio(SMALL_MODELS, "cpu", torch.float32, weights, vae)
    settings = replace(SMALL_SETTINGS, steps=options.steps)
    _say(write_report(measure(studio, options.people, settings, _say), options.out))


def _ablations(options: argparse.Namespace) -> None:
    from ..evaluation.ablations import ablate, write_table
    from ..training.settings import load_settings

    settings = load_settings(options.settings)
    result = ablate(settings, options.settings.parent, options.seeds, options.people, options.workers, _say)
    _say(write_table(result, options.out, options.seeds))


def _long_video(options: argparse.Namespace) -> None:
    from ..evaluation.long_video import compare, write_report
    from ..walk.studio import SMALL_SETTINGS, small_studio

    settings = replace(SMALL_SETTINGS, steps=options.steps, shared_noise=options.shared_noise)
    result = compare(small_studio(), options.people, options.frames, settings, _say)
    _say(write_report(result, options.out, options.people, options.frames))


def _say(line: str) -> None:
    print(line, flush=True)
