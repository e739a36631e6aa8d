"""prepare, synthesize, encode, autoencoder, train, export: from videos or numbers to a checkpoint."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from .shared import Command, Facts, bar, detector_file, device_and_dtype, say, where, where_arguments


def add_commands(command: Command) -> None:
    """Add prepare, synthesize, encode, autoencoder, train and export."""
    ready = command("prepare", _prepare, "Turn a folder of talking-head videos into training clips; resumable.")
    ready.add_argument("videos", type=Path, help="folder, searched with its subfolders")
    ready.add_argument("out", type=Path, help="folder for the clips and the report")
    ready.add_argument(
        "--models", type=Path, default=Path("models"), help="folder with followemoji/face_landmarker.task"
    )
    ready.add_argument("--detector", type=Path, help="face_landmarker.task, if not there")
    ready.add_argument("--size", type=int, default=512, help="side of the clips")
    ready.add_argument("--shortest", type=int, default=16, help="frames that a clip must have")
    where_arguments(ready)

    drawn = command("synthesize", _synthesize, "Draw people as training clips; resumable.")
    drawn.add_argument("out", type=Path, help="folder for the clips")
    drawn.add_argument("--people", type=int, default=1600, help="clips, each of a person of its own")
    drawn.add_argument("--first", type=int, default=0, help="number of the first person")
    drawn.add_argument("--frames", type=int, default=16, help="of a clip")
    drawn.add_argument("--stride", type=int, default=1, help="keep every so many frames of a motion at 25 fps")
    drawn.add_argument("--most-stride", type=int, default=0, help="draw each clip's stride, from --stride to this")
    drawn.add_argument(
        "--hidden", action="store_true", help="a ground that pans in a wandering light; frame 0 is a portrait apart"
    )
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


def _prepare(options: argparse.Namespace) -> Facts:
    from ..training.prepare import FAILED, PrepareSettings, prepare

    settings = PrepareSettings(size=options.size, shortest=options.shortest)
    counts = prepare(options.videos, options.out, detector_file(options), settings, where(options), say)
    for what, count in counts.items():
        say(f"{count:>8}  {what}")
    return {"files": [options.out / "report.json"], "counts": counts, "failed": counts.get(FAILED, 0)}


def _synthesize(options: argparse.Namespace) -> Facts:
    from ..training.shards import check_size
    from ..training.synthesize import synthesize

    check_size(options.size)
    drawn: list[int] = []
    with bar("drawing", "clip") as show:

        def on_clip(done: int) -> None:
            drawn.append(done)
            show(done, options.people)

        synthesize(
            options.out,
            options.people,
            frames=options.frames,
            size=options.size,
            first=options.first,
            stride=options.stride,
            most_stride=options.most_stride,
            hidden=options.hidden,
            workers=options.workers,
            on_clip=on_clip,
        )
    say(f"{options.out}: {options.people} clips of {options.frames} frames")
    return {"folder": options.out, "clips": options.people, "drawn": len(drawn), "frames": options.frames}


def _encode(options: argparse.Namespace) -> Facts:
    import torch

    from ..encoders.opening import open_codec
    from ..training.shards import add_latents

    codec = open_codec(options.vae).to(*device_and_dtype(options.device, options.precision))
    with bar("encoding", "clip") as show:
        count = add_latents(options.clips, lambda p: codec.encode(torch.from_numpy(p.copy())).cpu().numpy(), show)
    say(f"{options.clips}: latents written into {count} clips")
    return {"folder": options.clips, "clips": count}


def _autoencoder(options: argparse.Namespace) -> Facts:
    from dataclasses import asdict

    import torch
    from safetensors.torch import save_file

    from ..encoders.opening import open_codec
    from ..files import check_place, write_whole, written_whole
    from ..training.settings import read_file, read_table
    from ..training.train_autoencoder import AutoencoderSettings, train_autoencoder

    settings = read_table(AutoencoderSettings, read_file(options.settings), options.settings.name)
    curve: list[dict[str, float]] = []

    def on_step(step: int, scalars: dict[str, float]) -> None:
        if step % 100 == 0 or step + 1 == settings.steps + settings.decoder_steps:
            curve.append({"step": step, **{name: round(value, 4) for name, value in scalars.items()}})
            say(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in scalars.items()))

    check_place(options.out / "autoencoder.safetensors")
    begun = open_codec(options.begun).module if options.begun else None
    network = train_autoencoder(settings, on_step, begun)
    state = {key: value.to(torch.float16).contiguous() for key, value in network.full_state().items()}
    files = [options.out / "autoencoder.safetensors", options.out / "autoencoder.json"]
    with written_whole(files[0], "Make room, or choose another folder.") as partial:
        save_file(state, partial, {"format": "pt"})
    record = {"settings": asdict(settings), "seconds": curve[-1]["seconds"], "curve": curve}
    write_whole(files[1], json.dumps(record, indent=1))
    say(f"{files[0]}: opens in ComfyUI's Load VAE")
    return {"files": files, "last": curve[-1]}


def _train(options: argparse.Namespace) -> Facts | None:
    from ..training.settings import load_settings, parse_changes
    from ..training.trainer import train

    settings = load_settings(options.settings, parse_changes(options.set))
    leads = os.environ.get("RANK", "0") == "0"
    last = train(settings, options.settings.parent, say if leads else lambda line: None)
    if not leads:
        return None
    say(f"{last}: copy it to ComfyUI's models/followemoji, or pass it to animate --weights")
    return {"files": [last], "steps": settings.steps}


def _export(options: argparse.Namespace) -> Facts:
    from ..training.export import export, write_record

    export(options.checkpoint, options.out, options.clips)
    files = [options.out]
    if options.records:
        record = options.out.with_name("record")
        write_record(options.records, record)
        files += [record.with_suffix(".json"), record.with_suffix(".png")]
    size = options.out.stat().st_size
    say(f"{options.out}: {size / 2**20:.1f} MiB")
    return {"files": files, "bytes": size}
