"""MediaPipe Tasks -> faces. The only importer of mediapipe, and only when it is used."""

from __future__ import annotations

import importlib
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import CheckpointError, InputError, MissingDependencyError, NoFaceError
from ..types import BLENDSHAPES, LANDMARKS, FaceFrame, FaceMotion
from .geometry import CanonicalFace, face_frame
from .motion import FACE_ADVICE, Missing, check_clip, stack_frames
from .tracking import FaceTracker, Which

TASK_URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
_WAY_OUT = f"Download {TASK_URL} to models/followemoji/."
_MEMBERS = {"face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"}


class FaceDetector:
    """Finds faces in single pictures. Use it in a `with` block, or call `close`.

    min_confidence: of detection and of the landmarks, 0 to 1. max_faces: most faces per picture.
    """

    def __init__(self, task_path: str | os.PathLike[str], min_confidence: float = 0.5, max_faces: int = 4) -> None:
        if not 0.0 <= min_confidence <= 1.0:
            raise InputError(f"Detection confidence is {min_confidence}; allowed: 0 to 1.")
        if max_faces < 1:
            raise InputError(f"Number of faces is {max_faces}; it must be at least 1.")
        bundle = _read_bundle(Path(task_path))
        self._canonical = CanonicalFace.from_task(task_path)
        self._mediapipe, self._landmarker = _open(bundle, task_path, min_confidence, max_faces)

    def detect(self, image: np.ndarray) -> list[FaceFrame]:
        """Faces in a picture, MediaPipe's order; [] when there is none.

        image (H,W,3) RGB, uint8 or float in [0,1]; (H,W,4): alpha is dropped; (H,W) or (H,W,1): grey. A picture of a
        few pixels has no face.
        """
        if self._landmarker is None:
            raise InputError("The face detector is closed. Open a new one.")
        pixels = rgb_uint8(image)
        picture = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=pixels)
        result = self._landmarker.detect(picture)
        size = (pixels.shape[1], pixels.shape[0])
        faces = []
        for points, scores in zip(result.face_landmarks, result.face_blendshapes, strict=True):
            landmarks = np.array([(point.x, point.y, point.z) for point in points], np.float32)
            blendshapes = np.array([score.score for score in scores], np.float32)
            if landmarks.shape != (LANDMARKS, 3) or blendshapes.shape != (BLENDSHAPES,):
                raise CheckpointError(f"The face model gives {len(points)} landmarks and {len(scores)} blendshapes; "
                                      f"expected {LANDMARKS} and {BLENDSHAPES}. {_WAY_OUT}")  # fmt: skip
            faces.append(face_frame(landmarks, blendshapes, size, self._canonical))
        return faces

    def close(self) -> None:
        """Free the networks; closing twice is fine."""
        landmarker, self._landmarker = self._landmarker, None
        if landmarker is not None:
            landmarker.close()

    def __enter__(self) -> FaceDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def extract_face(image: np.ndarray, detector: FaceDetector, which: Which = "largest") -> FaceFrame:
    """The face of a picture (see FaceDetector.detect for what it may be); `which` of them when there are several."""
    tracker = FaceTracker(which)
    face = tracker.pick(detector.detect(image))
    if face is None:
        height, width = np.shape(image)[:2]
        raise NoFaceError(f"No face in the portrait ({width} x {height} pixels). {FACE_ADVICE}")
    return face


def extract_motion(
    frames: Iterable[np.ndarray],
    fps: float,
    detector: FaceDetector,
    which: Which = "largest",
    missing: Missing = "interpolate",
    on_frame: Callable[[int, bool], None] | None = None,
) -> FaceMotion:
    """One face through a clip of T pictures, of which only the current one is held.

    `which` chooses in the first frame with a face; from there the same face is followed, and frames in which it is not
    seen are missing (see stack_frames), whoever else is there. on_frame(index, found) runs after every frame, for
    progress; what it raises ends the extraction.
    """
    check_clip(fps, missing)
    tracker = FaceTracker(which)
    faces: list[FaceFrame | None] = []
    for index, image in enumerate(frames):
        faces.append(tracker.pick(detector.detect(image)))
        if on_frame is not None:
            on_frame(index, faces[-1] is not None)
    return stack_frames(faces, fps, missing)


def rgb_uint8(image: np.ndarray) -> np.ndarray:
    """Any picture that `detect` takes -> contiguous (H,W,3) uint8 RGB."""
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
    # Read here, since MediaPipe cannot open every path on Windows, and its message for a damaged file helps nobody.
    try:
        with zipfile.ZipFile(path) as bundle:
            lacking = _MEMBERS - set(bundle.namelist())
        if lacking:
            raise CheckpointError(f"Face model {path} lacks {', '.join(sorted(lacking))}. {_WAY_OUT}")
        return path.read_bytes()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"Face model {path} is damaged, half downloaded, or no MediaPipe task bundle ({error}). {_WAY_OUT}"
        ) from error
    except OSError as error:
        raise CheckpointError(f"Face model {path} cannot be read: {error.strerror}. {_WAY_OUT}") from error


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
