"""expressions, express: named expressions, edits and captures on a portrait, without a driving video."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face.align import align
from ..face.capture import read_arkit_json, read_live_link_csv
from ..face.controls import CHANNELS, Controls
from ..face.crop import crop_portrait
from ..face.edit_file import read_edit
from ..face.motion import stack_frames
from ..face.motion_edit import retime
from ..face.motion_file import save_motion
from ..face.named_expressions import named_expressions, sequence
from ..pictures import read_picture
from .animate import (
    checked_outputs,
    detector,
    face_of,
    network_arguments,
    portrait_arguments,
    renderer,
    sampling_arguments,
)
from .shared import Command, Facts, say

RENDERERS = ("warp", "model")


def add_commands(command: Command) -> None:
    """Add expressions and express."""
    listed = command("expressions", _expressions, "List the named expressions.")
    listed.add_argument("--list", action="store_true", help="list them, which is what is done anyway")
    made = command("express", _express, "Put expressions on a portrait: a video from one picture, no driving video.")
    portrait_arguments(made)
    add = made.add_argument
    add("--sequence", help="expressions in a row, names and frames: 'smile_wide 12, wink_left 8, rest 6'")
    add("--edit", type=Path, help="edit (.json): keyframes of controls, named expressions")
    add("--capture", type=Path, help="face capture: Live Link Face .csv, or ARKit shapes in .json")
    add("--strength", type=float, default=1.0, help="of all of it, 0 to 2")
    add("--fps", type=float, help="of the video; that of the capture, or of the edit, or 25, if not given")
    add("--save-motion", type=Path, help="also write the motion, the edit in it (.safetensors)")
    add(
        "--renderer",
        choices=RENDERERS,
        default=RENDERERS[0],
        help="warp: a sketch without networks, in real time on a CPU, for small turns of the head; model: the networks",
    )
    network_arguments(made)
    sampling_arguments(made, steps=30, guidance=3.5, shared_noise=0.0)


def _expressions(options: argparse.Namespace) -> Facts:
    known = named_expressions().values()
    facts = []
    for one in known:
        controls = Controls(one.held(np.zeros(1))).named()
        facts.append({"name": one.name, "also": one.also, "seconds": round(one.seconds, 3), "controls": controls})
        names = ", ".join(f"{name} {value:g}" for name, value in controls.items())
        say(f"{one.name:<18}{one.seconds:4.1f} s  {', '.join(one.also):<12}{names}")
    return {"expressions": facts, "controls": CHANNELS}


def _express(options: argparse.Namespace) -> Facts:
    # 1. What can go wrong, before the work.
    render = renderer(options)
    size = checked_outputs(options)
    controls = _controls(options)

    # 2. The portrait's own face, held, with the edit.
    picture = read_picture(options.portrait)
    with detector(options, needed=not options.face) as finder:
        face = face_of(picture, options, finder)
    portrait, face = crop_portrait(picture, face, size, options.framing, options.room)
    motion = retime(stack_frames([face], controls.fps), len(controls))
    motion = replace(motion, edit=controls)
    if options.save_motion:
        save_motion(options.save_motion, motion)
        say(f"{options.save_motion}: the motion")

    # 3. The walk.
    facts = render(portrait, face, align(face, motion), lambda: None)
    files = [file for file in (options.out, options.save_motion) if file]
    return {"files": files, "fps": controls.fps, "renderer": options.renderer, **facts}


def _controls(options: argparse.Namespace) -> Controls:
    """The sum of what is asked for, at one rate, as long as the longest. Raises InputError where that is nothing."""
    edit = read_edit(options.edit) if options.edit else None
    capture = _capture(options.capture) if options.capture else None
    rates = [options.fps, capture and capture.fps, edit and edit.fps, 25.0]
    fps = next(rate for rate in rates if rate is not None)
    parts = [part for part in (capture, edit and edit.controls()) if part is not None]
    if options.sequence is not None:
        parts.append(sequence(options.sequence, fps))
    if not parts:
        raise InputError("There is nothing to express. Give --sequence, --edit or --capture.")
    parts = [_at_rate(part, fps) for part in parts]
    values = np.zeros((max(map(len, parts)), len(CHANNELS)), np.float32)
    total = Controls(values, fps)
    for part in parts:
        padded = values.copy()
        padded[: len(part)] = part.values
        total = total.plus(Controls(padded, fps))
    return total.scaled(options.strength)


def _at_rate(controls: Controls, fps: float) -> Controls:
    if controls.fps == fps:
        return controls
    count = max(round(len(controls) * fps / controls.fps), 1)
    return controls.at(np.arange(count) * (controls.fps / fps), fps)


def _capture(path: Path) -> Controls:
    return read_live_link_csv(path) if path.suffix.lower() == ".csv" else read_arkit_json(path)
