"""Drawn people and animals: portraits, motions, keyframes from nothing but numbers, for a first try and for tests."""

from __future__ import annotations

from dataclasses import replace

import comfy.model_management as management
import numpy as np
import torch
from comfy_api.v0_0_2 import io

from ..followemoji_core.drawn import Acting, Animal, Person, paint, paint_animal
from ..followemoji_core.drawn.hidden import Hidden, paint_hidden
from ..followemoji_core.drawn.people import STYLES
from ..followemoji_core.drawn.scenes import MOST
from ..followemoji_core.face.motion import stack_frames
from ..followemoji_core.walk.given import frame_numbers as numbers_of
from .sockets import Motion, schema

_OWN = "their own"


def _look_inputs() -> list[io.Input]:
    """style, size: of every node that draws one person."""
    return [
        io.Combo.Input(
            "style",
            options=[_OWN, *STYLES],
            default=_OWN,
            tooltip="How the person is drawn. their own: the style that belongs to the number.",
        ),
        io.Int.Input(
            "size",
            default=128,
            min=64,
            max=1024,
            step=8,
            tooltip="Width and height in pixels; 128 for the small model.",
        ),
    ]


class DrawnPortrait(io.ComfyNode):
    """A person's number and a side in pixels -> IMAGE (1,size,size,3) and FaceMotion of one frame, at rest."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnPortrait",
            "Drawn Portrait",
            ["synthetic portrait", "cartoon face", "test portrait"],
            description="Draws a person, with exact landmarks: for a first try without detector or download. The small "
            "model that ships with the pack was trained on such people. Connect portrait to Encode Portrait, and face "
            "to Align Motion.",
            inputs=[
                io.Int.Input(
                    "person",
                    default=20000018,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Each number is another person. The small model has already seen 0 to 3199 and 100000 to "
                    "100399.",
                ),
                *_look_inputs(),
            ],
            outputs=[
                io.Image.Output("portrait", display_name="portrait", tooltip="The portrait, for Encode Portrait."),
                Motion.Output("face", display_name="face", tooltip="Its landmarks, for Align Motion."),
            ],
        )

    @classmethod
    def execute(cls, person: int, style: str, size: int) -> io.NodeOutput:
        drawn = Person.of(person, None if style == _OWN else style)
        motion = drawn.act(Acting.rest(), (size, size))
        picture = torch.from_numpy(paint(drawn, motion)).float() / 255
        return io.NodeOutput(picture, stack_frames([motion.frame(0)], motion.fps))


class DrawnMotion(io.ComfyNode):
    """Numbers of a motion and a person -> FaceMotion of `frames` frames at 512x512, and its frames per second. With
    `count` a list of so many, whose numbers count on."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnMotion",
            "Drawn Motion",
            ["synthetic motion", "test motion", "random motion"],
            description="Makes up a driving motion of any length: a drawn person who talks, blinks, winks and looks "
            "around. It begins with a calm face. Connect it to Align Motion, as driving.",
            inputs=[
                io.Int.Input("motion", default=7, min=0, max=0x7FFFFFFF, tooltip="Each number is another motion."),
                io.Int.Input(
                    "frames", default=64, min=1, max=100000, tooltip="Length in frames; 25 frames are one second."
                ),
                io.Int.Input(
                    "person",
                    default=20000001,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Each number is another driver: a drawn person who makes the motion.",
                ),
                io.Boolean.Input("still_head", default=False, tooltip="The head keeps still, and only the face moves."),
                io.Int.Input(
                    "count",
                    default=1,
                    min=1,
                    max=MOST,
                    optional=True,
                    tooltip="How many motions, as a list: one for each face of a group. They use the next numbers of "
                    "motion and person.",
                ),
            ],
            outputs=[
                Motion.Output(
                    "driving",
                    display_name="motion",
                    tooltip="The driving motion, for Align Motion. Several come as a list: the first is for the first "
                    "face.",
                    is_output_list=True,
                ),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second, for Create Video."),
            ],
        )

    @classmethod
    def execute(cls, motion: int, frames: int, person: int, still_head: bool, count: int = 1) -> io.NodeOutput:
        made = []
        for number in range(count):
            acting = Acting.random(motion + number, frames, from_rest=True)
            acting = acting.with_head_of(Acting.rest()) if still_head else acting
            management.throw_exception_if_processing_interrupted()
            made.append(Person.of(person + number).act(acting, (512, 512)))
        return io.NodeOutput(made, made[0].fps)


