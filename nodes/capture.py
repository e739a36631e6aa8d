"""Face captures of phones and other tools, and saved edits, as motions for any portrait."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import folder_paths
import numpy as np
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import MotionFileError
from ..followemoji_core.face.capture import Angles, read_arkit_json, read_live_link_csv
from ..followemoji_core.face.controls import Controls
from ..followemoji_core.face.edit_file import FORMAT, MOST_BYTES, read_edit
from ..followemoji_core.face.named_expressions import STRONGEST
from ..followemoji_core.types import FaceMotion
from .edits import base_inputs, edited, motion_outputs, put_on, showing, start_input
from .expressions import without_head
from .sockets import advanced, schema

_NOTHING = "nothing in the input folder"


class LoadCapture(io.ComfyNode):
    """A file of the input folder -> FaceMotion that carries its controls as an edit, its rate and length.

    Raises MotionFileError for a file that is no capture, InputError for an edit in which a key is wrong, naming it.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = _files()
        return schema(
            "FollowEmojiLoadCapture",
            "Load Capture",
            ["live link face", "arkit", "iphone", "blendshapes csv", "face capture", "load edit"],
            description="Reads a face capture as a motion for any portrait: a CSV of Live Link Face, ARKit values as "
            "JSON, or an edit saved as JSON. The file is read as numbers only; nothing in it is run. Connect the "
            "motion to Align Motion, as driving.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files,
                    default=files[0],
                    tooltip="A .csv or .json file in ComfyUI's input folder. Press R to see new files.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=STRONGEST,
                    step=0.05,
                    tooltip="Strength of the whole capture; 1 is as recorded. Lower is calmer, higher exaggerates.",
                ),
                *base_inputs(),
                advanced(
                    io.Boolean.Input(
                        "head",
                        default=True,
                        tooltip="Also use the turns and the place of the head, if the file has them. Off: only the "
                        "face moves.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "file_fps",
                        default=0.0,
                        min=0.0,
                        max=1000.0,
                        step=0.01,
                        tooltip="Frames per second, for a capture that states a wrong rate. 0: the rate in the file.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "angles",
                        options=list(get_args(Angles)),
                        default="auto",
                        tooltip="Unit of the head's angles in the file. auto: what this kind of file usually has. "
                        "Change it if the head turns far too much or hardly at all.",
                    )
                ),
                start_input(),
            ],
            outputs=motion_outputs(),
            **showing(),
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **others):
        path = folder_paths.get_annotated_filepath(file) if file in _files() else ""
        return os.path.getmtime(path) if os.path.exists(path) else None

    @classmethod
    def execute(
        cls,
        file: str,
        strength: float,
        motion=None,
        picture=None,
        head: bool = True,
        file_fps: float = 0.0,
        angles: str = "auto",
        start: int = 0,
    ) -> io.NodeOutput:
        if file not in _files() or file == _NOTHING:  # old versions of ComfyUI let any path through
            raise MotionFileError(
                f"There is no capture {file!r} in the input folder. Put a .csv or .json file there and press R."
            )
        path = folder_paths.get_annotated_filepath(file)
        controls = _read(path, file_fps or None, angles, motion).scaled(strength)
        controls = controls if head else without_head(controls)
        return edited(cls, put_on(motion, controls, start), motion, picture)


def _read(path: str, fps: float | None, angles: Angles, motion: FaceMotion | None) -> Controls:
    if path.lower().endswith(".csv"):
        return read_live_link_csv(path, fps, angles)
    if not _is_edit(path):
        return read_arkit_json(path, fps, "degrees" if angles == "auto" else angles)
    edit = read_edit(path)
    edit = edit if fps is None else replace(edit, fps=fps)
    if motion is None or len(motion) == 1 or edit.frames is not None:
        return edit.controls()
    return edit.controls(max(int(np.ceil(len(motion) * edit.fps / motion.fps)), 1))  # its last key holds to the end


def _is_edit(path: str) -> bool:
    """Whether a JSON file names itself an edit."""
    return os.path.getsize(path) <= MOST_BYTES and FORMAT.encode() in Path(path).read_bytes()


def _files() -> list[str]:
    folder = folder_paths.get_input_directory()
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [name for name in names if name.lower().endswith((".csv", ".json"))] or [_NOTHING]
