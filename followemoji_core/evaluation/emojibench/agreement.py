"""How far raters agree on an order: Kendall's W."""

from __future__ import annotations

import numpy as np


def kendalls_w(ranks: np.ndarray) -> float:
    """Of `ranks` (raters, things), a row 1 to n in any order: 1 where all give one order; by chance 1 / raters on
    average, of two raters 0 where one turns the other's order round.

    Raises ValueError for fewer than two raters or things, and for rows that are no orders.
    """
    ranks = np.asarray(ranks, float)
    if ranks.ndim != 2 or min(ranks.shape) < 2:
        raise ValueError(f"Two raters and two things are needed, not {ranks.shape}.")
    raters, things = ranks.shape
    if not (np.sort(ranks, axis=1) == np.arange(1, things + 1)).all():
        raise ValueError("A row is no order of 1 to the number of things.")
    spread = np.square(ranks.sum(0) - raters * (things + 1) / 2).sum()
    return float(12 * spread / (raters**2 * (things**3 - things)))
