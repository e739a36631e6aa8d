"""Classifier-free guidance (published scale 3.5) around any pair of predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Predict = Callable[..., Any]


def guided(conditional: Predict, unconditional: Predict, scale: float) -> Predict:
    """unconditional + scale * (conditional - unconditional); at scale 1 the unconditional half is not computed."""
    if scale == 1.0:
        return conditional

    def predict(*args: Any) -> Any:
        without = unconditional(*args)
        return without + scale * (conditional(*args) - without)

    return predict
