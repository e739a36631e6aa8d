"""What tells drawn people apart: colours and hair."""

from __future__ import annotations

from dataclasses import dataclass

_SKINS = ((246, 208, 180), (232, 184, 148), (202, 146, 106), (150, 100, 70), (112, 74, 54), (250, 218, 198))
_HAIRS = ((72, 44, 30), (34, 28, 30), (176, 122, 62), (146, 66, 36), (44, 32, 28), (222, 182, 110), (98, 62, 40))
_EYES = ((86, 134, 94), (84, 54, 36), (74, 124, 170), (112, 84, 46), (96, 120, 128))
_CLOTHES = ((58, 96, 138), (190, 84, 70), (66, 118, 104), (222, 166, 70), (112, 84, 136), (236, 226, 210), (52, 58, 76))
_BACKGROUNDS = ((186, 208, 218), (240, 214, 186), (200, 214, 190), (226, 204, 214), (206, 202, 226), (246, 226, 196))


@dataclass(frozen=True)
class Hair:
    """hairline: (x, y) cm in face space, from the person's right to the left. volume: cm above the skull; end: y."""

    hairline: tuple[tuple[float, float], ...]
    volume: float
    end: float | None = None
    crown: float = 0.0
    curly: bool = False
    bun: bool = False


_BANGS = (
    (-6.6, -5.0),
    (-6.7, -1.0),
    (-6.4, 3.0),
    (-5.0, 5.5),
    (0.0, 5.9),
    (5.0, 5.5),
    (6.4, 3.0),
    (6.7, -1.0),
    (6.6, -5.0),
)
_PARTED = (
    (-6.4, -5.0),
    (-6.7, -1.0),
    (-6.5, 2.6),
    (-4.6, 5.8),
    (-0.4, 8.0),
    (4.2, 6.2),
    (6.4, 2.8),
    (6.7, -1.0),
    (6.4, -5.0),
)
_SWEPT = (
    (-7.3, 0.5),
    (-7.0, 3.4),
    (-6.1, 5.6),
    (-3.6, 7.2),
    (0.4, 7.0),
    (3.8, 7.3),
    (6.1, 5.6),
    (7.0, 3.4),
    (7.3, 0.5),
)
_HIGH = ((-7.2, 1.2), (-6.9, 3.6), (-5.9, 5.8), (-3.2, 7.4), (0.0, 7.8), (3.2, 7.4), (5.9, 5.8), (6.9, 3.6), (7.2, 1.2))
_ASIDE = (
    (-6.7, -3.0),
    (-6.5, 2.0),
    (-5.8, 4.6),
    (-2.4, 5.4),
    (1.6, 6.6),
    (4.0, 7.6),
    (6.0, 5.2),
    (6.8, 2.0),
    (6.8, -3.0),
)
_STYLES = (
    Hair(_PARTED, 1.1, end=-17.0, crown=-0.5),
    Hair(_SWEPT, 1.5, crown=3.0),
    Hair(_BANGS, 1.2, end=-8.5),
    Hair(_HIGH, 2.4, curly=True),
    Hair(_HIGH, 0.7, bun=True),
    Hair(_ASIDE, 1.2, end=-12.5, crown=3.5),
    Hair(_HIGH, 0.6, crown=-2.5),
    Hair(_PARTED, 1.9, end=-10.0, curly=True),
)


@dataclass(frozen=True)
class Look:
    """Colours are RGB, 0 to 255."""

    skin: tuple[int, int, int]
    hair_colour: tuple[int, int, int]
    eyes: tuple[int, int, int]
    clothes: tuple[int, int, int]
    background: tuple[int, int, int]
    hair: Hair

    @classmethod
    def of(cls, seed: int) -> Look:
        """The looks of identity `seed`; neighbours differ in everything."""
        tables = ((_SKINS, 1), (_HAIRS, 3), (_EYES, 2), (_CLOTHES, 1), (_BACKGROUNDS, 1), (_STYLES, 1))
        return cls(*(table[seed * step % len(table)] for table, step in tables))
