"""Weights into networks that are not ours: diffusers' and transformers' classes, built at the sizes of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..gate import loading
from ..model.weights.fit import fit
from ..model.weights.read import finite


def opening(path: Path, what: str):
    """Whatever is wrong with an encoder's file is a CheckpointError that calls it `what`."""
    return loading(path, what, CheckpointError, "Download it again.")


def fill(make: Callable[[], nn.Module], state: dict[str, Tensor], name: str) -> nn.Module:
    """The module that `make` gives, in float32, with those weights, frozen; entries that it does not know are left out.

    name: of the file. It is laid out without memory first, so that sizes that the file only claims cost nothing.
    Raises CheckpointError where weights do not fit, are not finite, or some are lacking.
    """
    module, wanted = laid_out(make)
    found = fit(wanted, state)
    if missing := found.missing:
        raise CheckpointError(f"{name} lacks {len(missing)} parameters, such as {missing[0]}. Download it again.")
    for key in (*found.misshapen, *found.foreign):
        got = f"{tuple(state[key].shape)} of {state[key].dtype}"
        raise CheckpointError(
            f"{name} does not fit its own sizes: {key} is {got}, expected {tuple(wanted[key].shape)} of "
            f"{wanted[key].dtype}. Download it again."
        )
    for key in wanted:
        check_finite(state[key], key, name)
    if any(key not in wanted for key, _ in module.named_buffers()):  # tables that no file holds are made with it
        module = make()
    module.load_state_dict({key: state[key].float() for key in wanted}, strict=False, assign=True)
    return module.eval().requires_grad_(False)


def laid_out(make: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Tensor]]:
    """The module that `make` gives, without memory, and of its state dict what a file must hold."""
    with torch.device("meta"):
        module = make()
    return module, {key: value for key, value in module.state_dict().items() if not key.endswith("position_ids")}


def check_finite(value: Tensor, key: str, name: str) -> None:
    """Raises CheckpointError where a weight is NaN or infinite."""
    if not finite(value):
        raise CheckpointError(f"{name} is damaged: {key} holds NaN or infinity. Download it again.")
