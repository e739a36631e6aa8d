"""What a drawn clip carries through time that no landmark tells: a ground that pans, in a light that wanders over it.

Portrait and landmarks fix everything else in a drawn picture. Without such a state frames are independent of each
other, and a network learns to look at each by itself.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ..face.opencv import opencv
from ..types import FaceMotion
from .painting import paint, toned
from .people import Person

_CANVAS = 256  # pixels to a side of the ground, which repeats
_CELLS = 32  # to a side, at which a pan is read
_REFERENCE = 128  # pixels to the side of the picture that pans are counted in
_PANS = (24.0, 6.0)  # the largest there are, across and down,
_READ = (44, 9)  # and the largest that are looked for
_LEAST = 50  # 8-bit levels between the two colours of a ground, so that its pan can be seen
_SLOWEST = 40  # frames of the clip, at least, in a turn of the pan and of the light


@dataclass(frozen=True)
class Hidden:
    """pans (T,2) float, to the right and down, in pixels of a picture of 128; light (T,3) factors of RGB."""

    pans: np.ndarray
    light: np.ndarray

    def __len__(self) -> int:
        return len(self.pans)

    def __getitem__(self, frames) -> Hidden:
        return Hidden(self.pans[frames], self.light[frames])

    @classmethod
    def of(cls, seed: int, frames: int, stride: int = 1) -> Hidden:
        """The state of that number over every `stride`-th frame at 25 fps: slow waves, the same on every machine."""
        rng = np.random.default_rng([seed, 202])
        time = np.arange(frames) * stride

        def wave(low: float, high: float) -> np.ndarray:
            period = max(rng.uniform(low, high), _SLOWEST * stride)
            return np.sin(2 * np.pi * (time / period + rng.random()))

        across = wave(120, 320) * rng.uniform(_PANS[0] / 3, _PANS[0])
        down = wave(120, 320) * rng.uniform(0, _PANS[1])
        bright = wave(100, 300) * rng.uniform(0.14, 0.28)
        warm = wave(100, 300) * rng.uniform(0.036, 0.12)
        light = np.exp(bright[:, None] + warm[:, None] * (1.0, 0.0, -1.0))
        return cls(np.stack([across, down], axis=-1), light)

    @classmethod
    def none(cls, frames: int) -> Hidden:
        """No pan and plain light: what a portrait is in."""
        return cls(np.zeros((frames, 2)), np.ones((frames, 3)))

    def after(self, first: Hidden) -> Hidden:
        """The same behind other frames."""
        return Hidden(np.concatenate([first.pans, self.pans]), np.concatenate([first.light, self.light]))


def paint_hidden(person: Person, motion: FaceMotion, hidden: Hidden) -> np.ndarray:
    """(T,H,W,3) uint8 RGB: `paint`, before a ground in that state; T as in the motion."""
    texture, _, _ = ground_texture(person)

    def ground(index: int, size: tuple[int, int]) -> np.ndarray:
        canvas = _at(texture, size)
        across, down = np.round(hidden.pans[index] * size[0] / _REFERENCE).astype(int)
        lit = np.roll(canvas, (down, across), (0, 1)) * hidden.light[index]
        return np.clip(np.round(lit), 0, 255).astype(np.uint8)

    return paint(person, motion, ground)


def ground_mask(person: Person, motion: FaceMotion) -> np.ndarray:
    """(T,H,W) bool: where nothing but the ground is seen."""

    def flat(level: int) -> np.ndarray:
        return paint(person, motion, lambda index, size: np.full((size[1], size[0], 3), level, np.uint8))

    return np.abs(flat(255).astype(np.int16) - flat(0)).min(axis=-1) > 240


def ground_texture(person: Person) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(256,256,3) uint8 RGB that repeats in both directions: discs, slanted stripes or clouds; and its two colours."""
    rng = np.random.default_rng([person.seed, 101])
    one, two = (np.array(toned(person, colour)) for colour in person.ground)
    if np.abs(one - two).mean() < _LEAST:
        two = np.where(one > 128, one * 0.45, one + (255 - one) * 0.6)
    share = (_discs, _stripes, _clouds)[rng.integers(3)](rng)[..., None]
    return np.round(one + (two - one) * share).astype(np.uint8), one, two


