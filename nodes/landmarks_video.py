"""Landmarks as a video to look at: drawn frame by frame into a file, whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face.crop import resize
from ..followemoji_core.media import QUICK, write_video
from .footage import open_footage, written_sound
from .host.paths import new_video
from .host.progress import reported
from .landmarks import drawn_pictures
from .sockets import Aligned, Motion, schema


class LandmarksVideo(io.ComfyNode):
    """One motion of T frames, or two side by side, -> VIDEO of at most T frames, a file in the temp folder.

    Raises InputError for two motions or a background of different lengths.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiLandmarksVideo",
            "Landmarks Video",
            ["preview landmarks", "visualize landmarks", "overlay", "compare"],
            description="Makes a video of the landmarks, to look at: on black, on a picture, or on the clip they come "
            "from. A second motion can be shown beside it. Clips of any length fit into memory. Connect it to Save "
            "Video.",
            inputs=[
                io.MultiType.Input(
                    "motion",
                    types=[Aligned, Motion],
                    tooltip="The motion to draw: an aligned one, on the portrait's face, or one as it was filmed.",
                ),
                io.MultiType.Input(
                    "background",
                    types=[io.Image, io.Video],
                    optional=True,
                    tooltip="Optional: what to draw on. A picture for all frames; or frames or a video, one picture "
                    "for each frame. Empty: black. The sound of a video is kept.",
                ),
                io.MultiType.Input(
                    "beside",
                    types=[Aligned, Motion],
                    optional=True,
                    tooltip="Optional: a second motion with as many frames, shown on the right. For example the "
                    "aligned motion beside the driving motion.",
                ),
                io.MultiType.Input(
                    "beside_background",
                    types=[io.Image, io.Video],
                    optional=True,
                    tooltip="Optional: what the second motion is drawn on, for example the portrait.",
                ),
                io.Int.Input(
                    "height",
                    default=512,
                    min=0,
                    max=4096,
                    step=2,
                    optional=True,
                    tooltip="Height of the video in pixels, made even; the width follows. 0: as the background, or "
                    "else the motion.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=1_000_000,
                    optional=True,
                    tooltip="How many frames to show, from the first on. 0: all.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "video", display_name="video", tooltip="The video, for Save Video. Frame rate and sound are kept."
                )
            ],
        )

    @classmethod
    def execute(
        cls, motion, background=None, beside=None, beside_background=None, height: int = 512, frames: int = 0
    ) -> io.NodeOutput:
        if beside is not None and len(beside) != len(motion):
            raise InputError(
                f"The two motions have {len(motion)} and {len(beside)} frames. Connect an aligned motion and the "
                "motion that it comes from."
            )
        count = min(frames or len(motion), len(motion))
        pictures = drawn_pictures(motion, background, height)
        if beside is not None:
            pictures = _side_by_side(pictures, drawn_pictures(beside, beside_background, height))
        if count < len(motion):
            pictures = islice(pictures, count)
        path = new_video("followemoji/landmarks")
        write_video(path, reported(pictures, count), motion.fps, _sound(background, beside_background), QUICK)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)))


def _side_by_side(left: Iterator[np.ndarray], right: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Both at the height of the left ones."""
    for first, second in zip(left, right, strict=True):
        height = len(first)
        width = max(2, round(second.shape[1] * height / len(second) / 2) * 2)
        yield np.concatenate([first, resize(second, (width, height))], axis=1)


def _sound(*sources) -> tuple[np.ndarray, int] | None:
    """Of the first video among the backgrounds."""
    for source in sources:
        if source is not None and not isinstance(source, torch.Tensor):
            return written_sound(open_footage(source).sound())
    return None
