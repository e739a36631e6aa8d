"""Published motion templates (.npy): a pickled list of dicts, read without ever running what is in the pickle."""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
from typing import Any

import numpy as np

from ..errors import MotionFileError
from ..types import BLENDSHAPES, LANDMARKS, MESH_LANDMARKS, FaceMotion
from .camera import near_plane

NPY_MAGIC = b"\x93NUMPY"
LARGEST = 1 << 30  # bytes of a file; a published frame takes about 60 kB
SMALLEST = 4000  # bytes of a frame: its landmarks alone take more

_MODULES = ("numpy.core", "numpy._core")  # before and since numpy 2
_ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype")}
_ALLOWED |= {(f"{module}.multiarray", name) for module in _MODULES for name in ("_reconstruct", "scalar")}
_ALLOWED |= {(f"{module}.numeric", "_frombuffer") for module in _MODULES}
_CODES = {f"{kind}{size}" for kind, sizes in {"f": "248", "i": "1248", "u": "1248"}.items() for size in sizes} | {"b1"}


class _Refused(Exception):
    """Why a pickle is not read; becomes a MotionFileError that names the file."""


class _Global:
    """Stands for an allowed numpy function: calling it records the call and does nothing."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any) -> _Call:
        return _Call(self.name, args)

    def __setstate__(self, state: Any) -> None:
        raise _Refused(f"it changes {self.name}")


class _Call:
    """A recorded call and the state that was set on its result."""

    __slots__ = ("name", "args", "state")

    def __init__(self, name: str, args: tuple[Any, ...]) -> None:
        self.name, self.args, self.state = name, args, None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Global:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"it asks for {module}.{name}")
        return _Global(name)


def read_template(path: str | os.PathLike[str], fps: float) -> FaceMotion:
    """A published template -> FaceMotion at `fps` frames per second (templates do not say theirs).

    Keys per frame: lmks (478,3), lmks3d (468,3), trans_mat (4,4), bs (51,), maybe width and height. Without them the
    height is taken as 512 and the width follows from the mesh, whose projection must meet the landmarks.
    Raises MotionFileError for a file that cannot be read, is damaged, or asks for anything but numpy arrays.
    Source: the published inference notebook writes them.
    """
    try:
        return _motion(_frames(path), fps)
    except OSError as error:
        raise MotionFileError(f"Motion template {path} cannot be read: {error.strerror}. Check the path.") from error
    except _Refused as refused:
        raise MotionFileError(
            f"Motion template {path} is not read: {refused}. Extract the motion from the video again."
        ) from refused


def _frames(path: str | os.PathLike[str]) -> list[Any]:
    length = os.path.getsize(path)
    if length > LARGEST:
        raise _Refused(f"it is larger than {LARGEST >> 30} GiB")
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            old = version == (1, 0)
            read_header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            _, _, dtype = read_header(file)
        except ValueError as error:
            raise _Refused(f"its header is damaged ({error})") from error
        if dtype != np.dtype(object):
            raise _Refused(f"it holds an array of {dtype}, not a list of faces")
        content = _unpickle(file.read())
    state = content.state if isinstance(content, _Call) else None
    frames = state[-1] if isinstance(state, tuple) and state else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise _Refused("it does not hold one dict per frame")
    if len(frames) * SMALLEST > length:  # references are cheap in a pickle, the arrays made from them are not
        raise _Refused(f"it claims {len(frames)} frames, more than fit into {length} bytes")
    return frames


def _unpickle(data: bytes) -> Any:
    # numpy's own classes are never touched: the pickle is replayed with stand-ins that only take notes. The pass over
    # the opcodes comes first, because lengths and memo slots in them are allocated before they are checked.
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if "PUT" in opcode.name and isinstance(argument, int) and argument > len(data):
                raise _Refused("its memo is larger than the file")
        return _Unpickler(io.BytesIO(data)).load()
    except _Refused:
        raise
    except (pickle.UnpicklingError, ValueError, TypeError, AttributeError, LookupError, EOFError, ArithmeticError,
            MemoryError, RecursionError, ImportError) as error:  # fmt: skip
        raise _Refused(f"it is damaged or incomplete ({error})") from error


def _motion(frames: list[dict[str, Any]], fps: float) -> FaceMotion:
    landmarks = _stack(frames, "lmks", (LANDMARKS, 3))
    metric = _stack(frames, "lmks3d", (MESH_LANDMARKS, 3))
    camera_from_face = _stack(frames, "trans_mat", (4, 4))
    blendshapes = np.pad(_stack(frames, "bs", (BLENDSHAPES - 1,)), ((0, 0), (1, 0)))  # `_neutral` is not in the file
    size = _size(frames[0]) or _recover_size(landmarks[0], metric[0], camera_from_face[0])
    found = np.ones(len(frames), np.bool_)
    return FaceMotion(landmarks, metric, camera_from_face, blendshapes, size, found, float(fps))


def _stack(frames: list[dict[str, Any]], key: str, shape: tuple[int, ...]) -> np.ndarray:
    arrays = []
    for index, frame in enumerate(frames):
        if key not in frame:
            raise _Refused(f"frame {index} has no {key!r}")
        array = _array(frame[key])
        if array.shape != shape or not np.isfinite(array).all():
            raise _Refused(f"{key!r} of frame {index} has shape {array.shape} or bad numbers, expected {shape}")
        arrays.append(array.astype(np.float32))
    return np.stack(arrays)


def _array(value: Any) -> np.ndarray:
    """A number, a flat list of numbers or a recorded numpy call -> numeric array."""
    try:
        if isinstance(value, list):
            return np.array([_array(item).item() for item in value[:LANDMARKS]])
        if not isinstance(value, _Call):
            return np.array(float(value))
        order = "C"
        if value.name == "_reconstruct":
            _, shape, dtype, fortran, raw = value.state
            order = "F" if fortran else "C"
        elif value.name == "scalar":
            (dtype, raw), shape = value.args, ()
        elif value.name == "_frombuffer":
            raw, dtype, shape, order = value.args
        else:
            raise _Refused(f"it uses {value.name} in an unusual way")
        return np.frombuffer(raw, _dtype(dtype)).reshape(tuple(shape), order=order)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _Refused(f"an array in it is damaged ({error})") from error


def _dtype(value: Any) -> np.dtype[Any]:
    if not (isinstance(value, _Call) and value.name == "dtype" and value.args and value.args[0] in _CODES):
        raise _Refused("an array in it is not numeric")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "<"
    return np.dtype((">" if order == ">" else "<") + value.args[0])


def _size(frame: dict[str, Any]) -> tuple[int, int] | None:
    if "width" not in frame or "height" not in frame:
        return None
    sides = _array(frame["width"]), _array(frame["height"])
    if any(side.size != 1 or not 1 <= side.item() < 1 << 16 for side in sides):
        raise _Refused("the width or height in it is not a number of pixels")
    return int(sides[0].item()), int(sides[1].item())


def _recover_size(landmarks: np.ndarray, metric: np.ndarray, camera_from_face: np.ndarray) -> tuple[int, int]:
    """Landmarks are fractions of the width, the mesh says how far they are in cm: together they give the width."""
    points = metric.astype(np.float64) @ camera_from_face[:3, :3].T + camera_from_face[:3, 3]
    offset = landmarks[:MESH_LANDMARKS, 0].astype(np.float64) - 0.5
    _, height = near_plane((1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = points[:, 0] / -points[:, 2]  # on a plane at distance 1
        aspect = float((slope @ slope) / (slope @ offset) / height)
    return (round(512 * aspect), 512) if math.isfinite(aspect) and 0.1 < aspect < 10 else (512, 512)
