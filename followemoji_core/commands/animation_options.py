"""Options of all commands that animate: how motions are read and aligned, which networks, how they sample."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from ..diffusion.progressive import KEYFRAMES
from ..diffusion.windows import STRATEGIES
from ..face.align import AlignOptions, PupilAnchor, Rotation, Translation
from ..face.motion import Missing
from .paste_back import paste_arguments

# Those of diffusion, whose modules import torch; a test compares them.
SCHEDULERS = ("ddim", "euler", "dpm++ 2m", "unipc")
CARRIERS = ("concat", "replace")
RENDERERS = ("diffusion", "warp")


def animation_arguments(parser: argparse.ArgumentParser) -> None:
    """How an aligned motion becomes a video."""
    parser.add_argument(
        "--renderer",
        choices=RENDERERS,
        default=RENDERERS[0],
        help="diffusion: the networks; warp: a sketch without them, in real time on a CPU, for small turns of the head",
    )
    paste_arguments(parser)
    network_arguments(parser)
    sampling_arguments(parser, steps=30, guidance=3.5, shared_noise=0.0)


def faces_arguments(parser: argparse.ArgumentParser) -> None:
    """Several faces of one picture."""
    add = parser.add_argument
    add("--faces", metavar="all|1,3", help="with --paste-back: several faces by number, 1 the largest, or all of them")
    add(
        "--drivings",
        type=lambda text: [Path(part.strip()) for part in text.split(",") if part.strip()],
        metavar="FILE,FILE",
        help="with --faces: their drivers, in the same order; the last one drives all further faces",
    )
    add("--sound-of", type=int, default=1, metavar="N", help="with --faces: which driver's sound the video has")


def motion_arguments(parser: argparse.ArgumentParser) -> None:
    """How the driver's motion is read and put on the portrait's face."""
    add = parser.add_argument
    add("--missing", choices=get_args(Missing), default="interpolate", help="frames without a face")
    add("--rotation", choices=get_args(Rotation), default=AlignOptions.rotation, help="of the head; published: driving")
    add(
        "--translation",
        choices=get_args(Translation),
        default=AlignOptions.translation,
        help="of the head; published: driving",
    )
    add("--neutral", type=int, help="driving frame whose face is at rest; found if not given")
    for name in ("expression", "brows", "eyes", "pupils", "mouth"):
        add(f"--{name}", type=float, default=1.0, help="strength, 0 to 3")
    add(
        "--pupil-anchor",
        choices=get_args(PupilAnchor),
        default=AlignOptions.pupil_anchor,
        help="what a pupil's place is measured from: the corners of its eye, or its box on the screen; published: box",
    )
    add("--smoothing", type=float, default=0.0, help="of the driving motion, 0 to 1")


def network_arguments(parser: argparse.ArgumentParser) -> None:
    """Which networks, and where they compute."""
    add = parser.add_argument
    add("--weights", type=Path, help="folder (or one file) with the three networks, if not in MODELS")
    add("--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto", help="of the networks")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add(
        "--compile",
        action="store_true",
        help="torch.compile the denoiser: minutes at first; needs a compiler or Triton",
    )


def sampling_arguments(parser: argparse.ArgumentParser, steps: int, guidance: float, shared_noise: float) -> None:
    """How the networks sample, with these defaults."""
    add = parser.add_argument
    add("--steps", type=int, default=steps, help="denoising steps")
    add("--guidance", type=float, default=guidance, help="classifier-free guidance scale")
    add("--scheduler", choices=SCHEDULERS, default="ddim", help="solver")
    add("--seed", type=int, default=0, help="of the noise")
    add("--windows", choices=STRATEGIES, default="gaussian", help="how long clips are cut into windows")
    add("--long", action="store_true", help="keyframes first, then what lies between; bounded memory, resumable")
    add("--keyframes", choices=KEYFRAMES, default="even", help="with --long: evenly, or closer where more happens")
    add("--known-frames", choices=["auto", *CARRIERS], default="auto", help="with --long: how windows learn of them")
    add(
        "--given",
        action="append",
        default=[],
        metavar="FRAME=PICTURE",
        help="a frame of the video that is there already, such as a retouched one; -1 is the last",
    )
    add("--resampling", type=int, default=0, help="with --long and replace: further passes of each step")
    add("--window-length", type=int, default=16, help="frames made together")
    add("--shared-noise", type=float, default=shared_noise, help="0 to 1: of the noise, what all frames have in common")
    add("--overlap", type=int, default=4, help="frames that windows share")
