"""Classifier-free guidance (published scale 3.5): how the predictions of the two halves become one."""

from __future__ import annotations

import torch
from torch import Tensor


def guide(predictions: Tensor, halves: int, scale: float) -> Tensor:
    """(halves * n, ...) -> (n, ...): of two halves, the unconditional first, without + scale * (with - without).

    One half alone is what it is.
    """
    if halves == 1:
        return predictions
    without, conditional = predictions.chunk(2)
    return torch.add(without, conditional - without, alpha=scale)
