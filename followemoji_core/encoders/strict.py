"""Weights into networks that are not ours: diffusers' and transformers' classes, built at the sizes of a file."""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import CheckpointError


def fill(module: nn.Module, state: dict[str, Tensor], name: str) -> nn.Module:
    """The module with those weights, frozen; entries that it does not know are left out. `name`: of the file.

    Raises CheckpointError where weights do not fit or some are lacking.
    """
    try:
        missing, _ = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{name} does not fit its own sizes: {error}. Download it again.") from error
    if missing := [key for key in missing if not key.endswith("position_ids")]:
        raise CheckpointError(f"{name} lacks {len(missing)} parameters, such as {missing[0]}. Download it again.")
    return module.eval().requires_grad_(False)
