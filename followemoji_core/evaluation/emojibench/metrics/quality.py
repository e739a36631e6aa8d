"""HyperIQA: how good a picture looks by itself. Only through a package that the user installs and asks for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np

from ....errors import MissingDependencyError
from ....gate import LEAKS, short
from .metric import Metric, Tools, Value, spread
from .shown import Shown

PLUGS = ("pyiqa",)  # packages that are asked where the user says so
LOOKED_AT = 8  # frames of a video
_LICENCE = "it is licensed for non-commercial use only (PolyForm Noncommercial) and fetches its own networks"


def _open(tools: Tools) -> Callable[[Shown], Value]:
    if PLUGS[0] not in tools.plugs:
        raise MissingDependencyError(
            f"HyperIQA comes with the package pyiqa, which is no part of this one: {_LICENCE}. If that suits you: "
            "pip install pyiqa, then evaluate score --plug pyiqa"
        )
    try:
        metric = import_module("pyiqa").create_metric("hyperiqa", device=tools.device)
    except ImportError as error:
        raise MissingDependencyError(f"pyiqa cannot be imported ({short(error)}). pip install pyiqa") from error
    except LEAKS as error:  # it fetches when it is made
        raise MissingDependencyError(
            f"pyiqa could not make HyperIQA ({short(error)}). Connect to the internet once, or look at its own pages."
        ) from error

    def value(shown: Shown) -> Value:
        import torch

        frames = shown.frames[spread(len(shown.frames), LOOKED_AT)].transpose(0, 3, 1, 2) / np.float32(255)
        torch.manual_seed(0)  # it looks at random crops
        with torch.inference_mode():
            return Value(float(metric(torch.from_numpy(frames).to(tools.device)).mean()))

    return value


HYPERIQA = Metric(
    "hyperiqa",
    "HyperIQA",
    "higher",
    "",
    f"Quality of a picture by itself, 0 to 1, mean of {LOOKED_AT} frames spread over the clip; by pyiqa.",
    _open,
    paper=True,
)
