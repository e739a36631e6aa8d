"""The portrait, its face and a clip's motion, as the options of a command name them; and where results go."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from ..errors import InputError
from ..face.choice import Which
from ..face.crop import ROOM, Framing
from ..face.motion import Missing
from ..face.motion_file import load_motion
from ..files import check_place
from ..media import Clip, ClipInfo, read_frames
from ..types import FaceFrame, FaceMotion
from .shared import along, detector_file, picture_size, say

if TYPE_CHECKING:
    from ..face.detector import FaceDetector


def portrait_arguments(parser: argparse.ArgumentParser, portrait: str = "picture with one face") -> None:
    """What is animated, how it is framed, and where the result goes. portrait: what it may be."""
    parser.add_argument("--portrait", type=Path, required=True, help=portrait)
    parser.add_argument("--out", type=Path, required=True, help="video to write (.mp4)")
    framing_arguments(parser)


def framing_arguments(parser: argparse.ArgumentParser) -> None:
    """How a face is found and the portrait framed."""
    add = parser.add_argument
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    add("--detector", type=Path, help="face_landmarker.task, if not in MODELS/followemoji")
    add("--face", type=Path, help="motion file of the portrait's face; then it is not detected")
    add("--size", default="512", help="of the video, WIDTHxHEIGHT or one side; multiples of 8")
    add("--framing", choices=get_args(Framing), default="face", help="how the portrait is cut")
    add("--room", type=float, default=ROOM, help="height of the cut in face heights, when framing by face")
    add("--which", choices=get_args(Which), default="largest", help="face, when there are several")
    add(
        "--confidence",
        type=float,
        default=0.5,
        help="of the detector; lower finds nothing more, raise it if something is taken for a face",
    )


def checked_outputs(options: argparse.Namespace) -> tuple[int, int]:
    """The size (width, height) of the video. Raises InputError for another size or name, OutputError where OUT and
    --save-motion cannot be written."""
    size = picture_size(options.size)
    if options.out.suffix.lower() != ".mp4":
        raise InputError(f"{options.out} must end in .mp4.")
    for file in (options.out, options.save_motion):
        if file:
            check_place(file)
    return size


def detector(options: argparse.Namespace, needed: bool = True) -> AbstractContextManager[FaceDetector | None]:
    """A face detector while the block runs; None where no face is to be found. Raises InputError without its file."""
    return open_detector(options) if needed else nullcontext()


def open_detector(options: argparse.Namespace) -> FaceDetector:
    """The face detector of --detector or --models. Raises InputError without its file."""
    from ..face.detector import FaceDetector

    return FaceDetector(detector_file(options), options.confidence)


def face_of(picture: np.ndarray, options: argparse.Namespace, finder: FaceDetector | None) -> FaceFrame:
    """The portrait's face: of the motion file --face, else found in the picture (H,W,3)."""
    if options.face:
        return load_motion(options.face).frame(0)
    from ..face.extraction import extract_face

    return extract_face(picture, finder, options.which, say)


def motion_of(
    clip: Clip,
    info: ClipInfo,
    options: argparse.Namespace,
    finder: FaceDetector | None,
    missing: Missing = "interpolate",
) -> FaceMotion:
    """The motion of the face that --which means in a clip, with a progress bar. info: `clip_info` of it."""
    from ..face.extraction import extract_motion

    frames = along(read_frames(clip), info.frame_count, "landmarks")
    return extract_motion(frames, info.fps, finder, options.which, missing, say=say)


def written_files(options: argparse.Namespace) -> list[Path]:
    """OUT, and --save-motion where it is given."""
    return [file for file in (options.out, options.save_motion) if file]
