"""A picture of any size brought to the size that is animated, and its face with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ..errors import InputError, check_range
from ..types import Crop, FaceFrame, FaceMotion
from .geometry import face_frame, screen_points, solve_geometry
from .resample import corners, sample
from .resample import resize as resize

Framing = Literal["face", "fill", "fit", "centred"]
ROOM = 2.2  # side of the crop in face heights: about what talking-head videos show
ROOMS = (0.5, 20.0)  # what is allowed
_LEVEL = np.radians(0.25)  # a turn that is not worth the loss of sharpness
_FOLLOWING = 0.4  # seconds over which the way of a face through a clip is averaged
_HEADROOM = 0.1  # the landmarks end at the brow: the crop's centre lies this share of a face higher than theirs


def crop_box(
    face: FaceFrame, out_size: tuple[int, int], framing: Framing = "face", room: float = ROOM
) -> tuple[int, int, int, int]:
    """What of the picture is shown at `out_size` (width, height): left, top, width, height in its whole pixels.

    face: around the face, `room` times as high as it, inside of the picture as far as possible. centred: the same, but
    the face stays in the middle, and the box may reach beyond the picture. fill: as much as fits, from the middle.
    fit: all of it; the box is then larger than the picture (published behaviour: black bars).
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
    elif framing in ("face", "centred"):
        centre, height = _around(screen_points(face), aspect, room)
        height = height if framing == "centred" else min(height, largest)
    box = np.maximum(np.round(height * aspect), 1).astype(int)
    corner = np.round(centre - box / 2).astype(int)
    if framing in ("face", "fill"):
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


@dataclass(frozen=True)
class Framed:
    """picture (H,W,3), its face, and where both were in the whole picture."""

    picture: np.ndarray
    face: FaceFrame
    crop: Crop


def crop_portrait(
    image: np.ndarray, face: FaceFrame, out_size: tuple[int, int], framing: Framing = "face", room: float = ROOM
) -> tuple[np.ndarray, FaceFrame]:
    """`frame_portrait`'s picture and face, upright as the picture is."""
    framed = frame_portrait(image, face, out_size, framing, room)
    return framed.picture, framed.face


def frame_portrait(
    image: np.ndarray,
    face: FaceFrame,
    out_size: tuple[int, int],
    framing: Framing = "face",
    room: float = ROOM,
    upright: bool = False,
) -> Framed:
    """(H,W,3) picture, uint8 or float in [0,1], and its face -> both at `out_size` (width, height), cut by crop_box.

    upright: the cut is turned so that the eyes are level. Beyond the picture its edge goes on; with "fit" it is black.
    The face is moved with the picture, not detected again, and its geometry solved in the new one.
    Raises InputError for a face of a picture of another size, or another framing.
    """
    check_same_picture(image, face.size)
    cut = _cut(face, out_size, framing, room, eye_tilt(screen_points(face)) if upright else 0.0)
    landmarks = cut.landmarks(face)
    placed = face_frame(landmarks, face.blendshapes, tuple(out_size))
    crop = Crop(cut.matrix(), screen_points(placed).astype(np.float32), tuple(out_size), tuple(face.size))
    return Framed(cut_out(image, crop, framing), placed, crop)


def cut_out(image: np.ndarray, crop: Crop, framing: Framing = "face", index: int = 0) -> np.ndarray:
    """What frame `index` of a crop shows of its picture (H,W,3)."""
    return sample(image, crop.matrix(index), crop.size, "black" if framing == "fit" else "edge")


def frame_clip(
    motion: FaceMotion,
    out_size: tuple[int, int],
    framing: Framing = "face",
    room: float = ROOM,
    upright: bool = False,
) -> tuple[FaceMotion, Crop]:
    """A face through a clip, at `out_size` (width, height), and where each frame was cut; `cut_out` cuts them.

    face, centred: the face is followed, calmly, and stays in the middle whatever way it takes through the picture; with
    upright it is turned back. fill, fit: one cut for all frames. Raises InputError as crop_box does.
    """
    check_range("room", room, ROOMS)
    if framing not in ("face", "centred"):
        return _placed(motion, _cut(motion.frame(0), out_size, framing, room, 0.0))
    points = screen_points(motion)
    tilts = np.unwrap([eye_tilt(each) for each in points]) if upright else np.zeros(len(points))
    aspect = np.array(out_size) / out_size[1]
    centres, heights = zip(*(_around(each, aspect, room, tilt) for each, tilt in zip(points, tilts, strict=True)),
                           strict=True)  # fmt: skip
    path = _calm(np.column_stack([np.array(centres), heights, tilts]), motion.fps)
    cut = _Cut.about(path[:, :2], path[:, 2, None] * aspect, path[:, 3], tuple(out_size))
    return _placed(motion, cut)


def rescaled(crop: Crop, picture_size: tuple[int, int]) -> Crop:
    """The same crop of the same picture at another size (width, height)."""
    scale = np.array(picture_size, float) / crop.picture_size
    return replace(crop, picture_from_crop=crop.picture_from_crop * scale[:, None], picture_size=tuple(picture_size))


def shown_box(crop: Crop, index: int = 0) -> tuple[int, int, int, int]:
    """Left, top, width, height in whole pixels of what frame `index` of a crop shows of its picture."""
    places = corners(crop.matrix(index), crop.size)
    low = np.clip(np.floor(places.min(axis=0) + 1e-6), 0, np.array(crop.picture_size) - 1).astype(int)
    high = np.clip(np.ceil(places.max(axis=0) - 1e-6), low + 1, crop.picture_size).astype(int)
    return (*low.tolist(), *(high - low).tolist())


