"""The layers and the attention call that networks are built from: torch by default, or what the host passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# CUDA kernels of scaled_dot_product_attention refuse more (batch x heads) than a grid dimension holds.
_ATTENTION_BATCH = 2**12
# Keys up to which attention on a CPU is faster written out than fused: a window of frames. 10 against 35 ms of 8 frames
# in 1,024 cells of 8 heads on two cores.
_SHORT = 64


@dataclass(frozen=True)
class Ops:
    """Constructors of the four parametrised layers, and `attention(q, k, v, heads)` on (batch, tokens, channels)."""

    Linear: Callable[..., nn.Module]
    Conv2d: Callable[..., nn.Module]
    GroupNorm: Callable[..., nn.Module]
    LayerNorm: Callable[..., nn.Module]
    attention: Callable[[Tensor, Tensor, Tensor, int], Tensor]

    def on(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Ops:
        """The same layers, made on `device` (which may be "meta": shapes without memory) in `dtype`."""
        layers = [field.name for field in fields(self) if field.name != "attention"]
        return replace(self, **{name: partial(getattr(self, name), device=device, dtype=dtype) for name in layers})


def torch_attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Multi-head attention: q (b, n, c), k and v (b, m, c) -> (b, n, c)."""
    if len(q) > _ATTENTION_BATCH:
        chunks = zip(q.split(_ATTENTION_BATCH), k.split(_ATTENTION_BATCH), v.split(_ATTENTION_BATCH), strict=True)
        return torch.cat([torch_attention(*chunk, heads) for chunk in chunks])
    written_out = q.device.type == "cpu" and k.shape[1] <= _SHORT
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    if written_out:
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return (weights.softmax(-1) @ v).transpose(1, 2).flatten(2)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


TORCH = Ops(nn.Linear, nn.Conv2d, nn.GroupNorm, nn.LayerNorm, torch_attention)
