"""Several drawn people in one picture, before one ground: a photo of friends, a crowd. Their faces are known exactly.

Each person acts before a camera of its own, whose square view is a part of the picture, as a face that is framed is.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..face.choice import by_size
from ..face.geometry import solve_geometry
from ..face.opencv import opencv
from ..types import FaceMotion
from .acting import Acting
from .painting import painter_onto
from .people import STYLES, Person

MOST = 48  # people
_SMALLEST = 64  # pixels: side of a view
_FIRST = 20_000_000  # number of the first person there can be: none of those that models were trained on

# In sides of a view, from its middle.
_ACROSS, _LOOSE = 0.8, 1.1  # between neighbours of a row, at least and at most: hair does not cover a face
_ABOVE, _BELOW = 0.62, 0.6  # of the middle of the last row, and of the first
_BEHIND, _SMALLER = 0.72, 0.9  # from row to row
_JITTER = 0.03
_REACH = (0.85, 0.7, 2.6)  # of a person: to the sides, up and down


@dataclass(frozen=True)
class Stand:
    """What a person's camera sees: a square of the picture, in its pixels, that may leave it."""

    left: int
    top: int
    side: int

    def in_picture(self, motion: FaceMotion, size: tuple[int, int]) -> FaceMotion:
        """A motion before this camera as one in the picture of `size`; metric face and pose are solved in it."""
        width, height = size
        landmarks = motion.landmarks * np.float64(self.side) + (self.left, self.top, 0)
        return _solved(motion, landmarks / (width, height, width), size)

    def in_view(self, motion: FaceMotion) -> FaceMotion:
        """And back."""
        width, height = motion.size
        landmarks = motion.landmarks * np.array((width, height, width), float) - (self.left, self.top, 0)
        return _solved(motion, landmarks / self.side, (self.side, self.side))

    def reach(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of what a person may cover, inside of the picture."""
        across, up, down = (round(share * self.side) for share in _REACH)
        x, y = self.left + self.side // 2, self.top + self.side // 2
        return max(x - across, 0), max(y - up, 0), min(x + across, size[0]), min(y + down, size[1])


@dataclass(frozen=True)
class Scene:
    """people: the largest face at rest first, as faces are numbered that are found in the picture; stands: theirs.
    order: of painting, back to front. size (width, height) of the picture."""

    seed: int
    people: tuple[Person, ...]
    stands: tuple[Stand, ...]
    order: tuple[int, ...]
    size: tuple[int, int]

    @classmethod
    def of(cls, seed: int, people: int, size: tuple[int, int], style: str | None = None) -> Scene:
        """The group of that number: the same on every machine. People stand in rows, as large as they fit, in the lower
        part of the picture, and no face is covered. style: one of STYLES, instead of the group's.

        Raises InputError for no people, more than MOST, and for a picture in which they would be tiny.
        """
        if not 1 <= people <= MOST:
            raise InputError(f"A group of {people} people cannot be drawn; allowed: 1 to {MOST}.")
        rng = np.random.default_rng([seed, 29])
        style = style or STYLES[rng.choice(len(STYLES), p=(0.35, 0.3, 0.25, 0.05, 0.05))]
        light = float(rng.choice((-1, 1)))
        numbers = _FIRST + rng.choice(10_000_000, people, replace=False)
        drawn = [replace(Person.of(int(number), style), light=light) for number in numbers]
        stands = _stands(rng, people, size)
        scene = cls(seed, tuple(drawn), tuple(stands), tuple(range(people)), tuple(size))
        rank = by_size([motion.frame(0) for motion in scene.act([Acting.rest()] * people)])
        people_by_size = tuple(drawn[index] for index in rank)
        order = tuple(rank.index(index) for index in range(people))
        return replace(scene, people=people_by_size, stands=tuple(stands[index] for index in rank), order=order)

    def act(self, actings: Sequence[Acting]) -> list[FaceMotion]:
        """What each does, in the order of `people`: exact landmarks in the picture, metric face and pose solved in it.

        Raises InputError unless there is one for each.
        """
        self._check(len(actings), "actings")
        return [
            stand.in_picture(person.act(acting, (stand.side, stand.side)), self.size)
            for person, stand, acting in zip(self.people, self.stands, actings, strict=True)
        ]

    def paint(self, motions: Sequence[FaceMotion]) -> np.ndarray:
        """(T,H,W,3) uint8 RGB: everybody in a motion of the own face, from `act`; all of T frames."""
        return np.stack(list(self.frames(motions)))

    def frames(self, motions: Sequence[FaceMotion]) -> Iterator[np.ndarray]:
        """The same picture by picture, for clips that do not fit in memory. Beside a copy of the ground each takes time
        in proportion to the people's areas. Raises InputError for motions of other people, pictures or lengths."""
        self._check(len(motions), "motions")
        lengths = sorted({len(motion) for motion in motions})
        if len(lengths) > 1 or any(motion.size != self.size for motion in motions):
            raise InputError(
                f"The motions of a group have {lengths} frames, in pictures of {sorted({m.size for m in motions})}; "
                f"expected one length, and {self.size}."
            )
        painters = []
        for index in self.order:
            stand = self.stands[index]
            left, top, right, bottom = stand.reach(self.size)
            if right <= left or bottom <= top:
                continue
            window = (left - stand.left, top - stand.top, right - left, bottom - top)
            onto = painter_onto(self.people[index], stand.in_view(motions[index]), window)
            painters.append((onto, slice(top, bottom), slice(left, right)))
        ground = self.ground()
        for frame in range(lengths[0]):
            picture = ground.copy()
            for onto, rows, columns in painters:
                onto(frame, picture[rows, columns])
            yield picture

    def ground(self) -> np.ndarray:
        """(H,W,3) uint8 RGB: what is behind them, hills under a sky with discs in it."""
        cv2 = opencv()
        width, height = self.size
        rng = np.random.default_rng([self.seed, 31])
        hue = rng.random()

        def colour(turn: float, saturation: float, value: float) -> np.ndarray:
            return np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)) * 255

        high, low = colour(0.0, 0.45, 0.78), colour(0.08, 0.18, 0.95)
        share = np.linspace(0, 1, height)[:, None, None]
        picture = np.ascontiguousarray(np.broadcast_to(high + (low - high) * share, (height, width, 3)))
        picture = np.round(picture).astype(np.uint8)
        for x, y, size in rng.uniform(0, 1, (9, 3)):
            radius = max(round((0.03 + 0.07 * size) * height), 1)
            near = high + (low - high) * (0.35 + 0.5 * y)
            place = round(x * width), round(0.6 * y * height)
            cv2.circle(picture, place, radius, near.tolist(), -1, cv2.LINE_AA)
        columns = np.arange(0, width + 8, 8)
        for layer, value in enumerate((0.72, 0.6, 0.48)):
            waves = sum(
                np.sin(columns / width * turn + phase) * strength
                for turn, phase, strength in zip((4, 9, 17), rng.uniform(0, 6.3, 3), (0.05, 0.03, 0.01), strict=True)
            )
            line = height * (0.5 + 0.14 * layer + waves)
            hill = np.concatenate([np.column_stack([columns, line]), [(width, height), (0, height)]])
            cv2.fillPoly(picture, [np.round(hill).astype(np.int32)], colour(0.3, 0.35, value).tolist(), cv2.LINE_AA)
        return picture

    def _check(self, count: int, what: str) -> None:
        if count != len(self.people):
            raise InputError(f"{count} {what} for a group of {len(self.people)} people; one for each is needed.")


