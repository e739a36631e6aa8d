"""The small model's autoencoder, on crops of drawn people: half of them around eyes and mouths, where one looks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..drawn import Acting, Person, paint
from ..encoders.autoencoder import TinyAutoencoder
from ..face.topology import LEFT_EYE, LIPS, RIGHT_EYE
from .cast_ops import CAST, PRECISIONS
from .optimizers import rate_share, set_rate, split_optimizers
from .weight_average import WeightAverage

_PARTS = (RIGHT_EYE, LEFT_EYE, LIPS)
_WARMUP = 20  # steps


@dataclass(frozen=True)
class AutoencoderSettings:
    """people x frames pictures of `size` are drawn once; `crop` is the side of what is trained on.

    noise: added to the latents, so that a slightly wrong latent still decodes to a face. depths: see TinyAutoencoder.
    """

    latent_channels: int = 16
    depths: tuple[int, ...] = (0, 1, 2, 3)
    size: int = 128
    people: int = 1024
    frames: int = 8
    first_person: int = 0
    crop: int = 64
    batch: int = 16
    steps: int = 2000
    decoder_steps: int = 600
    learning_rate: float = 2.5e-3
    noise: float = 0.05
    ema: float = 0.998
    seed: int = 0
    precision: str = "bf16"


def train_autoencoder(
    settings: AutoencoderSettings,
    on_step: Callable[[int, dict[str, float]], None] = lambda step, scalars: None,
    begun: TinyAutoencoder | None = None,
) -> TinyAutoencoder:
    """An autoencoder of pictures in [0,1] whose latents have zero mean and unit variance per channel over drawn ones.

    1. Both halves, the latents brought to unit variance on the way. 2. That is folded into the encoder, and the decoder
    goes on alone: until then it has met every brightness shifted by the last few batches, and washes colours out.
    begun: what 1. gave, to do 2. alone. on_step learns loss, PSNR of the crops in dB and seconds since the start.
    """
    network = None if begun is None else _in_cast_layers(begun)
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    pictures, boxes = draw_pictures(settings)
    started = time.monotonic()

    def batches() -> Iterator[Tensor]:
        while True:
            yield _crops(pictures, boxes, settings, rng)

    def note(step: int, loss: float, psnr: float) -> None:
        on_step(step, {"loss": loss, "psnr_of_crops": psnr, "seconds": time.monotonic() - started})

    def note_decoder(step: int, loss: float, psnr: float) -> None:
        note(settings.steps + step, loss, psnr)

    peak = settings.learning_rate
    if network is None:
        network = TinyAutoencoder(settings.latent_channels, settings.depths, CAST).to(memory_format=torch.channels_last)
        norm = RunningNorm(settings.latent_channels)
        _descend(
            network=network,
            part=network,
            norm=norm.normed,
            batches=batches(),
            settings=settings,
            steps=settings.steps,
            peak=peak,
            note=note,
        )
        norm.fold(network, (next(batches()) for _ in range(64)))
    network.to(memory_format=torch.channels_last).requires_grad_(False)
    network.taesd_decoder.requires_grad_(True)
    _descend(
        network=network,
        part=network.taesd_decoder,
        norm=lambda latents: latents,
        batches=batches(),
        settings=settings,
        steps=settings.decoder_steps,
        peak=0.5 * peak,
        note=note_decoder,
    )
    return network.eval().requires_grad_(False)


def _in_cast_layers(begun: TinyAutoencoder) -> TinyAutoencoder:
    """A copy, made of layers that compute in the format of their input."""
    network = TinyAutoencoder(begun.latent_channels, begun.depths, CAST)
    network.load_state_dict(begun.state_dict())
    return network


def _descend(
    network: TinyAutoencoder,
    part: nn.Module,
    norm: Callable[[Tensor], Tensor],
    batches: Iterator[Tensor],
    settings: AutoencoderSettings,
    steps: int,
    peak: float,
    note: Callable[[int, float, float], None],
) -> None:
    """Steps on the parameters of `part` of the network, which ends as their moving average.

    norm: what latents pass through before the noise. peak: learning rate. note: learns step, loss and PSNR in dB.
    """
    optimizers = split_optimizers(part.named_parameters(), peak, betas=(0.9, 0.99))
    average = WeightAverage(part.parameters(), settings.ema)
    dtype = PRECISIONS[settings.precision]
    for step, clean in zip(range(steps), batches, strict=False):
        latents = norm(network.encode(clean.to(dtype)).float())
        noisy = latents + settings.noise * torch.randn_like(latents)
        decoded = network.decode(noisy.to(dtype)).float()
        error = (decoded - clean).abs()
        loss = error.mean() + 4 * error.square().mean()
        part.zero_grad(set_to_none=True)
        loss.backward()
        set_rate(optimizers, peak * rate_share(step, steps, _WARMUP, last=0.01))
        for optimizer in optimizers:
            optimizer.step()
        average.follow()
        note(step, loss.item(), -10 * math.log10(error.detach().square().mean().item()))
    with torch.no_grad():
        torch._foreach_copy_(list(part.parameters()), average.values)


class RunningNorm:
    """Unit variance per channel while an autoencoder trains, folded into the encoder's last layer afterwards.

    By running statistics, not the batch's own: with those the decoder would not know how bright a batch is.
    """

    def __init__(self, channels: int):
        self.mean, self.square, self.weight = torch.zeros(channels), torch.zeros(channels), 0.0

    @torch.no_grad()
    def update(self, latents: Tensor, momentum: float = 0.1) -> None:
        """Take latents (n,c,h,w) into the statistics; momentum: their share in the long run."""
        share = momentum / (momentum + (1 - momentum) * self.weight)  # the first batches count in full
        self.weight = momentum + (1 - momentum) * self.weight
        self.mean.lerp_(latents.mean((0, 2, 3)), share)
        self.square.lerp_(latents.square().mean((0, 2, 3)), share)

    @property
    def deviation(self) -> Tensor:
        """(c,) standard deviation of each channel."""
        return (self.square - self.mean.square()).clamp_min(1e-8).sqrt()

    def normed(self, latents: Tensor) -> Tensor:
        """Latents (n,c,h,w) of about unit variance, by statistics that these are a part of."""
        self.update(latents.detach())
        return (latents - self.mean[:, None, None]) / self.deviation[:, None, None]

    @torch.no_grad()
    def fold(self, network: TinyAutoencoder, batches: Iterator[Tensor]) -> None:
        """Into the network's encoder; measured anew over batches (n,3,H,W) in [0,1], each counting the same."""
        latents = torch.cat([network.encode(batch) for batch in batches])
        self.weight = 0.0
        self.update(latents, 1.0)
        last = network.taesd_encoder[-1]
        last.weight.div_(self.deviation[:, None, None, None])
        last.bias.sub_(self.mean).div_(self.deviation)


