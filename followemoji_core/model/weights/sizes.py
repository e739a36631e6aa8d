"""The sizes of a network, off the shapes of its parameters. Each function wants its part's essential keys."""

from __future__ import annotations

from dataclasses import replace

from ..config import ImageEncoderConfig, LandmarkEncoderConfig, UNetConfig
from ..unet import NUMBERS
from .read import State

Config = UNetConfig | LandmarkEncoderConfig | ImageEncoderConfig
_LEVELS, _WIDEST = 8, 1 << 16
_BLOCKS = 64  # levels by layers; the published networks have 8
_MOST = {"layers": 32, "query_layers": 32, "positions": 4096, "places": 512, "size": 4096}
_POSITIONS = 32  # of the published motion modules, when a file leaves the computed table out


def denoiser_sizes(state: State) -> UNetConfig:
    def count(pattern: str) -> int:
        number = 0
        while pattern.format(number) in state:
            number += 1
        return number

    levels = range(count("down_blocks.{}.resnets.0.conv1.weight"))
    table = next((value for key, value in state.items() if key.endswith("pos_encoder.pe")), None)
    if "q_former.queries" in state:
        _, queries, context_width = state["q_former.queries"].shape
        token_width = state["q_former.layers.0.attn2.to_k.weight"].shape[1]
    else:
        queries, (context_width, token_width) = 0, state["clip_fc.weight"].shape
    latent_channels = state["conv_in.weight"].shape[1]
    return UNetConfig(
        channels=tuple(len(state[f"down_blocks.{level}.resnets.0.conv1.weight"]) for level in levels),
        attention=tuple(f"down_blocks.{level}.attentions.0.norm.weight" in state for level in levels),
        layers=count("down_blocks.0.resnets.{}.conv1.weight"),
        in_channels=latent_channels,
        out_channels=len(state["conv_out.weight"]) if "conv_out.weight" in state else latent_channels,
        token_width=token_width,
        context_width=context_width,
        queries=queries,
        query_layers=count("q_former.layers.{}.norm1.weight") or 4,
        **{name: int(state.get(name, published)) for name, published in NUMBERS.items()},
        places=state["places"].shape[-1] if "places" in state else 0,
        positions=_POSITIONS if table is None else table.shape[1],
    )


def appearance_net_sizes(state: State) -> UNetConfig:
    return replace(denoiser_sizes(state), positions=0)


def landmark_encoder_sizes(state: State) -> LandmarkEncoderConfig:
    widths, number = [len(state["conv_in.weight"])], 1
    while f"blocks.{number}.weight" in state:  # every other block is strided, and changes the width
        widths.append(len(state[f"blocks.{number}.weight"]))
        number += 2
    return LandmarkEncoderConfig(tuple(widths), len(state["conv_out.weight"]))


def image_encoder_sizes(state: State) -> ImageEncoderConfig:
    _, places, width = state["places"].shape
    patch = state["patches.weight"].shape[-1]
    layers = sum(key.endswith("norm1.weight") for key in state)
    return ImageEncoderConfig(width, layers, patch, round(places**0.5) * patch, int(state["heads"]))


def check_sizes(config: Config) -> None:
    """Raises ValueError for sizes with which a network would take long to lay out, before anything is compared."""
    for name, value in vars(config).items():
        sides = value if isinstance(value, tuple) else (value,)
        if len(sides) > _LEVELS or not all(0 <= side <= _MOST.get(name, _WIDEST) for side in sides):
            raise ValueError(f"{name} would be {value}")
        if name in ("channels", "widths", "layers", "heads", "groups") and not (sides and all(sides)):
            raise ValueError(f"{name} would be {value}")
    if isinstance(config, UNetConfig) and len(config.channels) * config.layers > _BLOCKS:
        raise ValueError(f"it would have {len(config.channels)} levels of {config.layers} layers")
