"""Layers for training in bfloat16 with float32 parameters: what flows is in the input's format, what is learned is not.

Unlike autocast the norms compute in it too, which on a CPU is what makes bfloat16 worth it. Attention in bfloat16 is
written out there: short sequences are faster so than through the fused kernel (in float32 they are a tenth slower).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model.ops import Ops, torch_attention


def _like(x: Tensor, *parameters: Tensor | None) -> list[Tensor | None]:
    return [None if parameter is None else parameter.to(x.dtype) for parameter in parameters]


class Linear(nn.Linear):
    """torch's, computed in the format of its input; so are the three below."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *_like(x, self.weight, self.bias))


class Conv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *_like(x, self.weight, self.bias))


class GroupNorm(nn.GroupNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.group_norm(x, self.num_groups, *_like(x, self.weight, self.bias), self.eps)


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, *_like(x, self.weight, self.bias), self.eps)


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """As `torch_attention`: q (n,m,heads*d), k, v (n,l,heads*d) -> (n,m,heads*d)."""
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return torch_attention(q, k, v, heads)
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (weights.softmax(-1) @ v).transpose(1, 2).flatten(2)


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}  # of what flows
CAST = Ops(Linear, Conv2d, GroupNorm, LayerNorm, attention)
