"""Landmarks: from pictures and videos, from ComfyUI's own detector, and drawn."""

from __future__ import annotations

from typing import get_args

import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core import media
from ..followemoji_core.errors import InputError
from ..followemoji_core.face import draw
from ..followemoji_core.face.detector import FaceDetector, extract_face, extract_motion
from ..followemoji_core.face.geometry import screen_points
from ..followemoji_core.face.interop import motion_from_face_landmarks
from ..followemoji_core.face.motion import Missing, stack_frames
from ..followemoji_core.face.tracking import Which
from ..followemoji_core.types import AlignedMotion, FaceMotion
from . import folders, host
from .sockets import Aligned, FaceLandmarks, Motion, advanced, schema

_WHICH = "Which face to follow when there are several; from the first frame on it stays with that one."
_MISSING = (
    "Frames in which the face is not seen. interpolate: moved smoothly between the neighbours. hold: the last face "
    "stays. error: stop and name the frames."
)


class ExtractLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiExtractLandmarks",
            "Extract Face Landmarks",
            ["face detection", "mediapipe", "face mesh", "motion capture"],
            description="Finds one face and follows it: in a portrait (one image), in an image batch, or in a video, "
            "which is read frame by frame and never held in memory.",
            inputs=[
                io.MultiType.Input(
                    "source",
                    types=[io.Image, io.Video],
                    tooltip="The portrait, or the driving clip. Connect a video directly (Load Video) rather than its "
                    "frames: it keeps its frame rate and sound and takes no memory.",
                ),
                io.Combo.Input(
                    "detector",
                    options=folders.detectors(),
                    default=folders.DETECTOR,
                    tooltip="MediaPipe's Face Landmarker, in models/followemoji.",
                ),
                io.Combo.Input("face", options=list(get_args(Which)), default="largest", tooltip=_WHICH),
                io.Combo.Input("missing", options=list(get_args(Missing)), default="interpolate", tooltip=_MISSING),
                io.Float.Input(
                    "image_fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of an image batch. Not used for a video, which knows its own.",
                ),
                advanced(
                    io.Float.Input(
                        "confidence",
                        default=0.5,
                        min=0.05,
                        max=1.0,
                        step=0.05,
                        tooltip="How sure the detector must be. Lower it for paintings, cartoons and sculptures that "
                        "are not found; raise it if something is taken for a face.",
                    )
                ),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="The face in every frame."),
                io.Audio.Output("audio", display_name="audio", tooltip="The video's sound, for Create Video."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second, for Create Video."),
                io.Int.Output("frame_count", display_name="frame_count", tooltip="Number of frames."),
            ],
        )

    @classmethod
    def execute(
        cls, source, detector: str, face: str, missing: str, image_fps: float, confidence: float = 0.5
    ) -> io.NodeOutput:
        audio = None
        with FaceDetector(folders.find(detector), confidence) as finder:
            if isinstance(source, torch.Tensor):
                motion = _from_images(source, finder, face, missing, image_fps)
            else:
                clip = _clip(source)
                info = media.clip_info(clip)
                progress = host.task_progress(info.frame_count)
                frames = media.read_frames(clip)
                motion = extract_motion(frames, info.fps, finder, face, missing, lambda index, found: progress(index))
                if sound := media.read_audio(clip):
                    audio = {"waveform": torch.from_numpy(sound[0])[None], "sample_rate": sound[1]}
        return io.NodeOutput(motion, audio, motion.fps, len(motion))


def _from_images(images: torch.Tensor, finder: FaceDetector, face: str, missing: str, fps: float) -> FaceMotion:
    if len(images) == 0:
        raise InputError("The image batch is empty. Connect at least one image.")
    if len(images) == 1:
        return stack_frames([extract_face(host.to_numpy(images, 0), finder, face)], fps, missing)
    progress = host.task_progress(len(images))
    frames = (host.to_numpy(images, index) for index in range(len(images)))
    return extract_motion(frames, fps, finder, face, missing, lambda index, found: progress(index))


def _clip(video) -> media.Clip:
    """A VIDEO as a stream, with the trim that newer versions of ComfyUI put on it."""
    trim = getattr(video, "get_active_trim_window", lambda: (0.0, 0.0))()
    return media.Clip(video.get_stream_source(), *trim)


class UseFaceLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiUseFaceLandmarks",
            "Use ComfyUI Face Landmarks",
            ["face landmarks to motion", "mediapipe"],
            description="Takes the landmarks of ComfyUI's own face detector (0.23 and newer) instead of Extract Face "
            "Landmarks. The mediapipe package is not needed for it.",
            inputs=[
                FaceLandmarks.Input("face_landmarks", tooltip="From Detect Face Landmarks (MediaPipe)."),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of the clip; connect the one of Get Video Components.",
                ),
                io.Combo.Input("face", options=list(get_args(Which)), default="largest", tooltip=_WHICH),
                io.Combo.Input("missing", options=list(get_args(Missing)), default="interpolate", tooltip=_MISSING),
            ],
            outputs=[Motion.Output("motion", display_name="motion", tooltip="The face in every frame.")],
        )

    @classmethod
    def execute(cls, face_landmarks, fps: float, face: str, missing: str) -> io.NodeOutput:
        return io.NodeOutput(motion_from_face_landmarks(face_landmarks, fps, face, missing))


class DrawLandmarks(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawLandmarks",
            "Draw Landmarks",
            ["landmark images", "visualize landmarks", "overlay"],
            description="The landmark images that the networks read: brows, lids, inner lips and pupils, no face "
            "contour. Over a background they are for looking.",
            inputs=[
                io.MultiType.Input(
                    "motion",
                    types=[Aligned, Motion],
                    tooltip="An aligned motion, drawn on the portrait's face; or a motion as it was filmed.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="Picture or frames to draw on: one for all frames, or one for each. Without it: black.",
                ),
            ],
            outputs=[
                io.Image.Output("images", display_name="images", tooltip="One picture per frame, in the motion's size.")
            ],
        )

    @classmethod
    def execute(cls, motion, background=None) -> io.NodeOutput:
        points = motion.points if isinstance(motion, AlignedMotion) else screen_points(motion)
        width, height = motion.size
        if background is not None and len(background) not in (1, len(points)):
            raise InputError(
                f"The background has {len(background)} pictures, the motion {len(points)} frames. "
                f"Connect one picture, or as many as there are frames."
            )
        if background is not None:
            height, width = background.shape[1:3]
        images = torch.empty(len(points), height, width, 3)
        progress = host.task_progress(len(points))
        for index, frame in enumerate(points):
            progress(index)
            if background is None:
                picture = draw.draw_landmarks(frame, motion.size)
            else:
                below = host.to_numpy(background, index if len(background) > 1 else 0)[..., :3]
                picture = draw.overlay(below, draw.scale_points(frame, motion.size, (width, height)))
            images[index] = torch.from_numpy(picture).float() / 255
        return io.NodeOutput(images)
