"""FVD: Frechet video distance, of what an action recogniser (I3D) sees in whole videos."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from ....errors import CheckpointError, MissingDependencyError
from ....gate import loading
from ..networks import find_network
from .frechet import Moments, frechet_distance
from .metric import Metric, Tools, Value
from .shown import Given, Shown

FEWEST = 16  # frames that I3D takes
_BIASED = 400  # videos: as many as there are features


class I3d:
    """I3D of Kinetics-400 out of cd-fvd, with the weights in a file. Only its network and its scaling are used: another
    part of that package, which nothing here imports, is under a non-commercial licence.

    Raises MissingDependencyError without cd-fvd, CheckpointError for a file that is no such network.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        import torch

        try:
            network = import_module("cdfvd.third_party.i3d.pytorch_i3d")
            self._prepare = import_module("cdfvd.third_party.i3d.utils").preprocess_i3d
        except ImportError as error:
            raise MissingDependencyError(f"FVD needs cd-fvd ({error}). pip install cd-fvd") from error
        with loading(path, "I3D", CheckpointError, "Fetch it again.", more=(UnpicklingError,)):
            self._network = network.InceptionI3d(400, in_channels=3)
            self._network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._network.eval().to(device)
        self._device = device

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """(T,H,W,3) uint8, T at least FEWEST -> (400,) logits."""
        import torch

        with torch.inference_mode():
            return self._network(self._prepare(frames[None]).to(self._device))[0].cpu().numpy()


class _Videos:
    """A SetMeasure."""

    def __init__(self, network: I3d) -> None:
        self._network = network

    def of(self, shown: Shown) -> np.ndarray | None:
        if shown.given.truth is None or len(shown.frames) < FEWEST:
            return None
        return self._network(shown.frames)[None]

    def wanted(self, given: Given) -> np.ndarray | None:
        return None if given.truth is None else self.of(given.truth)

    def between(self, made: Moments, wanted: Moments) -> Value:
        if made.count < 2:
            return Value(None, f"{made.count} videos of {FEWEST} frames or more whose truth is known; it takes 2")
        reason = f"of {made.count} videos"
        if made.count < _BIASED:
            reason += f": fewer than the {_BIASED} features, so only rows of this table compare"
        return Value(frechet_distance(made, wanted), reason)


def _open(tools: Tools) -> _Videos:
    return _Videos(I3d(find_network("i3d", tools.networks, tools.files), tools.device))


FVD = Metric(
    "fvd",
    "FVD",
    "lower",
    "",
    "Frechet video distance to the truth: of the 400 logits that I3D (Kinetics-400) gives whole clips at 224 x 224. A "
    "number of all videos together; it depends on how many there are.",
    _open,
    paper=True,
    of_set=True,
)
