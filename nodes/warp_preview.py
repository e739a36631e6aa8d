"""Motions and edits on pictures without networks: seconds instead of minutes, also on a computer without a card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from comfy_api.v0_0_2 import InputImpl, io

from ..followemoji_core.face.detector import rgb_uint8
from ..followemoji_core.face.warp import warp_motion
from ..followemoji_core.face.warp_footage import look_at_camera as gaze_to_camera
from ..followemoji_core.face.warp_footage import warp_footage
from ..followemoji_core.media import QUICK, even_sides, write_video
from ..followemoji_core.walk.sketch import sketch_report
from .edits import describe, one_face, showing, shown, shown_frames, shrunk
from .footage import open_footage, written_sound
from .host.paths import new_video
from .host.pictures import one_picture, to_numpy
from .host.progress import reported
from .sockets import Aligned, Motion, advanced, schema


class WarpPreview(io.ComfyNode):
    """IMAGE (1,H,W,C), its face, an AlignedMotion (T) -> VIDEO of T frames, a file in the temp folder, and the first
    frames as IMAGE (N,H,W,3).

    Raises InputError unless there is one picture and one face, and both and the motion are of one size.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiWarpPreview",
            "Warp Preview",
            ["preview animation", "warp", "sketch", "no gpu", "cpu", "fast preview"],
            description="Shows the animation at once, without the model: the portrait itself is bent, faster than real "
            "time on a CPU. For small turns of the head, up to about 12 degrees. Wrinkles do not change, teeth are "
            "invented. Clips of any length fit into memory.",
            inputs=[
                io.Image.Input("portrait", tooltip="The portrait, one picture: from Frame Portrait, or your own."),
                Motion.Input(
                    "face", tooltip="Its landmarks, from Extract Face Landmarks, Frame Portrait or Place Face."
                ),
                Aligned.Input("aligned", tooltip="The aligned motion, from Align Motion with the same face."),
                io.Audio.Input("audio", optional=True, tooltip="Optional: the sound of the video, cut to its length."),
                advanced(
                    io.Int.Input(
                        "image_frames",
                        default=64,
                        min=1,
                        max=10_000,
                        tooltip="How many frames, from the first on, also come out as images. Each takes 3 MB at 512 x "
                        "512. The video always has all.",
                    )
                ),
            ],
            outputs=[
                io.Video.Output("video", display_name="video", tooltip="The video with all frames, for Save Video."),
                io.Image.Output(
                    "images", display_name="images", tooltip="The first frames as images; image_frames says how many."
                ),
            ],
            **showing(),
        )

    @classmethod
    def execute(cls, portrait, face, aligned, audio=None, image_frames: int = 64) -> io.NodeOutput:
        picture = to_numpy(one_picture(portrait, "portrait"), 0)
        frame = one_face(face, "portrait's face").frame(0)
        warped = warp_motion(picture, frame, aligned)
        images: list[np.ndarray] = []
        strip: list[np.ndarray] = []
        path = new_video("followemoji/warp")
        frames = _kept(warped, images, image_frames, strip, set(shown_frames(len(aligned)).tolist()))
        write_video(path, reported(frames, len(aligned)), aligned.fps, written_sound(audio), QUICK)
        batch = torch.from_numpy(np.stack(images)).float().div_(255)
        told = shown(cls, describe(aligned), strip, sketch_report(picture, frame, aligned))
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), batch, ui=told)


class WarpFootage(io.ComfyNode):
    """VIDEO or IMAGE batch of T frames, and its face's FaceMotion (T) with an edit -> VIDEO of T frames, in the temp
    folder, sound kept.

    Raises InputError where clip and motion do not fit, and without an edit.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiWarpFootage",
            "Warp Footage",
            ["edit video face", "eye contact", "gaze correction", "add smile", "retouch expression"],
            description="Changes the face in a clip, without the model: adds a smile, calms the brows, turns the gaze "
            "to the camera. The rest stays as it was filmed. Clips of any length fit into memory. Connect video to "
            "Save Video.",
            inputs=[
                io.MultiType.Input(
                    "footage",
                    types=[io.Video, io.Image],
                    tooltip="The clip: a video, which keeps its frame rate and sound; or frames.",
                ),
                Motion.Input(
                    "motion",
                    tooltip="The motion of the same clip: Extract Face Landmarks, then Expression, Named Expression or "
                    "Load Capture, which add to it.",
                ),
                io.Float.Input(
                    "look_at_camera",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    tooltip="How far both eyes turn to the camera; 1 is all the way, 0 not at all.",
                ),
            ],
            outputs=[io.Video.Output("video", display_name="video", tooltip="The video, for Save Video.")],
            **showing(),
        )

    @classmethod
    def execute(cls, footage, motion, look_at_camera: float = 0.0) -> io.NodeOutput:
        if look_at_camera:
            motion = motion.with_edit_added(gaze_to_camera(motion, look_at_camera))
        clip = open_footage(footage, motion.fps)
        strip: list[np.ndarray] = []
        path = new_video("followemoji/footage")
        warped = warp_footage(map(rgb_uint8, clip.frames), motion)
        frames = _kept(warped, [], 0, strip, set(shown_frames(len(motion)).tolist()))
        write_video(path, reported(frames, len(motion)), clip.fps, written_sound(clip.sound()), QUICK)
        told = shown(cls, describe(motion), strip)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=told)


def _kept(
    frames: Iterator[np.ndarray], images: list[np.ndarray], count: int, strip: list[np.ndarray], shown: set[int]
) -> Iterator[np.ndarray]:
    """The frames with even sides, as videos must have them; the first `count` go whole to images, those `shown` to
    strip."""
    for index, frame in enumerate(frames):
        if index < count:
            images.append(frame)
        if index in shown:
            strip.append(shrunk(frame))
        yield even_sides(frame)
