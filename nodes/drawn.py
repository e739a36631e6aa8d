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


class DrawnPortrait(io.ComfyNode):
    """A person's number and a side in pixels -> IMAGE (1,size,size,3) and FaceMotion of one frame, at rest."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiDrawnPortrait",
            "Drawn Portrait",
            ["synthetic portrait", "cartoon face", "test portrait"],
            description="Draws a person, and says exactly where the face is. The small model that ships with the pack "
            "was trained on such people.",
            inputs=[
                io.Int.Input(
                    "person",
                    default=20000007,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Every number is another person. The small model has seen 0 to 3199 and 100000 to 100399.",
                ),
                io.Combo.Input("style", options=[_OWN, *STYLES], default=_OWN, tooltip="How the person is drawn."),
                io.Int.Input(
                    "size", default=128, min=64, max=1024, step=8, tooltip="Side in pixels; 128 for the small model."
                ),
            ],
            outputs=[
                io.Image.Output("portrait", display_name="portrait", tooltip="The picture to animate."),
                Motion.Output("face", display_name="face", tooltip="Where its face is, for Align Motion."),
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
            description="A driving motion of any length, made up: a drawn person who talks, blinks, winks and looks "
            "around. It begins with a calm face.",
            inputs=[
                io.Int.Input("motion", default=7, min=0, max=0x7FFFFFFF, tooltip="Every number is another motion."),
                io.Int.Input("frames", default=64, min=1, max=100000, tooltip="Length, at 25 frames per second."),
                io.Int.Input("person", default=20000001, min=0, max=0x7FFFFFFF, tooltip="Who is the driver."),
                io.Boolean.Input("still_head", default=False, tooltip="Only the face moves, the head keeps still."),
                io.Int.Input(
                    "count",
                    default=1,
                    min=1,
                    max=MOST,
                    optional=True,
                    tooltip="So many motions, as a list: the next numbers of motion and person. For the faces of a "
                    "group.",
                ),
            ],
            outputs=[
                Motion.Output(
                    "driving",
                    display_name="motion",
                    tooltip="For Align Motion. Several: a list, of which the first goes to the first face.",
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
            description="Draws a person at some frames of a motion, before a ground that pans in a wandering light: "
            "keyframes for Long Video that show what no landmark tells. And the portrait to animate.",
            inputs=[
                Motion.Input("motion", tooltip="From Drawn Motion, with the same person."),
                io.Int.Input("person", default=20000007, min=0, max=0x7FFFFFFF, tooltip="As in Drawn Portrait."),
                io.Combo.Input("style", options=[_OWN, *STYLES], default=_OWN, tooltip="How the person is drawn."),
                io.Int.Input("size", default=128, min=64, max=1024, step=8, tooltip="Side in pixels, as the portrait."),
                io.String.Input(
                    "frame_numbers",
                    default="0, -1",
                    tooltip="Which frames of the motion to draw: numbers from 0, such as 0, 40, -1. -1 is the last.",
                ),
                io.Int.Input(
                    "ground",
                    default=1,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Every number is another way to pan and another light. 0: the ground stands still.",
                ),
            ],
            outputs=[
                io.Image.Output("frames", display_name="frames", tooltip="For given_frames of Long Video."),
                io.String.Output(
                    "numbers", display_name="frame_numbers", tooltip="Which they are, for frame_numbers of Long Video."
                ),
                io.Image.Output("portrait", display_name="portrait", tooltip="At rest, before the same ground, still."),
                Motion.Output("face", display_name="face", tooltip="Where the portrait's face is, for Align Motion."),
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
            description="Draws a cat, a fox or a bear, which no face detector finds: to try Place Face.",
            inputs=[
                io.Int.Input(
                    "animal",
                    default=1,
                    min=0,
                    max=0x7FFFFFFF,
                    tooltip="Every number is another animal: a cat, a fox, a bear in turn.",
                ),
                io.Int.Input("size", default=512, min=64, max=1024, step=8, tooltip="Side in pixels."),
            ],
            outputs=[io.Image.Output("portrait", display_name="portrait", tooltip="The picture, for Place Face.")],
        )

    @classmethod
    def execute(cls, animal: int, size: int) -> io.NodeOutput:
        return io.NodeOutput(torch.from_numpy(paint_animal(Animal.of(animal), size))[None].float() / 255)
