"""What is done about half precision when its numbers run out: networks that compute in float32 for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..errors import NotFiniteError

_WAYS_OUT = {
    torch.float16: "Numbers became too large for fp16: load the model with precision bf16, or fp32.",
    torch.bfloat16: "Load the model with precision fp32.",
}
_NO_WAY = "More precision does not help: lower the guidance to 3.5, or fetch the weights files again."


def not_finite(what: str, dtype: torch.dtype) -> NotFiniteError:
    """The error for numbers that are not finite although they were computed in `dtype`. what: begins the message."""
    return NotFiniteError(f"{what} not finite. {_WAYS_OUT.get(dtype, _NO_WAY)}")


def check_finite(what: str, tensors: tuple[Tensor, ...], dtype: torch.dtype) -> None:
    """Raises NotFiniteError unless all numbers are finite. It waits for the device, once."""
    if not bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()):
        raise not_finite(what, dtype)


@contextmanager
def widened(*networks: nn.Module) -> Iterator[None]:
    """Within the block torch's own layers compute in float32, whatever their weights are kept in.

    A layer's weights are converted when it is called and put back after it: no more than one layer's are held twice,
    and afterwards all are what they were.
    """
    kept: dict[nn.Parameter, Tensor] = {}

    def widen(layer: nn.Module, inputs) -> None:
        for weight in layer.parameters(recurse=False):
            kept[weight] = weight.data
            weight.data = weight.data.float()

    def put_back(layer: nn.Module, inputs=None, output=None) -> None:
        for weight in layer.parameters(recurse=False):
            if weight in kept:
                weight.data = kept.pop(weight)

    layers = [layer for network in networks for layer in network.modules() if len(layer._parameters)]
    hooks = [layer.register_forward_pre_hook(widen) for layer in layers]
    hooks += [layer.register_forward_hook(put_back) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer in layers:  # one that an error ended has not put them back
            put_back(layer)
