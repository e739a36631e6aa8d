"""One portrait and one driver to a video, as the options of `animate` say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..face.align import AlignOptions, align
from ..face.crop import Framed, frame_portrait
from ..face.motion_file import load_motion, save_motion
from ..face.report import alignment_report
from ..files import check_place, stamp
from ..media import Clip, clip_info, read_audio, write_video
from ..pictures import read_picture
from ..types import AlignedMotion, FaceFrame, FaceMotion
from .inputs import checked_outputs, face_of, motion_of, open_detector, written_files
from .kept import Kept
from .paste_back import Finish, into_whole, paste_options, whole_size
from .shared import Facts, along, bar, device_and_dtype, say
from .shared import where as where_of

if TYPE_CHECKING:
    import torch

    from ..face.detector import FaceDetector
    from ..walk.latent_store import LatentStore
    from ..walk.settings import Settings
    from ..walk.studio import Studio

_MOTION_FILES = (".safetensors", ".npy")


def check_settings(options: argparse.Namespace) -> None:
    """What can be said of an animation before the work by its options, whatever its files. Raises FollowEmojiErrors."""
    _align_options(options)
    paste_options(options)
    renderer(options, Kept())


def is_motion_file(driving: Path) -> bool:
    return driving.suffix in _MOTION_FILES


def check_driving(driving: Path) -> None:
    """Raises FollowEmojiErrors for what is neither a video nor a motion file, without decoding."""
    if is_motion_file(driving):
        load_motion(driving)
    else:
        clip_info(Clip(driving))


def animate_one(options: argparse.Namespace, kept: Kept) -> Facts:
    """One portrait by one driver, as `animate`'s options say, to OUT. kept: what earlier ones have made."""
    render = renderer(options, kept)
    paste_options(options)
    picture, framed, driving = inputs_of(options, kept)
    aligned = aligned_motion(framed.face, driving, options)
    finish: Finish = iter
    if options.paste_back:
        check_video_place(options, len(aligned), whole_size(options, picture.shape[1::-1]))
        finish = into_whole(picture, framed.crop, aligned, options)
    facts = render(framed.picture, framed.face, aligned, lambda: sound_of(options.driving), finish)
    return {**facts_of(options, facts["frames"], aligned.fps), **facts}


Sound = Callable[[], "tuple[np.ndarray, int] | None"]


Render = Callable[[np.ndarray, FaceFrame, AlignedMotion, Sound, Finish], Facts]


def renderer(options: argparse.Namespace, kept: Kept) -> Render:
    """What writes OUT from portrait (H,W,3) uint8 RGB, its face, a motion, what reads the sound, and what is done with
    the frames at the end: by networks, or with --renderer warp without. What can go wrong with the networks goes wrong
    here, before the work."""
    if options.renderer == "warp":
        return partial(_warp, options)
    from ..walk.studio import check_files

    where = device_and_dtype(options.device, options.precision)
    check_files(options.models, options.weights)
    check_sampling(options)
    if _is_spread(options) and not options.long:
        raise InputError("--workers and --ray share out the windows of a long video. Add --long, or leave them out.")
    return partial(_diffuse, options, kept, where)


def _diffuse(
    options: argparse.Namespace, kept: Kept, where: tuple, portrait, face, aligned: AlignedMotion, sound, finish=iter
) -> Facts:
    _check_room(options, aligned)
    given = given_frames(options, aligned)
    studio = _studio(options, kept, where)
    share = _spread(options, studio, where[1]) if _is_spread(options) else None
    frames = write_animation(studio, portrait, aligned, sound(), options, options.out, given, share, finish)
    return {"frames": frames}


def _studio(options: argparse.Namespace, kept: Kept, where: tuple) -> Studio:
    from ..walk.studio import open_studio

    made_from = options.models, where, options.weights, options.compile
    return kept.once(
        "studio", made_from, lambda: open_studio(options.models, *where, options.weights, compiled=options.compile)
    )


