"""Drawn people in one picture: for whole pictures, with nothing to download and no detector."""

from __future__ import annotations

import comfy.model_management as management
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.drawn import Acting
from ..followemoji_core.drawn.people import STYLES
from ..followemoji_core.drawn.scenes import MOST, Scene
from ..followemoji_core.face.motion import stack_frames
from .sockets import Motion, schema

_OWN = "their own"


class DrawnGroup(io.ComfyNode):
    """A group's number, how many they are and a size -> IMAGE (1,height,width,3) and a list of FaceMotion of one frame
    each, at rest, the largest face first.

    Raises InputError where so many people do not fit in the picture.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnGroup",
            "Drawn Group",
            ["synthetic group", "several faces", "crowd", "test picture"],
            description="Draws several people in one picture, with exact landmarks of each: to try pictures with "
            "several faces without a detector. Connect picture and faces to Frame Portrait, and picture to Paste Back.",
            inputs=[
                io.Int.Input("group", default=10, min=0, max=0x7FFFFFFF, tooltip="Each number is another group."),
                io.Int.Input("people", default=3, min=1, max=MOST, tooltip="How many people. They stand in rows."),
                io.Combo.Input(
                    "style",
                    options=[_OWN, *STYLES],
                    default=_OWN,
                    tooltip="How the people are drawn. their own: the style that belongs to the number.",
                ),
                io.Int.Input("width", default=768, min=64, max=4096, step=8, tooltip="Of the picture, in pixels."),
                io.Int.Input("height", default=512, min=64, max=4096, step=8, tooltip="Of the picture, in pixels."),
            ],
            outputs=[
                io.Image.Output("picture", display_name="picture", tooltip="The whole picture."),
                Motion.Output(
                    "faces",
                    display_name="faces",
                    tooltip="The landmarks of all faces as a list, the largest first: nodes connected to it run once "
                    "for each face.",
                    is_output_list=True,
                ),
                io.Int.Output("face_count", display_name="face_count", tooltip="Number of faces in the list."),
            ],
        )

    @classmethod
    def execute(cls, group: int, people: int, style: str, width: int, height: int) -> io.NodeOutput:
        scene = Scene.of(group, people, (width, height), None if style == _OWN else style)
        motions = scene.act([Acting.rest()] * people)
        management.throw_exception_if_processing_interrupted()
        picture = torch.from_numpy(scene.paint(motions)).float() / 255
        faces = [stack_frames([motion.frame(0)], motion.fps) for motion in motions]
        return io.NodeOutput(picture, faces, people)
