"""Published motion templates (.npy): a pickled list of dicts, read without ever running what is in the pickle."""

from __future__ import annotations

import io
import math
import os
import re
from typing import Any

import numpy as np

from ..errors import MotionFileError
from ..gate import Refused, check_rate, check_size, file_size, loading, short
from ..pickles import Box, Replay
from ..types import BLENDSHAPES, LANDMARKS, MESH_LANDMARKS, FaceMotion
from .camera import near_plane

NPY_MAGIC = b"\x93NUMPY"
LARGEST = 1 << 30  # bytes of a file; a published frame takes about 60 kB
SMALLEST = 4000  # bytes of a frame: its landmarks alone take more
FARTHEST = 1e6  # no coordinate of a face, in picture widths or cm, is larger
_HEADER = 10_000  # bytes
_DEPTH = 8  # array, list, frame, list of scores, score, its dtype: 6
# What numpy.save writes for an array of anything; Python 2 wrote its lengths as 12L.
_OBJECTS = re.compile(
    rb"\{'descr': '\|O', 'fortran_order': (?:True|False), 'shape': \((?:\d+L?(?:, \d+L?)*,?)?\),? *\}\s*"
)
_DESCR = re.compile(rb"'descr': ('[^']{1,20}'|\[)")

_MODULES = ("numpy.core", "numpy._core")  # before and since numpy 2
_ALLOWED = {"numpy.ndarray", "numpy.dtype", "_codecs.encode"}  # the last: how protocol 2 writes bytes
_ALLOWED |= {f"{module}.multiarray.{name}" for module in _MODULES for name in ("_reconstruct", "scalar")}
_ALLOWED |= {f"{module}.numeric._frombuffer" for module in _MODULES}
_CODES = {f"{kind}{size}" for kind, sizes in {"f": "248", "i": "1248", "u": "1248"}.items() for size in sizes} | {"b1"}


def read_template(path: str | os.PathLike[str], fps: float) -> FaceMotion:
    """A published template -> FaceMotion at `fps` frames per second (templates do not say theirs).

    Keys per frame: lmks (478,3), lmks3d (468,3), trans_mat (4,4), bs (51,), maybe width and height. Without them the
    height is taken as 512 and the width follows from the mesh, whose projection must meet the landmarks.
    Raises MotionFileError for a file that cannot be read, is damaged, or asks for anything but numpy arrays.
    Source: the published inference notebook writes them.
    """
    with loading(path, "Motion template", MotionFileError, "Extract the motion from the video again."):
        return _motion(_frames(path), check_rate(fps))


def _frames(path: str | os.PathLike[str]) -> list[Box]:
    size = file_size(path, LARGEST)
    with open(path, "rb") as file:
        start = file.read(8)
        wide = start[6:7] in (b"\2", b"\3")  # versions of the format whose header may be longer
        length = int.from_bytes(file.read(4 if wide else 2), "little")
        if not start.startswith(NPY_MAGIC) or start[6:7] not in (b"\1", b"\2", b"\3") or length > _HEADER:
            raise Refused("its header is damaged")
        header = file.read(length)
        if not _OBJECTS.fullmatch(header):
            other = _DESCR.search(header)
            if other and other[1] != b"'|O'":
                raise Refused(f"it holds an array of {short(other[1].decode('latin1'))}, not a list of faces")
            raise Refused("its header is damaged")
        # In memory, where a length that is not true costs nothing.
        content = Replay(_ALLOWED, _DEPTH, size).read(io.BytesIO(file.read()))
    state = _content(content.state, "tuple") if _is(content, "call") else None
    frames = _content(state[-1], "list") if state else None
    if not frames or not all(_is(frame, "dict") for frame in frames):
        raise Refused("it does not hold one dict per frame")
    if len(frames) * SMALLEST > size:  # references are cheap in a pickle, the arrays made from them are not
        raise Refused(f"it claims {len(frames)} frames, more than fit into {size} bytes")
    return frames


