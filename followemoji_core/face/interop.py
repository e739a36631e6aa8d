"""Faces that other detectors found: ComfyUI's FACE_LANDMARKS payload -> FaceMotion. Needs no mediapipe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..types import LANDMARKS, FaceMotion
from .choice import Choice, told
from .extraction import doubts
from .geometry import ScreenFace
from .motion import Missing, check_clip, stack_screen_faces
from .plausible import plausible
from .topology import BLENDSHAPE_NAMES
from .tracking import FaceTracker

log = logging.getLogger(__name__)


def motion_from_face_landmarks(
    payload: Mapping[str, Any],
    fps: float,
    which: Choice = "largest",
    missing: Missing = "interpolate",
    say: Callable[[str], None] = log.info,
) -> FaceMotion:
    """One face through the clip that ComfyUI's face landmark node looked at.

    payload: "image_size" (H, W) and "frames", a list of faces per frame, each with landmarks_xy (478,2) pixels,
    landmarks_3d (478,3) in units of the network's 192-pixel crop, and blendshapes {name: score}. `which`, `missing` and
    `say` mean what they mean in extract_motion; what has not the shape of a face is left out. Raises InputError for a
    payload of another form, NoFaceError as stack_frames does.
    """
    check_clip(fps, missing)
    try:
        height, width = (int(side) for side in payload["image_size"])
        frames = [list(faces) for faces in payload["frames"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f'Face landmarks lack a list of "frames" or an "image_size" ({error!r}). Connect the face landmarks output '
            "of ComfyUI's face landmark node."
        ) from error
    if width < 1 or height < 1:
        raise InputError(
            f"Face landmarks are of a picture of {width} x {height} pixels: there is none. Run the face landmark node "
            "on a picture."
        )
    tracker, flaws = FaceTracker(which), {}
    for index, faces in enumerate(frames):
        try:
            seen, wrong = plausible(_face(face, (width, height)) for face in faces)
            tracker.see(seen)
            if wrong:
                flaws[index] = wrong[0]
        except (KeyError, TypeError, ValueError, AttributeError, np.linalg.LinAlgError) as error:
            raise InputError(
                f"Face landmarks of frame {index} (of {len(frames)}) cannot be used: {error}. Expected landmarks_xy "
                f"({LANDMARKS},2), landmarks_3d ({LANDMARKS},3) and blendshapes by name."
            ) from error
    motion = stack_screen_faces(tracker.chosen(), fps, missing)
    say(f"{tracker.most} face{'s' if tracker.most > 1 else ''} seen at once at most, {told(which)} taken.")
    for doubt in doubts(tracker, flaws):
        say(doubt)
    return motion


def _face(face: Mapping[str, Any], size: tuple[int, int]) -> ScreenFace:
    on_screen = np.asarray(face["landmarks_xy"], np.float64)
    in_crop = np.asarray(face["landmarks_3d"], np.float64)
    if on_screen.shape != (LANDMARKS, 2) or in_crop.shape != (LANDMARKS, 3):
        raise ValueError(f"shapes {on_screen.shape} and {in_crop.shape}")
    # Depth is in the crop's units; the crop was turned and scaled into the picture: least squares tells how much.
    basis = np.column_stack([in_crop[:, :2], np.ones(LANDMARKS)])
    picture_from_crop = np.linalg.lstsq(basis, on_screen, rcond=None)[0]
    pixels_per_unit = np.linalg.norm(picture_from_crop[0])
    landmarks = np.column_stack([on_screen / size, in_crop[:, 2] * pixels_per_unit / size[0]])
    scores = face["blendshapes"]
    blendshapes = np.array([float(scores.get(name, 0.0)) for name in BLENDSHAPE_NAMES], np.float32)
    return ScreenFace(landmarks.astype(np.float32), blendshapes, size)
