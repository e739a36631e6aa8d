"""Paired bootstrap over people: how much one row differs from another where both met the same people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_DRAWS = 4000
_SHARES = (0.025, 0.975)


def paired_ratio(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of `values` (n,) over the mean of `reference` (n,), of the same n people; and its 95 % interval.

    People are drawn again with both of their numbers, so what makes a person hard for both rows cancels.
    """
    return _paired(values, reference, seed, lambda one, other: one.mean(-1) / other.mean(-1))


def paired_difference(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """The same of mean minus mean."""
    return _paired(values, reference, seed, lambda one, other: one.mean(-1) - other.mean(-1))


def _paired(
    values: np.ndarray, reference: np.ndarray, seed: int, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[float, float, float]:
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    if values.shape != reference.shape or values.ndim != 1 or not len(values):
        raise ValueError(f"Pairs of numbers are compared, not {values.shape} and {reference.shape}.")
    drawn = np.random.default_rng(seed).integers(len(values), size=(_DRAWS, len(values)))
    low, high = np.quantile(compare(values[drawn], reference[drawn]), _SHARES)
    return float(compare(values, reference)), float(low), float(high)
