"""Motion files: ours (.safetensors) and the published templates (.npy)."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np

from ..errors import InputError, MotionFileError
from ..files import written_whole
from ..gate import Refused, check_rate, check_size, file_size, loading, parse_json, safetensors_header, short
from ..types import BLENDSHAPES, LANDMARKS, MESH_LANDMARKS, FaceMotion
from .controls import CHANNELS, Controls
from .published_template import FARTHEST, LARGEST, NPY_MAGIC, read_template

FORMAT = "followemoji.motion"
VERSION = 1
TEMPLATE_FPS = 30.0  # published templates carry no frame rate
_HEADER = 64 << 10  # bytes
_ADVICE = "Copy it again, or extract the motion from the video."

_SHAPES = {
    "landmarks": (LANDMARKS, 3),
    "metric": (MESH_LANDMARKS, 3),
    "camera_from_face": (4, 4),
    "blendshapes": (BLENDSHAPES,),
    "found": (),
}
_EDIT = "edit"  # its controls (1 or T, 59), in the order of CHANNELS, where a motion carries some


def save_motion(path: str | os.PathLike[str], motion: FaceMotion) -> None:
    """Write a motion as one .safetensors file: FaceMotion's arrays and its edit's controls as they are, its size and
    rate in the metadata.

    The file appears whole or not at all. Raises OutputError where it cannot be written.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(getattr(motion, name)) for name in _SHAPES}
    if motion.edit is not None:
        arrays[_EDIT] = np.ascontiguousarray(motion.edit.values)
    width, height = (int(side) for side in motion.size)
    metadata = {"format": FORMAT, "version": str(VERSION), "fps": repr(float(motion.fps))}
    metadata["size"] = json.dumps([width, height])
    with written_whole(Path(path), "Check that the folder exists and has room.") as partial:
        partial.write_bytes(save(arrays, metadata))


def load_motion(path: str | os.PathLike[str], fps: float | None = None) -> FaceMotion:
    """Read a motion file of either kind; none of them can run code.

    fps: frames per second, overriding the file's. Templates (.npy) have none: 30 unless given. Where a template lacks
    its picture's size, the height is taken as 512 and the width follows from the projection of its mesh.
    Raises MotionFileError for a file that cannot be read or is no motion, InputError for a bad `fps`.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"Frame rate is {fps}; it must be a positive number of frames per second.")
    name = Path(path).name
    with loading(path, "Motion file", MotionFileError, _ADVICE):
        file_size(path, LARGEST)
        with open(path, "rb") as file:
            start = file.read(16)
    if start.startswith(NPY_MAGIC):
        return read_template(path, fps or TEMPLATE_FPS)
    if start[8:9] == b"{":  # after the header's length, safetensors begins with JSON
        return _load_safetensors(path, fps)
    raise MotionFileError(
        f"{name} is not a motion file. Expected one written by this package (.safetensors) or a published template "
        "(.npy); extract the motion from the video instead."
    )


def _load_safetensors(path: str | os.PathLike[str], fps: float | None) -> FaceMotion:
    from safetensors import SafetensorError, safe_open

    with loading(path, "Motion file", MotionFileError, _ADVICE, more=(SafetensorError,)):
        header = safetensors_header(path, LARGEST, _HEADER)
        about = header.metadata
        if about.get("format") != FORMAT:
            raise Refused(f"it is a .safetensors file, but no motion (format {short(about.get('format'), 40)})")
        if int(about["version"]) > VERSION:
            raise MotionFileError(
                f"{Path(path).name} is a motion file of version {int(about['version'])}; this package reads up to "
                f"{VERSION}. Update the package, or extract the motion from the video again."
            )
        (frames,) = header.check("found", "BOOL", (None,)).shape
        if not frames:
            raise Refused("it has no frames")
        for key, shape in _SHAPES.items():
            header.check(key, "BOOL" if key == "found" else "F32", (frames, *shape))
        edited = header.entries.get(_EDIT)
        if edited:
            rows = 1 if edited.shape[:1] == (1,) else frames
            header.check(_EDIT, "F32", (rows, len(CHANNELS)))
        width, height = parse_json(about["size"].encode(), 1)
        check_size(int(width), int(height))
        rate = check_rate(float(about["fps"]))
        with safe_open(os.fspath(path), framework="np") as file:
            arrays = {key: file.get_tensor(key) for key in _SHAPES}
            values = file.get_tensor(_EDIT) if edited else None
        for key, array in arrays.items():
            if key != "found" and not (np.abs(array) <= FARTHEST).all():
                raise Refused(f"{key} holds numbers that are not finite, or that no face has")
        fps = rate if fps is None else float(fps)
        try:
            edit = Controls(values, fps) if edited else None
        except InputError as error:
            raise Refused(f"in its edit, {error}") from error
    return FaceMotion(**arrays, size=(int(width), int(height)), fps=fps, edit=edit)
