"""One face through a clip that may show several.

While frames come in, faces are strung to short runs that leave no doubt: next place, same size, same shape, nobody
else near. Who is who is decided at the end, when every run is known as a whole: by where it should have gone on, by
size, and by the proportions of the metric face, which a smile or a turn of the head changes little.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations

import numpy as np

from .choice import Choice, by_size, check_choice, pick
from .geometry import ScreenFace, screen_points

log = logging.getLogger(__name__)

# 1. Proportions: distances between landmarks of the metric face, and by how much (as a logarithm) they vary in one
# person who acts. Measured with the detector on 20 drawn people and the golden clips: the proportions of 8 frames
# differ from those of 16 to 48 others of the same person by 0.75 of that in the median (1.42 in 19 of 20), of another
# person by 1.37 (0.74 in 1 of 20).
_SPANS = (
    (33, 263), (133, 362), (33, 133), (362, 263), (168, 2), (168, 1), (129, 358),
    (234, 454), (127, 356), (10, 168), (172, 397), (1, 2), (234, 1), (454, 1),
)  # fmt: skip
_SPREAD = (0.026, 0.065, 0.049, 0.047, 0.037, 0.034, 0.039, 0.023, 0.022, 0.038, 0.031, 0.039, 0.020, 0.018)

# 2. Runs. Distances are in sizes of the face.
_STEP = 0.4  # farther from where it should be is another run
_GROWTH = 0.25  # of the size's logarithm, likewise
_NEAR = 1.0  # closer than this, one of two faces may hide the other
_JUMP = 2.5  # of _Run.jump: more in every face at once is a cut
_RESTLESS = 3.0  # but so many usual jumps of a person who is always moving
_OUTSET = 5  # frames in which somebody sets out
_DAMPING = 0.97  # of a hidden face's velocity, per frame

# 3. Linking: costs are squares of what is unusual.
_SHAPE = 4.0  # weight of the proportions: the spans do not vary independently
_CAP = 2.0  # more unusual than this a place or a size cannot be: there are cuts
_STRANGER = 12.0  # what it costs to take a run for somebody who was not seen before
_NEVER = 1e6
_DOUBT = 3.0  # less than this between the best answer and the next is no answer
_BRIEF = 3  # frames: a shorter run cannot be told from somebody else who is not in sight
_TOGETHER = 12  # frames: runs that begin within so many are told apart at once
_MOST = 4  # people among whom a run is looked for
_REMEMBERED = 32  # people beside the followed one: those who were seen last


@dataclass
class _Look:
    """A face in a frame. centre (2,) and extent, the longer side of its box, in pixels; shape (14,) in spreads."""

    face: ScreenFace
    centre: np.ndarray
    extent: float
    points: np.ndarray
    shape: np.ndarray

    @classmethod
    def at(cls, face: ScreenFace) -> _Look:
        points = screen_points(face)
        low, high = points.min(axis=0), points.max(axis=0)
        ends = face.shape[np.array(_SPANS).T].astype(np.float64)
        spans = np.log(np.maximum(np.linalg.norm(ends[0] - ends[1], axis=-1), 1e-3))
        return cls(face, (low + high) / 2, float((high - low).max()), points, spans / _SPREAD)


@dataclass
class _Run:
    """The same face in frames `start` to `end`. looks: its first and last one; faces: of the frames that may count."""

    start: int
    end: int
    first: _Look
    last: _Look
    shape: np.ndarray
    faces: dict[int, ScreenFace] = field(default_factory=dict)
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels per frame, lately
    restless: float = 0.0  # the usual jump
    setting_out: np.ndarray = field(default_factory=lambda: np.zeros(2))  # and over its first frames

    def __len__(self) -> int:
        return self.end - self.start + 1

    def place(self, index: int) -> np.ndarray:
        """Where the face should be in a later frame."""
        steps = index - self.end
        return self.last.centre + self.velocity * (1 - _DAMPING**steps) / (1 - _DAMPING) * _DAMPING

    def distance(self, look: _Look, index: int) -> float:
        return float(np.linalg.norm(look.centre - self.place(index))) / max(self.last.extent, look.extent)

    def jump(self, look: _Look) -> float:
        """How sudden a change of shape, outline and size it would be; 0.3 is usual when somebody talks."""
        shape = _rms(look.shape - self.last.shape) / 1.2
        moved = np.linalg.norm(look.points - self.last.points - self.velocity, axis=-1).mean() / self.last.extent / 0.06
        return shape**2 + moved**2 + (_growth(self.last, look) / 0.05) ** 2

    def add(self, look: _Look, index: int, keep: bool) -> None:
        moved = (look.centre - self.last.centre) / (index - self.end)
        self.restless += (self.jump(look) - self.restless) / min(len(self), 10)
        self.velocity = moved if len(self) == 1 else 0.6 * self.velocity + 0.4 * moved
        if len(self) <= _OUTSET:
            self.setting_out = (look.centre - self.first.centre) / (index - self.start)
        self.shape = self.shape + (look.shape - self.shape) / (len(self) + 1)
        self.end, self.last = index, look
        if keep:
            self.faces[index] = look.face


@dataclass
class _Person:
    """The runs of one face so far; shape (14,): their average, over the `seen` frames of them."""

    runs: list[_Run]
    shape: np.ndarray
    seen: int

    @classmethod
    def of(cls, run: _Run) -> _Person:
        return cls([run], run.shape, len(run))

    @property
    def last(self) -> _Run:
        return self.runs[-1]

    def add(self, run: _Run) -> None:
        self.seen += len(run)
        self.shape = self.shape + (run.shape - self.shape) * (len(run) / self.seen)
        self.runs.append(run)


@dataclass(frozen=True)
class Track:
    """One followed face: in every frame, None where it is not there or not sure; unsure: frames in which somebody may
    be it."""

    faces: list[ScreenFace | None]
    unsure: list[int]


class FaceTracker:
    """Chooses a face by `which` in the first frame that has one, and says in which frames it is seen again; with
    `everybody` each face of that frame is followed, on its own.

    Give it every frame in order (`see`), then ask (`chosen`, `tracks`). Sides are the picture's. Frames in which
    somebody else hides the face, or in which it cannot be told from another one, are missing. In a clip that never
    shows two faces at once it is the same one after a cut or a fast move. Raises InputError for another `which`, and
    in the first frame with a face where `which` means none of it, or two.
    """

    def __init__(self, which: Choice = "largest", everybody: bool = False) -> None:
        check_choice(which)
        self.which = which
        self.everybody = everybody
        self.most = 0  # faces seen at once
        self.unsure: list[int] = []  # frames in which somebody may be the chosen one; known after `chosen`
        self.cuts: list[int] = []  # frames at which the face of a clip with one face is elsewhere; likewise
        self._count = 0
        self._live: list[_Run] = []
        self._runs: list[_Run] = []
        self._mains: list[_Run] = []  # of the followed ones, the largest first
        self._chosen = 0  # which of them
        self._guesses: list[_Look] = []

    def pick(self, faces: Sequence[ScreenFace]) -> int:
        """Index of the face that `which` means among those of the next frame, which are at least one."""
        return pick(faces, self.which, f"frame {self._count}")

    @property
    def following(self) -> int:
        """How many faces are followed."""
        return len(self._mains)

    def followed(self, faces: Sequence[ScreenFace]) -> list[int]:
        """Indices of those to follow among the faces of the next frame, the largest first."""
        return by_size(faces) if self.everybody else [self.pick(faces)]

    def nearest(self, faces: Sequence[ScreenFace], anywhere: Sequence[bool]) -> list[ScreenFace | None]:
        """Of the faces of the frame that was seen last, for each followed one the one where it should be: a guess.

        None where there is none close to the last guess, unless anywhere[its place]. No two get the same.
        """
        looks = [_Look.at(face) for face in faces]
        pairs = sorted(
            (_apart(guess, look), who, number)
            for who, guess in enumerate(self._guesses)
            for number, look in enumerate(looks)
        )
        found: list[ScreenFace | None] = [None] * len(self._guesses)
        taken: set[int] = set()
        for distance, who, number in pairs:
            if found[who] is None and number not in taken and (anywhere[who] or distance < 2 * _NEAR):
                found[who], self._guesses[who] = faces[number], looks[number]
                taken.add(number)
        return found

    def see(self, faces: Sequence[ScreenFace]) -> None:
        """The faces of the next frame, in any order."""
        if not self._mains and faces:
            chosen, followed = self.pick(faces), self.followed(faces)
        index, self._count = self._count, self._count + 1
        self.most = max(self.most, len(faces))
        looks = [_Look.at(face) for face in faces]
        going_on = self._going_on(looks, index)
        # The frames of others count only where the followed one may be among them.
        only = {id(run) for run in going_on.values()} & {id(run) for run in self._mains}
        all_count = self.everybody or not only
        self._live = []
        for number, look in enumerate(looks):
            if (run := going_on.get(number)) is not None:
                run.add(look, index, keep=all_count or id(run) in only)
            else:
                run = _Run(index, index, look, look, look.shape, {index: look.face} if all_count else {})
                self._runs.append(run)
            self._live.append(run)
        if not self._mains and looks:
            self._mains = [self._live[number] for number in followed]
            self._guesses = [run.last for run in self._mains]
            self._chosen = followed.index(chosen)

    def _going_on(self, looks: list[_Look], index: int) -> dict[int, _Run]:
        """Which live run goes on in which look: without doubt."""
        pairs = sorted(
            (distance, number, place)
            for place, run in enumerate(self._live)
            for number, look in enumerate(looks)
            if (distance := run.distance(look, index)) < _STEP and _growth(run.last, look) < _GROWTH
        )
        found: dict[int, _Run] = {}
        taken: set[int] = set()
        for _, number, place in pairs:
            if number not in found and place not in taken:
                found[number] = self._live[place]
                taken.add(place)
        # 1. A cut.
        jumps = {number: run.jump(looks[number]) for number, run in found.items()}
        if jumps and all(jump > max(_JUMP, _RESTLESS * found[number].restless) for number, jump in jumps.items()):
            found = {}
        # 2. Somebody is gone, or has come, close to one who seems to stay: it may as well be the other way round.
        gone = [run for place, run in enumerate(self._live) if place not in taken]
        come = [look for number, look in enumerate(looks) if number not in found and number not in jumps]
        return {
            number: run
            for number, run in found.items()
            if not any(other.distance(looks[number], index) < _NEAR for other in gone)
            and not any(_apart(other, looks[number]) < _NEAR for other in come)
        }

    def chosen(self) -> list[ScreenFace | None]:
        """The chosen face in every frame that was seen, None where it is not there or not sure."""
        tracks = self.tracks()
        if not tracks:
            return [None] * self._count
        self.unsure = tracks[self._chosen].unsure
        return tracks[self._chosen].faces

    def tracks(self) -> list[Track]:
        """Each followed face through all frames that were seen, the largest of the first frame with a face first."""
        self.cuts = []
        if self.most == 1:
            found = [(self._of_one(), [])]
        else:
            found = [self._linked(main) for main in self._mains]
        claims = Counter(id(run) for runs, _ in found for run in runs)
        tracks = []
        for runs, unsure in found:
            faces: list[ScreenFace | None] = [None] * self._count
            doubtful = set(unsure)
            for run in runs:
                if claims[id(run)] > 1:  # two may be it: then it is neither
                    doubtful.update(run.faces)
                    continue
                for index, face in run.faces.items():
                    faces[index] = face
            tracks.append(Track(faces, [index for index in sorted(doubtful) if faces[index] is None]))
        return tracks

    def _of_one(self) -> list[_Run]:
        for before, run in zip(self._runs, self._runs[1:], strict=False):
            if before.distance(run.first, run.start) > 2 * _STEP:
                self.cuts.append(run.start)
        return self._runs

    def _linked(self, followed: _Run) -> tuple[list[_Run], list[int]]:
        """The runs of a followed face, and the frames in which somebody may be it."""
        people = [_Person.of(followed)]
        unsure: list[int] = []
        others = [run for run in self._runs if run is not followed]
        for group in _groups(others):
            free = [person for person in people if person.last.end < max(run.start for run in group)]
            main = bool(free) and free[0] is people[0]
            rivals = sorted(free[main:], key=lambda person: group[0].start - person.last.end)
            free = free[:main] + rivals[: _MOST - 1]
            answers = [answer for answer in _answers(free, group) if answer[0] < _NEVER]
            best, meant = answers[0]
            # The followed one is one of these only if any other answer is clearly worse.
            other = next((cost for cost, answer in answers if main and answer[0] != meant[0]), np.inf)
            doubtful: set[int] = set()
            if other - best < _DOUBT:
                near = [answer[0] for cost, answer in answers if cost - best < _DOUBT and answer[0] is not None]
                doubtful = set(near)
            if main and len(free) > 1 and meant[0] is not None and len(group[meant[0]]) < _BRIEF:
                doubtful.add(meant[0])
            for number in doubtful:
                unsure += group[number].faces
            for person, number in zip(free, meant, strict=True):
                if number is not None and number not in doubtful:
                    person.add(group[number])
            known = {number for number in meant if number is not None} | doubtful
            people += [_Person.of(run) for number, run in enumerate(group) if number not in known]
            if len(people) > 2 * _REMEMBERED:
                people[1:] = sorted(people[1:], key=lambda person: person.last.end)[-_REMEMBERED:]
        return people[0].runs, unsure


def _groups(runs: list[_Run]) -> Iterator[list[_Run]]:
    """Runs by their beginning, those together that begin at about the same time and are seen side by side."""
    waiting = sorted(runs, key=lambda run: run.start)
    taken: set[int] = set()
    for place, first in enumerate(waiting):
        if place in taken:
            continue
        group = [first]
        for later, run in enumerate(islice(waiting, place + 1, None), place + 1):
            if len(group) == _MOST or run.start >= first.start + _TOGETHER:
                break
            if later not in taken and run.start <= min(member.end for member in group):
                group.append(run)
                taken.add(later)
        yield group


def _answers(people: list[_Person], group: list[_Run]) -> list[tuple[float, tuple[int | None, ...]]]:
    """Who of the people may be which of the runs, None for no one of them: cheapest first, with what it costs."""
    numbers = [*range(len(group)), *[None] * len(people)]
    costs = [[_cost(person, run) for run in group] for person in people]
    answers = {
        answer: sum(_STRANGER for number in range(len(group)) if number not in answer)
        + sum(costs[place][number] for place, number in enumerate(answer) if number is not None)
        for answer in permutations(numbers, len(people))
    }
    return sorted(((cost, answer) for answer, cost in answers.items()), key=lambda pair: pair[0])


def _cost(person: _Person, run: _Run) -> float:
    """How unusual it would be if a person went on as that run."""
    last = person.last
    if last.end >= run.start:
        return _NEVER
    gap = run.start - last.end
    unusual = [
        last.distance(run.first, run.start) / min(0.3 + 0.03 * gap, 1.0),
        _growth(last.last, run.first) / (0.1 + 0.02 * gap),
    ]
    if len(run) > _OUTSET:
        turned = np.linalg.norm(run.setting_out - last.velocity) / last.last.extent
        unusual.append(float(turned) / (0.05 + 0.005 * gap))
    seen = min(len(run), person.seen)
    weight = _SHAPE * seen / (seen + 2)  # few frames say little
    return weight * _rms(run.shape - person.shape) ** 2 + sum(min(value, _CAP) ** 2 for value in unusual)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def _growth(before: _Look, after: _Look) -> float:
    return abs(float(np.log(after.extent / before.extent)))


def _apart(one: _Look, other: _Look) -> float:
    return float(np.linalg.norm(one.centre - other.centre)) / max(one.extent, other.extent)
