"""LPIPS: how different two pictures look to a network that was trained on what people see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np

from ....errors import CheckpointError, MissingDependencyError
from ....gate import loading
from ..networks import find_network, network
from .metric import Metric, Tools, Value, without_truth
from .shown import Shown

_BATCH = 8  # frames at once


class Lpips:
    """LPIPS with AlexNet, of frames (T,H,W,3) uint8, by torchmetrics.

    backbone: torchvision's file of AlexNet. Raises MissingDependencyError without torchmetrics and torchvision,
    CheckpointError for a file that is no AlexNet.
    """

    def __init__(self, backbone: Path, device: str = "cpu") -> None:
        try:
            import_module("torchvision")
            lpip = import_module("torchmetrics.image.lpip")
        except ImportError as error:
            raise MissingDependencyError(
                f'LPIPS needs torchmetrics and torchvision ({error}). pip install "torchmetrics>=1.0" torchvision'
            ) from error
        with loading(backbone, "AlexNet", CheckpointError, "Fetch it again.", more=(UnpicklingError,)), _hub(backbone):
            metric = lpip.LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True, sync_on_compute=False)
        self._metric, self._device = metric.to(device), device

    def __call__(self, frames: np.ndarray, truth: np.ndarray) -> float:
        """The mean over frames; 0 where they are equal."""
        import torch

        self._metric.reset()
        with torch.inference_mode():
            for start in range(0, len(frames), _BATCH):
                pair = (part[start : start + _BATCH].transpose(0, 3, 1, 2) for part in (frames, truth))
                self._metric.update(*(torch.from_numpy(part / np.float32(255)).to(self._device) for part in pair))
            return float(self._metric.compute())


@contextmanager
def _hub(file: Path) -> Iterator[None]:
    """torchvision finds that file where it would fetch its own to: torchmetrics takes no network from elsewhere."""
    import torch

    wanted = Path(network("alexnet").file)
    before = torch.hub.get_dir()
    with ExitStack() as stack:
        folder = file.parent.parent
        if file != folder / wanted:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            (folder / wanted.parent).mkdir()
            copyfile(file, folder / wanted)
        torch.hub.set_dir(str(folder))
        try:
            yield
        finally:
            torch.hub.set_dir(before)


def _open(tools: Tools) -> Callable[[Shown], Value]:
    lpips = Lpips(find_network("alexnet", tools.networks, tools.files), tools.device)
    return lambda shown: without_truth(shown) or Value(lpips(shown.frames, shown.given.truth.frames))


LPIPS = Metric(
    "lpips",
    "LPIPS",
    "lower",
    "",
    "Learned perceptual difference from the truth (AlexNet, version 0.1), mean over frames; 0 where they are equal.",
    _open,
    paper=True,
)
