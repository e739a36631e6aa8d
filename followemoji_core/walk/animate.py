"""The walk: a portrait and an aligned motion become a video. Everything that happens is on this page, in order.

portrait -> latents, image tokens -> appearance net (once) -> Appearance
aligned motion -> landmark images -> landmark encoder, when a window asks -> LandmarkFeatures
noise -> sampler(guided(denoiser), window plan) -> latents
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..diffusion.guidance import guided
from ..diffusion.sampler import StepReport, draw_noise, sample, share_noise
from ..diffusion.schedule import make_scheduler
from ..diffusion.windows import plan_windows
from ..errors import InputError
from ..face.draw import draw_motion
from ..model.appearance_net import AppearanceNet
from ..model.config import LATENT_CELL, UNetConfig
from ..model.denoiser import Denoiser
from ..model.landmark_encoder import LandmarkEncoder
from ..types import AlignedMotion, AppearanceFeatures, WindowPlan

FEATURE_CACHE_BYTES = 2**30  # of RAM; landmark features beyond it are made again at every step instead of kept


@dataclass(frozen=True)
class SamplingSettings:
    """The knobs of a sampling run; the first four as published (the released call), windows as `plan_windows` says.

    shared_noise: of the variance, 0 as published; 1 keeps still what does not move, for models trained with it.
    """

    steps: int = 30
    guidance: float = 3.5
    scheduler: str = "ddim"
    seed: int = 0
    windows: str = "gaussian"
    window_length: int = 16
    overlap: int = 4
    shared_noise: float = 0.0


@dataclass(frozen=True)
class Appearance:
    """What the denoiser knows of the portrait.

    features: from the appearance net. tokens (1, n, token_width): CLIP hidden states. latent_shape (channels, h, w).
    """

    features: AppearanceFeatures
    tokens: Tensor
    latent_shape: tuple[int, int, int]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Appearance:
        maps = tuple(features.to(device, dtype) for features in self.features.maps)
        return replace(self, features=AppearanceFeatures(maps), tokens=self.tokens.to(device, dtype))


@torch.no_grad()
def read_appearance(appearance_net: AppearanceNet, latents: Tensor, tokens: Tensor) -> Appearance:
    """Portrait latents (1,c,h,w), scaled to unit variance, and CLIP tokens (1,n,width), both where and as computed."""
    config = appearance_net.config
    if latents.shape[1] != config.in_channels:
        raise InputError(
            f"The VAE made latents of {latents.shape[1]} channels, this checkpoint works on {config.in_channels}. "
            f"Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    if tokens.shape[-1] != config.token_width:
        raise InputError(
            f"The CLIP vision model gives tokens of width {tokens.shape[-1]}, this checkpoint reads "
            f"{config.token_width}. Load the image encoder of SD image-variations (CLIP ViT-L/14)."
        )
    return Appearance(appearance_net(latents, tokens), tokens, tuple(latents.shape[1:]))


class LandmarkFeatures:
    """The landmark encoder's output for any frames of a clip, made when asked for and kept while there is room.

    images: an AlignedMotion, drawn at `size` (width, height); or landmark images (T,H,W,3) in [0,1].
    """

    def __init__(self, encoder: LandmarkEncoder, images: AlignedMotion | Tensor, size, device, dtype):
        self.encoder, self.images, self.size, self.device, self.dtype = encoder, images, size, device, dtype
        self._kept: dict[int, Tensor] = {}
        self._room = FEATURE_CACHE_BYTES

    def __len__(self) -> int:
        return len(self.images)

    @torch.no_grad()
    def __call__(self, frames: Sequence[int]) -> Tensor:
        """Features (n, channels, h, w) of the frames, in that order."""
        new = [frame for frame in frames if frame not in self._kept]
        made = dict(zip(new, self.encoder(self._draw(new)) if new else (), strict=True))
        features = [made[frame] if frame in made else self._kept[frame].to(self.device) for frame in frames]
        for frame, feature in made.items():
            if (size := feature.numel() * feature.element_size()) <= self._room:
                self._kept[frame] = feature.to("cpu", copy=True)
                self._room -= size
        return torch.stack(features)

    def forget(self) -> None:
        """Make room: long jobs come to each frame in one or two windows only."""
        self._kept.clear()
        self._room = FEATURE_CACHE_BYTES

    def _draw(self, frames: list[int]) -> Tensor:
        if isinstance(self.images, AlignedMotion):
            images = torch.from_numpy(draw_motion(self.images, frames, self.size)).to(self.device, self.dtype) / 255
        else:
            images = self.images[frames].to(self.device, self.dtype).expand(-1, -1, -1, 3)  # grey becomes colour
        return images.movedim(-1, 1).contiguous()


def plan_job(
    config: UNetConfig, appearance: Appearance, frame_count: int, size: tuple[int, int], settings: SamplingSettings
) -> WindowPlan:
    """The windows of a job, or the error that it would run into; quick, so that it can come before any loading.

    config: of the denoiser. size (width, height): of the landmark images.
    """
    plan = plan_windows(frame_count, settings.windows, settings.window_length, settings.overlap)
    check_job(config, appearance, size, settings, max(len(window.frames) for window in plan.windows))
    return plan


def check_job(
    config: UNetConfig, appearance: Appearance, size: tuple[int, int], settings: SamplingSettings, longest: int
) -> None:
    """Whether portrait, landmarks, checkpoint and settings go together; `longest`: frames of a window."""
    _, h, w = appearance.latent_shape
    if (w * LATENT_CELL, h * LATENT_CELL) != tuple(size):
        raise InputError(
            f"The landmarks are for a picture of {size[0]}x{size[1]} pixels, the portrait was encoded at "
            f"{w * LATENT_CELL}x{h * LATENT_CELL}. Use one picture for both: Frame Portrait's portrait goes to Encode "
            f"Portrait, its face to Align Motion; landmark images must have that size too."
        )
    if appearance.features.maps[0].shape[-1] != config.channels[0] or appearance.tokens.shape[-1] != config.token_width:
        raise InputError("The portrait was encoded with another checkpoint. Encode it with the model that samples.")
    if settings.steps < 1:
        raise InputError(f"{settings.steps} sampling steps: at least 1 is needed, 30 is the published number.")
    if longest > config.positions:
        raise InputError(
            f"A window of {longest} frames: this checkpoint's motion modules know {config.positions} places. "
            f"Set the window length to {config.positions} or less."
        )


def denoise(
    denoiser: Denoiser,
    landmarks: LandmarkFeatures,
    appearance: Appearance,
    settings: SamplingSettings,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_window: Callable[[int, int], None] = lambda index, total: None,
) -> Tensor:
    """Latents (T,c,h,w) float32, scaled, one per landmark image; `landmarks` holds device and dtype."""
    plan = plan_job(denoiser.config, appearance, len(landmarks), landmarks.size, settings)
    device, dtype = landmarks.device, landmarks.dtype
    appearance = appearance.to(device, dtype)

    def conditional(latents: Tensor, timestep: Tensor, features: Tensor) -> Tensor:
        return denoiser(latents, timestep, features, appearance.tokens, appearance.features)

    def unconditional(latents: Tensor, timestep: Tensor, features: Tensor) -> Tensor:
        return denoiser(latents, timestep, features, None, None)

    predict_window = guided(conditional, unconditional, settings.guidance)

    def predict(latents: Tensor, timestep: Tensor, frames: list[int]) -> Tensor:
        return predict_window(latents.to(dtype), timestep, landmarks(frames))

    noise = draw_noise((len(landmarks), *appearance.latent_shape), settings.seed)
    noise = share_noise(noise, settings.seed, settings.shared_noise).to(device)
    return sample(predict, noise, plan, make_scheduler(settings.scheduler), settings.steps, on_step, on_window)
