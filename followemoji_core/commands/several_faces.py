"""animate --faces: several faces of one picture, each by a motion of its own, pasted into one video."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face.choice import pick, places
from ..face.crop import frame_portrait
from ..face.extraction import extract_faces
from ..face.motion_edit import retime
from ..face.patch import Patch
from ..lock import only_one
from ..media import write_video
from ..pictures import read_picture
from ..types import AlignedMotion, FaceFrame, FaceMotion
from . import animation
from .inputs import checked_outputs
from .kept import Kept
from .paste_back import paste_options, whole_frames, whole_size
from .shared import Facts, along, say

_ALL = "all"


def animate_several(options: argparse.Namespace, kept: Kept) -> Facts:
    """Faces of one portrait by one driver or one each, as `animate`'s options say, to OUT. As long as the longest
    motion, at the first one's rate; the others hold their last frame."""
    # 1. What can go wrong before the work.
    drivers = drivers_of(options)
    size = checked_outputs(options)
    paste_options(options)
    animation.renderer(options, kept)
    # 2. Who moves, and how.
    picture = read_picture(options.portrait)
    finder = animation.finder(options, kept)
    found = extract_faces(picture, finder(), say)
    say(f"{len(found)} face{'s' if len(found) > 1 else ''}: {places(found)}")
    numbers = _numbers(options.faces, found)
    if len(drivers) > len(numbers):
        named = f"{len(numbers)} face{'s' if len(numbers) > 1 else ''}"
        raise InputError(f"{len(drivers)} drivers for {named}. Name fewer --drivings, or more --faces.")
    driven = [drivers[min(place, len(drivers) - 1)] for place in range(len(numbers))]
    motions = _at_one_rate([animation.driving_motion(driver, options, kept, finder) for driver in driven])
    framed, aligned = [], []
    for number, motion in zip(numbers, motions, strict=True):
        framed.append(frame_portrait(picture, found[number - 1], size, options.framing, options.room, options.upright))
        aligned.append(animation.aligned_motion(framed[-1].face, motion, options))
    fps, count = aligned[0].fps, max(map(len, aligned))
    animation.check_video_place(options, count, whole_size(options, picture.shape[1::-1]))
    # 3. Frame by frame into one video.
    with ExitStack() as held:
        if folder := animation.windows_folder(options, options.out):
            held.enter_context(only_one(folder))
        streams = []
        for number, each, motion in zip(numbers, framed, aligned, strict=True):
            say(f"face {number}:")
            streams.append(_frames(options, kept, held, each.picture, each.face, motion))
        patches = [Patch(each.crop, motion) for each, motion in zip(framed, aligned, strict=True)]
        made = along(whole_frames(picture, patches, streams, options, fps), count, "pasting")
        written = write_video(options.out, made, fps, animation.sound_of(drivers[options.sound_of - 1]))
    say(f"{options.out}: {written} frames at {fps:g} fps, {len(numbers)} of {len(found)} faces alive")
    return {"files": [options.out], "frames": written, "fps": fps, "faces": numbers}


def drivers_of(options: argparse.Namespace) -> list[Path]:
    """Raises InputError for options that do not go together, before any file is read."""
    if options.faces is None:
        raise InputError("--drivings are for several faces: add --faces all, or give one --driving.")
    if not options.paste_back:
        raise InputError("--faces animates several faces of one picture, so they must be put back: add --paste-back.")
    if options.face:
        raise InputError("--faces finds the faces of the portrait, --face gives one. Leave one of them out.")
    for name in ("given", "save_motion", "ray"):
        if getattr(options, name) not in ([], None):
            raise InputError(f"--{name.replace('_', '-')} is for one face. Leave it out, or --faces.")
    if (options.workers or 1) > 1:
        raise InputError("--workers is for one face. Leave it out, or --faces.")
    if bool(options.driving) == bool(options.drivings):
        raise InputError("--faces needs --driving for all of them, or --drivings for one each.")
    drivers = options.drivings or [options.driving]
    if not 1 <= options.sound_of <= len(drivers):
        raise InputError(f"--sound-of is {options.sound_of}; allowed: 1 to {len(drivers)}, the number of a driver.")
    return drivers


def _numbers(text: str, found: list[FaceFrame]) -> list[int]:
    """Numbers of the faces that are meant, 1 the largest. Raises InputError for one that is not there: it says how many
    there are."""
    if text == _ALL:
        return list(range(1, len(found) + 1))
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InputError(f"--faces is {text!r}; expected {_ALL}, or numbers such as 1,3.")
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--faces is {text!r}: a face moves once. Name each number once.")
    return [pick(found, number) + 1 for number in numbers]  # they are by size already


def _at_one_rate(motions: list[FaceMotion]) -> list[FaceMotion]:
    fps = motions[0].fps
    return [motion if motion.fps == fps else retime(motion, fps=fps) for motion in motions]


def _frames(
    options: argparse.Namespace,
    kept: Kept,
    held: ExitStack,
    portrait: np.ndarray,
    face: FaceFrame,
    aligned: AlignedMotion,
) -> Iterator[np.ndarray]:
    """Frames (H,W,3) uint8 RGB of one face, decoded or warped as they are taken. held: what lasts until the end."""
    if options.renderer == "warp":
        from ..face.warp import warp_motion
        from ..walk.sketch import sketch_report

        for sentence in sketch_report(portrait, face, aligned):
            say(sentence)
        return warp_motion(portrait, face, aligned)
    return animation.sampled_frames(options, kept, held, portrait, aligned)
