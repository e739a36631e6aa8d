"""Plots of the report as inline SVG: places in percent, sizes in pixels, so text is as large on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from .summary import Interval

_ROW, _AXIS = 38, 26  # pixels
_MOST_DOTS = 150  # of a row: more are thinned out, evenly by size
_MARGIN = 0.03  # of the width, on each side


@dataclass(frozen=True)
class Row:
    """label: of the method; values: of its cases; strong: the method that others are compared to."""

    label: str
    interval: Interval
    values: Sequence[float]
    strong: bool = False


def number(value: float) -> str:
    """Three or four digits that count, without an exponent where people would not write one."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.2e}"
    digits = max(0, min(6, 3 - math.floor(math.log10(size))) if size < 1 else 4 - len(str(int(size))))
    text = f"{value:.{min(digits, 5)}f}"
    return "0" if float(text) == 0 else text


def interval_plot(rows: Sequence[Row], title: str) -> str:
    """A row a method: a dot a case, the mean as a larger one, its interval as a bar, over one axis."""
    spread = [value for row in rows for value in (*row.values, row.interval.mean, row.interval.low, row.interval.high)]
    ticks = _ticks([value for value in spread if value is not None])
    low, high = ticks[0], ticks[-1]

    def at(value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{100 * (_MARGIN + (1 - 2 * _MARGIN) * share):.2f}%"

    height = len(rows) * _ROW + _AXIS
    parts = [f'<svg class="plot" width="100%" height="{height}" role="img"><title>{escape(title)}</title>']
    for tick in ticks:
        where = at(tick)
        parts.append(f'<line class="grid" x1="{where}" x2="{where}" y1="0" y2="{height - _AXIS + 4}"/>')
        parts.append(f'<text class="tick" x="{where}" y="{height - 6}">{tick:.6g}</text>')
    for index, row in enumerate(rows):
        top = index * _ROW
        middle = top + 27
        kind = "row strong" if row.strong else "row"
        parts.append(f'<g class="{kind}"><text class="label" x="2" y="{top + 13}">{escape(row.label)}</text>')
        for value in _thinned(row.values):
            parts.append(f'<circle class="case" cx="{at(value)}" cy="{middle}" r="3"/>')
        if row.interval.low is not None:
            ends = f'x1="{at(row.interval.low)}" x2="{at(row.interval.high)}"'
            parts.append(f'<line class="bar" {ends} y1="{middle}" y2="{middle}"/>')
        parts.append(f'<circle class="mean" cx="{at(row.interval.mean)}" cy="{middle}" r="5"/></g>')
    return "".join([*parts, "</svg>"])


def _thinned(values: Sequence[float]) -> Sequence[float]:
    if len(values) <= _MOST_DOTS:
        return values
    return np.quantile(np.asarray(values, float), np.linspace(0, 1, _MOST_DOTS)).tolist()


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers in even steps that hold all values."""
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1.0, abs(high)):
        room = abs(high) * 0.1 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]
