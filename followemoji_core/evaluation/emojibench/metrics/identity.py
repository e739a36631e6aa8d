"""Identity: whether it is still the person of the portrait, by two networks for recognising faces."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from ....errors import CheckpointError, MissingDependencyError
from ....face.opencv import opencv
from ....gate import loading, short
from ..networks import find_network
from .metric import Metric, Tools, Value, spread
from .shown import Shown, detector_file

LOOKED_AT = 8  # frames of a video: identity does not change from one to the next, and a look takes long
Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]  # picture (H,W,3) uint8, points (478,2) pixels -> (n,)

# Where a face that ArcFace is shown has its right eye, left eye, tip of the nose and corners of the mouth, pixels of
# 112 x 112: what all networks of that family were trained with.
_SIDE = 112
_TEMPLATE = np.array(
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
)
_PLACES = ((33, 133), (362, 263), (1,), (61,), (291,))  # landmarks whose middle is there
_DLIB_PLACES = (263, 362, 33, 133, 2)  # eye corners, outer and inner, left and right; under the nose
_DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"


def arcface_crop(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(112,112,3) uint8: the face of a picture (H,W,3) with landmarks (478,2) pixels, as ArcFace wants it: moved,
    turned and scaled to the template, by least squares."""
    own = np.stack([points[list(place)].mean(axis=0) for place in _PLACES]) @ (1, 1j)
    wanted = _TEMPLATE @ (1, 1j)
    middle = own.mean()
    turn = np.vdot(own - middle, wanted - wanted.mean()) / np.vdot(own - middle, own - middle)
    shift = wanted.mean() - turn * middle
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return opencv().warpAffine(picture, matrix, (_SIDE, _SIDE), flags=1)


def arcface(path: Path) -> Embed:
    """The network in an ONNX file, on what `arcface_crop` shows. Vectors of length 1: their product is the cosine.

    Raises MissingDependencyError without onnxruntime, CheckpointError for a file that is no such network.
    """
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise MissingDependencyError(f"ArcFace needs onnxruntime ({error}). pip install onnxruntime") from error
    advice = "Fetch it again, or name another one."
    # onnxruntime's own kinds derive from no common one but Exception's children.
    with loading(path, "Face network", CheckpointError, advice, more=(Exception,)):
        session = runtime.InferenceSession(str(path), providers=runtime.get_available_providers())
        entry = session.get_inputs()[0]
        if len(entry.shape) != 4 or list(entry.shape[1:]) != [3, _SIDE, _SIDE]:
            raise CheckpointError(f"{path.name} takes {entry.shape}, not pictures of {_SIDE} x {_SIDE}. {advice}")

    def embed(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        crop = (arcface_crop(picture, points).astype(np.float32) - 127.5) / 127.5
        vector = session.run(None, {entry.name: crop.transpose(2, 0, 1)[None]})[0].reshape(-1).astype(np.float64)
        return vector / max(np.linalg.norm(vector), 1e-12)

    return embed


def dlib_embedder() -> Embed:
    """dlib's network, 128 numbers a face: under 0.6 apart, two are the same person (its authors' threshold).

    Raises MissingDependencyError without dlib-bin or face-recognition-models.
    """
    dlib, path = _dlib()
    network = dlib.face_recognition_model_v1(str(path))

    def embed(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        places = dlib.points([dlib.point(*map(int, point)) for point in points[list(_DLIB_PLACES)].round()])
        box = dlib.rectangle(*(int(value) for value in (*points.min(axis=0), *points.max(axis=0))))
        chip = dlib.get_face_chip(np.ascontiguousarray(picture), dlib.full_object_detection(box, places), 150, 0.25)
        return np.array(network.compute_face_descriptor(chip))

    return embed


def _dlib() -> tuple[ModuleType, Path]:
    command = "pip install dlib-bin face-recognition-models"
    try:
        dlib = import_module("dlib")
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"dlib is not installed ({short(error)}). {command}") from error
    # Found, not imported: it would import pkg_resources, which new versions of setuptools lack.
    found = importlib.util.find_spec("face_recognition_models")
    folders = (found.submodule_search_locations or ()) if found else ()
    path = next((file for folder in folders if (file := Path(folder) / "models" / _DLIB_FILE).is_file()), None)
    if path is None:
        raise MissingDependencyError(f"dlib's face network is not installed. {command}")
    return dlib, path


def _measure(embed: Embed, compare: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Shown], Value]:
    portraits: dict[str, np.ndarray] = {}

    def value(shown: Shown) -> Value:
        name = shown.given.case.portrait
        if name not in portraits:
            portraits[name] = embed(shown.given.portrait, shown.given.portrait_points)
        frames = spread(len(shown.frames), LOOKED_AT)
        seen = [frame for frame in frames if shown.faces.found[frame]]
        reason = f"face found in {len(seen)} of {len(frames)} frames" if len(seen) < len(frames) else ""
        if not seen:
            return Value(None, reason)
        vectors = [embed(shown.frames[frame], shown.faces.points[frame]) for frame in seen]
        return Value(float(np.mean([compare(portraits[name], vector) for vector in vectors])), reason)

    return value


def _open_arcface(tools: Tools) -> Callable[[Shown], Value]:
    detector_file(tools.detector)
    return _measure(arcface(find_network("auraface", tools.networks, tools.files)), lambda a, b: float(a @ b))


def _open_dlib(tools: Tools) -> Callable[[Shown], Value]:
    detector_file(tools.detector)
    return _measure(dlib_embedder(), lambda a, b: float(np.linalg.norm(a - b)))


IDENTITY = Metric(
    "identity",
    "Identity similarity (ArcFace)",
    "higher",
    "",
    f"Cosine between what ArcFace (AuraFace v1) sees in the portrait and in {LOOKED_AT} frames spread over the clip.",
    _open_arcface,
    paper=True,
)
IDENTITY_DLIB = Metric(
    "identity_dlib",
    "Identity distance (dlib)",
    "lower",
    "",
    f"Distance between what dlib's face network sees in the portrait and in {LOOKED_AT} frames spread over the clip; "
    "0.6 is where its authors tell people apart. Not the paper's number: that takes ArcFace.",
    _open_dlib,
)
