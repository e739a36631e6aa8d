"""A picture of any size brought to the size that is animated, and its face with it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..errors import InputError, check_range
from ..gate import check_drawable
from ..types import FaceFrame
from .geometry import face_frame, screen_points
from .opencv import opencv

Framing = Literal["face", "fill", "fit"]
ROOM = 2.2  # side of the crop in face heights: about what talking-head videos show
ROOMS = (0.5, 20.0)  # what is allowed
_HEADROOM = 0.1  # the landmarks end at the brow: the crop's centre lies this share of a face higher than theirs


def crop_box(
    face: FaceFrame, out_size: tuple[int, int], framing: Framing = "face", room: float = ROOM
) -> tuple[int, int, int, int]:
    """What of the picture is shown at `out_size` (width, height): left, top, width, height in its whole pixels.

    face: around the face, `room` times as high as it, inside of the picture as far as possible. fill: as much as fits,
    from the middle. fit: all of it; the box is then larger than the picture (published behaviour: black bars).
    Raises InputError for another framing, or room outside ROOMS.
    """
    check_range("room", room, ROOMS)
    if framing not in get_args(Framing):
        raise InputError(f"Framing {framing!r} is not known; allowed: {', '.join(get_args(Framing))}.")
    size, aspect = np.array(face.size, float), np.array(out_size) / out_size[1]
    largest = (size / aspect).min()
    centre = size / 2
    height = largest
    if framing == "fit":
        height = (size / aspect).max()
    elif framing == "face":
        points = screen_points(face)
        low, high = points.min(0), points.max(0)
        extent = max(high - low)
        height = min(room * extent / min(aspect[0], 1.0), largest)
        centre = (low + high) / 2 - (0, _HEADROOM * extent)
    box = np.maximum(np.round(height * aspect), 1).astype(int)
    corner = np.round(centre - box / 2).astype(int)
    if framing != "fit":
        box = np.minimum(box, face.size)
        corner = np.clip(corner, 0, np.array(face.size) - box)
    return (*corner.tolist(), *box.tolist())


def steady_square(points: np.ndarray, size: tuple[int, int], room: float = ROOM) -> tuple[int, int, int]:
    """Left, top and side of the square that holds a face through a clip: one for all its frames, so that the head moves
    in it as it was filmed; inside of the picture.

    points (T,N,2): the face, in pixels of a picture of `size` (width, height). room: side in face heights.
    """
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    face = np.ptp(points, axis=1).max()
    side = int(min(max(room * face, (high - low).max()), *size))
    centre = (low + high) / 2
    corner = np.clip(np.round(centre - side / 2), 0, np.array(size) - side).astype(int)
    return int(corner[0]), int(corner[1]), side


def crop_portrait(
    image: np.ndarray, face: FaceFrame, out_size: tuple[int, int], framing: Framing = "face", room: float = ROOM
) -> tuple[np.ndarray, FaceFrame]:
    """(H,W,3) picture, uint8 or float in [0,1], and its face -> both at `out_size` (width, height), cut by crop_box.

    Bars are black. The face is moved with the picture, not detected again, and its geometry solved in the new one.
    Raises InputError for a face of a picture of another size, or another framing.
    """
    cv2 = opencv()

    if image.shape[1::-1] != tuple(face.size):
        raise InputError(
            f"The picture is {image.shape[1]}x{image.shape[0]} pixels, its face was found in one of "
            f"{face.size[0]}x{face.size[1]}. Extract the landmarks from this picture."
        )
    left, top, width, height = crop_box(face, out_size, framing, room)
    pads = [max(-top, 0), max(top + height - len(image), 0), max(-left, 0), max(left + width - image.shape[1], 0)]
    padded = cv2.copyMakeBorder(np.ascontiguousarray(image), *pads, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cut = padded[top + pads[0] :, left + pads[2] :][:height, :width]
    picture = resize(cut, out_size)

    # Pixels of the old picture to fractions of the new one; depth is in units of the picture's width.
    landmarks = face.landmarks.astype(np.float64)
    pixels = landmarks[:, :2] * face.size
    moved = np.column_stack([(pixels - (left, top)) / (width, height), landmarks[:, 2] * face.size[0] / width])
    return picture, face_frame(moved.astype(np.float32), face.blendshapes, tuple(out_size))


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H,W,3) uint8, or float in [0,1], at another `size` (width, height), same type: area means down, cubic up.

    Raises InputError for a size that no picture has.
    """
    if image.shape[1::-1] == tuple(size):
        return image
    check_drawable(*size)
    cv2 = opencv()
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    picture = cv2.resize(np.ascontiguousarray(image), tuple(size), interpolation=method)
    return picture if picture.dtype == np.uint8 else picture.clip(0, 1)
