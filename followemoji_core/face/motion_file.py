"""Motion files: ours (.safetensors) and the published templates (.npy)."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np

from ..errors import InputError, MotionFileError
from ..files import written_whole
from ..types import BLENDSHAPES, LANDMARKS, MESH_LANDMARKS, FaceMotion
from .published_template import NPY_MAGIC, read_template

FORMAT = "followemoji.motion"
VERSION = 1
TEMPLATE_FPS = 30.0  # published templates carry no frame rate

_SHAPES = {
    "landmarks": (LANDMARKS, 3),
    "metric": (MESH_LANDMARKS, 3),
    "camera_from_face": (4, 4),
    "blendshapes": (BLENDSHAPES,),
    "found": (),
}


def save_motion(path: str | os.PathLike[str], motion: FaceMotion) -> None:
    """Write a motion as one .safetensors file: FaceMotion's arrays as they are, its size and rate in the metadata.

    The file appears whole or not at all. Raises OutputError where it cannot be written.
    """
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(getattr(motion, name)) for name in _SHAPES}
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
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError as error:
        raise MotionFileError(f"Motion file {path} cannot be read: {error.strerror}. Check the path.") from error
    if start.startswith(NPY_MAGIC):
        return read_template(path, fps or TEMPLATE_FPS)
    if start[8:9] == b"{":  # after the header's length, safetensors begins with JSON
        return _load_safetensors(path, fps)
    raise MotionFileError(
        f"{path} is not a motion file. Expected one written by this package (.safetensors) or a published template "
        "(.npy); extract the motion from the video instead."
    )


def _load_safetensors(path: str | os.PathLike[str], fps: float | None) -> FaceMotion:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise MotionFileError(
                    f"{path} is a .safetensors file, but not a motion (format {metadata.get('format')!r}, expected "
                    f"{FORMAT!r}). Choose a motion file, or extract the motion from the video."
                )
            if int(metadata["version"]) > VERSION:
                raise MotionFileError(
                    f"{path} is a motion file of version {metadata['version']}; this package reads up to {VERSION}. "
                    "Update the package, or extract the motion from the video again."
                )
            arrays = {name: file.get_tensor(name) for name in _SHAPES}
        width, height = json.loads(metadata["size"])
        motion = FaceMotion(
            **arrays, size=(int(width), int(height)), fps=float(metadata["fps"]) if fps is None else float(fps)
        )
    except MotionFileError:
        raise
    except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
        raise _damaged(path, error) from error
    _validate(path, motion)
    return motion


def _validate(path: str | os.PathLike[str], motion: FaceMotion) -> None:
    count = len(motion.found) if motion.found.ndim == 1 else 0
    for name, shape in _SHAPES.items():
        array = getattr(motion, name)
        dtype = np.bool_ if name == "found" else np.float32
        if count == 0 or array.shape != (count, *shape) or array.dtype != dtype:
            raise _damaged(path, f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} (T, *{shape})")
        if not np.isfinite(array).all():
            raise _damaged(path, f"{name} holds numbers that are not finite")
    if min(motion.size) < 1 or not (math.isfinite(motion.fps) and motion.fps > 0):
        raise _damaged(path, f"size {motion.size}, {motion.fps} frames per second")


def _damaged(path: str | os.PathLike[str], reason: object) -> MotionFileError:
    return MotionFileError(
        f"Motion file {path} is damaged or incomplete ({reason}). Copy it again, or extract the motion from the video."
    )
