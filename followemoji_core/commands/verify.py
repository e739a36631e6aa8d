"""verify: whether weights files work with this pack, as one report to paste into an issue."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError
from ..face.choice import Which
from ..face.crop import ROOM
from ..files import check_place, write_whole
from ..gate import loading, parse_json, read_bytes
from .inputs import face_of
from .shared import LARGEST, Command, Facts, device_and_dtype, picture_size, say

if TYPE_CHECKING:
    from ..evaluation.verify.found import Files
    from ..evaluation.verify.sampled import Subject

_MOST_REPORT = 4 << 20  # bytes of an earlier one
_WHICH: Which = "largest"


def add_commands(command: Command) -> None:
    """Add verify."""
    verify = command("verify", _verify, "Check weights files: one report to paste into an issue, failures named.")
    add = verify.add_argument
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one with the networks in it")
    add("--weights", type=Path, help="folder (or one file) with the three networks, if not in MODELS")
    add("--vae", type=Path, help="SD 1.5 VAE in diffusers' layout, if not MODELS/vae/sd-vae-ft-mse.safetensors")
    add("--small", action="store_true", help="check the small model that ships instead")
    add("--portrait", type=Path, help="picture to animate instead of a drawn person; with --driving")
    add("--driving", type=Path, help="video or motion file for it; its first 16 frames are enough")
    add("--face", type=Path, help="motion file of the portrait's face; then it is not detected")
    add("--detector", type=Path, help="face_landmarker.task, if not in MODELS/followemoji")
    add("--size", help="side of what is sampled, in pixels; 512, on a CPU 256")
    add("--steps", type=int, help="of what is sampled; 30, on a CPU 4")
    add("--untrained", action="store_true", help="networks that nobody trained: do not judge what they show")
    add("--against", type=Path, metavar="FILE", help="verify.json of another machine or version, to compare with")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add("--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto", help="of what is sampled")
    add("--out", type=Path, default=Path("out/verify"), help="folder for verify.md and verify.json")


def _verify(options: argparse.Namespace) -> Facts:
    from ..diffusion.sampler import check_steps
    from ..evaluation.verify.found import Files
    from ..evaluation.verify.report import markdown
    from ..evaluation.verify.verifying import Wishes, verify
    from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE

    # 1. What can be wrong with the wishes is wrong before the work.
    if (options.portrait is None) != (options.driving is None):
        raise InputError("--portrait and --driving belong together: give both, or neither for a drawn person.")
    if options.steps is not None:
        check_steps(options.steps)
    size = None if options.size is None else _side(options.size)
    device, dtype = device_and_dtype(options.device, options.precision)
    earlier = None if options.against is None else _earlier(options.against)
    written = options.out / "verify.md", options.out / "verify.json"
    for path in written:
        check_place(path)
    files = Files.of(options.models, options.weights, options.vae)
    if options.small:
        files = Files.of(SMALL_MODELS, SMALL_MODEL, SMALL_VAE)
    _check_there(options, files)
    subject = _subject(options) if options.portrait else None
    # 2. The report.
    wishes = Wishes(__version__, device, dtype, size, options.steps, options.untrained, options.small, subject)
    report = verify(files, wishes, earlier, say)
    text, facts = markdown(report), report.as_facts()
    write_whole(written[0], text)
    write_whole(written[1], json.dumps(facts, indent=1))
    say(f"\n{text}")
    say(f"{written[0]} holds this report: paste it into an issue. {written[1]} is for --against.")
    return {"files": written, **facts}


def _side(text: str) -> int:
    width, height = picture_size(text)
    if width != height:
        raise InputError(f"--size {text} is not square. Give one side of 64 to {LARGEST} pixels, such as 256.")
    return width


def _check_there(options: argparse.Namespace, files: Files) -> None:
    """A folder or file that is named and absent is a slip of the hand, not a finding."""
    for name, path in (("--models", files.models), ("--weights", options.weights), ("--vae", options.vae)):
        if path is not None and not path.exists():
            raise InputError(f"{name} {path} is not there. Check the path.")


def _earlier(path: Path) -> dict[str, Any]:
    with loading(path, "Earlier report", InputError, "Give a verify.json that this command has written."):
        found = parse_json(read_bytes(path, _MOST_REPORT))
        if not isinstance(found, dict):
            raise ValueError("it is no table")
        return found


def _subject(options: argparse.Namespace) -> Callable[[int], Subject]:
    """The given portrait and driver, read now; framed and aligned at a size when asked for."""
    from ..evaluation.verify.sampled import Subject
    from ..face.align import AlignOptions, align
    from ..face.crop import frame_portrait
    from ..pictures import read_picture
    from .animation import driving_motion, finder
    from .kept import Kept

    chosen = argparse.Namespace(**vars(options), which=_WHICH, confidence=0.5, missing="interpolate")
    picture = read_picture(options.portrait)
    with Kept() as kept:
        detector = finder(chosen, kept)
        face = face_of(picture, chosen, None if options.face else detector())
        driving = driving_motion(options.driving, chosen, kept, detector)

    def at(side: int) -> Subject:
        framed = frame_portrait(picture, face, (side, side), "face", ROOM)
        return Subject(framed.picture, align(framed.face, driving, AlignOptions()))

    return at
