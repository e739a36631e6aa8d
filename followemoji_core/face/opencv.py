"""OpenCV on use. mediapipe brings it; who goes without mediapipe must install it."""

from __future__ import annotations

from types import ModuleType

from ..errors import MissingDependencyError


def opencv() -> ModuleType:
    """The module cv2. Raises MissingDependencyError, which names the one OpenCV that mediapipe would bring."""
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError("OpenCV is not installed: pip install opencv-contrib-python") from error
    return cv2
