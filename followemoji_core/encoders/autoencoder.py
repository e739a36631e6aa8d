"""A small autoencoder in TAESD's layout (Bohan 2023, `taesd_encoder.*`, `taesd_decoder.*`), which ComfyUI's Load VAE
opens with any number of latent channels. Pictures to latents at an eighth of the size, and back."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError
from ..model.config import LATENT_SCALE
from ..model.ops import TORCH, Ops
from .interfaces import Codec
from .strict import check_finite

WIDTH = 64
_MOST_CHANNELS = 64
_FACTORS = ("vae_scale", "vae_shift")  # between ComfyUI's raw latents and ours
_FULL = (1, 3, 3, 3)  # residual blocks at full, half, quarter and eighth size: what the layout has room for


class Block(nn.Module):
    """Three convolutions beside an identity, rectified."""

    def __init__(self, ops: Ops = TORCH) -> None:
        super().__init__()
        convs = [ops.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(3)]
        rectify = [nn.ReLU(inplace=True) for _ in range(2)]
        self.conv = nn.Sequential(convs[0], rectify[0], convs[1], rectify[1], convs[2])
        nn.init.zeros_(convs[2].weight)  # begins as nothing but its identity

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).add_(x).relu_()


class Clamp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Enlarge(nn.Module):
    """Twice the size, by one transposed convolution of 4 x 4: weight (inputs, outputs, 4, 4)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, stride=2, padding=1)


def _blocks(count: int, room: int, ops: Ops) -> list[nn.Module]:
    """`count` blocks, and what blocks without weights do in the places that are left: the first of them rectifies."""
    idle = [nn.ReLU() if index == 0 else nn.Identity() for index in range(room)]
    return [Block(ops) for _ in range(count)] + idle[count:]


class TinyAutoencoder(nn.Module):
    """depths: residual blocks at full, half, quarter and eighth size, at most (1, 3, 3, 3).

    Places without a block are written to the file as blocks of zeros, which do nothing: a shallow autoencoder trains
    several times faster and is still a whole file for those who read this layout.
    """

    def __init__(self, latent_channels: int = 4, depths: tuple[int, ...] = _FULL, ops: Ops = TORCH):
        super().__init__()
        if len(depths) != 4 or any(not 0 <= depth <= most for depth, most in zip(depths, _FULL, strict=True)):
            raise ValueError(f"depths are {depths}; allowed are four numbers of at most {_FULL}.")
        self.latent_channels, self.depths = latent_channels, tuple(depths)
        encoder: list[nn.Module] = [ops.Conv2d(3, WIDTH, 3, padding=1)]
        decoder: list[nn.Module] = [Clamp(), ops.Conv2d(latent_channels, WIDTH, 3, padding=1), nn.ReLU()]
        for level in range(4):
            if level:
                encoder.append(ops.Conv2d(WIDTH, WIDTH, 3, padding=1, stride=2, bias=False))
                decoder += [nn.Upsample(scale_factor=2), ops.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)]
            encoder += _blocks(depths[level], _FULL[level], ops)
            decoder += _blocks(depths[3 - level], _FULL[3 - level], ops)
        self.taesd_encoder = nn.Sequential(*encoder, ops.Conv2d(WIDTH, latent_channels, 3, padding=1))
        self.taesd_decoder = nn.Sequential(*decoder, ops.Conv2d(WIDTH, 3, 3, padding=1))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """The decoder begins by enlarging its features bilinearly: edges within a latent cell are then thresholds of
        ramps, which are found 3 dB sooner (in 200 steps) than from random kernels."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module.weight.any():
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        tent = torch.tensor([0.25, 0.5, 0.25])
        layers = list(self.taesd_decoder)
        for before, conv in zip(layers, layers[1:], strict=False):
            if isinstance(before, nn.Upsample):
                conv.weight.mul_(0.3)
                conv.weight[range(WIDTH), range(WIDTH)] += tent[:, None] * tent
        layers[-1].weight.mul_(0.3)
        layers[-1].bias.fill_(0.5)

    def encode(self, pictures: Tensor) -> Tensor:
        """(n,3,H,W) RGB in [0,1], sides multiples of 8 -> latents (n,c,H/8,W/8) of unit variance."""
        return self.taesd_encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (n,c,h,w) of unit variance -> (n,3,8h,8w) RGB, about in [0,1]."""
        return self.taesd_decoder(latents)

    def full_state(self) -> dict[str, Tensor]:
        """What is written: every block of the layout, and the factor by which ComfyUI's raw latents are larger."""
        state = {key: value.detach() for key, value in self.state_dict().items()}
        for key, value in TinyAutoencoder(self.latent_channels).state_dict().items():
            state.setdefault(key, torch.zeros_like(value))
        return state | {"vae_scale": torch.tensor(LATENT_SCALE), "vae_shift": torch.tensor(0.0)}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> TinyAutoencoder:
        """From what `full_state` gave, whose factor is taken out again. Blocks of zeros are left out."""
        own = {key: value.float() for key, value in state.items() if key.startswith("taesd_")}
        if (channels := own["taesd_decoder.1.weight"].shape[1]) > _MOST_CHANNELS:
            raise RuntimeError(f"its latents would have {channels} channels")
        depths = tuple(_live(own, "taesd_encoder", start, room) for start, room in _PLACES)
        network = cls(channels, depths)
        network.load_state_dict({key: own[key] for key in network.state_dict()})
        return network


