"""Networks with their weights, handed over one by one so that nothing is held twice, and back into a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ...errors import CheckpointError
from ...files import written_whole
from ..appearance_net import AppearanceNet
from ..denoiser import Denoiser
from ..image_encoder import ImageEncoder
from ..landmark_encoder import LandmarkEncoder
from ..ops import TORCH, Ops
from .files import CheckpointFiles
from .fill import Weights, read_checkpoint
from .read import State, finite


@dataclass(frozen=True)
class Networks:
    """The parts of a checkpoint, by the names in PARTS. image_encoder: None where CLIP's tokens are read."""

    denoiser: Denoiser
    appearance_net: AppearanceNet
    landmark_encoder: LandmarkEncoder
    image_encoder: ImageEncoder | None = None


def build(weights: Weights, ops: Ops = TORCH, device: str = "cpu", dtype: torch.dtype | None = None) -> nn.Module:
    """The network with its weights, in `dtype` (None: as stored), in evaluation mode. Empties `weights.state`.

    Raises CheckpointError where a weight is not finite, as stored or in `dtype`.
    """
    network = weights.part.network(weights.config, ops.on("meta"))
    # Converted one by one and taken from the source at once: never two copies of more than a parameter.
    state = {key: weights.state.pop(key) for key in list(weights.state)}
    for key, value in state.items():
        state[key] = value.to(device=device, dtype=dtype if value.is_floating_point() else None)
        if not finite(state[key]):
            raise _not_finite(weights, key, value, dtype)
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def _not_finite(weights: Weights, key: str, value: torch.Tensor, dtype: torch.dtype | None) -> CheckpointError:
    if finite(value):
        return CheckpointError(f"{weights.name}: {key} is too large for {dtype}. Choose the precision bf16 or fp32.")
    return CheckpointError(f"{weights.name} is damaged: {key} holds NaN or infinity. Download it again.")


def load_networks(files: CheckpointFiles, device: str = "cpu", dtype: torch.dtype | None = None) -> Networks:
    """The networks of a checkpoint, ready for use with plain torch, in `dtype` (None: as stored).

    Raises CheckpointError as `read_checkpoint` does.
    """
    return Networks(**{part: build(weights, TORCH, device, dtype) for part, weights in read_checkpoint(files).items()})


def save_networks(
    path: Path | str, networks: Networks, dtype: torch.dtype | None = None, extra: State | None = None
) -> None:
    """One .safetensors with all networks, which `load_networks` and the ComfyUI loader take as it is. `dtype`: of the
    parameters in the file; `extra`: further tensors, such as LATENT_RGB."""
    state = {
        f"{part}.{key}": value.to(dtype=dtype if value.is_floating_point() else None).contiguous()
        for part, network in vars(networks).items()
        if network is not None
        for key, value in network.state_dict().items()
    }
    with written_whole(Path(path), "Make room, or choose another folder.") as partial:
        save_file({**state, **(extra or {})}, partial, metadata={"format": "followemoji", "version": "1"})
