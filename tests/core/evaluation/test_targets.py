"""The small model's report: measures that tell right from wrong, and what neighbours know of each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from followemoji_core.drawn.hidden import read_pans
from followemoji_core.evaluation.neighbours import (
    MIDDLE,
    Denoising,
    cross_fade,
    examine,
    windows,
    without_temporal_layers,
)
from followemoji_core.evaluation.reenactment import blurred, cases, recognised, score, sharpness
from followemoji_core.evaluation.targets import Row, animate, best_steps
from followemoji_core.walk.studio import SMALL_SETTINGS, small_studio


@pytest.fixture(scope="module")
def studio():
    return small_studio()


@pytest.fixture(scope="module")
def two():
    return list(windows(2))


def test_identity_is_more_than_colours():
    """8 x 8 pixels show skin, hair and clothes, and nobody's face: five mean colours gave them 0.92."""
    chosen = list(cases(4, frames=4))
    assert recognised(chosen, [case.truth for case in chosen], among=64) == 1
    assert recognised(chosen, [blurred(case.truth) for case in chosen], among=64) <= 0.5
    others = [case.truth for case in chosen[1:] + chosen[:1]]
    assert recognised(chosen, others, among=64) == 0


def test_sharpness_by_hand():
    """Half the contrast is half as sharp with the same outlines; noise is sharp without them."""
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.integers(0, 2, (2, 16, 16, 1)) * 200, 3, -1).astype(np.uint8)
    assert sharpness(truth // 2, truth) == pytest.approx((0.5, 1.0))
    sharp, alike = sharpness(rng.integers(0, 255, truth.shape).astype(np.uint8), truth)
    assert sharp > 0.7 and abs(alike) < 0.1


def test_rows_and_the_best_number_of_steps():
    assert Row("x", 2, "exactly", 2).reached and not Row("x", 1, "exactly", 2).reached
    assert Row("x", 2, "at most", 2).reached and not Row("x", 2, "at least", 3).reached and Row("x", 2).reached is None
    table = {1: {"box error": 0.3, "sharpness": 0.8}, 2: {"box error": 0.4, "sharpness": 0.96}}
    assert best_steps(table) == 2, "blur has the lowest error, and does not count"
    assert best_steps({1: table[1], 4: {"box error": 0.5, "sharpness": 0.9}}) == 1


def test_windows_are_what_they_say(two):
    """The ends of another time are the same people in the same pose before a ground that is elsewhere."""
    for index, window in enumerate(two):
        assert window.moved == 1 + index
        pans, fits = read_pans(window.person, window.truth, window.ground)
        assert np.abs(pans - window.pans[0])[:, 0].mean() < 0.5 and fits.min() > 0.9
        ends = [window.truth[[0, -1]], window.earlier, window.later]
        found = [read_pans(window.person, part, window.ground[[0, -1]])[0][:, 0] for part in ends]
        for pan, true in zip(found, window.pans[:, [0, -1], 0], strict=True):
            assert np.abs(pan - true).max() < 1
        face = ~window.ground[0]
        assert (window.truth[0][face] == window.later[0][face]).mean() > 0.95


def test_what_is_measured_of_neighbours(studio, two):
    """Errors of the truth are zero; the cross-fade is between its ends; zeroed layers come back."""
    denoising = Denoising(studio, two[0])
    true = denoising.latents
    assert denoising.at_ends(true) == denoising.in_the_middle(true) == 0
    fade = cross_fade(true[[0, -1]])
    assert torch.equal(fade[[0, -1]], true[[0, -1]]) and denoising.at_ends(fade) == 0 < denoising.in_the_middle(fade)
    assert denoising.pan(true) == pytest.approx(two[0].pans[0, MIDDLE, 0].mean(), abs=1)
    before = {name: value.clone() for name, value in denoising.denoiser.state_dict().items()}
    with without_temporal_layers(denoising.denoiser):
        alone = denoising.run(1)
        moved = denoising.noise.roll(3, 0)
        denoising.noise, kept = torch.cat([denoising.noise[:1], moved[1:]]), denoising.noise
        assert torch.allclose(denoising.run(1)[0], alone[0], atol=1e-4), "no frame sees another"
        denoising.noise = kept
    assert all(torch.equal(value, before[name]) for name, value in denoising.denoiser.state_dict().items())


def test_findings(studio, two):
    """The report's numbers are the ratios of those that stand beside them."""
    findings, sheet = examine(studio, two[:1], SMALL_SETTINGS)
    (entry,) = findings.each
    assert findings.given == pytest.approx(entry["ends, given"] / entry["ends, nothing given"])
    assert findings.middle == pytest.approx(entry["middle, given"] / entry["middle, nothing given"])
    assert findings.zeroed == pytest.approx(entry["middle, without temporal layers"] / entry["middle, given"])
    assert 0 < findings.fade < 1 and sheet.shape == (3 * 128, 9 * 128, 3)


def test_in_the_shipped_file_neighbours_and_known_frames_matter(studio):
    """Given frames are copied, the middle follows ends that are moved, temporal layers carry it; with nothing known a
    portrait is animated all the same. Bounds lie well outside of what `targets` finds on more people."""
    findings, _ = examine(studio, list(windows(4)), SMALL_SETTINGS)
    assert findings.given < 0.25 and findings.middle < 0.7 and findings.zeroed > 1.5
    assert findings.correlation > 0.5 and 0.4 < findings.slope < 1.3
    chosen = list(cases(3))
    made = [animate(studio, case.portrait, case.aligned, SMALL_SETTINGS) for case in chosen]
    assert score(chosen, made).ratio < 0.55