def read_pans(person: Person, pictures: np.ndarray, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pan that pictures (T,H,W,3) uint8 show: (T,2) as in `Hidden`, and how well it fits, (T,) correlation.

    Every whole pan there can be is compared with the ground (T,H,W) bool, normalised, so that light does not matter.
    """
    bank, pans, one, axis = _bank(person.seed, person.style)
    found, fits = [], []
    for picture, where in zip(pictures, ground, strict=True):
        seen = _cells((picture.astype(np.float32) - one) @ axis)
        mask = (_cells(where) > 0.99).astype(np.float32)
        count = max(float(mask.sum()), 1.0)
        mean, own = bank @ mask / count, float(seen @ mask) / count
        spread = np.square(bank) @ mask / count - mean**2
        own_spread = float(np.square(seen) @ mask) / count - own**2
        fit = (bank @ (mask * seen) / count - mean * own) / np.sqrt(np.maximum(spread * own_spread, 1e-8))
        best = int(fit.argmax())
        found.append(pans[best])
        fits.append(fit[best])
    return np.array(found), np.array(fits)


def read_light(pictures: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(T,) log of the mean level of the ground (T,H,W) bool in pictures (T,H,W,3); differences are light."""
    levels = pictures.astype(np.float64).mean(-1)
    return np.log((levels * ground).sum((1, 2)) / ground.sum((1, 2)))


@functools.lru_cache(maxsize=64)
def _bank(seed: int, style: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Grounds in every pan, (n,cells) along the axis of colours; pans (n,2); first colour; that axis."""
    texture, one, two = ground_texture(Person.of(seed, style))
    axis = ((two - one) / np.square(two - one).sum()).astype(np.float32)
    flat = (texture.astype(np.float32) - one) @ axis
    across, down = _READ
    pans = [(x, y) for y in range(-down, down + 1, 3) for x in range(-across, across + 1)]
    scale = _CANVAS // _REFERENCE
    bank = np.stack([_cells(np.roll(flat, (scale * y, scale * x), (0, 1))) for x, y in pans])
    return bank.astype(np.float32), np.array(pans, float), one.astype(np.float32), axis


def _cells(values: np.ndarray) -> np.ndarray:
    """(H,W) -> (_CELLS ** 2,) means."""
    cv2 = opencv()
    return cv2.resize(values.astype(np.float32), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).ravel()


def _at(texture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return texture if size == (_CANVAS, _CANVAS) else opencv().resize(texture, size)


# --- patterns that repeat, (256,256) shares of the second colour


def _discs(rng: np.random.Generator) -> np.ndarray:
    cv2 = opencv()
    tiled = np.zeros((3 * _CANVAS, 3 * _CANVAS), np.uint8)
    for x, y, size in rng.uniform(0, 1, (6, 3)):
        for column in range(3):
            for row in range(3):
                centre = int((x + column) * _CANVAS), int((y + row) * _CANVAS)
                cv2.circle(tiled, centre, int((0.07 + 0.12 * size) * _CANVAS), 255, -1, cv2.LINE_AA)
    return tiled[_CANVAS : 2 * _CANVAS, _CANVAS : 2 * _CANVAS] / 255.0


def _stripes(rng: np.random.Generator) -> np.ndarray:
    row = np.zeros(_CANVAS)
    edges = np.sort(rng.uniform(0, 1, 6))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        row[int(start * _CANVAS) : int(end * _CANVAS)] = 1
    if not 0.15 < row.mean() < 0.85:
        row[: _CANVAS // 3], row[_CANVAS // 3 : _CANVAS // 2] = 1, 0
    slant = int(rng.integers(-1, 2))  # whole turns over the height, so that it repeats
    return np.stack([np.roll(row, slant * y) for y in range(_CANVAS)])


def _clouds(rng: np.random.Generator) -> np.ndarray:
    waves = np.hypot(*np.meshgrid(*[np.fft.fftfreq(_CANVAS) * _CANVAS] * 2))
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(_CANVAS, _CANVAS))) * ((waves > 1) & (waves < 5))).real
    return np.clip(noise / noise.std() * 3, -1, 1) * 0.5 + 0.5
