"""Do frames know of each other? Drawn people before a ground that pans in a wandering light, which no landmark tells.

A window of 16 frames is denoised with nothing known, and with its true first and last frame. What the denoiser itself
predicts is compared with the truth, nothing written over: at the ends, and in the middle where nothing but neighbours
can tell the state. Errors are mean squares of latents of unit variance; in the middle, of cells that show ground alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ..diffusion.sampler import Known, Rows, sample
from ..diffusion.schedule import make_scheduler
from ..drawn import Acting, Person
from ..drawn.hidden import Hidden, ground_mask, paint_hidden, read_pans
from ..errors import InputError
from ..face.geometry import screen_points
from ..model.conditioning import condition
from ..model.denoiser import Denoiser
from ..types import AlignedMotion
from ..walk.landmark_features import LandmarkFeatures
from ..walk.settings import Settings
from ..walk.studio import Studio
from .reenactment import HELD_OUT

FRAMES = 16  # of a window
MOST = 4  # frames, by which its ends are moved
MIDDLE = slice(4, 12)  # of the window
_FIRST = HELD_OUT + 1_000_000
_STRIDES = (1, 2, 3)


@dataclass(frozen=True)
class Window:
    """A held-out person: portrait (H,W,3), truth (16,H,W,3), earlier and later (2,H,W,3): the first and last frame in
    the state of `moved` frames before and after; all uint8 RGB. landmarks: of the truth; pans (3,16,2): true, earlier,
    later, as in `Hidden`; ground (16,H,W) bool."""

    person: Person
    portrait: np.ndarray
    truth: np.ndarray
    earlier: np.ndarray
    later: np.ndarray
    moved: int
    landmarks: AlignedMotion
    pans: np.ndarray
    ground: np.ndarray


def windows(count: int, size: int = 128) -> Iterator[Window]:
    """`count` held-out people; their states never stand still, and their ends are moved by 1 to 4 frames in turn."""
    for index in range(count):
        number = _FIRST + index
        rng = np.random.default_rng([number, 9])
        stride = int(rng.choice(_STRIDES))
        moved = 1 + index % MOST
        person, length = Person.of(number), FRAMES + 2 * MOST
        acting = Acting.random(number, length * stride).every(stride)
        motion, rest = (person.act(acted, (size, size)) for acted in (acting, Acting.rest()))
        hidden = Hidden.of(number, length, stride)
        pictures, ground = paint_hidden(person, motion, hidden), ground_mask(person, motion)
        own = np.arange(MOST, MOST + FRAMES)
        ends = person.act(acting.at(own[[0, -1]]), (size, size))
        before, after = (paint_hidden(person, ends, hidden[own[[0, -1]] + by]) for by in (-moved, moved))
        yield Window(
            person=person,
            portrait=paint_hidden(person, rest, Hidden.none(1))[0],
            truth=pictures[own],
            earlier=before,
            later=after,
            moved=moved,
            landmarks=AlignedMotion(screen_points(motion)[own].astype(np.float32), motion.size, motion.fps),
            pans=np.stack([hidden.pans[own + by] for by in (0, -moved, moved)]),
            ground=ground[own],
        )


class Denoising:
    """A window, ready to be denoised again and again. latents (16,c,h,w): the true ones."""

    def __init__(self, studio: Studio, window: Window, seed: int = 0):
        self.studio, self.window = studio, window
        networks, host = studio.networks, studio.host
        appearance = studio.read(window.portrait)
        self.denoiser = networks.denoiser
        if not self.denoiser.config.takes_covered:
            raise InputError("This checkpoint was not trained with covered latents: it cannot be given frames.")
        size = window.landmarks.size
        self.features = LandmarkFeatures(networks.landmark_encoder, window.landmarks, size, host.device, host.dtype)
        self.portrait = condition(self.denoiser, appearance.tokens, appearance.features)
        self.latents = self.encode(window.truth)
        generator = torch.Generator().manual_seed(1_000 * seed + window.person.seed)
        self.noise = torch.randn(self.latents.shape, generator=generator)
        ground = torch.from_numpy(window.ground).float()
        self.cells = (adaptive_avg_pool2d(ground, self.latents.shape[2:]) > 0.99).float()

    def encode(self, pictures: np.ndarray) -> Tensor:
        """(n,H,W,3) uint8 RGB -> latents (n,c,h,w)."""
        return self.studio.codec.encode(torch.from_numpy(pictures)).float().cpu()

    def decode(self, latents: Tensor) -> np.ndarray:
        """Latents (n,c,h,w) -> (n,H,W,3) uint8 RGB."""
        return np.stack(list(self.studio.frames(latents)))

    def run(self, steps: int, ends: Tensor | None = None) -> Tensor:
        """Latents (16,c,h,w) after so many steps, of noise of each frame's own. ends (2,c,h,w): the first and last
        frame that the denoiser is told of; None: nothing is known. What it makes of them is left as it is."""

        def predict(noisy: Tensor, timestep: Tensor, rows: list[int], clips: int, covered: Tensor | None) -> Tensor:
            return self.denoiser(noisy, timestep, self.features(rows), (self.portrait,), clips, covered)

        known = None
        if ends is not None:
            clean = torch.zeros_like(self.latents)
            clean[[0, -1]] = ends
            known = Known(clean, (0, FRAMES - 1))
        whole = Rows(tuple(range(FRAMES)), (1.0,) * FRAMES)
        with torch.no_grad():
            return sample(predict, self.noise, [whole], make_scheduler(), steps, known=known)

    def at_ends(self, latents: Tensor) -> float:
        """Error at the first and last frame."""
        return float((latents - self.latents)[[0, -1]].square().mean())

    def in_the_middle(self, latents: Tensor) -> float:
        """Error of the ground between them."""
        cells = self.cells[MIDDLE]
        error = (latents - self.latents)[MIDDLE].square().mean(1)
        return float((error * cells).sum() / cells.sum().clamp_min(1))

    def pan(self, latents: Tensor) -> float:
        """The ground's mean pan in the middle, pixels of 128."""
        window = self.window
        pans, _ = read_pans(window.person, self.decode(latents[MIDDLE]), window.ground[MIDDLE])
        return float(pans[:, 0].mean())


