"""Motions on disk: captured once, used with any portrait."""

from __future__ import annotations

import os

import folder_paths
from comfy_api.v0_0_2 import io

from ..followemoji_core.errors import MotionFileError
from ..followemoji_core.face.motion_file import load_motion, save_motion
from ..followemoji_core.small import SMALL_MOTIONS
from .host.notice import show
from .host.paths import new_file
from .sockets import Motion, schema

_SHIPPED = " (ships with the pack)"
_SAVED = "motion"  # subfolder of the output folder


class SaveMotion(io.ComfyNode):
    """motion FaceMotion -> a .safetensors file in the output folder, whose name the node shows."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            "FollowEmojiSaveMotion",
            "Save Motion",
            ["export motion", "save landmarks"],
            description="Saves a motion as a .safetensors file in the output folder. Load Motion lists the files in "
            "output/motion.",
            inputs=[
                Motion.Input(
                    "motion", tooltip="The motion, from Extract Face Landmarks or any other node that gives one."
                ),
                io.String.Input(
                    "filename_prefix",
                    default=f"{_SAVED}/motion",
                    tooltip="Folder and start of the file name, in the output folder.",
                ),
            ],
            outputs=[],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, motion, filename_prefix: str) -> io.NodeOutput:
        path, subfolder = new_file(
            filename_prefix, folder_paths.get_output_directory(), "output", ".safetensors", motion.size
        )
        save_motion(path, motion)
        name = f"{subfolder}/{path.name}" if subfolder else path.name
        where = f"Load Motion lists it as: {name} [output]" if subfolder == _SAVED else "Move it to the input folder."
        return io.NodeOutput(ui=show(cls.hidden.unique_id, f"{name}: {len(motion)} frames. {where}"))


class LoadMotion(io.ComfyNode):
    """A name of the combo -> FaceMotion (T), its frames per second, T.

    Raises MotionFileError for a name that is not in the combo, and for a file that is no motion.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        files = _motion_files()
        return schema(
            "FollowEmojiLoadMotion",
            "Load Motion",
            ["import motion", "load landmarks", "template", "npy"],
            description="Loads a motion: a .safetensors file of Save Motion, or a .npy template that comes with the "
            "paper's code. The file is read as numbers only; nothing in it is run. Connect the motion to Align "
            "Motion, as driving.",
            inputs=[
                io.Combo.Input(
                    "file",
                    options=files,
                    default=files[0],
                    tooltip="A file in ComfyUI's input folder or in output/motion, or one that ships with the pack. "
                    "Press R to see new files.",
                ),
                io.Float.Input(
                    "template_fps",
                    default=30.0,
                    min=1.0,
                    max=240.0,
                    step=0.01,
                    tooltip="Frames per second of a .npy template, which does not say it. Other files have their own.",
                ),
            ],
            outputs=[
                Motion.Output("motion", display_name="motion", tooltip="The face in every frame, for Align Motion."),
                io.Float.Output("fps", display_name="fps", tooltip="Frames per second, for Create Video."),
                io.Int.Output("frame_count", display_name="frame_count", tooltip="Number of frames."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, template_fps: float):
        return os.path.getmtime(_path(file)) if file in _motion_files() else None

    @classmethod
    def execute(cls, file: str, template_fps: float) -> io.NodeOutput:
        if file not in _motion_files():  # old versions of ComfyUI let any path through
            raise MotionFileError(f"There is no motion file {file!r} in the input folder. Put it there and press R.")
        path = _path(file)
        motion = load_motion(path, template_fps if path.endswith(".npy") else None)
        return io.NodeOutput(motion, motion.fps, len(motion))


def _motion_files() -> list[str]:
    """Names for the combo: motion files in the input folder, those that Save Motion wrote by default, and our own."""
    found = [name for name in _names(folder_paths.get_input_directory()) if name.endswith((".safetensors", ".npy"))]
    saved = _names(os.path.join(folder_paths.get_output_directory(), _SAVED))
    found += [f"{_SAVED}/{name} [output]" for name in saved if name.endswith(".safetensors")]
    return found + [f"{path.name}{_SHIPPED}" for path in sorted(SMALL_MOTIONS.glob("*.safetensors"))]


def _path(file: str) -> str:
    if file.endswith(_SHIPPED):
        return str(SMALL_MOTIONS / file.removesuffix(_SHIPPED))
    return folder_paths.get_annotated_filepath(file)


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
