"""The spatial transformer of the UNet, where a frame meets the portrait: reference features and image tokens.

Rows: the frames of a clip are neighbours on the batch axis, clips follow each other, and where several ways to see the
portrait (`halves` of guidance) are computed in one pass, all rows of one come before those of the next. Up to the first
attention the halves are the same, so only one set of rows is computed until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .conditioning import Conditioning, KeysValues
from .config import UNetConfig
from .ops import Ops


@dataclass(frozen=True)
class Context:
    """What the blocks of one pass share.

    times: what the timestep adds in each resnet, (1, c) or a row for each of `rows`, by the resnet's place. frames: of
    a clip. rows: clips * frames, of one half. halves: what each half is given of the portrait. maps: where the
    appearance net writes the normed input of every self-attention, by its place; None in the denoiser.
    """

    times: list[Tensor]
    frames: int
    rows: int
    halves: tuple[Conditioning, ...]
    maps: list[Tensor | None] | None = None


def add(branch: Tensor, x: Tensor) -> Tensor:
    """The residual sum `branch` + x, written into the branch where no gradient needs it; x is never changed.

    branch: fresh from a layer, (halves * n, ...), in the same memory order as x; x: as many rows, or one for all, or
    (n, ...) for each of the halves.
    """
    if len(x) not in (1, len(branch)):
        return add(branch.unflatten(0, (-1, len(x))), x[None]).flatten(0, 1)
    return branch + x if torch.is_grad_enabled() else branch.add_(x)


def add_cells(x: Tensor, branch: Tensor) -> Tensor:
    """The same of pictures x (rows or n,c,h,w) and a branch that lies in another order in memory: x's is kept, so that
    the convolutions and norms to come need not turn it."""
    if len(x) == len(branch):
        return x + branch
    return (x[None] + branch.unflatten(0, (-1, len(x)))).flatten(0, 1)


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
        self.fused: Tensor | None = None  # see `fuse`

    def fuse(self) -> None:
        """Lay the three weights of a self-attention side by side, so that one product serves them; nothing is held
        twice. For torch's own layers: a host's may keep their weights elsewhere, or patch them."""
        weights = (self.to_q.weight, self.to_k.weight, self.to_v.weight)
        self.fused = torch.cat([weight.detach() for weight in weights])
        for weight, part in zip(weights, self.fused.split([len(weight) for weight in weights]), strict=True):
            weight.data = part

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, KeysValues]:
        """(b, n, width) -> what its tokens ask, and what they answer to."""
        if self.fused is not None and (torch.compiler.is_compiling() or self._is_fused(x)):
            q, k, v = nn.functional.linear(x, self.fused).chunk(3, dim=-1)
            return q, KeysValues(k, v)
        return self.to_q(x), self.keys_values(x)

    def _is_fused(self, x: Tensor) -> bool:
        """Whether the layers still have the weights that lie side by side: moved or replaced ones do not."""
        step = self.fused.element_size() * self.fused[: len(self.to_q.weight)].numel()
        start = self.fused.data_ptr()
        places = [layer.weight.data_ptr() for layer in (self.to_q, self.to_k, self.to_v)]
        return (x.dtype, x.device) == (self.fused.dtype, self.fused.device) and (
            places == [start, start + step, start + 2 * step] or x.is_meta
        )

    def keys_values(self, source: Tensor) -> KeysValues:
        """(b, m, source_width) -> what is attended to of it, (b, m, width) each."""
        return KeysValues(self.to_k(source), self.to_v(source))

    def forward(self, x: Tensor, source: KeysValues | None = None) -> Tensor:
        """x (b, n, width) attends to source (b, m, width); None: to itself."""
        q, source = (self.to_q(x), source) if source is not None else self.queries_keys_values(x)
        return self.to_out[0](self.attend(q, *source, self.heads))


class GEGLU(nn.Module):
    def __init__(self, width: int, inner: int, ops: Ops):
        super().__init__()
        self.proj = ops.Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        opened = nn.functional.gelu(gate)
        return value * opened if torch.is_grad_enabled() else opened.mul_(value)


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
    """Self-attention beside the reference features, cross-attention to the image tokens, feed-forward; all residual.

    place: of the block among those of the UNet, down, mid, up; by it the conditioning is found.
    """

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.place = -1
        self.norm1 = ops.LayerNorm(width)
        self.attn1 = Attention(width, width, config.heads, ops)
        self.norm2 = ops.LayerNorm(width)
        self.attn2 = Attention(width, config.context_width, config.heads, ops)
        self.norm3 = ops.LayerNorm(width)
        self.ff = FeedForward(width, ops)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        """x (rows of all halves or of one, n, width) -> (rows of all halves, n, width)."""
        x = self.look_around(x, context)
        x = self.look_at_tokens(x, context)
        return add(self.ff(self.norm3(x)), x)

    def look_around(self, x: Tensor, context: Context) -> Tensor:
        """Each frame at itself and, in the halves that have one, at the portrait."""
        normed = self.norm1(x)
        if context.maps is not None:
            context.maps[self.place] = normed
        q, own = self.attn1.queries_keys_values(normed)
        answers = []
        for index, half in enumerate(context.halves):
            mine = slice(None) if len(x) == context.rows else slice(index * context.rows, (index + 1) * context.rows)
            seen = half.beside(self.place, KeysValues(own.k[mine], own.v[mine]), context.frames)
            answers.append(self.attn1.attend(q[mine], *seen, self.attn1.heads))
        answer = answers[0] if len(answers) == 1 else torch.cat(answers)
        return add(self.attn1.to_out[0](answer), x)

    def look_at_tokens(self, x: Tensor, context: Context) -> Tensor:
        """Each half at its image tokens; x is fresh and may be written to."""
        parts = list(zip(x.split(context.rows), context.halves, strict=True))
        if torch.is_grad_enabled():
            return torch.cat([part + self.answer_tokens(part, half) for part, half in parts])
        for part, half in parts:
            part.add_(self.answer_tokens(part, half))
        return x

    def answer_tokens(self, x: Tensor, half: Conditioning) -> Tensor:
        """What cross-attention says to the rows of one half; where all tokens are alike, the same to everybody."""
        layer = half.layers[self.place]
        if layer.constant is not None:
            return layer.constant
        # All frames of a clip read the same tokens: as queries of one sequence they share keys and values.
        queries = self.norm2(x).reshape(len(layer.tokens.k), -1, x.shape[-1])
        return self.attn2(queries, layer.tokens).view_as(x)


class LastAppearanceBlock(nn.Module):
    """The appearance net's last block: nothing reads what would come after its norm, so no more of it exists."""

    def __init__(self, width: int, config: UNetConfig, ops: Ops):
        super().__init__()
        self.place = -1
        self.norm1 = ops.LayerNorm(width)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        context.maps[self.place] = self.norm1(x)
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
        tokens = self.proj_in(self.norm(x)).movedim(1, -1).flatten(1, 2).contiguous()  # a view where channels are last
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        cells = tokens.unflatten(1, x.shape[2:]).movedim(-1, 1)
        return add_cells(x, self.proj_out(cells))
