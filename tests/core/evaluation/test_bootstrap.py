"""Paired bootstrap, against answers that are known."""

from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.evaluation.bootstrap import paired_difference, paired_ratio


def test_a_share_that_all_have_leaves_no_doubt():
    """Everybody's error grows by a tenth, however unlike they are."""
    reference = np.array([1.0, 5.0, 30.0, 200.0])
    assert paired_ratio(1.1 * reference, reference) == pytest.approx((1.1, 1.1, 1.1))
    assert paired_difference(reference + 3, reference) == pytest.approx((3, 3, 3))


def test_the_interval_is_that_of_the_normal_distribution():
    """Of 400 people: mean plus and minus 1.96 standard errors of the differences; the people's own spread cancels."""
    rng = np.random.default_rng(1)
    reference = rng.normal(100, 40, 400)
    change = rng.normal(1, 5, 400)
    mean, low, high = paired_difference(reference + change, reference, seed=3)
    error = 1.96 * change.std() / 400**0.5
    assert mean == pytest.approx(change.mean()) and (low, high) == pytest.approx((mean - error, mean + error), abs=0.06)
    assert paired_difference(reference + change, reference, seed=3) == (mean, low, high)
    ratio, below, above = paired_ratio(reference + change, reference)
    assert (ratio, below, above) == pytest.approx((1 + np.array((mean, low, high)) / reference.mean()), abs=0.002)


def test_few_people_are_told_apart_no_more_often_than_many():
    """Rows that are equal but for chance: about one interval in twenty excludes that, of 12 people as of 64."""
    rng = np.random.default_rng(1)
    for people in (12, 64):
        wrong = 0
        for draw in range(120):
            base = rng.lognormal(0, 0.5, people)
            one, other = (base * rng.lognormal(0, 0.3, people) for _ in range(2))
            _, low, high = paired_ratio(one, other, draw)
            wrong += not low <= 1 <= high
        assert wrong <= 12


def test_what_is_no_pairs_is_refused():
    for values in (np.ones(3), np.ones((2, 2)), np.ones(0)):
        with pytest.raises(ValueError, match="Pairs"):
            paired_ratio(values, values[:2] if values.size == 3 else values)
