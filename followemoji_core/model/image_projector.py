"""CLIP hidden states to the tokens of cross-attention: the paper's Q-Former (3.2), or the released linear `clip_fc`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import Attention, FeedForward
from .config import UNetConfig
from .ops import Ops


class QFormerLayer(nn.Module):
    """Queries attend to each other, then to the image tokens, then think; all residual, normed before."""

    def __init__(self, config: UNetConfig, ops: Ops):
        super().__init__()
        width = config.context_width
        self.norm1 = ops.LayerNorm(width)
        self.attn1 = Attention(width, width, config.heads, ops)
        self.norm2 = ops.LayerNorm(width)
        self.attn2 = Attention(width, config.token_width, config.heads, ops)
        self.norm3 = ops.LayerNorm(width)
        self.ff = FeedForward(width, ops)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), self.attn2.keys_values(tokens))
        return x + self.ff(self.norm3(x))


class QFormer(nn.Module):
    """Learned queries that read the image tokens, through `query_layers` layers."""

    def __init__(self, config: UNetConfig, ops: Ops):
        super().__init__()
        like = ops.LayerNorm(config.context_width).weight  # where and in what the host makes parameters
        device, dtype = (like.device, like.dtype) if like is not None else (None, None)
        self.queries = nn.Parameter(torch.empty(1, config.queries, config.context_width, device=device, dtype=dtype))
        nn.init.normal_(self.queries, std=0.02)
        self.layers = nn.ModuleList([QFormerLayer(config, ops) for _ in range(config.query_layers)])
        self.norm = ops.LayerNorm(config.context_width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden states (clips, n, token_width) -> (clips, queries, context_width), normed."""
        x = self.queries.to(tokens).expand(len(tokens), -1, -1)
        for layer in self.layers:
            x = layer(x, tokens)
        return self.norm(x)