class DrawnFrames(io.ComfyNode):
    """FaceMotion of a drawn person, frame numbers -> IMAGE (n,size,size,3) of those frames, their numbers as text; the
    same person at rest as IMAGE (1,size,size,3) and FaceMotion of one frame.

    Raises InputError for numbers that are not in the motion.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnFrames",
            "Drawn Frames",
            ["keyframes", "given frames", "ground truth frames"],
            description="Draws a person at chosen frames of a motion, before a moving background with changing light. "
            "Connect frames and frame_numbers to Long Video, to try keyframes. Also draws the portrait to animate.",
            inputs=[
                Motion.Input("motion", tooltip="The motion, from Drawn Motion."),
                io.Int.Input(
                    "person",
                    default=20000018,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Each number is another person. Use the same number as in Drawn Motion.",
                ),
                *_look_inputs(),
                io.String.Input(
                    "frame_numbers",
                    default="0, -1",
                    tooltip="Which frames of the motion to draw: numbers counted from 0, such as 0, 40, -1. -1 is the "
                    "last frame.",
                ),
                io.Int.Input(
                    "ground",
                    default=1,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Each number is another move of the background and another light. 0: the background keeps "
                    "still.",
                ),
            ],
            outputs=[
                io.Image.Output("frames", display_name="frames", tooltip="The frames, for given_frames of Long Video."),
                io.String.Output(
                    "numbers", display_name="frame_numbers", tooltip="Their numbers, for frame_numbers of Long Video."
                ),
                io.Image.Output(
                    "portrait",
                    display_name="portrait",
                    tooltip="The same person at rest, before a still background, for Encode Portrait.",
                ),
                Motion.Output("face", display_name="face", tooltip="The portrait's landmarks, for Align Motion."),
            ],
        )

    @classmethod
    def execute(cls, motion, person: int, style: str, size: int, frame_numbers: str, ground: int) -> io.NodeOutput:
        drawn = Person.of(person, None if style == _OWN else style)
        numbers = numbers_of(frame_numbers, len(motion))
        hidden = Hidden.of(ground, len(motion)) if ground else Hidden.none(len(motion))
        management.throw_exception_if_processing_interrupted()
        rest = drawn.act(Acting.rest(), (size, size))
        shown = replace(motion.taken(np.array(numbers)), size=(size, size))
        pictures = [paint_hidden(drawn, *what) for what in ((shown, hidden[numbers]), (rest, Hidden.none(1)))]
        frames, portrait = (torch.from_numpy(part).float() / 255 for part in pictures)
        face = stack_frames([rest.frame(0)], motion.fps)
        return io.NodeOutput(frames, ", ".join(map(str, numbers)), portrait, face)


class DrawnAnimal(io.ComfyNode):
    """An animal's number and a side in pixels -> IMAGE (1,size,size,3)."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnAnimal",
            "Drawn Animal",
            ["synthetic portrait", "cartoon animal", "cat", "fox", "bear"],
            description="Draws a cat, a fox or a bear. No face detector finds them: use them to try Place Face.",
            inputs=[
                io.Int.Input(
                    "animal",
                    default=1,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Each number is another animal: a cat, a fox, a bear in turn.",
                ),
                io.Int.Input("size", default=512, min=64, max=1024, step=8, tooltip="Width and height in pixels."),
            ],
            outputs=[io.Image.Output("portrait", display_name="portrait", tooltip="The picture, for Place Face.")],
        )

    @classmethod
    def execute(cls, animal: int, size: int) -> io.NodeOutput:
        return io.NodeOutput(torch.from_numpy(paint_animal(Animal.of(animal), size))[None].float() / 255)
