"""The driver's movement about his resting place, without his walk and his approach: translation "steady".

A high-pass in time, of where the head is in the driver's picture and of the logarithm of its size. The slow part, the
baseline, is a local quadratic fit with a Gaussian window centred on each frame: symmetric, hence without lag; a walk at
steady pace is fitted exactly at the ends of a clip too; and what comes out at a frame depends on the seconds around it,
not on how long the clip is. The baseline is bent to go through the neutral frame, which so stays where it is.
"""

from __future__ import annotations

import math

import numpy as np

from ..types import FaceMotion
from .camera import NEAR

# Hz at which 0.707 of a movement is left (-3 dB); 0.03 at 0.1 Hz, 0.99 at 0.5 Hz. Nods, shakes and the beat of speech
# lie at 0.5 Hz and above; crossing a picture, coming nearer or sinking into a chair take more than three seconds.
CUTOFF = 0.3
# Standard deviation of the window in seconds. The fit passes (1 + c) exp(-c) with c = 2 (pi WINDOW f)^2 of a frequency
# f: 1 - 0.707 of it where c = 2.47.
WINDOW = math.sqrt(2.47 / 2) / (math.pi * CUTOFF)
_REACH = 5.0  # windows to each side; farther away weights are below 4e-6
_SAFE = 0.5  # share of the room towards the picture's edge within which a movement keeps its size


def steady_path(driving: FaceMotion, neutral: int) -> tuple[np.ndarray, np.ndarray]:
    """How the driver's head moves and grows about its place at frame `neutral`, above CUTOFF, in T frames.

    Returns moves (T,2) float64, right and down in cm at the face, which are face sizes as every face is measured in the
    canonical one's cm; and sizes (T,) float64, factors. At `neutral` they are 0 and 1.
    """
    position = driving.camera_from_face[:, :3, 3].astype(np.float64)
    depth = np.maximum(-position[:, 2], NEAR)
    seen = np.column_stack([position[:, 0] / depth, -position[:, 1] / depth, -np.log(depth)])
    slow = baseline(seen, driving.fps)
    fast = seen - slow
    seconds = (np.arange(len(seen)) - neutral) / driving.fps
    fast -= fast[neutral] * np.exp(-0.5 * np.square(seconds / WINDOW))[:, None]
    return fast[:, :2] / np.exp(slow[:, 2:]), np.exp(fast[:, 2])


def baseline(values: np.ndarray, fps: float) -> np.ndarray:
    """values (T,C) at `fps` frames per second -> (T,C) float64, what of them is slower than CUTOFF.

    At most three frames, or a clip of less than a frame per window, are slow altogether: a parabola goes through them.
    """
    values = np.asarray(values, np.float64)
    count, width = len(values), WINDOW * fps  # frames
    reach = min(count - 1, math.ceil(_REACH * width))
    steps = np.arange(-reach, reach + 1) / width
    weights = np.exp(-0.5 * np.square(steps))

    # Weighted least squares of a + b s + c s^2 around every frame: sums over its neighbours, as convolutions.
    kernels = weights * steps ** np.arange(5)[:, None]
    ones = np.ones((count, 1))
    sums = np.stack([_correlate(ones, kernel)[:, 0] for kernel in kernels], axis=-1)
    right = np.stack([_correlate(values, kernel) for kernel in kernels[:3]], axis=1)
    left = sums[:, [[0, 1, 2], [1, 2, 3], [2, 3, 4]]]
    return (np.linalg.pinv(left, rcond=1e-9, hermitian=True)[:, :1] @ right)[:, 0]


def room_inside(
    points: np.ndarray, moves: np.ndarray, centre: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far points (T,N,2) may move by moves (T,2) and stay between the corners low (2,) and high (2,).

    Returns factors (T,) <= 1 about `centre` (2,), for frames that do not fit, and shifts (T,2) after them. A movement
    keeps its size up to half of the room towards the edge and is shortened softly beyond. Points that lie outside
    unmoved are moved in.
    """
    extent = np.ptp(points, axis=1)
    fits = np.min((high - low) / np.maximum(extent, 1e-9), axis=-1).clip(max=1.0)
    points = centre + (points - centre) * fits[:, None, None]
    least, most = low - points.min(axis=1), high - points.max(axis=1)
    moves = np.where(moves > 0, _softly(moves, most), -_softly(-moves, -least))
    return fits, np.clip(moves, np.minimum(least, most), most)


def _softly(move: np.ndarray, room: np.ndarray) -> np.ndarray:
    """A move >= 0 within room: itself up to _SAFE of it, then bending towards all of it."""
    room = np.maximum(room, 1e-9)
    share = move / room
    return np.where(share <= _SAFE, move, room * (_SAFE + (1 - _SAFE) * np.tanh((share - _SAFE) / (1 - _SAFE))))


def _correlate(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Sum over k of values[t + k - R] kernel[k], nothing beyond the ends; values (T,C), kernel (2R+1,)."""
    length = len(values) + len(kernel) - 1
    length = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(values, length, axis=0) * np.fft.rfft(kernel[::-1], length)[:, None]
    reach = len(kernel) // 2
    return np.fft.irfft(spectrum, length, axis=0)[reach : reach + len(values)]
