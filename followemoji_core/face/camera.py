"""The pinhole camera in which MediaPipe's face geometry lives: 63 degrees high, at the origin, y up, looking at -z."""

from __future__ import annotations

import math

import numpy as np

VERTICAL_FOV = 63.0  # degrees
NEAR = 1.0  # cm, distance of the near plane


def near_plane(size: tuple[int, int]) -> tuple[float, float]:
    """Width and height in cm of what the camera sees at distance NEAR, for a picture of `size` (width, height)."""
    height = 2.0 * NEAR * math.tan(math.radians(VERTICAL_FOV) / 2.0)
    return height * size[0] / size[1], height


def project(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(...,3) cm in camera space -> (...,2) float64 pixels of a picture of `size` (width, height), from its top left.

    Points nearer than the near plane, or behind the camera, are treated as lying on the near plane.
    Source: MediaPipe's perspective camera.
    """
    points = np.asarray(points, np.float64)
    depth = np.maximum(-points[..., 2], NEAR)
    width, height = near_plane(size)
    x = points[..., 0] * NEAR / depth / width + 0.5
    y = 0.5 - points[..., 1] * NEAR / depth / height
    return np.stack([x * size[0], y * size[1]], axis=-1)
