"""What the ablations train, and how each table measures it where it should act; by drawn people, held out.

A table is a question of the paper. Its first row is the method as it is; the others change one thing, by a training of
their own or only in use. A measure is a number for each of the people, so that rows can be compared person by person.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..diffusion.noise import ClipNoise
from ..diffusion.sampler import Rows, sample
from ..diffusion.schedule import make_scheduler
from ..drawn import Acting, Person, paint
from ..drawn.painting import head_outline
from ..face.geometry import screen_points
from ..face.masks import expression_mask, face_mask
from ..face.opencv import opencv
from ..face.topology import FACE_CONTOUR, INNER_LIP_LOWER, INNER_LIP_UPPER
from ..model.conditioning import condition
from ..model.config import LATENT_CELL
from ..training.batches import draw
from ..training.sample_grid import animate_images
from ..training.settings import TrainSettings
from ..walk.landmark_features import LandmarkFeatures
from ..walk.studio import SMALL_SETTINGS, Studio
from .reenactment import HELD_OUT, Case, box_error, case_of, cases, gaze, gaze_correlation, parts

FRAMES, STRIDE = 8, 4  # of each motion: its 32 frames, every fourth
_BAND = 6  # pixels at 128: width of the band at the outline
_LEAST = 20  # pixels at 128 of a region that count, over all frames of a person
_SEEN = 4  # eyes in which a pupil must be found, or its gaze correlates with nothing
_DRIVERS, _MOTIONS = 500_000, 250_000  # from a person's number, as in `cases`
_ENDS = 3  # points of the contour at each temple, under the hair

# Training -> what it changes in the settings of a row. Both parts of the facial loss weigh 1 unless changed.
FULL = "full"
_TOKENS = {"new_projector": True, "drop_maps": 0.5}
TRAININGS: dict[str, dict[str, Any]] = {
    FULL: {},
    "no facial loss": {"expression_weight": 0.0, "face_weight": 0.0},
    "expression alone": {"face_weight": 0.0},
    "face alone": {"expression_weight": 0.0},
    "face weight 0.25": {"face_weight": 0.25},
    "face weight 4": {"face_weight": 4.0},
    "contour": {"contour": True},
    "no pupils": {"pupils": False},
    "q-former": _TOKENS,
    "pooled": _TOKENS | {"tokens": "mean", "model": {"queries": 0}},
    "linear": _TOKENS | {"model": {"queries": 0}},
    "no tokens": _TOKENS | {"tokens": "none", "model": {"queries": 0}},
}
Values = dict[str, list[float]]  # measure -> a number for each of the people, nan for those who show nothing of it


@dataclass(frozen=True)
class Row:
    """A line of a table, of what that training made. worse: whether the paper says so."""

    name: str
    training: str
    worse: bool = False


@dataclass(frozen=True)
class Made:
    """The networks of one training, and of how many people to measure them, at `size` pixels."""

    studio: Studio
    settings: TrainSettings
    people: int
    size: int

    def animate(self, case: Case, points: np.ndarray | None = None) -> np.ndarray:
        """(T,H,W,3) uint8 RGB; points (T,478,2) pixels instead of the aligned ones."""
        points = case.aligned.points if points is None else points
        images = np.stack([draw(frame, self.size, self.settings) for frame in points])
        return animate_images(self.studio, case.portrait, images, SMALL_SETTINGS)

    def by_tokens(self, case: Case) -> np.ndarray:
        """The same without the appearance net's maps: of the portrait, image tokens are all that is known."""
        studio, host = self.studio, self.studio.host
        denoiser = studio.networks.denoiser
        tokens = studio.token_encoder.tokens(torch.from_numpy(case.portrait)[None])
        features = LandmarkFeatures(
            studio.networks.landmark_encoder, case.aligned, case.aligned.size, host.device, host.dtype
        )
        with torch.no_grad():
            known = condition(denoiser, tokens, None)
        shape = (studio.codec.channels, self.size // LATENT_CELL, self.size // LATENT_CELL)
        frames = range(len(case.aligned))
        noise = ClipNoise(len(frames), shape, SMALL_SETTINGS.seed, SMALL_SETTINGS.shared_noise)(frames)

        def predict(noisy, timestep, rows, clips, covered):
            return denoiser(noisy, timestep, features(rows), (known,), clips, covered)

        whole = Rows(tuple(frames), (1.0,) * len(frames))
        latents = sample(predict, noise, [whole], make_scheduler(), SMALL_SETTINGS.steps)
        return np.stack(list(studio.frames(latents)))


@dataclass(frozen=True)
class Table:
    """rows: the first is what the others are compared with. examine(made, rows): by row, of one training.

    differences: measures that are compared by difference, and better when higher; the others are errors, by ratio.
    """

    title: str
    rows: tuple[Row, ...]
    examine: Callable[[Made, Sequence[Row]], dict[str, Values]]
    differences: tuple[str, ...] = ()

    def trainings(self) -> list[str]:
        """Those that its rows are made by, each once."""
        return list(dict.fromkeys(row.training for row in self.rows))


# --- who is measured


def _numbers(count: int) -> range:
    return range(HELD_OUT, HELD_OUT + count)


def _acting(number: int) -> Acting:
    return Acting.random(number + _MOTIONS, FRAMES * STRIDE, from_rest=True).every(STRIDE)


def _usual(made: Made, **kind: bool) -> Iterator[Case]:
    return cases(made.people, FRAMES, made.size, stride=STRIDE, **kind)


def _open_mouthed(made: Made) -> Iterator[Case]:
    for number in _numbers(made.people):
        acting = _acting(number)
        acting = replace(acting, shares=acting.shares | {"jaw": 0.6 + 0.4 * acting.shares["jaw"]})
        yield case_of(Person.of(number), Person.of(number + _DRIVERS), acting, made.size)


def _adorned(made: Made) -> Iterator[Case]:
    """The first held-out people with a beard or glasses."""
    people = (Person.of(number) for number in itertools.count(HELD_OUT))
    wearing = (person for person in people if person.beard or person.glasses is not None)
    for person in itertools.islice(wearing, made.people):
        yield case_of(person, Person.of(person.seed + _DRIVERS), _acting(person.seed), made.size)


def _unlike_the_mesh(made: Made) -> Iterator[Case]:
    for number in _numbers(made.people):
        person = Person.of(number).unlike_the_mesh(number)
        yield case_of(person, Person.of(number + _DRIVERS), _acting(number), made.size)


_NEAR_OR_FAR, _BESIDE = ((0.0, 0.0, 5.0), (0.0, 0.0, -10.0)), ((-3.5, 2.0, 0.0), (3.5, -2.0, 0.0))
_EXAGGERATED = 4.0
DRIVERS: dict[str, Callable[[int], tuple[tuple[float, float, float], float]]] = {
    "nearer or farther": lambda n: (_NEAR_OR_FAR[n % 2], 1.0),
    "elsewhere": lambda n: (_BESIDE[n % 2], 1.0),
    "of another shape": lambda n: ((0.0, 0.0, 0.0), _EXAGGERATED),
    "all three": lambda n: (tuple(np.add(_NEAR_OR_FAR[n % 2], _BESIDE[n // 2 % 2]).tolist()), _EXAGGERATED),
}


def _driven(made: Made, by: str) -> Iterator[Case]:
    """Drivers who are nearer or farther in turn, left or right, of four times their own shape."""
    for number in _numbers(made.people):
        away, factor = DRIVERS[by](number)
        driver = Person.of(number + _DRIVERS).exaggerated(factor)
        yield case_of(Person.of(number), driver, _acting(number), made.size, away)


# --- where it is looked; masks (T,H,W) bool


def masked_error(case: Case, pictures: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute error of pictures (T,H,W,3) there, 8-bit levels; nan where the mask is hardly anything."""
    if mask.sum() < _LEAST * (mask.shape[-1] / 128) ** 2:
        return float("nan")
    return float(np.abs(pictures[mask].astype(float) - case.truth[mask]).mean())


def beside_the_expression(case: Case, radius: float) -> np.ndarray:
    """Inside the face, outside of the expression mask of that radius."""
    size = case.motion.size
    return np.stack(
        [
            (face_mask(points, size) > 0) & (expression_mask(points, size, radius=radius) == 0)
            for points in screen_points(case.motion)
        ]
    )


def inside_the_mouth(case: Case) -> np.ndarray:
    """Between the inner lips: teeth, tongue and what is dark."""
    lips = screen_points(case.motion)[:, [*INNER_LIP_UPPER, *INNER_LIP_LOWER[::-1]]]
    return _drawn(case, lambda mask, points: opencv().fillPoly(mask, [points], 1), lips)


def beard_and_glasses(case: Case) -> np.ndarray:
    """Where the picture would be another without them."""
    bare = paint(replace(case.person, beard=False, glasses=None), case.motion)
    return np.abs(case.truth.astype(np.int16) - bare).max(-1) > 10


def outline_band(case: Case) -> np.ndarray:
    """A band of _BAND pixels along the outline of the painted face, below the temples."""
    thick = max(round(_BAND * case.motion.size[0] / 128), 1)
    outlines = head_outline(case.person, case.motion)[:, _ENDS:-_ENDS]
    return _drawn(case, lambda mask, points: opencv().polylines(mask, [points], False, 1, thick), outlines)


def _drawn(case: Case, mark: Callable[[np.ndarray, np.ndarray], Any], paths: np.ndarray) -> np.ndarray:
    masks = np.zeros(case.truth.shape[:3], np.uint8)
    for mask, path in zip(masks, np.ascontiguousarray(np.round(paths), np.int32), strict=True):
        mark(mask, path)
    return masks > 0


# --- the tables


def _loss(made: Made, rows: Sequence[Row]) -> dict[str, Values]:
    values: Values = {name: [] for name in LOSS_MEASURES}
    for case in _usual(made):
        pictures = made.animate(case)
        values["eyes and mouth"].append(box_error(case, pictures))
        values["face beside the expression"].append(
            masked_error(case, pictures, beside_the_expression(case, made.settings.expression_radius))
        )
    for name, chosen, mask in (
        ("inside an open mouth", _open_mouthed, inside_the_mouth),
        ("beard and glasses", _adorned, beard_and_glasses),
    ):
        values[name] = [masked_error(case, made.animate(case), mask(case)) for case in chosen(made)]
    for case in _usual(made, looking=True):
        for name, value in zip(GAZES, _gaze(case, made.animate(case)), strict=True):
            values[name].append(value)
    return {row.name: values for row in rows}


GAZES = ("gaze, horizontal", "gaze, vertical")
LOSS_MEASURES = ("eyes and mouth", "face beside the expression", "inside an open mouth", "beard and glasses", *GAZES)


def _gaze(case: Case, pictures: np.ndarray) -> tuple[float, float]:
    """Correlations of one person; 0 where hardly a pupil is found, nan where there is hardly an eye that is open."""
    if len(gaze(case, case.truth)[0]) < _SEEN:
        return float("nan"), float("nan")
    if len(gaze(case, pictures)[0]) < _SEEN:
        return 0.0, 0.0
    across, up = gaze_correlation([case], [pictures])
    return across, up


def _pupils(made: Made, rows: Sequence[Row]) -> dict[str, Values]:
    looks = [_gaze(case, made.animate(case)) for case in _usual(made, looking=True)]
    values = dict(zip(GAZES, map(list, zip(*looks, strict=True)), strict=True))
    return {row.name: values for row in rows}


# How the contour is drawn at test time: (points (T,27,2) of the true outline, a generator) -> points.
CONTOURS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "contour, exact": lambda outline, rng: outline,
    "contour, scaled by 1.15": lambda outline, rng: outline + 0.15 * (outline - outline.mean(1, keepdims=True)),
    "contour, shifted": lambda outline, rng: outline + 0.05 * np.ptp(outline, axis=1).max(),
    "contour, jittered": lambda outline, rng: (
        outline + 0.03 * np.ptp(outline, axis=1).max() * rng.standard_normal((len(outline), 1, 2))
    ),
}
_OF_MESH = "contour, of the mesh"


def _contour(made: Made, rows: Sequence[Row]) -> dict[str, Values]:
    found: dict[str, Values] = {row.name: {name: [] for name in CONTOUR_MEASURES} for row in rows}
    for name, chosen in zip(CONTOUR_MEASURES, (_unlike_the_mesh, _usual), strict=True):
        for case in chosen(made):
            mask, outline = outline_band(case), head_outline(case.person, case.motion)
            for row in rows:
                points = case.aligned.points
                if place := CONTOURS.get(row.name):
                    points = points.copy()
                    points[:, list(FACE_CONTOUR)] = place(outline, np.random.default_rng(case.person.seed))
                found[row.name][name].append(masked_error(case, made.animate(case, points), mask))
    return found


CONTOUR_MEASURES = ("outline, heads unlike the mesh", "outline, heads like the mesh")


def _flat(case: Case) -> np.ndarray:
    return screen_points(case.driving)


def _fitted(case: Case) -> np.ndarray:
    """The driver's landmarks, moved and scaled so that at the start, at rest, they lie on the portrait's."""
    driving, own = screen_points(case.driving), screen_points(case.motion)
    middle, there = driving[0].mean(0), own[0].mean(0)
    scale = np.linalg.norm(own[0] - there) / np.linalg.norm(driving[0] - middle)
    return there + scale * (driving - middle)


FLAT: dict[str, Callable[[Case], np.ndarray]] = {"2D, fitted at the start": _fitted, "2D, as they are": _flat}


def _alignment(made: Made, rows: Sequence[Row]) -> dict[str, Values]:
    found: dict[str, Values] = {row.name: {} for row in rows}
    for by in DRIVERS:
        chosen = list(_driven(made, by))
        for row in rows:
            points = FLAT.get(row.name, lambda case: case.aligned.points)
            errors = [box_error(case, made.animate(case, points(case))) for case in chosen]
            found[row.name][f"driver {by}"] = errors
    return found


def _tokens(made: Made, rows: Sequence[Row]) -> dict[str, Values]:
    values: Values = {name: [] for name in ("whole picture", "skin, hair, cloth, ground", "eyes and mouth")}
    for case in _usual(made):
        pictures = made.by_tokens(case)
        here, there = parts(case, pictures), parts(case, case.truth)
        colours = [np.abs(here[name] - there[name]).mean() for name in ("skin", "hair", "cloth", "background")]
        values["whole picture"].append(float(np.abs(pictures.astype(float) - case.truth).mean()))
        values["skin, hair, cloth, ground"].append(float(np.mean(colours)))
        values["eyes and mouth"].append(box_error(case, pictures))
    return {row.name: values for row in rows}


TABLES: dict[str, Table] = {
    "loss": Table(
        "Facial loss: without parts of it, and by the weight of its face part",
        (
            Row("expression and face, both weigh 1", FULL),
            Row("no facial loss", "no facial loss", worse=True),
            Row("expression alone", "expression alone", worse=True),
            Row("face alone", "face alone", worse=True),
            Row("face weighs 0.25", "face weight 0.25"),
            Row("face weighs 4", "face weight 4"),
        ),
        _loss,
        GAZES,
    ),
    "pupils": Table(
        "Pupils in the landmark images",
        (Row("with pupils", FULL), Row("without pupils", "no pupils", worse=True)),
        _pupils,
        GAZES,
    ),
    "contour": Table(
        "The face's contour in the landmark images",
        (
            Row("no contour", FULL),
            *(Row(name, "contour", worse=name != "contour, exact") for name in (*CONTOURS, _OF_MESH)),
        ),
        _contour,
    ),
    "alignment": Table(
        "Landmarks aligned in 3D, or flat",
        (Row("aligned in 3D", FULL), *(Row(name, FULL, worse=True) for name in FLAT)),
        _alignment,
    ),
    "tokens": Table(
        "Image tokens: what projects them, when they alone tell of the portrait",
        (
            Row("Q-Former", "q-former"),
            Row("pooled, linear", "pooled", worse=True),
            Row("linear", "linear", worse=True),
            Row("no tokens", "no tokens", worse=True),
        ),
        _tokens,
    ),
}
