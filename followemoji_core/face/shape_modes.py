"""Ways in which faces differ in shape, as smooth low-order fields over the canonical face: a wide one, a long jaw, eyes
apart. Made up from its coordinates, for the fit of points placed by hand; nothing was measured."""

from __future__ import annotations

import functools

import numpy as np

from .geometry import CanonicalFace
from .named_expressions import ease


@functools.cache
def shape_modes() -> np.ndarray:
    """(15,468,3) float64 cm in canonical face space, in the order below: how far each vertex goes at 1, which is about
    as far as people differ. All but the last are mirror images of themselves."""
    x, y, _ = CanonicalFace.default().vertices.astype(np.float64).T
    side, zero = np.tanh(x), np.zeros_like(x)

    def near(across: float, up: float, wide: float, high: float) -> np.ndarray:
        return np.exp(-(((np.abs(x) - across) / wide) ** 2) - ((y - up) / high) ** 2)

    def from_to(start: float, end: float) -> np.ndarray:
        return ease(np.clip((y - start) / (end - start), 0, 1))

    eyes, lids = near(3.2, 3.0, 2.6, 1.9), near(3.2, 2.63, 1.9, 1.5)
    nose, mouth = near(0.0, -0.8, 2.4, 1.7), near(0.0, -4.3, 3.4, 1.6)
    low = from_to(-1.0, -8.0)
    fields = {
        "wide": (0.12 * x, zero, zero),
        "taper": (0.1 * x * y / 8, zero, zero),
        "long_jaw": (zero, -1.2 * low, zero),
        "high_forehead": (zero, 0.8 * from_to(3.5, 8.2), zero),
        "eyes_high": (zero, 0.5 * eyes, zero),
        "eyes_apart": (0.4 * side * eyes, zero, zero),
        "eyes_wide": (0.2 * (x - 3.2 * side) * lids, zero, zero),
        "eyes_open": (zero, 0.8 * (y - 2.63) * lids, zero),
        "brows_high": (zero, 0.4 * near(3.5, 4.7, 3.0, 1.2), zero),
        "nose_high": (zero, 0.8 * nose, zero),
        "nose_wide": (0.25 * x * nose, zero, zero),
        "mouth_high": (zero, 0.8 * mouth, zero),
        "mouth_wide": (0.25 * x * mouth, zero, zero),
        "snout": (zero, zero, near(0.0, -2.6, 2.6, 2.8)),
        "bent": (0.4 * ((y - 2.6) / 8) ** 2, zero, zero),
    }
    return np.stack([np.stack(field, axis=-1) for field in fields.values()])
