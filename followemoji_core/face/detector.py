"""MediaPipe Tasks -> faces. The only importer of mediapipe, and only when it is used."""

from __future__ import annotations

import functools
import importlib
import io
import os
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import CheckpointError, InputError, MissingDependencyError
from ..gate import Refused, file_size, loading
from ..types import BLENDSHAPES, LANDMARKS, FaceFrame
from .geometry import ScreenFace

TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
_WAY_OUT = f"Download {TASK_URL} to models/followemoji/."
MOST_FACES = 4  # in a picture, where one is wanted
MANY = 16  # where all are: what a view shows beyond that, tiles do
_LARGEST = 128 << 20  # bytes of a bundle, packed and unpacked; the published one has 3.7 million
_MEMBERS = {"face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"}


class FaceDetector:
    """Finds faces in single pictures. Use it in a `with` block, or call `close`.

    min_confidence: of detection and of the landmarks, 0 to 1. max_faces: most faces per picture.
    Several threads may ask at once: a landmarker serves one picture at a time, so for each further thread another is
    opened (0.05 s) and kept.
    Raises InputError for a setting outside its range, CheckpointError for a file that is no face model,
    MissingDependencyError without mediapipe.
    """

    def __init__(
        self, task_path: str | os.PathLike[str], min_confidence: float = 0.5, max_faces: int = MOST_FACES
    ) -> None:
        if not 0.0 <= min_confidence <= 1.0:
            raise InputError(f"Detection confidence is {min_confidence}; allowed: 0 to 1.")
        if max_faces < 1:
            raise InputError(f"Number of faces is {max_faces}; it must be at least 1.")
        self.max_faces = max_faces
        bundle = _read_bundle(Path(task_path))
        self._open = functools.partial(_open, bundle, task_path, min_confidence, max_faces)
        self._mediapipe, landmarker = self._open()
        self._idle = [landmarker]  # taken and put back with pop and append, which are atomic
        self._closed = False

    def find(self, image: np.ndarray) -> list[ScreenFace]:
        """Faces in a picture, MediaPipe's order, their geometry not solved; [] when there is none.

        image (H,W,3) RGB, uint8 or float in [0,1]; (H,W,4): alpha is dropped; (H,W) or (H,W,1): grey. A picture of a
        few pixels has no face. Raises InputError for another picture and after `close`.
        """
        if self._closed:
            raise InputError("The face detector is closed. Open a new one.")
        pixels = rgb_uint8(image)
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=pixels)
        try:
            landmarker = self._idle.pop()
        except IndexError:
            _, landmarker = self._open()
        try:
            result = landmarker.detect(picture)
        finally:
            self._idle.append(landmarker)
        size = (pixels.shape[1], pixels.shape[0])
        faces = []
        for points, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True):
            landmarks = np.array([(point.x, point.y, point.z) for point in points], np.float32)
            blendshapes = np.array([score.score for score in scores], np.float32)
            if landmarks.shape != (LANDMARKS, 3) or blendshapes.shape != (BLENDSHAPES,):
                raise CheckpointError(f"The face model gives {len(points)} landmarks and {len(scores)} blendshapes; "
                                      f"expected {LANDMARKS} and {BLENDSHAPES}. {_WAY_OUT}")  # fmt: skip
            faces.append(ScreenFace(landmarks, blendshapes, size))
        return faces

    def detect(self, image: np.ndarray) -> list[FaceFrame]:
        """The same with metric faces and head poses. Raises InputError as well where landmarks form no face."""
        return [face.solved() for face in self.find(image)]

    def close(self) -> None:
        """Free the networks, when no thread asks any more; closing twice is fine."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def rgb_uint8(image: np.ndarray) -> np.ndarray:
    """Any picture that `find` takes -> contiguous (H,W,3) uint8 RGB. Raises InputError for another one."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise InputError(f"A picture has shape {image.shape}; expected (H,W,3) RGB, (H,W,4) RGBA or (H,W) grey.")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"A picture has numbers of type {image.dtype}; expected uint8, or float in [0,1].")
    image = image[..., :3] if image.shape[2] == 4 else image
    if image.dtype != np.uint8:
        image = np.rint(np.clip(np.nan_to_num(image.astype(np.float32)), 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _read_bundle(path: Path) -> bytes:
    # Read here, since MediaPipe cannot open every path on Windows, unpacks whatever a bundle claims to hold, and its
    # message for a damaged file helps nobody.
    with loading(path, "Face model", CheckpointError, _WAY_OUT):
        file_size(path, _LARGEST)
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            members = bundle.infolist()
            if len(members) > 64 or sum(member.file_size for member in members) > _LARGEST:
                raise Refused(f"it would unpack to more than {_LARGEST >> 20} MiB; no such bundle does")
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise Refused("it is packed in a way that no such bundle is")
            if lacking := _MEMBERS - {member.filename for member in members}:
                raise Refused(f"it lacks {', '.join(sorted(lacking))}")
            if damaged := bundle.testzip():  # reads every member against its checksum
                raise ValueError(f"{damaged} is not what was packed")
        return content


def _open(bundle: bytes, path: str | os.PathLike[str], confidence: float, max_faces: int) -> tuple[Any, Any]:
    try:
        mediapipe = importlib.import_module("mediapipe")
        tasks = importlib.import_module("mediapipe.tasks.python")
        vision = importlib.import_module("mediapipe.tasks.python.vision")
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"Face detection needs mediapipe, which cannot be imported ({error}). Install it with: "
            'python -m pip install "mediapipe>=1.0"'
        ) from error
    options = vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_buffer=bundle),
        running_mode=vision.RunningMode.IMAGE,
        num_faces=max_faces,
        min_face_detection_confidence=confidence,
        min_face_presence_confidence=confidence,
        output_face_blendshapes=True,
    )
    try:
        return mediapipe, vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"Face model {path} cannot be opened by mediapipe ({error}). {_WAY_OUT}") from error
