"""The spatial transformer of the UNet, and the port at which the appearance net and the denoiser meet.

Every self-attention layer shows its normed input to a port. The appearance net's port writes it down; the denoiser's
answers with what the appearance net wrote at the same place, which is then attended to beside the layer's own tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from .config import UNetConfig
from .ops import Ops

Port = Callable[[Tensor], "Tensor | None"]


@dataclass(frozen=True)
class Context:
    """What the blocks of one pass share; frames of a clip are neighbours on the batch axis.

    time: embedding (1, c), or (clips * frames, c). tokens: (clips, n, context_width). port: see above.
    """

    time: Tensor
    tokens: Tensor
    frames: int
    port: Port


class Attention(nn.Module):
    """Multi-head attention without biases on q, k and v."""

    def __init__(self, width: int, source_width: int, heads: int, ops: Ops):
        super().__init__()
        self.heads = heads
        self.attend = ops.attention
        self.to_q = ops.Linear(width, width, bias=False)
        self.to_k = ops.Linear(source_width, width, bias=False)
        self.to_v = ops.Linear(source_width, width, bias=False)
        self.to_out = nn.ModuleList([ops.Linear(width, width)])

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """x (b, n, width) attends to source (b, m, source_width)."""
        return self.to_out[0](self.attend(self.to_q(x), self.to_k(source), self.to_v(source), self.heads))

    def with_reference(self, x: Tensor, reference: Tensor) -> Tensor:
        """x (clips * frames, n, width) attends to itself and to its clip's reference (clips, m, width).

        The reference is projected once for all frames of a clip (the published code repeats it: same numbers).
        """
        frames = len(x) // len(reference)
        k, v = (
            torch.cat([own(x), own(reference).repeat_interleave(frames, 0)], dim=1) for own in (self.to_k, self.to_v)
        )
        return self.to_out[0](self.attend(self.to_q(x), k, v, self.heads))


class GEGLU(nn.Module):
    def __init__(self, width: int, inner: int, ops: Ops):
        super().__init__()
        self.proj = ops.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * nn.functional.gelu(gate)


class FeedForward(nn.Module):
    """GEGLU, four times as wide inside."""

    def __init__(self, width: int, ops: Ops):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, 4 * width, ops), nn.Identity(), ops.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.net:
            x = layer(x)
        return x


class TransformerBlock(nn.Module):
    """Self-attention (with what the port gives), cross-attention to the image tokens, feed-forward; all residual."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.norm1 = ops.LayerNorm(width)
        self.attn1 = Attention(width, width, config.heads, ops)
        self.norm2 = ops.LayerNorm(width)
        self.attn2 = Attention(width, config.context_width, config.heads, ops)
        self.norm3 = ops.LayerNorm(width)
        self.ff = FeedForward(width, ops)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        normed = self.norm1(x)
        reference = context.port(normed)
        if reference is None:
            x = x + self.attn1(normed, normed)
        else:
            x = x + self.attn1.with_reference(normed, reference)
        # All frames of a clip read the same tokens: as queries of one sequence they share the projected keys.
        queries = rearrange(self.norm2(x), "(b f) n c -> b (f n) c", f=context.frames)
        x = x + self.attn2(queries, context.tokens).view_as(x)
        return x + self.ff(self.norm3(x))


class LastAppearanceBlock(nn.Module):
    """The appearance net's last block: nothing reads what would come after its norm, so no more of it exists."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.norm1 = ops.LayerNorm(width)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        context.port(self.norm1(x))
        return x


class SpatialTransformer(nn.Module):
    """A transformer block over the cells of each frame: (b, c, h, w) -> the same."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops, block: Callable[..., nn.Module] = TransformerBlock):
        super().__init__()
        self.norm = ops.GroupNorm(config.groups, width, eps=1e-6)
        self.proj_in = ops.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([block(width, config, ops)])
        self.proj_out = ops.Conv2d(width, width, 1)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        tokens = rearrange(self.proj_in(self.norm(x)), "b c h w -> b (h w) c")
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return x + self.proj_out(rearrange(tokens, "b (h w) c -> b c h w", h=x.shape[2]).contiguous())
