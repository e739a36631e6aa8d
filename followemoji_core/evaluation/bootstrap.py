"""Bootstrap over people or cases: of a mean, and of how much one row differs from another where both met the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_DRAWS = 4000
_SHARES = (0.025, 0.975)
_NORMAL = 1.959964  # of the normal distribution, at the second of them


def paired_ratio(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of `values` (n,) over the mean of `reference` (n,), both positive, of the same n people; and its 95 %
    interval.

    People are drawn again with both of their numbers, so what makes a person hard for both rows cancels.
    """
    logs = _paired(values, reference, seed, lambda one, other: np.log(one.mean(-1) / other.mean(-1)))
    return tuple(np.exp(logs).tolist())


def paired_difference(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """The same of mean minus mean, of any numbers."""
    return _paired(values, reference, seed, lambda one, other: one.mean(-1) - other.mean(-1))


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of `values` (n,) and its 95 % interval; one number alone is its own interval, and tells nothing."""
    return paired_difference(values, np.zeros(np.shape(values)), seed)


def crossed_mean(values: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean of `values` (raters, cases), nan where nothing was answered, and its 95 % interval for other raters and
    other cases of the same kind.

    Rows and columns are drawn again, each for themselves; what both draws take counts (Owen 2007, "The pigeonhole
    bootstrap"), which is rather too wide than too narrow. Of a single rater only cases are drawn: the interval is then
    that rater's own.
    """
    values = np.asarray(values, float)
    if values.ndim != 2 or not np.isfinite(values).any():
        raise ValueError(f"A table of numbers is needed, not {values.shape} without any.")
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    rng = np.random.default_rng(seed)
    rows, columns = (_counts(rng, count) for count in values.shape)
    total, weight = (((rows @ part) * columns).sum(1) for part in (values, known.astype(float)))
    found = float(values.sum() / known.sum())
    drawn = total[weight > 0] / weight[weight > 0]
    few = min((count for count in values.shape if count > 1), default=1)
    low, high = found + (np.quantile(drawn, _SHARES) - found) * _wider(few)
    return found, float(low), float(high)


def _counts(rng: np.random.Generator, count: int) -> np.ndarray:
    """(draws, count): how often each of `count` is drawn."""
    return rng.multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(float)


def _paired(
    values: np.ndarray, reference: np.ndarray, seed: int, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> tuple[float, float, float]:
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    if values.shape != reference.shape or values.ndim != 1 or not len(values):
        raise ValueError(f"Pairs of numbers are compared, not {values.shape} and {reference.shape}.")
    drawn = np.random.default_rng(seed).integers(len(values), size=(_DRAWS, len(values)))
    found = float(compare(values, reference))
    low, high = found + (np.quantile(compare(values[drawn], reference[drawn]), _SHARES) - found) * _wider(len(values))
    return found, float(low), float(high)


def _wider(count: int) -> float:
    """Quantiles of the draws are too near to each other where there are few people, by a sixth with 12 of them: as
    Student's t is wider than the normal distribution, and the draws' spread is that of n, not n - 1 (Hesterberg 2015).
    """
    if count < 2:
        return 1.0
    z, free = _NORMAL, count - 1
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return t / z * (count / free) ** 0.5