_PLACES = ((1, 1), (3, 3), (7, 3), (11, 3))  # of the encoder's blocks: first index, and how many


class SmallCodec(Codec):
    """Latents (n,c,H/8,W/8) of a TinyAutoencoder, decoded with less work than its layers are written with."""

    module: TinyAutoencoder

    def __init__(self, network: TinyAutoencoder):
        super().__init__(network.to(memory_format=torch.channels_last), network.latent_channels)
        self.decoder = folded(network.taesd_decoder)

    @classmethod
    def from_state(cls, state: dict[str, Tensor], name: str) -> SmallCodec:
        """From what `full_state` gave. `name`: of the file. Raises CheckpointError where parameters are missing or do
        not fit."""
        for key, value in state.items():
            check_finite(value, key, name)
        try:
            return cls(TinyAutoencoder.from_state(state))
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{name} is not a whole autoencoder: {error}. Download it again.") from error

    @staticmethod
    def layout(state: dict[str, Tensor], name: str) -> tuple[Callable[[], nn.Module], dict[str, Tensor]]:
        """What makes the module with every block that a file has, and the state dict that fills it."""
        channels = min(state["taesd_decoder.1.weight"].shape[1], _MOST_CHANNELS)

        def make() -> nn.Module:
            with torch.device("cpu"):  # wherever others are laid out: it begins with numbers of its own
                return TinyAutoencoder(channels)

        return make, {key: value for key, value in state.items() if key not in _FACTORS}

    def to_latents(self, pixels: Tensor) -> Tensor:
        return self.module.encode(pixels)

    def to_levels(self, latents: Tensor) -> Tensor:
        return self.decoder(latents).float() * 255

    def to(self, device: torch.device | str, dtype: torch.dtype) -> SmallCodec:
        self.decoder.to(device, dtype)
        return super().to(device, dtype)


@torch.no_grad()
def folded(decoder: nn.Sequential) -> nn.Sequential:
    """The same function with about 0.7 of the multiplications, frozen.

    Enlarging to the nearest and a 3 x 3 convolution after it are one transposed convolution of 4 x 4 and stride 2: of
    the nine taps on a pixel four are different. The last convolution, to 3 channels, fills a vector unit badly: it
    makes 2 x 2 pixels at a time.
    """
    layers: list[nn.Module] = []
    *inner, last = decoder
    for layer in inner:
        if layers and isinstance(layers[-1], nn.Upsample):
            taps = layer.weight.flip(2, 3).transpose(0, 1)
            layers[-1] = Enlarge(sum(F.pad(taps, (x, 1 - x, y, 1 - y)) for y in range(2) for x in range(2)))
        else:
            layers.append(nn.ReLU(inplace=True) if isinstance(layer, nn.ReLU) else layer)
    four = TORCH.Conv2d(WIDTH, 12, 4, stride=2, padding=1)
    shifted = [F.pad(last.weight, (x, 1 - x, y, 1 - y)) for y in range(2) for x in range(2)]
    four.weight.copy_(torch.stack(shifted, 1).flatten(0, 1))
    four.bias.copy_(last.bias.repeat_interleave(4))
    whole = nn.Sequential(*layers, four, nn.PixelShuffle(2))
    return whole.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _live(state: dict[str, Tensor], prefix: str, start: int, room: int) -> int:
    return sum(bool(state[f"{prefix}.{start + index}.conv.0.weight"].any()) for index in range(room))