def cross_fade(ends: Tensor) -> Tensor:
    """(2,c,h,w) -> (16,c,h,w): from the first to the last, evenly."""
    share = torch.linspace(0, 1, FRAMES)[:, None, None, None]
    return ends[:1] * (1 - share) + ends[1:] * share


@contextmanager
def without_temporal_layers(denoiser: Denoiser) -> Iterator[None]:
    """Inside of it no frame sees another: what the temporal layers add is zero."""
    kept = [(name, p, p.detach().clone()) for name, p in denoiser.named_parameters() if _adds(name)]
    try:
        for _, parameter, _ in kept:
            parameter.data.zero_()
        yield
    finally:
        for _, parameter, value in kept:
            parameter.data.copy_(value)


def _adds(name: str) -> bool:
    return ".temporal_transformer.proj_out." in name


@dataclass(frozen=True)
class Findings:
    """Over all windows. given: error at given frames, of the same frames not given. middle: error of the ground in the
    middle with both ends given, of nothing given; fade: of their cross-fade instead, of nothing given. zeroed: the
    error in the middle without temporal layers, of with them. correlation, slope: of how far the middle's pan goes
    with ends that come from earlier and later, against how far it should; fade_correlation, fade_slope: of the
    cross-fade. each: per window the errors behind them."""

    given: float
    middle: float
    fade: float
    zeroed: float
    correlation: float
    slope: float
    fade_correlation: float
    fade_slope: float
    each: list[dict[str, float]]


def examine(studio: Studio, chosen: Sequence[Window], settings: Settings) -> tuple[Findings, np.ndarray]:
    """What the model does with given frames; and a sheet (H,W,3) uint8 RGB of the first windows: the truth, what is
    made of both ends, their cross-fade."""
    each, rows = [], []
    for window in chosen:
        denoising = Denoising(studio, window, settings.seed)
        ends = denoising.latents[[0, -1]]
        nothing, given = denoising.run(settings.steps), denoising.run(settings.steps, ends)
        with without_temporal_layers(denoising.denoiser):
            zeroed = denoising.run(settings.steps, ends)
        fade = cross_fade(ends)
        moved = [denoising.encode(pictures) for pictures in (window.earlier, window.later)]
        pans = [denoising.pan(denoising.run(settings.steps, other)) for other in moved]
        faded = [denoising.pan(cross_fade(other)) for other in moved]
        true = window.pans[:, MIDDLE, 0].mean(1)
        each.append(
            {
                "ends, given": denoising.at_ends(given),
                "ends, nothing given": denoising.at_ends(nothing),
                "middle, given": denoising.in_the_middle(given),
                "middle, nothing given": denoising.in_the_middle(nothing),
                "middle, cross-fade": denoising.in_the_middle(fade),
                "middle, without temporal layers": denoising.in_the_middle(zeroed),
                "pan moved": pans[1] - pans[0],
                "pan moved, cross-fade": faded[1] - faded[0],
                "pan moved, truth": float(true[2] - true[1]),
                "frames moved": 2 * window.moved,
                "pan between the ends": float(np.abs(window.pans[0, -1, 0] - window.pans[0, 0, 0])),
            }
        )
        if len(rows) < _SHOWN:
            rows.append(_strip(window, denoising.decode(given), denoising.decode(fade)))

    def total(name: str) -> float:
        return float(np.mean([entry[name] for entry in each]))

    true = [entry["pan moved, truth"] for entry in each]
    own, faded = ([entry[name] for entry in each] for name in ("pan moved", "pan moved, cross-fade"))
    nothing = total("middle, nothing given")
    findings = Findings(
        given=total("ends, given") / total("ends, nothing given"),
        middle=total("middle, given") / nothing,
        fade=total("middle, cross-fade") / nothing,
        zeroed=total("middle, without temporal layers") / total("middle, given"),
        correlation=_correlation(own, true),
        slope=_slope(own, true),
        fade_correlation=_correlation(faded, true),
        fade_slope=_slope(faded, true),
        each=each,
    )
    return findings, np.concatenate(rows)


_SHOWN = 4  # windows in the sheet
_STRIP = (0, 2, 4, 6, 8, 10, 12, 15)  # frames of each


def _strip(window: Window, *made: np.ndarray) -> np.ndarray:
    rows = [np.concatenate([window.portrait, *video[list(_STRIP)]], axis=1) for video in (window.truth, *made)]
    return np.concatenate(rows)


def _correlation(found: list[float], true: list[float]) -> float:
    """0 where nothing moves."""
    return float(np.corrcoef(found, true)[0, 1]) if np.std(found) > 0 and np.std(true) > 0 else 0.0


def _slope(found: list[float], true: list[float]) -> float:
    """Of the line through the origin."""
    return float(np.dot(found, true) / max(np.dot(true, true), 1e-9))
