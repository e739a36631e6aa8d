"""Faces placed by hand: for animals, drawings, masks and statues that no detector finds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from comfy_api.v0_0_2 import io, ui

from ..followemoji_core.face.crop import resize
from ..followemoji_core.face.draw import overlay, scale_points
from ..followemoji_core.face.geometry import screen_points
from ..followemoji_core.face.motion import stack_frames
from ..followemoji_core.face.place import frame_in_box, frame_of_face, frame_of_mask, placed_face, placed_points
from ..followemoji_core.face.place_file import landmarks_text, parse_placement, placement_text
from ..followemoji_core.face.placement import Frame, Placement
from ..followemoji_core.types import FaceFrame
from .edits import one_face, showing, shown
from .host.pictures import one_picture, to_numpy
from .sockets import BoundingBox, Motion, box_of, schema

_SHOWN = 448  # pixels, the longer side of the picture that the node gives as its result
_KEPT = 1024  # likewise of the one that the editor lies on where it cannot be seen from the graph


class PlaceFace(io.ComfyNode):
    """IMAGE (1,H,W,C), points as JSON text -> FaceMotion of one frame, and the points as text.

    Raises InputError unless there is one picture and the points form a face on it.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiPlaceFace",
            "Place Face",
            ["animal face", "cartoon face", "manual landmarks", "correct landmarks", "cat", "dog", "statue", "mask"],
            description="Marks by hand where a face is: on animals, drawings, masks and statues that no detector "
            "finds. It also corrects a face that was found. Drag, scale and turn the whole face first, then single "
            "points. Connect face to Frame Portrait.",
            inputs=[
                io.Image.Input("image", tooltip="The portrait: one picture."),
                io.String.Input(
                    "points",
                    default="",
                    multiline=True,
                    optional=True,
                    tooltip="Where the points are, as JSON text in pixels of the picture. The editor on the node "
                    "writes it. Empty: a face in the middle, or where mask, box or face says.",
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="Optional: a first guess; the face fills the white of the mask."
                ),
                BoundingBox.Input(
                    "box",
                    optional=True,
                    tooltip="Optional: a first guess; the face fills the box.",
                    extra_dict={"forceInput": True},  # newer frontends have a widget for the type
                ),
                Motion.Input(
                    "face",
                    optional=True,
                    tooltip="Optional: a face that was found in the same picture, to correct it, from Extract Face "
                    "Landmarks. It is used before the box, and the box before the mask.",
                ),
            ],
            outputs=[
                Motion.Output(
                    "placed",
                    display_name="face",
                    tooltip="The landmarks, which work like those of a face that was found. For Frame Portrait.",
                ),
                io.String.Output(
                    "text", display_name="points", tooltip="The points as JSON text, with the first guess."
                ),
            ],
            **showing(),
        )

    @classmethod
    def execute(cls, image, points: str = "", mask=None, box=None, face=None) -> io.NodeOutput:
        picture = to_numpy(one_picture(image, "picture"), 0)
        size = picture.shape[1::-1]
        placement = (parse_placement(points) if points.strip() else Placement(size)).scaled(size)
        guess, notes = _first_guess(size, mask, box, face)
        placed = placed_face(placement, guess)
        whole = placement.frame or (guess if isinstance(guess, Frame) else frame_of_face(placed))
        places = placed_points(placed) if isinstance(guess, FaceFrame) else placement.points
        text = placement_text(Placement(size, places, whole))

        count = len(placement.points)
        told = f"{count} point{'' if count == 1 else 's'} placed"
        small = resize(picture, _at_most(size, _SHOWN))
        seen = overlay(small, scale_points(screen_points(placed), size, small.shape[1::-1]))
        found = shown(cls, told, [seen], notes)
        found |= _for_the_editor(cls, picture, guess)
        return io.NodeOutput(stack_frames([placed], 25.0), text, ui=found)


def _first_guess(size: tuple[int, int], mask, box, face) -> tuple[FaceFrame | Frame | None, list[str]]:
    """Where the face is about, and what is to be said of it."""
    if face is not None:
        return one_face(face, "face to correct").frame(0), []
    if box is not None:
        found = box_of(box)
        if found is not None:
            return frame_in_box(*found), []
        return None, ["The bounding box is empty and is not used."]
    if mask is not None:
        frame = frame_of_mask(mask[0].float().cpu().numpy())
        height, width = mask.shape[-2:]
        if frame is None:
            return None, ["The mask is empty and is not used."]
        return Placement((width, height), {}, frame).scaled(size).frame, []
    return None, []


def _for_the_editor(cls, picture: np.ndarray, guess: FaceFrame | Frame | None) -> Mapping[str, Any]:
    """What the editor on the node takes from a run: the picture, its size, and the first guess."""
    small = torch.from_numpy(resize(picture, _at_most(picture.shape[1::-1], _KEPT)))[None].float() / 255
    about = {
        "size": list(picture.shape[1::-1]),
        "frame": vars(guess) if isinstance(guess, Frame) else None,
        "face": landmarks_text(guess) if isinstance(guess, FaceFrame) else None,
    }
    return {"place_picture": ui.PreviewImage(small, cls=cls).as_dict()["images"], "place_guess": [json.dumps(about)]}


def _at_most(size: tuple[int, int], most: int) -> tuple[int, int]:
    scale = min(1.0, most / max(size))
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