def sampled_frames(
    options: argparse.Namespace, kept: Kept, held: ExitStack, portrait: np.ndarray, aligned: AlignedMotion
) -> Iterator[np.ndarray]:
    """A portrait (H,W,3) uint8 RGB sampled now; its frames, the same, are decoded as they are taken. held: at its end
    the windows that --long keeps are gone; their folder is in use until then."""
    studio = _studio(options, kept, device_and_dtype(options.device, options.precision))
    with bar("denoising", "pass") as show:
        folder = windows_folder(options, options.out)
        store = studio.animate(portrait, aligned, _settings(options), folder=folder, on_pass=show)
    held.callback(store.clear_up)
    return studio.frames(store)


def _is_spread(options: argparse.Namespace) -> bool:
    """Whether windows are shared out; commands that do not offer it lack the options."""
    return getattr(options, "ray", None) is not None or (getattr(options, "workers", None) or 1) > 1


def _spread(options: argparse.Namespace, studio: Studio, dtype: torch.dtype) -> Callable[..., LatentStore]:
    """`Studio.animate` by the workers that the options ask for."""
    from ..walk.spread import Opening, animate_spread

    models, weights = options.models.resolve(), options.weights and options.weights.resolve()
    name = str(dtype).removeprefix("torch.")
    opening = Opening(models, options.device, name, weights, compiled=options.compile)
    return partial(animate_spread, studio, opening, where_of(options), say=say)


def _warp(options: argparse.Namespace, portrait, face, aligned: AlignedMotion, sound, finish=iter) -> Facts:
    """The animation without networks: no torch, no weights but the detector's."""
    from ..face.warp import beyond_sketch, warp_motion
    from ..walk.sketch import sketch_report

    frames = along(finish(warp_motion(portrait, face, aligned)), len(aligned), "warping")
    count = write_video(options.out, frames, aligned.fps, sound())
    say(f"{options.out}: {count} frames at {aligned.fps:g} fps, a sketch without networks")
    for sentence in sketch_report(portrait, face, aligned):
        say(sentence)
    return {"frames": count, "renderer": "warp", "beyond_sketch": int(beyond_sketch(aligned).sum())}


def facts_of(options: argparse.Namespace, frames: int, fps: float) -> Facts:
    return {"files": written_files(options), "frames": frames, "fps": fps}


def check_sampling(options: argparse.Namespace) -> None:
    """Raises InputError for settings with which no clip can be sampled, before anything is loaded."""
    from ..walk.animate import plan_windows_of

    plan_windows_of(10_000, None, replace(_settings(options), keyframes="even"), (0,) if options.given else ())


def _check_room(options: argparse.Namespace, aligned: AlignedMotion) -> None:
    """Raises OutputError where OUT, and with --long the windows beside it, do not fit on the disk."""
    from ..model.config import LATENT_CELL

    width, height = aligned.size
    folder = windows_folder(options, options.out)
    if folder is not None:
        check_place(folder / "0")
    kept = len(aligned) * 4 * 2 * (width // LATENT_CELL) * (height // LATENT_CELL) if options.long else 0
    check_video_place(options, len(aligned), aligned.size, kept)


def check_video_place(options: argparse.Namespace, frames: int, size: tuple[int, int], more: int = 0) -> None:
    """Raises OutputError where a video of that size, and so many bytes more, does not fit on OUT's disk."""
    from ..walk.job import video_bytes

    check_place(options.out, video_bytes(frames, size) + more)


def _settings(options: argparse.Namespace) -> Settings:
    from ..walk.settings import PROGRESSIVE, Settings

    return Settings(
        steps=options.steps,
        guidance=options.guidance,
        scheduler=options.scheduler,
        seed=options.seed,
        windows=PROGRESSIVE if options.long else options.windows,
        window_length=options.window_length,
        overlap=options.overlap,
        shared_noise=options.shared_noise,
        keyframes=options.keyframes,
        known_frames=options.known_frames,
        resampling=options.resampling,
    )


def write_animation(
    studio: Studio,
    portrait: np.ndarray,
    aligned: AlignedMotion,
    sound: tuple[np.ndarray, int] | None,
    options: argparse.Namespace,
    out: Path,
    given: dict[int, np.ndarray],
    make: Callable[..., LatentStore] | None = None,
    finish: Finish = iter,
) -> int:
    """Sample, decode and write OUT (.mp4); returns the number of frames. With --long finished windows lie beside it
    until it is written. portrait (H,W,3) uint8 RGB; sound as `read_audio` gives it; given: frames that are there.
    make: instead of `Studio.animate`. finish: what is done with the decoded frames."""
    from ..lock import only_one

    folder = windows_folder(options, out)
    with nullcontext() if folder is None else only_one(folder):
        kept = studio.given(list(given), list(given.values())) if given else None
        with bar("denoising", "pass") as show:
            make = make or studio.animate
            store = make(portrait, aligned, _settings(options), given=kept, folder=folder, on_pass=show)
        frames = finish(studio.frames(store, kept))
        count = write_video(out, along(frames, len(aligned), "decoding"), aligned.fps, sound)
        store.clear_up()
    say(f"{out}: {count} frames at {aligned.fps:g} fps")
    return count


def windows_folder(options: argparse.Namespace, out: Path) -> Path | None:
    """With --long, beside OUT; shorter than its name, which may be as long as the file system allows."""
    return out.with_name(f".{out.stem[:100]}.windows") if options.long else None


def given_frames(options: argparse.Namespace, aligned: AlignedMotion) -> dict[int, np.ndarray]:
    """Frames that are there already, (H,W,3) uint8 RGB by their numbers.

    Raises InputError for what is not FRAME=PICTURE, and for frames that do not fit.
    """
    from ..walk.given import check_given_size, frame_numbers

    numbers, pictures = [], []
    for text in options.given:
        number, equals, path = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} is not FRAME=PICTURE.")
        numbers.append(number)
        pictures.append(read_picture(Path(path)))
        check_given_size(pictures[-1].shape[1::-1], aligned.size)
    return dict(zip(frame_numbers(" ".join(numbers), len(aligned), len(pictures)), pictures, strict=True))


