"""Pixel by pixel: L1, PSNR and SSIM between what came out and what should have."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np

from ....errors import MissingDependencyError
from ...frame_errors import ssim as picture_ssim
from ...reenactment import psnr
from .metric import Metric, Tools, Value, without_truth
from .shown import Shown

_INSTALL = 'pip install "torchmetrics>=1.0"'


def l1(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of two (T,H,W,3) uint8, in [0,1]."""
    return float(np.mean([np.abs(a.astype(np.float32) - b).mean() / 255 for a, b in zip(frames, truth, strict=True)]))


def ssim(frames: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of two (T,H,W,3) uint8, at most 1: mean over frames, colours and a Gaussian window of
    1.5 pixels. By `frame_errors.ssim`, which a test holds to torchmetrics' and which takes a fiftieth of its time."""
    pairs = zip(frames, truth, strict=True)
    return float(np.mean([picture_ssim(*(part / 255.0 for part in pair)) for pair in pairs]))


def torchmetrics_image() -> ModuleType:
    """torchmetrics.functional.image. Raises MissingDependencyError, with the command, where it is not installed."""
    try:
        return import_module("torchmetrics.functional.image")
    except ImportError as error:
        raise MissingDependencyError(f"torchmetrics is not installed. {_INSTALL}") from error


def _against_truth(
    measure: Callable[[np.ndarray, np.ndarray], float], needs: Callable[[], object] = lambda: None
) -> Callable[[Tools], Callable[[Shown], Value]]:
    def value(shown: Shown) -> Value:
        return without_truth(shown) or Value(measure(shown.frames, shown.given.truth.frames))

    def opened(tools: Tools) -> Callable[[Shown], Value]:
        needs()
        return value

    return opened


L1 = Metric(
    "l1",
    "L1",
    "lower",
    "",
    "Mean absolute difference from the truth, of all pixels and colours; 0 to 1.",
    _against_truth(l1),
    paper=True,
)
PSNR = Metric(
    "psnr",
    "PSNR",
    "higher",
    "dB",
    "Of the mean squared error of a clip's pixels against the truth; at most 100, where both are equal.",
    _against_truth(psnr, torchmetrics_image),
)
SSIM = Metric(
    "ssim",
    "SSIM",
    "higher",
    "",
    "Structural similarity to the truth, in a Gaussian window of 1.5 pixels, mean over frames; 1 where they are equal.",
    _against_truth(ssim),
    paper=True,
)
