"""animate, landmarks, demo: a portrait and a driving clip to a video."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np

from ..face.align import AlignOptions, align
from ..face.crop import resize
from ..face.draw import overlay
from ..face.geometry import screen_points
from ..face.motion_file import save_motion
from ..files import check_place
from ..media import Clip, read_frames, write_video
from ..pictures import write_picture
from ..types import AlignedMotion, FaceMotion
from .animation import (
    aligned_motion,
    animate_one,
    check_sampling,
    facts_of,
    given_frames,
    inputs_of,
    is_motion_file,
    sound_of,
    write_animation,
)
from .animation_options import animation_arguments, faces_arguments, motion_arguments, sampling_arguments
from .inputs import portrait_arguments
from .kept import Kept
from .several_faces import animate_several
from .shared import Command, Facts, UsageError, along, say, where_arguments


def add_commands(command: Command) -> None:
    """Add animate, landmarks and demo."""
    faces = command("animate", _animate, "Animate a portrait with the face motion of a video.")
    landmarks = command("landmarks", _landmarks, "Write a video of the driver's landmarks, before and after alignment.")
    for added in (faces, landmarks):
        _input_arguments(added, required=added is landmarks)
    faces_arguments(faces)
    animation_arguments(faces)
    where_arguments(faces, "with --long, its windows: ")
    faces.set_defaults(usage=f"{faces.format_usage()}{faces.prog}")  # --driving is only needed without --faces
    demo = command("demo", _demo, "Animate a drawn person with the small model that ships; needs no files.")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for what is made")
    demo.add_argument("--person", type=int, default=20_000_018, help="number of the person; another is the driver")
    demo.add_argument("--motion", type=int, default=7, help="number of the motion")
    demo.add_argument("--frames", type=int, default=48, help="length of the clip, at 25 frames per second")
    sampling_arguments(demo, steps=1, guidance=1.0, shared_noise=1.0)


def _input_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    portrait_arguments(parser)
    parser.add_argument(
        "--driving",
        type=Path,
        required=required,
        help="video, or motion file (.safetensors, published .npy; has no picture and no sound)",
    )
    parser.add_argument("--save-motion", type=Path, help="also write the driving motion (.safetensors)")
    motion_arguments(parser)


def _animate(options: argparse.Namespace) -> Facts:
    with Kept() as kept:
        return animate(options, kept)


def animate(options: argparse.Namespace, kept: Kept) -> Facts:
    """One face of a portrait, or several, to OUT, as `animate`'s options say. kept: what earlier ones have made."""
    if options.faces is not None or options.drivings:
        return animate_several(options, kept)
    if options.driving is None:
        raise UsageError("the following arguments are required: --driving", options.usage)
    return animate_one(options, kept)


def _landmarks(options: argparse.Namespace) -> Facts:
    with Kept() as kept:
        _, framed, driving = inputs_of(options, kept)
    aligned = aligned_motion(framed.face, driving, options)
    frames = _side_by_side(options.driving, driving, framed.picture, aligned)
    count = write_video(options.out, along(frames, len(driving), "drawing"), driving.fps, sound_of(options.driving))
    say(f"{options.out}: {count} frames, the driver's landmarks beside their place on the portrait")
    return facts_of(options, count, driving.fps)


def _demo(options: argparse.Namespace) -> Facts:
    """Inputs, overlay video and animation from nothing but this package."""
    from ..drawn import Acting, Person, paint
    from ..walk.studio import small_studio

    check_sampling(options)
    out, size = options.out, (128, 128)
    check_place(out / "animation.mp4")
    person, driver = Person.of(options.person), Person.of(options.person + 1)
    rest = person.act(Acting.rest(), size)
    driving = driver.act(Acting.random(options.motion, options.frames, from_rest=True), size)
    picture = paint(person, rest)[0]
    write_picture(out / "portrait.png", picture)
    write_video(out / "driving.mp4", iter(paint(driver, driving)), driving.fps)
    save_motion(out / "driving.safetensors", driving)
    aligned = align(rest.frame(0), driving, AlignOptions())
    frames = _side_by_side(out / "driving.mp4", driving, picture, aligned)
    write_video(out / "landmarks.mp4", frames, driving.fps)
    given = given_frames(options, aligned)
    count = write_animation(small_studio(), picture, aligned, None, options, out / "animation.mp4", given)
    say(f"{out}: portrait.png, driving.mp4 and its motion file, landmarks.mp4, and the portrait alive: animation.mp4")
    names = ("portrait.png", "driving.mp4", "driving.safetensors", "landmarks.mp4", "animation.mp4")
    return {"files": [out / name for name in names], "frames": count, "fps": aligned.fps}


def _side_by_side(
    driving: Path, motion: FaceMotion, portrait: np.ndarray, aligned: AlignedMotion
) -> Iterator[np.ndarray]:
    """Frames (H,W,3) uint8: the driver with the landmarks that were found, the portrait with where they go."""
    width, height = aligned.size
    black = np.zeros((motion.size[1], motion.size[0], 3), np.uint8)
    seen = repeat(black, len(motion)) if is_motion_file(driving) else read_frames(Clip(driving))
    for picture, found, placed in zip(seen, screen_points(motion), aligned.points, strict=True):
        before = overlay(np.ascontiguousarray(picture), found)
        before = resize(before, (round(before.shape[1] * height / len(before) / 2) * 2, height))
        yield np.concatenate([before, overlay(portrait, placed)], axis=1)
