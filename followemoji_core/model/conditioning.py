"""What one portrait gives the denoiser, made once: projected keys and values by layer, instead of in every step.

The appearance net's features and the image tokens never change while a clip is sampled, and neither do the weights that
project them. Without a portrait all image tokens are zero: `clip_fc` makes them alike, equal keys share the attention
evenly, and what cross-attention answers is one constant vector a layer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from ..types import AppearanceFeatures

if TYPE_CHECKING:
    from .unet import UNet


class KeysValues(NamedTuple):
    """What is attended to: k and v (b, m, width)."""

    k: Tensor
    v: Tensor


@dataclass(frozen=True)
class LayerConditioning:
    """Of one transformer block. reference: of the appearance net's map, (clips or 1, m, width); None: no portrait.
    tokens: of the image tokens, (clips or 1, n, width); or constant (1, 1, width): what cross-attention answers to
    everybody."""

    reference: KeysValues | None
    tokens: KeysValues | None
    constant: Tensor | None


@dataclass(frozen=True)
class Conditioning:
    """One way to see the portrait of a pass, or of each of its clips. layers: by the place of the block.

    shown (clips,) bool, for training: the other clips are computed as if there were no portrait. None: all.
    made_with: the weights that projected it, see `weights_of`.
    """

    layers: tuple[LayerConditioning, ...]
    shown: Tensor | None = None
    made_with: Hashable = None

    def beside(self, place: int, own: KeysValues, frames: int) -> KeysValues:
        """A layer's own keys and values (clips * frames, n, width), and its clip's reference after them."""
        reference = self.layers[place].reference
        if reference is None:
            return own
        return KeysValues(*(self._join(mine, theirs, frames) for mine, theirs in zip(own, reference, strict=True)))

    def _join(self, mine: Tensor, theirs: Tensor, frames: int) -> Tensor:
        mine = mine.unflatten(0, (-1, frames))
        theirs = theirs[:, None].expand(len(mine), frames, -1, -1)
        if self.shown is not None:
            # Who attends to himself twice attends to himself once: that is how a clip goes without its portrait.
            theirs = torch.where(self.shown[:, None, None, None], theirs, mine)
        return torch.cat([mine, theirs], dim=2).flatten(0, 1)


def condition(
    network: UNet, tokens: Tensor, appearance: AppearanceFeatures | None, shown: Tensor | None = None
) -> Conditioning:
    """tokens (clips or 1, n, token_width); appearance: maps of batch `clips` or 1, None: no portrait to look at.

    Raises InputError where the maps are not as many as the network has layers to read them.
    """
    blocks = network.transformer_blocks()
    maps = appearance.maps if appearance is not None else (None,) * len(blocks)
    if len(maps) != len(blocks):
        raise InputError(
            f"The portrait comes with {len(maps)} feature maps, this denoiser reads {len(blocks)}. Encode it with the "
            f"model that samples."
        )
    read = network.project(tokens)
    layers = []
    for block, features in zip(blocks, maps, strict=True):
        reference = None if features is None else block.attn1.keys_values(features)
        seen = block.attn2.keys_values(read) if hasattr(block, "attn2") else None  # the appearance net's last has none
        layers.append(LayerConditioning(reference, seen, None))
    return Conditioning(tuple(layers), shown, weights_of(network))


def unconditional(network: UNet, like: Tensor) -> Conditioning:
    """The half of guidance without a portrait: no reference, image tokens all zero, where and in what `like` is."""
    zero = like.new_zeros(1, 1, network.config.token_width)
    without = condition(network, zero, None)
    if network.config.queries:  # they differ, whatever they read
        return without
    layers = [
        LayerConditioning(None, None, block.attn2.to_out[0](layer.tokens.v))
        for block, layer in zip(network.transformer_blocks(), without.layers, strict=True)
    ]
    return replace(without, layers=tuple(layers))


def weights_of(network: UNet) -> Hashable:
    """Changes when a weight that `condition` reads is replaced or written to: patches that come and go in mid run."""
    layers = [network.q_former if network.config.queries else network.clip_fc]
    for block in network.transformer_blocks():
        if hasattr(block, "attn1"):
            layers += [block.attn1.to_k, block.attn1.to_v, block.attn2.to_k, block.attn2.to_v, block.attn2.to_out[0]]
    state = []
    for layer in layers:
        for weight in layer.parameters():
            state.append((id(weight), 0 if weight.is_inference() else weight._version))
    return tuple(state)
