"""Numbers over the frames of a clip as a picture: a panel a measure, and below it the two frames that differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_WIDE, _TALL, _HEAD, _SIDE = 960, 150, 34, 70  # pixels: a panel, its heading, its left margin
_GROUND, _GRID, _TEXT, _LINE = (28, 28, 32), (62, 62, 70), (220, 220, 224), (96, 178, 224)
_FINE = 2  # drawn so many times larger, then shrunk: smooth lines


@dataclass(frozen=True)
class Panel:
    """title: with the mean and which way is better; values (T,), nan where there is none."""

    title: str
    values: np.ndarray


def draw_frames(panels: Sequence[Panel], pictures: Sequence[tuple[str, np.ndarray]], marked: int) -> np.ndarray:
    """(H,960,3) uint8 RGB. pictures: titles and pictures (h,w,3) uint8 of one size, shown in a row below, of the frame
    `marked`, which a line marks in every panel."""
    rows = [_panel(panel, marked) for panel in panels]
    return np.concatenate([*rows, _row(pictures)])


def _panel(panel: Panel, marked: int) -> np.ndarray:
    values = panel.values
    low, high = _bounds(values)
    image = Image.new("RGB", (_WIDE * _FINE, _TALL * _FINE), _GROUND)
    pen = ImageDraw.Draw(image)
    left, right, top, bottom = _SIDE, _WIDE - 16, _HEAD, _TALL - 22
    last = max(len(values) - 1, 1)

    def place(frame: float, value: float) -> tuple[float, float]:
        across = (left + right) / 2 if len(values) == 1 else left + (right - left) * frame / last
        return across * _FINE, (bottom - (bottom - top) * (value - low) / (high - low)) * _FINE

    def write(where: tuple[float, float], text: str, size: int, anchor: str = "lm") -> None:
        pen.text((where[0] * _FINE, where[1] * _FINE), text, _TEXT, ImageFont.load_default(size * _FINE), anchor)

    write((12, _HEAD / 2), panel.title, 17)
    for value in (low, (low + high) / 2, high):
        pen.line([place(0, value), place(last, value)], _GRID, _FINE)
        if len(values) == 1:
            pen.line([(left * _FINE, place(0, value)[1]), (right * _FINE, place(0, value)[1])], _GRID, _FINE)
        write((left - 8, place(0, value)[1] / _FINE), f"{value:.3g}", 13, "rm")
    for frame in sorted({0, len(values) - 1}):
        write((place(frame, low)[0] / _FINE, _TALL - 10), str(frame), 13, "mm")
    if 0 <= marked < len(values):
        pen.line([place(marked, low), place(marked, high)], (150, 110, 60), _FINE)
    known = [place(frame, value) for frame, value in enumerate(values) if np.isfinite(value)]
    if len(known) > 1:
        pen.line(known, _LINE, 2 * _FINE, joint="curve")
    if len(known) < 100:
        for x, y in known:
            pen.ellipse([x - 3 * _FINE, y - 3 * _FINE, x + 3 * _FINE, y + 3 * _FINE], _LINE)
    return np.asarray(image.resize((_WIDE, _TALL), Image.Resampling.BOX))


def _bounds(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 0.5
    return (0.0 if 0 <= low < room else low - room), high + room


def _row(pictures: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Side by side, each with its title above."""
    across = _WIDE // len(pictures) - 16
    shares = [across / max(picture.shape[:2]) for _, picture in pictures]
    shown = [
        Image.fromarray(picture).resize([max(1, round(side * share)) for side in picture.shape[1::-1]])
        for (_, picture), share in zip(pictures, shares, strict=True)
    ]
    image = Image.new("RGB", (_WIDE, max(each.height for each in shown) + _HEAD + 12), _GROUND)
    pen = ImageDraw.Draw(image)
    for index, ((title, _), each) in enumerate(zip(pictures, shown, strict=True)):
        left = index * _WIDE // len(pictures) + 8
        pen.text((left + 4, _HEAD / 2), title, _TEXT, ImageFont.load_default(17), "lm")
        image.paste(each, (left, _HEAD))
    return np.asarray(image)
