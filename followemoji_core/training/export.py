"""A checkpoint as it is given away: float16, with what its latents look like, and the record of its training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..face.opencv import opencv
from ..files import check_place, write_whole
from ..model.weights.build import load_networks, save_networks
from ..model.weights.files import find_files
from ..model.weights.read import LATENT_RGB
from .shards import Clip, find_clips, read_part


def export(checkpoint: Path, out: Path, clips: Path) -> None:
    """CHECKPOINT -> OUT in float16, with a linear guess at the picture behind a latent, fitted to the clips.

    Raises CheckpointError for a file that is no checkpoint, InputError where the clips carry no latents.
    """
    check_place(out)
    table = fit_latent_rgb(find_clips(clips))
    save_networks(out, load_networks(find_files(checkpoint)), torch.float16, extra={LATENT_RGB: table})


def fit_latent_rgb(clips: Sequence[Clip], most: int = 200) -> Tensor:
    """(c + 1, 3): RGB in [0,1] of a latent cell is about latent @ table[:-1] + table[-1], by least squares.

    From the first frame of at most `most` clips. Raises InputError where none of them carries latents.
    """
    cv2 = opencv()
    chosen = [clip for clip in clips if clip.latent_shape][:most]
    if not chosen:
        raise InputError("The clips carry no latents. Run `python -m followemoji_core encode` on them.")
    latents, colours = [], []
    for clip in chosen:
        part = read_part(clip, [0])
        _, h, w = clip.latent_shape
        latents.append(np.moveaxis(part["latents"][0], 0, -1).reshape(h * w, -1))
        colours.append(cv2.resize(part["pictures"][0], (w, h), interpolation=cv2.INTER_AREA).reshape(-1, 3) / 255)
    known = np.concatenate(latents).astype(np.float64)
    known = np.column_stack([known, np.ones(len(known))])
    return torch.from_numpy(np.linalg.lstsq(known, np.concatenate(colours), rcond=None)[0]).float()


def write_record(records: Sequence[Path], out: Path) -> None:
    """OUT.json: settings, steps and seconds of the runs, with every fifth point of their curves; OUT.png: curves."""
    from matplotlib.figure import Figure

    runs = [json.loads(path.read_text("utf-8")) for path in records]
    figure = Figure(figsize=(4 * len(runs), 3), layout="constrained")
    for axes, run, path in zip(np.atleast_1d(figure.subplots(1, len(runs))), runs, records, strict=True):
        for name in run["curve"][0]:
            if name not in ("step", "seconds", "psnr_of_crops"):
                axes.plot([p["step"] for p in run["curve"]], [p[name] for p in run["curve"]], label=name)
        axes.set_title(f"{path.parent.name}, {run['seconds'] / 60:.0f} min")
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.legend(fontsize=7)
    figure.savefig(out.with_suffix(".png"), dpi=90)
    thinned = {path.parent.name: {**run, "curve": run["curve"][::5]} for path, run in zip(records, runs, strict=True)}
    write_whole(out.with_suffix(".json"), json.dumps(thinned, indent=1))