def check_same_picture(image: np.ndarray, size: tuple[int, int]) -> None:
    """Raises InputError unless the picture (H,W,C) has the `size` (width, height) of the one its face was found in."""
    if image.shape[1::-1] != tuple(size):
        raise InputError(
            f"The picture is {image.shape[1]}x{image.shape[0]} pixels, its face was found in one of "
            f"{size[0]}x{size[1]}. Extract the landmarks from this picture."
        )


def eye_tilt(points: np.ndarray) -> float:
    """Radians by which a face (478,2) in pixels is turned in its picture, clockwise; half a turn for one upside down.

    By the line between the eyes; in profile, where that says little, by the one from forehead to chin.
    """
    eyes = points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)
    across, down = eyes[1] - eyes[0], points[152] - points[10]
    if np.linalg.norm(across) < 0.25 * np.linalg.norm(down):
        across = np.array([down[1], -down[0]])
    tilt = float(np.arctan2(across[1], across[0]))
    return tilt if abs(tilt) >= _LEVEL else 0.0


# --- a cut: corner, sides and turn, of one picture or of each frame


@dataclass(frozen=True)
class _Cut:
    """corner (...,2): where the view's top left corner is in the picture; extent (...,2): its width and height there;
    turn (...,2,2): along its sides; out_size (width, height) in the view's own pixels."""

    corner: np.ndarray
    extent: np.ndarray
    turn: np.ndarray
    out_size: tuple[int, int]

    @classmethod
    def about(cls, centre: np.ndarray, extent: np.ndarray, tilt: np.ndarray, out_size: tuple[int, int]) -> _Cut:
        turn = _turn(tilt)
        return cls(centre - (turn @ (extent / 2)[..., None])[..., 0], extent, turn, out_size)

    def matrix(self) -> np.ndarray:
        linear = self.turn * (self.extent / self.out_size)[..., None, :]
        return np.concatenate([linear, self.corner[..., None]], axis=-1)

    def landmarks(self, face: FaceFrame | FaceMotion) -> np.ndarray:
        """(...,478,3) float32 in fractions of the view; depth is in units of its width."""
        landmarks = face.landmarks.astype(np.float64)
        offsets = landmarks[..., :2] * face.size - self.corner[..., None, :]
        places = (offsets @ self.turn) / self.extent[..., None, :]
        depth = landmarks[..., 2:] * face.size[0] / self.extent[..., None, :1]
        return np.concatenate([places, depth], axis=-1).astype(np.float32)


def _cut(face: FaceFrame, out_size: tuple[int, int], framing: Framing, room: float, tilt: float) -> _Cut:
    left, top, width, height = crop_box(face, out_size, framing, room)
    if not tilt:
        return _Cut(np.array([left, top], float), np.array([width, height], float), np.eye(2), tuple(out_size))
    size, extent = np.array(face.size, float), np.array([width, height], float)
    centre = size / 2
    if framing in ("face", "centred"):
        aspect = np.array(out_size) / out_size[1]
        centre, height = _around(screen_points(face), aspect, room, tilt)
        extent = height * aspect
        if framing == "face":  # inside of the picture as far as possible
            spread = np.abs(_turn(tilt)) @ extent
            fits = min((size / spread).min(), 1.0)
            extent, spread = extent * fits, spread * fits
            centre = np.clip(centre, spread / 2, size - spread / 2)
    return _Cut.about(centre, extent, np.float64(tilt), tuple(out_size))


def _placed(motion: FaceMotion, cut: _Cut) -> tuple[FaceMotion, Crop]:
    landmarks = cut.landmarks(motion)
    metric, pose = solve_geometry(landmarks, cut.out_size)
    placed = replace(motion, landmarks=landmarks, metric=metric, camera_from_face=pose, size=cut.out_size)
    return placed, Crop(cut.matrix(), screen_points(placed).astype(np.float32), cut.out_size, tuple(motion.size))


def _around(points: np.ndarray, aspect: np.ndarray, room: float, tilt: float = 0.0) -> tuple[np.ndarray, float]:
    """Centre (2,) and height of a cut around the face (478,2), turned by tilt, all in the picture's pixels."""
    turn = _turn(np.float64(tilt))
    own = points @ turn if tilt else points
    low, high = own.min(0), own.max(0)
    extent = max(high - low)
    centre = (low + high) / 2 - (0, _HEADROOM * extent)
    return (turn @ centre if tilt else centre), room * extent / min(aspect[0], 1.0)


def _turn(tilt: np.ndarray) -> np.ndarray:
    """(...,2,2) rotations of the picture's plane, clockwise by tilt (...) radians as one sees them."""
    cosine, sine = np.cos(tilt), np.sin(tilt)
    return np.stack([np.stack([cosine, -sine], axis=-1), np.stack([sine, cosine], axis=-1)], axis=-2)


def _calm(path: np.ndarray, fps: float) -> np.ndarray:
    """(T,N) numbers as a camera on a tripod follows them: a Gaussian over time, its ends held."""
    spread = _FOLLOWING * fps
    reach = min(int(3 * spread), 10_000)
    if len(path) < 2 or reach < 1:
        return path
    weights = np.exp(-np.square(np.arange(-reach, reach + 1) / spread) / 2)
    held = np.pad(path, [(reach, reach), (0, 0)], mode="edge")
    return np.stack([np.convolve(column, weights / weights.sum(), "valid") for column in held.T], axis=1)
