"""The command line: `python -m followemoji_core COMMAND --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import get_args

import numpy as np

from . import __version__
from .commands.training import add_commands
from .diffusion.progressive import KEYFRAMES, plan_progressive
from .diffusion.progressive_sampler import CARRIERS
from .diffusion.schedule import SCHEDULERS
from .diffusion.windows import STRATEGIES, plan_windows
from .errors import FollowEmojiError, InputError
from .face.align import AlignOptions, Rotation, Translation, align
from .face.crop import ROOM, Framing, crop_portrait, resize
from .face.draw import overlay
from .face.geometry import screen_points
from .face.motion import Missing
from .face.motion_file import load_motion, save_motion
from .face.tracking import Which
from .media import Clip, clip_info, read_audio, read_frames, write_video
from .types import AlignedMotion, FaceFrame, FaceMotion
from .walk.animate import SamplingSettings

_MOTION_FILES = (".safetensors", ".npy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 stopped by an error that the message explains, 130 stopped by Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except FollowEmojiError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. No half file was left.", file=sys.stderr)
        return 130
    return 0


# --- commands


def _animate(options: argparse.Namespace) -> None:
    from .model.weights.files import find_files
    from .walk.studio import open_studio

    device, dtype = _device(options.device, options.precision)
    find_files(options.weights or options.models / "followemoji")  # what can go wrong goes wrong before the work
    if options.long:
        plan_progressive(10_000, options.window_length)
    else:
        plan_windows(10_000, options.windows, options.window_length, options.overlap)
    if options.steps < 1:
        raise InputError(f"{options.steps} sampling steps: at least 1 is needed, 30 is the published number.")
    portrait, face, driving = _inputs(options)
    studio = open_studio(options.models, device, dtype, options.weights)
    _make_video(studio, portrait, align(face, driving, _align_options(options)), _sound(options.driving), options)


def _landmarks(options: argparse.Namespace) -> None:
    portrait, face, driving = _inputs(options)
    aligned = align(face, driving, _align_options(options))
    frames = _side_by_side(options.driving, driving, portrait, aligned)
    with _bar(len(driving), "drawing") as bar:
        count = write_video(options.out, bar(frames), driving.fps, _sound(options.driving))
    _say(f"{options.out}: {count} frames, the driver's landmarks beside their place on the portrait")


def _download(options: argparse.Namespace) -> None:
    from .commands.download import download

    download(options.models, options.release, _say)
    _say(f"All files are in {options.models}")


def _demo(options: argparse.Namespace) -> None:
    """Inputs, overlay video and animation from nothing but this package."""
    import cv2

    from .drawn import Acting, Person, paint
    from .walk.studio import small_studio

    out, size = options.out, (128, 128)
    out.mkdir(parents=True, exist_ok=True)
    person, driver = Person.of(options.person), Person.of(options.person + 1)
    rest = person.act(Acting.rest(), size)
    driving = driver.act(Acting.random(options.motion, options.frames, from_rest=True), size)
    picture = paint(person, rest)[0]
    cv2.imwrite(str(out / "portrait.png"), picture[..., ::-1])
    write_video(out / "driving.mp4", iter(paint(driver, driving)), driving.fps)
    save_motion(out / "driving.safetensors", driving)
    aligned = align(rest.frame(0), driving, AlignOptions())
    frames = _side_by_side(out / "driving.mp4", driving, picture, aligned)
    write_video(out / "landmarks.mp4", frames, driving.fps)
    options.out = out / "animation.mp4"
    _make_video(small_studio(), picture, aligned, None, options)
    _say(f"{out}: portrait.png, driving.mp4 and its motion file, landmarks.mp4, and the portrait alive: animation.mp4")


# --- what commands share


def _make_video(studio, portrait: np.ndarray, aligned: AlignedMotion, sound, options: argparse.Namespace) -> None:
    from tqdm import tqdm

    settings = SamplingSettings(
        options.steps,
        options.guidance,
        options.scheduler,
        options.seed,
        options.windows,
        options.window_length,
        options.overlap,
        options.shared_noise,
    )
    if options.long:
        _make_long(studio, portrait, aligned, sound, settings, options)
        return
    with tqdm(desc="denoising", unit="window", leave=False) as bar:

        def on_window(index: int, total: int) -> None:
            bar.total = total
            bar.update(index - bar.n)

        latents = studio.animate(portrait, aligned, settings, on_window=on_window)
    _decode(studio, latents, aligned, sound, options.out)


def _make_long(studio, portrait: np.ndarray, aligned: AlignedMotion, sound, settings, options) -> None:
    from tqdm import tqdm

    from .walk.animate_long import LongSettings

    long = LongSettings(options.keyframes, options.known_frames, options.resampling)
    folder = options.out.with_name(f".{options.out.stem}.windows")
    with tqdm(desc="denoising", unit="step", leave=False) as bar:

        def on_step(report) -> None:
            bar.total = report.windows * report.steps
            bar.update(report.window * report.steps + report.step + 1 - bar.n)

        store = studio.animate_long(portrait, aligned, settings, long, folder, on_step)
    _decode(studio, store.latents, aligned, sound, options.out)
    store.forget()
    if not any(folder.iterdir()):
        folder.rmdir()


def _decode(studio, latents, aligned: AlignedMotion, sound, out: Path) -> None:
    with _bar(len(aligned), "decoding") as bar:
        count = write_video(out, bar(studio.frames(latents)), aligned.fps, sound)
    _say(f"{out}: {count} frames at {aligned.fps:g} fps")


def _inputs(options: argparse.Namespace) -> tuple[np.ndarray, FaceFrame, FaceMotion]:
    """The framed portrait, its face, and the driving motion; found, or read from motion files."""
    from .face.detector import FaceDetector, extract_face, extract_motion

    size, _ = _size(options.size), _align_options(options)
    if options.out.suffix.lower() != ".mp4":
        raise InputError(f"{options.out} must end in .mp4.")
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(options.out.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise InputError(f"Nothing can be written to {options.out.parent}. Choose another folder for --out.")
    picture = _read_picture(options.portrait)
    motion_file = options.driving.suffix in _MOTION_FILES
    if options.face and motion_file:
        face, driving = load_motion(options.face).frame(0), load_motion(options.driving)
    else:
        task = options.detector or options.models / "followemoji" / "face_landmarker.task"
        if not task.is_file():
            raise InputError(
                f"There is no face detector at {task}. `python -m followemoji_core download --models {options.models}` "
                f"fetches it, or name one with --detector."
            )
        with FaceDetector(task, options.confidence) as finder:
            face = load_motion(options.face).frame(0) if options.face else extract_face(picture, finder, options.which)
            if motion_file:
                driving = load_motion(options.driving)
            else:
                clip = Clip(options.driving)
                info = clip_info(clip)
                with _bar(info.frame_count, "landmarks") as bar:
                    driving = extract_motion(bar(read_frames(clip)), info.fps, finder, options.which, options.missing)
    if options.save_motion:
        save_motion(options.save_motion, driving)
        _say(f"{options.save_motion}: the driving motion")
    portrait, face = crop_portrait(picture, face, size, options.framing, options.room)
    return portrait, face, driving


def _read_picture(path: Path) -> np.ndarray:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        return np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            f"{path} cannot be opened as a picture ({error}). Choose a PNG, JPEG or WebP file; if it is a video, "
            f"portrait and driving are swapped."
        ) from error


def _side_by_side(
    driving: Path, motion: FaceMotion, portrait: np.ndarray, aligned: AlignedMotion
) -> Iterator[np.ndarray]:
    """Frames: the driver with the landmarks that were found, the portrait with where they go."""
    width, height = aligned.size
    black = np.zeros((motion.size[1], motion.size[0], 3), np.uint8)
    seen = repeat(black, len(motion)) if driving.suffix in _MOTION_FILES else read_frames(Clip(driving))
    for picture, found, placed in zip(seen, screen_points(motion), aligned.points, strict=True):
        before = overlay(np.ascontiguousarray(picture), found)
        before = resize(before, (round(before.shape[1] * height / len(before) / 2) * 2, height))
        yield np.concatenate([before, overlay(portrait, placed)], axis=1)


def _sound(driving: Path):
    return None if driving.suffix in _MOTION_FILES else read_audio(Clip(driving))


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        size = int(width), int(height or width)
    except ValueError as error:
        raise InputError(f"Size {text!r} is not understood. Write it as 512 or 512x640.") from error
    if min(size) < 64 or any(side % 8 for side in size):
        raise InputError(f"Size {text}: both sides must be multiples of 8 and at least 64. 512 is what was trained.")
    return size


def _device(name: str, precision: str):
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"There is no CUDA device here for --device {name}. Use --device cpu, or auto.")
    if precision == "auto":
        precision = "fp32" if name == "cpu" else "fp16"
    return name, {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]


def _align_options(options: argparse.Namespace) -> AlignOptions:
    names = ("rotation", "translation", "brows", "eyes", "pupils", "mouth", "smoothing", "neutral")
    return AlignOptions(whole=options.expression, **{name: getattr(options, name) for name in names})


@contextmanager
def _bar(total: int, what: str):
    from tqdm import tqdm

    yield lambda items: tqdm(items, desc=what, total=total or None, unit="frame", leave=False)


def _say(line: str) -> None:
    print(line, flush=True)


# --- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m followemoji_core", description="Follow-Your-Emoji without ComfyUI."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about, formatter_class=_Help)
        added.set_defaults(run=run)
        return added

    animate = command("animate", _animate, "Animate a portrait with the face motion of a video.")
    landmarks = command("landmarks", _landmarks, "Write a video of the driver's landmarks, before and after alignment.")
    for added in (animate, landmarks):
        _input_arguments(added)
    animate.add_argument("--weights", type=Path, help="folder (or one file) with the three networks, if not in MODELS")
    animate.add_argument(
        "--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto", help="of the networks"
    )
    animate.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    demo = command("demo", _demo, "Animate a drawn person with the small model that ships; needs no files.")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for what is made")
    demo.add_argument("--person", type=int, default=20_000_007, help="number of the person; another is the driver")
    demo.add_argument("--motion", type=int, default=7, help="number of the motion")
    demo.add_argument("--frames", type=int, default=48, help="length of the clip, at 25 frames per second")
    _sampling_arguments(animate, 30, 3.5, 0.0)
    _sampling_arguments(demo, 2, 1.0, 1.0)
    fetch = command("download", _download, "Fetch the released weights from Hugging Face (about 5 GB).")
    fetch.add_argument("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    fetch.add_argument("--release", choices=["fp16", "published"], default="fp16", help="published: twice the size")
    add_commands(command)
    return parser


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults where there are some."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, argparse.SUPPRESS) else super()._get_help_string(action)


def _input_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--portrait", type=Path, required=True, help="picture with one face")
    add(
        "--driving",
        type=Path,
        required=True,
        help="video, or motion file (.safetensors, published .npy; has no picture and no sound)",
    )
    add("--out", type=Path, required=True, help="video to write (.mp4)")
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    add("--detector", type=Path, help="face_landmarker.task, if not in MODELS/followemoji")
    add("--face", type=Path, help="motion file of the portrait's face; then it is not detected")
    add("--size", default="512", help="of the video, WIDTHxHEIGHT or one side; multiples of 8")
    add("--framing", choices=get_args(Framing), default="face", help="how the portrait is cut")
    add("--room", type=float, default=ROOM, help="height of the cut in face heights, when framing by face")
    add("--which", choices=get_args(Which), default="largest", help="face, when there are several")
    add("--confidence", type=float, default=0.5, help="of the detector; lower for paintings and cartoons")
    add("--missing", choices=get_args(Missing), default="interpolate", help="frames without a face")
    add("--rotation", choices=get_args(Rotation), default="driving", help="of the head")
    add("--translation", choices=get_args(Translation), default="driving", help="of the head")
    add("--neutral", type=int, help="driving frame whose face is at rest; found if not given")
    for name in ("expression", "brows", "eyes", "pupils", "mouth"):
        add(f"--{name}", type=float, default=1.0, help="strength, 0 to 3")
    add("--smoothing", type=float, default=0.0, help="of the driving motion, 0 to 1")
    add("--save-motion", type=Path, help="also write the driving motion (.safetensors)")


def _sampling_arguments(parser: argparse.ArgumentParser, steps: int, guidance: float, shared: float) -> None:
    add = parser.add_argument
    add("--steps", type=int, default=steps, help="denoising steps")
    add("--guidance", type=float, default=guidance, help="classifier-free guidance scale")
    add("--scheduler", choices=SCHEDULERS, default="ddim", help="solver")
    add("--seed", type=int, default=0, help="of the noise")
    add("--windows", choices=STRATEGIES, default="gaussian", help="how long clips are cut into windows")
    add("--long", action="store_true", help="keyframes first, then what lies between; bounded memory, resumable")
    add("--keyframes", choices=KEYFRAMES, default="even", help="with --long: evenly, or closer where more happens")
    add("--known-frames", choices=["auto", *CARRIERS], default="auto", help="with --long: how windows learn of them")
    add("--resampling", type=int, default=0, help="with --long and replace: further passes of each step")
    add("--window-length", type=int, default=16, help="frames made together")
    add("--shared-noise", type=float, default=shared, help="0 to 1: of the noise, what all frames have in common")
    add("--overlap", type=int, default=4, help="frames that windows share")


if __name__ == "__main__":
    sys.exit(main())
