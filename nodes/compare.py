"""Two clips compared by numbers: how near one is to the other, frame by frame."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.v0_0_2 import io, ui

from ..followemoji_core.errors import InputError
from ..followemoji_core.evaluation.frame_errors import FrameErrors, frame_errors
from ..followemoji_core.face.geometry import screen_points
from ..followemoji_core.types import AlignedMotion, FaceMotion
from .edits import showing, with_edit_applied
from .host.frame_plot import Panel, draw_frames
from .host.notice import show
from .host.progress import reported
from .sockets import Aligned, Motion, schema


class CompareFrames(io.ComfyNode):
    """Two IMAGE batches (T,H,W,C), and two motions (T) where they are connected -> text, and a plot as IMAGE (1,H,W,3).

    Raises InputError for batches or motions of different lengths or sizes, and for one motion without the other.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        motion = (
            "Optional: the face in {}, from Extract Face Landmarks or Align Motion. With both faces, the landmark "
            "error is measured too."
        )
        return schema(
            "FollowEmojiCompareFrames",
            "Compare Frames",
            ["compare images", "psnr", "ssim", "l1", "metric", "difference", "landmark error", "evaluation"],
            description="Measures how alike two clips are, frame by frame. L1, PSNR and SSIM compare the pixels, the "
            "landmark error compares the faces. Shows the numbers, a plot, and the frame that differs most.",
            inputs=[
                io.Image.Input("first", tooltip="The first clip: frames of a video that was made."),
                io.Image.Input(
                    "second",
                    tooltip="The second clip, with as many frames of the same size: what should have come out.",
                ),
                io.MultiType.Input(
                    "first_face", types=[Aligned, Motion], optional=True, tooltip=motion.format("the first clip")
                ),
                io.MultiType.Input(
                    "second_face",
                    types=[Aligned, Motion],
                    optional=True,
                    tooltip="Optional: the face in the second clip; or the aligned motion that it is to follow.",
                ),
            ],
            outputs=[
                io.String.Output("numbers", display_name="numbers", tooltip="The numbers as text."),
                io.Image.Output(
                    "plot", display_name="plot", tooltip="The numbers of every frame as a plot, for Save Image."
                ),
            ],
            **showing(),
        )

    @classmethod
    def execute(cls, first, second, first_face=None, second_face=None) -> io.NodeOutput:
        _check_alike(first, second)
        points = _points(first_face, second_face, len(first))
        errors = frame_errors(reported(_pairs(first, second), len(first)), points)
        worst = int(np.argmax(errors.l1))
        text = _told(errors, first, worst)
        plot = draw_frames(_panels(errors), _pictures(first, second, worst), worst)
        picture = torch.from_numpy(plot).float().div_(255)[None]
        told = show(cls.hidden.unique_id, text).as_dict() | ui.PreviewImage(picture, cls=cls).as_dict()
        return io.NodeOutput(text, picture, ui=told)


def _check_alike(first: torch.Tensor, second: torch.Tensor) -> None:
    if len(first) != len(second):
        raise InputError(
            f"The first clip has {len(first)} frames, the second {len(second)}. Cut the longer one with Get Image from "
            "Batch, or repeat a single picture with Repeat Image Batch."
        )
    sizes = [f"{images.shape[2]} x {images.shape[1]}" for images in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"The first clip's frames are {sizes[0]} pixels, the second's {sizes[1]}. Bring one to the other's size "
            "with Upscale Image."
        )


def _points(first: AlignedMotion | FaceMotion | None, second: AlignedMotion | FaceMotion | None, frames: int):
    """Landmarks of both in pixels, or None."""
    if first is None and second is None:
        return None
    if first is None or second is None:
        one, other = ("second", "first") if first is None else ("first", "second")
        raise InputError(f"The {one} face is connected, the {other} is not. Connect both, or none.")
    if not len(first) == len(second) == frames:
        raise InputError(
            f"The first face has {len(first)} frames, the second {len(second)}, the clips {frames}. Connect the "
            "motions of just these frames; Edit Motion trims one."
        )
    if tuple(first.size) != tuple(second.size):
        sizes = (f"{motion.size[0]} x {motion.size[1]}" for motion in (first, second))
        raise InputError(
            "The first face lies in pictures of {} pixels, the second in {}. Extract both from pictures of one "
            "size.".format(*sizes)
        )
    return tuple(
        motion.points.astype(np.float64)
        if isinstance(motion, AlignedMotion)
        else screen_points(with_edit_applied(motion))
        for motion in (first, second)
    )


def _pairs(first: torch.Tensor, second: torch.Tensor):
    for one, other in zip(first, second, strict=True):
        yield _colours(one), _colours(other)


def _colours(picture: torch.Tensor) -> np.ndarray:
    """(H,W,C) -> (H,W,3) float32, grey made colour and alpha dropped."""
    plain = picture.float().cpu()
    return (plain.expand(-1, -1, 3) if plain.shape[-1] == 1 else plain[..., :3]).clamp(0, 1).numpy()


def _told(errors: FrameErrors, images: torch.Tensor, worst: int) -> str:
    count, height, width = images.shape[:3]
    found = errors.of_clip
    lines = [
        f"{count} frame{'s' * (count != 1)} of {width} x {height} pixels",
        f"L1: {found['l1']:.4f} (0 to 1, lower is nearer)",
        f"PSNR: {found['psnr']:.2f} dB (higher is nearer, 100 is equal)",
        f"SSIM: {found['ssim']:.4f} (higher is nearer, 1 is equal)",
    ]
    if "landmarks" in found:
        lines.append(f"Landmark error: {found['landmarks']:.2%} of the distance between the eyes (lower is nearer)")
    return "\n".join([*lines, f"Most different by L1: frame {worst}, counted from 0"])


def _panels(errors: FrameErrors) -> list[Panel]:
    found = errors.of_clip
    panels = [
        Panel(f"L1: {found['l1']:.4f}, lower is nearer", errors.l1),
        Panel(f"PSNR: {found['psnr']:.2f} dB, higher is nearer", errors.psnr),
        Panel(f"SSIM: {found['ssim']:.4f}, higher is nearer", errors.ssim),
    ]
    if errors.landmarks is not None:
        title = f"Landmark error: {found['landmarks']:.2%} of the distance between the eyes, lower is nearer"
        panels.append(Panel(title, errors.landmarks * 100))
    return panels


def _pictures(first: torch.Tensor, second: torch.Tensor, worst: int) -> list[tuple[str, np.ndarray]]:
    one, other = _colours(first[worst]), _colours(second[worst])
    difference = np.abs(one - other)
    most = float(difference.max())
    times = min(8, int(1 / most)) if most > 0.125 else 8
    shown = [(f"first, frame {worst}", one), ("second", other), (f"difference, times {times}", difference * times)]
    return [(title, np.rint(picture.clip(0, 1) * 255).astype(np.uint8)) for title, picture in shown]