def _is(value: Any, kind: str) -> bool:
    return type(value) is Box and value.kind == kind


def _content(value: Any, kind: str) -> Any:
    """What lies in a box of that kind; None for anything else."""
    return value.content if _is(value, kind) else None


def _motion(boxes: list[Box], fps: float) -> FaceMotion:
    frames = [box.content or {} for box in boxes]
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
            raise Refused(f"frame {index} has no {key!r}")
        array = _array(frame[key])
        if array.shape != shape:
            raise Refused(f"{key!r} of frame {index} has shape {array.shape}, expected {shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(np.float32)
        if not (np.abs(array) <= FARTHEST).all():  # nor any that is not finite
            raise Refused(f"{key!r} of frame {index} holds numbers that no face has")
        arrays.append(array)
    return np.stack(arrays)


def _array(value: Any) -> np.ndarray:
    """A number, a flat list of numbers, or a numpy call -> numeric array."""
    items = _content(value, "list")
    if items is not None:
        return np.array([_number(item) for item in items[:LANDMARKS]])
    if not _is(value, "call"):
        return np.array(_number(value))
    function, order = value.name.rpartition(".")[2], "C"
    axes: tuple[int, ...] | None = None
    if function == "_reconstruct":
        _, shape, dtype, fortran, raw = _content(value.state, "tuple")
        shape, order = _content(shape, "tuple"), "F" if fortran else "C"
    elif function == "scalar":
        (dtype, raw), shape = value.content, ()
    elif function == "_frombuffer":
        raw, dtype, shape, order, *more = value.content  # numpy 2.3 tells the order of the axes as well
        shape = _content(shape, "tuple")
        if order == "K" and more:
            order, axes = "C", _content(more[0], "tuple")
    else:
        raise Refused(f"it uses {value.name} in an unusual way")
    if shape is None or order not in ("C", "F") or not all(type(side) is int and side >= 0 for side in shape):
        raise Refused("an array in it has no shape")
    array = np.frombuffer(raw, _dtype(dtype)).reshape(shape, order=order)
    return array if axes is None else array.transpose(axes)


def _number(value: Any) -> float:
    if type(value) is Box:
        if value.kind != "call":
            raise Refused("a list in it holds something that is no number")
        return _array(value).item()
    if type(value) not in (int, float, bool):
        raise Refused(f"{short(value, 40)} stands in it where a number is needed")
    return float(value)


def _dtype(value: Any) -> np.dtype[Any]:
    if not (_is(value, "call") and value.name == "numpy.dtype" and value.content and value.content[0] in _CODES):
        raise Refused("an array in it is not numeric")
    state = _content(value.state, "tuple")
    return np.dtype((">" if state and len(state) > 1 and state[1] == ">" else "<") + value.content[0])


def _size(frame: dict[str, Any]) -> tuple[int, int] | None:
    if "width" not in frame or "height" not in frame:
        return None
    sides = _array(frame["width"]), _array(frame["height"])
    if any(side.size != 1 for side in sides):
        raise Refused("the width or height in it is not a number of pixels")
    width, height = (int(side.item()) for side in sides)
    check_size(width, height)
    return width, height


def _recover_size(landmarks: np.ndarray, metric: np.ndarray, camera_from_face: np.ndarray) -> tuple[int, int]:
    """Landmarks are fractions of the width, the mesh says how far they are in cm: together they give the width."""
    points = metric.astype(np.float64) @ camera_from_face[:3, :3].T + camera_from_face[:3, 3]
    offset = landmarks[:MESH_LANDMARKS, 0].astype(np.float64) - 0.5
    _, height = near_plane((1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = points[:, 0] / -points[:, 2]  # on a plane at distance 1
        aspect = float((slope @ slope) / (slope @ offset) / height)
    return (round(512 * aspect), 512) if math.isfinite(aspect) and 0.1 < aspect < 10 else (512, 512)
