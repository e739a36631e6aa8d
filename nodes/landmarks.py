"""Landmarks: from pictures and videos, from ComfyUI's own detector, and drawn."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import repeat
from typing import get_args

import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import InputError
from ..followemoji_core.face import draw
from ..followemoji_core.face.choice import Choice, Which, pick
from ..followemoji_core.face.crop import resize
from ..followemoji_core.face.detector import MANY, MOST_FACES, FaceDetector, rgb_uint8
from ..followemoji_core.face.extraction import extract_faces, extract_motion, extract_motions, number_of, seen_text
from ..followemoji_core.face.geometry import screen_points
from ..followemoji_core.face.interop import motion_from_face_landmarks
from ..followemoji_core.face.motion import Missing, stack_frames
from ..followemoji_core.types import AlignedMotion, FaceMotion
from . import folders
from .edits import with_edit_applied
from .footage import open_footage
from .host.notice import show
from .host.progress import reported, task_progress
from .sockets import Aligned, BoundingBox, FaceLandmarks, Motion, advanced, box_of, schema

log = logging.getLogger(__name__)


def _following() -> list[io.Input]:
    """The two inputs that say whom to follow, and what to do where that face is not seen."""
    return [
        io.Combo.Input(
            "face",
            options=list(get_args(Which)),
            default="largest",
            tooltip="Which face to follow if there are several. It is chosen in the first frame with a face, and then "
            "followed. The node says how many it saw.",
        ),
        io.Combo.Input(
            "missing",
            options=list(get_args(Missing)),
            default="interpolate",
            tooltip="What happens in frames where the face is not seen, or hidden by another one. interpolate: it "
            "moves smoothly between the frames around. hold: the last face stays. error: stop and name the frames.",
        ),
    ]


class ExtractLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiExtractLandmarks",
            "Extract Face Landmarks",
            ["face detection", "mediapipe", "face mesh", "motion capture"],
            description="Finds a face in a picture, a batch of images or a video, and follows its landmarks: points on "
            "brows, eyes, mouth and outline. Use one for the portrait and one for the driving clip, and connect both "
            "to Align Motion. A video is read frame by frame, so that it does not fill the memory.",
            inputs=[
                io.MultiType.Input(
                    "source",
                    types=[io.Image, io.Video],
                    tooltip="The portrait, or the driving clip. Connect a video itself (Load Video), not its frames: "
                    "then its frame rate and sound are kept, and it needs little memory.",
                ),
                io.Combo.Input(
                    "detector",
                    options=folders.detectors(),
                    default=folders.DETECTOR,
                    tooltip="The face detector: MediaPipe's Face Landmarker, in models/followemoji.",
                ),
                *_following(),
                io.Float.Input(
                    "image_fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of a batch of images. Not used for a video, which has its own.",
                ),
                advanced(
                    io.Float.Input(
                        "confidence",
                        default=0.5,
                        min=0.05,
                        max=1.0,
                        step=0.05,
                        tooltip="How sure the detector must be, from 0 to 1. Raise it if something else is taken for a "
                        "face. Lowering it hardly helps: crop closer to the face, or take a larger face seen from the "
                        "front.",
                    )
                ),
                io.Int.Input(
                    "number",
                    default=0,
                    min=0,
                    max=999,
                    optional=True,
                    tooltip="Which face, by size: 1 is the largest in the picture, or in the first frame with a face. "
                    "0: the choice in face is used.",
                ),
                BoundingBox.Input(
                    "box",
                    optional=True,
                    tooltip="Optional: take the face in this box. The box is used before the mask, and the mask before "
                    "number.",
                    extra_dict={"forceInput": True},  # newer frontends have a widget for the type
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Optional: take the face that the white of this mask touches. It must touch only one.",
                ),
                advanced(
                    io.Boolean.Input(
                        "all_faces",
                        default=False,
                        tooltip="Follow every face of a clip, for the output faces. Finding small faces takes longer. "
                        "A single picture always gives all its faces.",
                    )
                ),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="The face in every frame, for Align Motion."),
                io.Audio.Output("audio", display_name="audio", tooltip="The sound of the video, for Create Video."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second, for Create Video."),
                io.Int.Output("frame_count", display_name="frame_count", tooltip="Number of frames."),
                Motion.Output(
                    "faces",
                    display_name="faces",
                    tooltip="All faces as a list, the largest first: nodes connected to it run once for each face. For "
                    "a clip turn on all_faces; otherwise only the followed face is in it.",
                    is_output_list=True,
                ),
                io.Int.Output("face_count", display_name="face_count", tooltip="Number of faces in the list."),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(
        cls,
        source,
        detector: str,
        face: str,
        missing: str,
        image_fps: float,
        confidence: float = 0.5,
        number: int = 0,
        box=None,
        mask=None,
        all_faces: bool = False,
    ) -> io.NodeOutput:
        which = _choice(face, number, box, mask)
        footage = open_footage(source, image_fps)
        story: list[str] = []

        def say(text: str) -> None:
            log.info("Extract Face Landmarks: %s", text)
            story.append(text)

        picture = isinstance(source, torch.Tensor) and len(source) == 1
        most = MANY if picture or all_faces or not isinstance(which, str) else MOST_FACES
        with FaceDetector(folders.find(detector), confidence, most) as finder:
            if picture:
                doubts: list[str] = []
                found = extract_faces(next(footage.frames), finder, doubts.append)
                chosen = pick(found, which)
                for text in (seen_text(len(found), found[chosen], which), *doubts):
                    say(text)
                faces = [stack_frames([each], image_fps, missing) for each in found]
            else:
                progress = task_progress(footage.count)
                how = (missing, lambda index, seen: progress(index), say)
                if all_faces:
                    faces = extract_motions(footage.frames, footage.fps, finder, which, *how)
                    chosen = number_of(faces, which)
                else:
                    faces, chosen = [extract_motion(footage.frames, footage.fps, finder, which, *how)], 0
        motion = faces[chosen]
        text = show(cls.hidden.unique_id, "\n".join(story))
        return io.NodeOutput(motion, footage.sound(), motion.fps, len(motion), faces, len(faces), ui=text)


def _choice(face: str, number: int, box, mask) -> Choice:
    """The box before the mask, the mask before the number, the number before the word."""
    if box is not None:
        found = box_of(box)
        if found is None:
            raise InputError("The bounding box is empty: it names no face. Disconnect it, or connect one with a box.")
        return found
    if mask is not None:
        return mask[0].float().cpu().numpy()
    return number or face


class UseFaceLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiUseFaceLandmarks",
            "Use ComfyUI Face Landmarks",
            ["face landmarks to motion", "mediapipe"],
            description="Uses the landmarks of ComfyUI's own face detector (ComfyUI 0.23 or newer) instead of Extract "
            "Face Landmarks. The Python package mediapipe is not needed for it. Connect the motion to Align Motion.",
            inputs=[
                FaceLandmarks.Input("face_landmarks", tooltip="From Detect Face Landmarks (MediaPipe)."),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of the clip. Connect fps of Get Video Components.",
                ),
                *_following(),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="The face in every frame, for Align Motion.")
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, face_landmarks, fps: float, face: str, missing: str) -> io.NodeOutput:
        story: list[str] = []
        motion = motion_from_face_landmarks(face_landmarks, fps, face, missing, story.append)
        return io.NodeOutput(motion, ui=show(cls.hidden.unique_id, "\n".join(story)))


class DrawLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawLandmarks",
            "Draw Landmarks",
            ["landmark images", "visualize landmarks", "overlay"],
            description="Draws the landmark images that the model reads: brows, lids, inner lips and pupils, without "
            "the outline of the face. Connect them to a sampler, as landmarks, or to Preview Image. With a background "
            "they are only for looking.",
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
                    "for each frame. Empty: black.",
                ),
                advanced(
                    io.Int.Input(
                        "height",
                        default=0,
                        min=0,
                        max=4096,
                        step=2,
                        tooltip="Height of the images in pixels, made even; the width follows. 0: as the background, "
                        "or else the motion. Set it for large videos, which would fill the memory.",
                    )
                ),
            ],
            outputs=[io.Image.Output("images", display_name="images", tooltip="One image for each frame.")],
        )

    @classmethod
    def execute(cls, motion, background=None, height: int = 0) -> io.NodeOutput:
        images = None
        for index, picture in enumerate(reported(drawn_pictures(motion, background, height), len(motion))):
            if images is None:
                images = torch.empty(len(motion), *picture.shape)
            images[index] = torch.from_numpy(picture).float() / 255
        return io.NodeOutput(images)


def drawn_pictures(motion: AlignedMotion | FaceMotion, background, height: int) -> Iterator[np.ndarray]:
    """The landmarks of every frame, drawn: (H,W,3) uint8 one by one, both sides even.

    background: IMAGE or VIDEO to draw on, one picture or one for each frame; None: black. height: of the pictures, 0 as
    the background or the motion is. Raises InputError, at the end, where the background has another number of frames.
    """
    points = motion.points if isinstance(motion, AlignedMotion) else screen_points(with_edit_applied(motion))
    for index, below in enumerate(_backgrounds(background, len(points))):
        size = motion.size if below is None else below.shape[1::-1]
        scale = height / size[1] if height else 1.0
        size = tuple(max(2, int(side * scale + 0.5) // 2 * 2) for side in size)  # even, as videos must be
        if below is None:
            yield draw.draw_landmarks(points[index], motion.size, size)
        else:
            yield draw.overlay(resize(below, size), draw.scale_points(points[index], motion.size, size))


def _backgrounds(background, count: int):
    """One picture (H,W,3) uint8 for each of `count` frames, or None for each."""
    if background is None:
        yield from repeat(None, count)
        return
    single = isinstance(background, torch.Tensor) and len(background) == 1
    frames = open_footage(background).frames
    drawn = 0
    for drawn, picture in enumerate(repeat(next(frames), count) if single else frames, 1):
        if drawn > count:
            break
        yield rgb_uint8(picture)
    if drawn != count:
        raise InputError(
            f"The background has {'more' if drawn > count else drawn} pictures, the motion has {count} frames. "
            f"Connect one picture, or the clip that the motion comes from."
        )
