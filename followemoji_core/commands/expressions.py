"""expressions, express: named expressions, edits and captures on a portrait, without a driving video."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face.align import align
from ..face.capture import read_arkit_json, read_live_link_csv
from ..face.controls import CHANNELS, Controls
from ..face.crop import crop_portrait
from ..face.edit_file import Edit, read_edit
from ..face.motion import stack_frames
from ..face.motion_edit import retime
from ..face.motion_file import load_motion, save_motion
from ..face.named_expressions import named_expressions, sequence
from ..media import Clip, clip_info, even_sides, read_audio, read_frames, write_video
from ..pictures import read_picture
from ..types import FaceMotion
from .animation import renderer
from .animation_options import network_arguments, sampling_arguments
from .inputs import checked_outputs, detector, face_of, motion_of, portrait_arguments, written_files
from .kept import Kept
from .shared import Command, Facts, along, say

RENDERERS = ("warp", "model")
_CLIPS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")


def add_commands(command: Command) -> None:
    """Add expressions and express."""
    listed = command("expressions", _expressions, "List the named expressions.")
    listed.add_argument("--list", action="store_true", help="list them, which is what is done anyway")
    made = command(
        "express", _express, "Put expressions on a portrait, or on a clip's own face: no driving video, no networks."
    )
    portrait_arguments(made, "picture with one face, or a clip, whose own face is then changed")
    add = made.add_argument
    add("--sequence", help="expressions in a row, names and frames: 'smile_wide 12, wink_left 8, rest 6'")
    add("--edit", type=Path, help="edit (.json): keyframes of controls, named expressions")
    add("--capture", type=Path, help="face capture: Live Link Face .csv, or ARKit shapes in .json")
    add("--strength", type=float, default=1.0, help="of all of it, 0 to 2")
    add("--look-at-camera", type=float, metavar="SHARE", help="of a clip's face: bring its gaze to the camera, 0 to 1")
    add("--fps", type=float, help="of the video; that of the capture, or of the edit, or 25; a clip keeps its own")
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
    if options.portrait.suffix.lower() in _CLIPS:
        return _footage(options)
    # 1. What can go wrong, before the work.
    if options.look_at_camera is not None:
        raise InputError("--look-at-camera is for clips; a still picture's gaze is an expression, such as look_left.")
    render = renderer(options, Kept())
    size = checked_outputs(options)
    controls = _controls(options, _files_read(options))

    # 2. The portrait's own face, held, with the edit.
    picture = read_picture(options.portrait)
    with detector(options, needed=not options.face) as finder:
        face = face_of(picture, options, finder)
    portrait, face = crop_portrait(picture, face, size, options.framing, options.room)
    motion = retime(stack_frames([face], controls.fps), len(controls))
    motion = _kept(replace(motion, edit=controls), options)

    # 3. The walk.
    facts = render(portrait, face, align(face, motion), lambda: None, iter)
    return {"files": written_files(options), "fps": controls.fps, "renderer": options.renderer, **facts}


def _footage(options: argparse.Namespace) -> Facts:
    """A clip whose own face is changed, frame by frame at its own size and rate, its sound kept."""
    from ..face.warp_footage import look_at_camera, warp_footage

    # 1. What can go wrong, before the work.
    if options.renderer != RENDERERS[0]:
        raise InputError("A clip is changed by --renderer warp alone. To animate a portrait, give a picture.")
    checked_outputs(options)
    clip = Clip(options.portrait)
    info = clip_info(clip)
    asked, read = options.sequence is not None or options.edit or options.capture, _files_read(options)
    if options.look_at_camera is None or asked:
        _controls(options, read, info.fps)

    # 2. The clip's face, and the edit as long as it.
    with detector(options, needed=not options.face) as finder:
        motion = load_motion(options.face) if options.face else motion_of(clip, info, options, finder)
    edit = Controls.rest(len(motion), motion.fps)
    if asked:
        edit = edit.plus(_controls(options, read, motion.fps, len(motion)))
    if options.look_at_camera is not None:
        edit = edit.plus(look_at_camera(motion, options.look_at_camera))
    motion = _kept(replace(motion, edit=edit), options)

    # 3. Frame by frame; sides made even, as videos must have them.
    frames = along(warp_footage(read_frames(clip), motion), len(motion), "warping")
    count = write_video(options.out, map(even_sides, frames), info.fps, read_audio(clip))
    say(f"{options.out}: {count} frames at {info.fps:g} fps, the clip with its face changed")
    return {"files": written_files(options), "fps": info.fps, "renderer": "warp", "frames": count}


def _kept(motion: FaceMotion, options: argparse.Namespace) -> FaceMotion:
    """The same, written to --save-motion where it is given."""
    if options.save_motion:
        save_motion(options.save_motion, motion)
        say(f"{options.save_motion}: the motion")
    return motion


def _files_read(options: argparse.Namespace) -> tuple[Edit | None, Controls | None]:
    """--edit and --capture."""
    return (
        read_edit(options.edit) if options.edit else None,
        _capture(options.capture) if options.capture else None,
    )


def _controls(
    options: argparse.Namespace,
    read: tuple[Edit | None, Controls | None],
    rate: float | None = None,
    frames: int | None = None,
) -> Controls:
    """The sum of what is asked for: at one rate, `rate` if given, and as long as the longest, or `frames`. read: see
    _files_read. Raises InputError where nothing is asked for."""
    edit, capture = read
    rates = [rate, options.fps, capture and capture.fps, edit and edit.fps, 25.0]
    fps = next(rate for rate in rates if rate is not None)
    parts = [] if capture is None else [capture]
    if edit is not None:
        open_end = frames is not None and edit.frames is None  # then its last key holds to the end
        parts.append(edit.controls(math.ceil(frames * edit.fps / fps) if open_end else None))
    if options.sequence is not None:
        parts.append(sequence(options.sequence, fps))
    if not parts:
        raise InputError("There is nothing to express. Give --sequence, --edit or --capture.")
    parts = [part.at_rate(fps) for part in parts]
    total = Controls.rest(max(map(len, parts)) if frames is None else frames, fps)
    for part in parts:
        values = np.zeros_like(total.values)
        values[: len(part)] = part.values[: len(values)]
        total = total.plus(Controls(values, fps))
    return total.scaled(options.strength)


def _capture(path: Path) -> Controls:
    return read_live_link_csv(path) if path.suffix.lower() == ".csv" else read_arkit_json(path)