def draw_pictures(settings: AutoencoderSettings) -> tuple[np.ndarray, np.ndarray]:
    """(N,size,size,3) uint8, and the centres (N,3,2) pixels of eyes and mouth in them."""
    pictures, boxes = [], []
    for number in range(settings.first_person, settings.first_person + settings.people):
        person = Person.of(number)
        motion = person.act(Acting.random(number, settings.frames * 6), (settings.size, settings.size))
        motion = motion.taken(slice(None, None, 6))
        pictures.append(paint(person, motion))
        points = motion.landmarks[..., :2] * settings.size
        boxes.append(np.stack([points[:, list(part)].mean(axis=1) for part in _PARTS], axis=1))
    return np.concatenate(pictures), np.concatenate(boxes)


def _crops(pictures: np.ndarray, boxes: np.ndarray, settings: AutoencoderSettings, rng: np.random.Generator) -> Tensor:
    """(batch,3,crop,crop) in [0,1]; corners on the latents' grid, half of the crops around an eye or the mouth."""
    chosen = rng.integers(len(pictures), size=settings.batch)
    room = settings.size - settings.crop
    corners = rng.integers(room + 1, size=(settings.batch, 2))
    parts = boxes[chosen, rng.integers(3, size=settings.batch)] - settings.crop / 2 + rng.normal(0, 5, (len(chosen), 2))
    corners = np.where(rng.random((len(chosen), 1)) < 0.5, parts, corners).clip(0, room).astype(int) // 8 * 8
    side = settings.crop
    cut = [pictures[index, y : y + side, x : x + side] for index, (x, y) in zip(chosen, corners, strict=True)]
    pictures = torch.from_numpy(np.stack(cut)).movedim(-1, 1)
    return pictures.float().div(255).contiguous(memory_format=torch.channels_last)