def finder(options: argparse.Namespace, kept: Kept) -> Callable[[], FaceDetector]:
    """What opens the detector that the options name, once."""
    return lambda: kept.once("detector", _looked_for(options), lambda: open_detector(options))


def _looked_for(options: argparse.Namespace) -> tuple:
    return options.detector, options.models, options.confidence


def driving_motion(
    driving: Path, options: argparse.Namespace, kept: Kept, finder: Callable[[], FaceDetector]
) -> FaceMotion:
    """Of a video, found in it, or of a motion file."""
    if is_motion_file(driving):
        return load_motion(driving)

    def find() -> FaceMotion:
        clip = Clip(driving)
        return motion_of(clip, clip_info(clip), options, finder(), options.missing)

    return kept.once("motion", (stamp(driving), options.which, options.missing, _looked_for(options)), find)


def inputs_of(options: argparse.Namespace, kept: Kept) -> tuple[np.ndarray, Framed, FaceMotion]:
    """The whole picture (H,W,3) uint8 RGB, its face framed, and the driving motion; found, or read from files."""
    size = checked_outputs(options)
    _align_options(options)
    picture = read_picture(options.portrait)
    detector = finder(options, kept)
    seen = stamp(options.face or options.portrait), options.which, _looked_for(options)
    face = kept.once("face", seen, lambda: face_of(picture, options, None if options.face else detector()))
    driving = driving_motion(options.driving, options, kept, detector)
    if options.save_motion:
        save_motion(options.save_motion, driving)
        say(f"{options.save_motion}: the driving motion")
    upright = getattr(options, "upright", False)  # commands that do not offer it lack the option
    return picture, frame_portrait(picture, face, size, options.framing, options.room, upright), driving


def _align_options(options: argparse.Namespace) -> AlignOptions:
    names = ("rotation", "translation", "brows", "eyes", "pupils", "mouth", "smoothing", "neutral", "pupil_anchor")
    return AlignOptions(whole=options.expression, **{name: getattr(options, name) for name in names})


def aligned_motion(face: FaceFrame, driving: FaceMotion, options: argparse.Namespace) -> AlignedMotion:
    """The driving motion on the portrait's face; what may look wrong in it is said."""
    chosen = _align_options(options)
    aligned = align(face, driving, chosen)
    for sentence in alignment_report(face, driving, aligned, chosen):
        say(f"warning: {sentence}")
    return aligned


def sound_of(driving: Path) -> tuple[np.ndarray, int] | None:
    return None if is_motion_file(driving) else read_audio(Clip(driving))
