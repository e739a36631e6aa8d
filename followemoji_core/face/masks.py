"""Where the training loss looks: around the expression, and at the face."""

from __future__ import annotations

import numpy as np

from .draw import scale_points
from .opencv import opencv
from .topology import DRAWN_PATHS, FACE_CONTOUR, PUPILS


def expression_mask(
    points: np.ndarray, size: tuple[int, int], out_size: tuple[int, int] | None = None, radius: float = 0.04
) -> np.ndarray:
    """Dilated brows, lids, inner lips and pupils: (H,W) float32, 0 or 1, of `out_size` (default: `size`).

    points (478,2) pixels of a picture of `size` (width, height); `radius` of the dilation in face widths, so that the
    mask is the same at every resolution. Raises InputError as scale_points does. Paper 4.2.
    """
    cv2 = opencv()

    pixels, mask = _canvas(points, size, out_size)
    contour = pixels[list(FACE_CONTOUR)]
    reach = float(radius * np.ptp(contour, axis=0).max())
    for path, _ in DRAWN_PATHS:
        cv2.polylines(mask, [pixels[list(path)]], isClosed=False, color=1)
    for pupil in PUPILS:
        cv2.circle(mask, pixels[pupil].tolist(), 0, 1)
    # Dilation by a disc of any radius; half a pixel of it is the line itself.
    return (cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5) <= max(reach - 0.5, 0)).astype(np.float32)


def face_mask(points: np.ndarray, size: tuple[int, int], out_size: tuple[int, int] | None = None) -> np.ndarray:
    """The face from the temples down to the chin: (H,W) float32, 0 or 1, of `out_size` (default: `size`).

    points (478,2) pixels of a picture of `size` (width, height). Raises InputError as scale_points does.
    Paper 4.2; contour without forehead as published.
    """
    cv2 = opencv()

    pixels, mask = _canvas(points, size, out_size)
    cv2.fillPoly(mask, [pixels[list(FACE_CONTOUR)]], 1)
    return mask.astype(np.float32)


def _canvas(
    points: np.ndarray, size: tuple[int, int], out_size: tuple[int, int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks as whole pixels of the mask, and the empty mask. Far outside is as good as just outside."""
    width, height = out_size or size
    far = 2 * (width + height)
    pixels = np.clip(np.nan_to_num(scale_points(points, size, out_size)), -far, far)
    return pixels.astype(np.int32), np.zeros((height, width), np.uint8)
