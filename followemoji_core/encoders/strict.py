"""Weights into networks that are not ours: diffusers' and transformers' classes, built at the sizes of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..gate import loading
from ..model.weights.read import finite


def opening(path: Path, what: str):
    """Whatever is wrong with an encoder's file is a CheckpointError that calls it `what`."""
    return loading(path, what, CheckpointError, "Download it again.")


def fill(make: Callable[[], nn.Module], state: dict[str, Tensor], name: str) -> nn.Module:
    """The module that `make` gives, in float32, with those weights, frozen; entries that it does not know are left out.

    name: of the file. It is laid out without memory first, so that sizes that the file only claims cost nothing.
    Raises CheckpointError where weights do not fit, are not finite, or some are lacking.
    """
    with torch.device("meta"):
        module = make()
    wanted = {key: value for key, value in module.state_dict().items() if not key.endswith("position_ids")}
    if missing := [key for key in wanted if key not in state]:
        raise CheckpointError(f"{name} lacks {len(missing)} parameters, such as {missing[0]}. Download it again.")
    for key, value in wanted.items():
        if state[key].shape != value.shape or state[key].is_floating_point() != value.is_floating_point():
            got = f"{tuple(state[key].shape)} of {state[key].dtype}"
            raise CheckpointError(
                f"{name} does not fit its own sizes: {key} is {got}, expected {tuple(value.shape)} of {value.dtype}. "
                f"Download it again."
            )
        check_finite(state[key], key, name)
    if any(key not in wanted for key, _ in module.named_buffers()):  # tables that no file holds are made with it
        module = make()
    module.load_state_dict({key: state[key].float() for key in wanted}, strict=False, assign=True)
    return module.eval().requires_grad_(False)


def check_finite(value: Tensor, key: str, name: str) -> None:
    """Raises CheckpointError where a weight is NaN or infinite."""
    if not finite(value):
        raise CheckpointError(f"{name} is damaged: {key} holds NaN or infinity. Download it again.")