def _solved(motion: FaceMotion, landmarks: np.ndarray, size: tuple[int, int]) -> FaceMotion:
    landmarks = landmarks.astype(np.float32)
    metric, camera_from_face = solve_geometry(landmarks, size)
    return replace(motion, landmarks=landmarks, metric=metric, camera_from_face=camera_from_face, size=tuple(size))


def _stands(rng: np.random.Generator, people: int, size: tuple[int, int]) -> list[Stand]:
    """Back to front, in rows of which each stands in the gaps of the one before it."""
    width, height = size

    def largest(rows: int) -> float:
        columns = -(-people // rows)
        across = _ACROSS * (columns + (0.5 if rows > 1 else 0))
        return min(width / across, height / (_up_to(rows - 1) + _ABOVE * _SMALLER ** (rows - 1)))

    rows = max(range(1, people + 1), key=largest)
    side, columns = largest(rows), -(-people // rows)
    if side < _SMALLEST:
        raise InputError(
            f"{people} people do not fit in a picture of {width} x {height} pixels: each would get {side:.0f} of them, "
            f"at least {_SMALLEST} are needed. Take a larger picture, or fewer people."
        )
    gap = min(width / (columns + (0.5 if rows > 1 else 0)), _LOOSE * side)
    stands = []
    for row in reversed(range(rows)):
        count = people // rows + (row < people % rows)
        shift = 0.25 * (-1) ** row if rows > 1 else 0.0
        for place in range(count):
            across, up, larger = rng.uniform(-1, 1, 3)
            own = side * _SMALLER**row * (1 + _JITTER * larger)
            x = width / 2 + (place - (columns - 1) / 2 + (columns - count) // 2 + shift) * gap + _JITTER * across * side
            y = height - side * _up_to(row) - _JITTER * (up + 1) / 2 * side
            stands.append(Stand(round(x - own / 2), round(y - own / 2), round(own)))
    return stands


def _up_to(row: int) -> float:
    """From the picture's lower border to the middle of a row's views, in sides of the first row's."""
    return _BELOW + _BEHIND * sum(_SMALLER**before for before in range(row))
