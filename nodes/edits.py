"""What nodes that make or change an edit share: the face it rides on, its place in a motion, and a picture of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from comfy_api.v0_0_2 import io, ui
from PIL import Image, ImageDraw, ImageFont

from ..followemoji_core.drawn import Acting, Person, paint
from ..followemoji_core.errors import InputError
from ..followemoji_core.face.controls import Controls, bounded
from ..followemoji_core.face.crop import resize
from ..followemoji_core.face.draw import draw_landmarks
from ..followemoji_core.face.expression import apply
from ..followemoji_core.face.geometry import screen_points
from ..followemoji_core.face.motion_edit import LONGEST
from ..followemoji_core.face.named_expressions import ease
from ..followemoji_core.face.warp import WarpPortrait, mesh_depth
from ..followemoji_core.types import MOTION_ARRAYS, AlignedMotion, FaceMotion
from .host.notice import tell
from .host.pictures import one_picture, to_numpy
from .host.progress import SETTING
from .host.user_settings import user_setting
from .sockets import Motion, advanced

_RESTING = 20_000_003  # the person whose face it is where none is connected
_SHOWN, _ACROSS, _TALL = 6, 3, 224  # frames in a sheet of pictures, in a row of it, and their height in pixels
_WIDEST = 4096  # pixels of a picture in a sheet
_GROUND = (28, 28, 32)
_OTHER_FACE = (
    "The picture is not used: the preview needs its own face, one frame, as motion. To see a driving motion on the "
    "portrait, use Warp Preview."
)


# --- inputs


def base_inputs() -> list[io.Input]:
    """motion, picture: what an edit is put on, and what it is shown on."""
    return [
        Motion.Input(
            "motion",
            optional=True,
            tooltip="Optional: a driving motion, which the expression is added to. Or one face of a portrait, which is "
            "held for all frames. Empty: a face at rest, for any portrait.",
        ),
        io.Image.Input(
            "picture",
            optional=True,
            tooltip="Optional, only for the preview on this node: the picture of the one face that is connected as "
            "motion.",
        ),
    ]


def frames_input(own: str) -> io.Input:
    """own: what 0 means."""
    return io.Int.Input("frames", default=0, min=0, max=100_000, tooltip=f"Length in frames. 0: {own}.")


def easing_inputs() -> list[io.Input]:
    """ease_in, ease_out."""
    tooltip = "Number of frames in which the expression {}. Longer than half of all frames counts as half."
    return [
        io.Int.Input("ease_in", default=8, min=0, max=10_000, tooltip=tooltip.format("comes in; 0 is at once")),
        io.Int.Input(
            "ease_out", default=8, min=0, max=10_000, tooltip=tooltip.format("goes away again; with 0 it stays")
        ),
    ]


def timing_inputs() -> list[io.Input]:
    """fps, start: folded away."""
    return [
        advanced(
            io.Float.Input(
                "fps",
                default=25.0,
                min=1.0,
                max=240.0,
                step=0.01,
                tooltip="Frames per second of the result. Not used with a driving motion, which has its own.",
            )
        ),
        start_input(),
    ]


def start_input() -> io.Input:
    """start: folded away."""
    return advanced(
        io.Int.Input(
            "start", default=0, min=0, max=LONGEST, tooltip="The frame, counted from 0, in which the expression begins."
        )
    )


def motion_outputs() -> list[io.Output]:
    return [
        Motion.Output(
            "result", display_name="motion", tooltip="The motion, for Align Motion as driving, or for another edit."
        ),
        io.Float.Output("rate", display_name="fps", tooltip="Frames per second, for Create Video."),
        io.Int.Output("frame_count", display_name="frame_count", tooltip="Number of frames."),
    ]


def showing() -> dict[str, Any]:
    """Of the schema of a node that shows what it made, whether anything is connected to it or not."""
    return dict(hidden=[io.Hidden.unique_id], is_output_node=True, has_intermediate_output=True)


# --- edits on motions


def rate_of(motion: FaceMotion | None, fps: float) -> float:
    """Frames per second of what an edit becomes: those of a driving motion, `fps` on a single face or none."""
    return fps if motion is None or len(motion) == 1 else motion.fps


def eased(pose: Controls, frames: int, ease_in: int, ease_out: int) -> Controls:
    """Controls of one frame, held for `frames` frames, coming and going over ease_in and ease_out of them."""
    rise, fall = (min(count, (frames - 1) // 2) for count in (ease_in, ease_out))
    time = np.arange(frames)
    share = ease(np.minimum((time + 1) / (rise + 1), 1.0)) * ease(np.minimum((frames - time) / (fall + 1), 1.0))
    return Controls(bounded(pose.values * share[:, None]), pose.fps)


def held_length(motion: FaceMotion | None, frames: int, start: int, fps: float) -> int:
    """Frames of an edit that has no time of its own: as given, else to the end of a driving motion, else a second."""
    if frames:
        return frames
    return max(round(fps), 1) if motion is None or len(motion) == 1 else max(len(motion) - start, 1)


def put_on(motion: FaceMotion | None, controls: Controls, start: int = 0) -> FaceMotion:
    """A motion that carries the controls (T frames) as its edit, from frame `start` on.

    A single face, or none, which is a face at rest: start + T frames of it, at the controls' rate. A motion of several
    frames keeps its own length and rate: what lies beyond its end is cut off, and what it carries is added to.
    Raises InputError where the controls begin after its end.
    """
    base = resting_face() if motion is None else motion
    if not len(base):
        raise InputError("The motion has no frames.")
    if len(base) == 1:
        count = start + len(controls)
        arrays = {name: getattr(base, name) for name in MOTION_ARRAYS}
        held = {name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in arrays.items()}
        base = replace(base, **held, fps=controls.fps)
    elif start >= len(base):
        raise InputError(f"It begins in frame {start}; the motion has {len(base)} frames, counted from 0. Lower start.")
    controls = controls.at_rate(base.fps)
    values = np.zeros((len(base), controls.values.shape[1]), np.float32)
    values[start : start + len(controls)] = controls.values[: len(base) - start]
    return base.with_edit_added(Controls(values, base.fps))


def with_edit_applied(motion: FaceMotion) -> FaceMotion:
    """The motion as it looks with the edit that it carries, on its own face."""
    return motion if motion.edit is None else apply(replace(motion, edit=None), motion.edit)


@functools.cache
def resting_face() -> FaceMotion:
    """A face at rest that looks ahead, one frame of 512x512."""
    return Person.of(_RESTING).act(Acting.rest(), (512, 512))


def one_face(motion: FaceMotion, what: str) -> FaceMotion:
    """Raises InputError unless the motion is a single face. what: its name in the error."""
    if len(motion) != 1:
        raise InputError(
            f"The {what} has {len(motion)} frames, one is needed: one picture through Extract Face Landmarks. Perhaps "
            "it is swapped with the driving motion."
        )
    return motion


# --- pictures of them


def shown(
    cls: type[io.ComfyNode], text: str, pictures: Sequence[np.ndarray], warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """What NodeOutput(ui=...) takes: pictures (H,W,3) uint8 of one size as a sheet with `text` below, on the node;
    text and warnings in the history, and warnings on the node and in the log too."""
    title = cls.define_schema().display_name if warnings else ""
    tell(title, cls.hidden.unique_id, warnings)
    found: dict[str, Any] = {"text": (" ".join([f"{text}.", *warnings]),)}
    if pictures and user_setting(SETTING, True):
        sheet = torch.from_numpy(_sheet(pictures, text)).float() / 255
        found |= ui.PreviewImage(sheet[None], cls=cls).as_dict()
    return found


def _sheet(pictures: Sequence[np.ndarray], text: str) -> np.ndarray:
    """Up to three pictures in a row, with a line of text below all."""
    across = min(len(pictures), _ACROSS)
    blank = np.full_like(pictures[0], _GROUND[0])
    rows = [[*pictures[first : first + across]] for first in range(0, len(pictures), across)]
    rows[-1] += [blank] * (across - len(rows[-1]))
    rows = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    line = Image.new("RGB", (rows.shape[1], 52), _GROUND)
    ImageDraw.Draw(line).text((12, 6), text, fill=(220, 220, 220), font=ImageFont.load_default(34))
    return np.concatenate([rows, np.asarray(line)])


def describe(motion: FaceMotion | AlignedMotion) -> str:
    """'26 frames, 1.0 s at 25 fps'."""
    frames = "1 frame" if len(motion) == 1 else f"{len(motion)} frames"
    return f"{frames}, {len(motion) / motion.fps:.1f} s at {motion.fps:g} fps"


def edited(cls: type[io.ComfyNode], result: FaceMotion, base: FaceMotion | None, picture=None) -> io.NodeOutput:
    """The outputs of a node that gives a motion, and its strip: warped where it is one face whose picture is known,
    otherwise as landmarks. base: the motion that was connected; picture: IMAGE of its face."""
    face, warnings = base, []
    if base is None:
        face, pixels = _drawn_face()
    elif picture is None:
        pixels = None
    else:
        pixels = to_numpy(one_picture(picture, "picture"), 0)
        if len(base) != 1 or tuple(base.size) != pixels.shape[1::-1]:
            warnings.append(_OTHER_FACE)
            pixels = None
    pictures = _strip(result, face, pixels)
    return io.NodeOutput(result, result.fps, len(result), ui=shown(cls, describe(result), pictures, warnings))


def shown_frames(count: int) -> np.ndarray:
    """Which frames of `count` a sheet shows: up to six, evenly over the clip."""
    shown = min(count, _SHOWN)
    return ((np.arange(shown) + 0.5) * count / shown).astype(int)


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture (H,W,3) uint8 at the height of a sheet's; a very wide one less high."""
    height, width = picture.shape[:2]
    scale = min(_TALL / height, _WIDEST / width)
    return resize(np.ascontiguousarray(picture), (max(round(width * scale), 1), max(round(height * scale), 1)))


def _strip(motion: FaceMotion, face: FaceMotion, picture: np.ndarray | None) -> list[np.ndarray]:
    few = with_edit_applied(motion.taken(shown_frames(len(motion))))
    tall = np.array([max(round(motion.size[0] * _TALL / motion.size[1]), 1), _TALL])
    points = screen_points(few) * (tall / motion.size)
    if picture is None:
        return [draw_landmarks(each, tuple(tall.tolist()), line_width=2) for each in points]
    own = screen_points(face)[0] * (tall / face.size)
    warped = WarpPortrait(shrunk(picture), own)
    return [warped.render(each, depth) for each, depth in zip(points, mesh_depth(few), strict=True)]


@functools.cache
def _drawn_face() -> tuple[FaceMotion, np.ndarray]:
    face = resting_face()
    return face, paint(Person.of(_RESTING), face)[0]
