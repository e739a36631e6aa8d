"""The walk without ComfyUI: diffusers' AutoencoderKL as the codec, transformers' CLIP as the image encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..diffusion.progressive_sampler import WindowReport
from ..encoders.clip import ClipVision, open_clip_vision
from ..encoders.interfaces import Codec
from ..encoders.opening import open_codec
from ..model.weights.build import Networks, load_networks
from ..model.weights.files import find_files
from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
from ..types import AlignedMotion
from .animate import Appearance, LandmarkFeatures, SamplingSettings, denoise, read_appearance
from .animate_long import LongSettings, denoise_long, plan_long
from .latent_store import LatentStore, job_key

VAE_FILE = "vae/sd-vae-ft-mse.safetensors"
CLIP_FILE = "clip_vision/sd-image-variations-encoder-fp16.safetensors"
# How the small model is used: two steps are nearest to the truth, more are not sharper (`targets` measures it).
SMALL_SETTINGS = SamplingSettings(steps=2, guidance=1.0, shared_noise=1.0)
_DECODED_AT_ONCE = 4  # frames


@dataclass(frozen=True)
class Studio:
    """Everything that turns a framed portrait and an aligned motion into frames, on one device in one dtype.

    clip: CLIP's image encoder; None where the networks bring their own.
    """

    networks: Networks
    codec: Codec
    clip: ClipVision | None
    device: torch.device
    dtype: torch.dtype
    identity: tuple = ()  # what the networks' files are known by

    @torch.no_grad()
    def see(self, portrait: np.ndarray) -> Appearance:
        """(H,W,3) uint8 RGB, sides multiples of 8 -> what the denoiser knows of the portrait."""
        pictures = torch.from_numpy(np.ascontiguousarray(portrait))[None]
        latents = self.codec.encode(pictures).to(self.device, self.dtype)
        if self.clip is None:
            pixels = pictures.to(self.device).movedim(-1, 1).to(self.dtype) / 255
            tokens = self.networks.image_encoder(pixels)
        else:
            tokens = self.clip.tokens(pictures)
        return read_appearance(self.networks.appearance_net, latents, tokens)

    def animate(self, portrait: np.ndarray, motion: AlignedMotion, settings: SamplingSettings, **hooks) -> Tensor:
        """The latents (T,c,h,w) of the video; `hooks` are those of `animate.denoise`."""
        landmarks = LandmarkFeatures(self.networks.landmark_encoder, motion, motion.size, self.device, self.dtype)
        return denoise(self.networks.denoiser, landmarks, self.see(portrait), settings, **hooks)

    def animate_long(
        self,
        portrait: np.ndarray,
        motion: AlignedMotion,
        settings: SamplingSettings,
        long: LongSettings,
        folder: Path | None = None,
        on_step: Callable[[WindowReport], None] = lambda report: None,
    ) -> LatentStore:
        """Clips of any length: finished windows are kept under `folder`, where the same job finds them again."""
        appearance = self.see(portrait)
        plan = plan_long(self.networks.denoiser.config, appearance, motion, motion.size, settings, long)
        made_by = (__version__, self.identity, str(self.dtype))
        key = job_key(made_by, vars(settings), vars(long), motion.points, appearance.tokens, *appearance.features.maps)
        store = LatentStore(len(motion), appearance.latent_shape, folder and folder / key)
        landmarks = LandmarkFeatures(self.networks.landmark_encoder, motion, motion.size, self.device, self.dtype)
        denoise_long(self.networks.denoiser, landmarks, appearance, settings, long, plan, store, on_step=on_step)
        return store

    def frames(self, latents: Tensor) -> Iterator[np.ndarray]:
        """Decode latents to (H,W,3) uint8 RGB, a few at a time."""
        for chunk in latents.split(_DECODED_AT_ONCE):
            yield from self.codec.decode(chunk.float()).numpy()


def open_studio(
    models: Path, device: str, dtype: torch.dtype, weights: Path | None = None, vae: Path | None = None
) -> Studio:
    """The released weights from a models folder laid out as ComfyUI's: followemoji/, vae/, clip_vision/.

    weights, vae: files (weights: or a folder) to take instead of followemoji/ and vae/sd-vae-ft-mse.safetensors.
    """
    files = find_files(weights or models / "followemoji")
    networks = load_networks(files, device, dtype)
    codec = open_codec(vae or models / VAE_FILE).to(device, dtype)
    clip = None
    if networks.image_encoder is None:
        clip = open_clip_vision(models / CLIP_FILE).to(device, dtype)
    return Studio(networks, codec, clip, torch.device(device), dtype, files.identity)


def small_studio(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """The small model that ships with this package, trained on drawn people at 128 x 128."""
    return open_studio(SMALL_MODELS, device, dtype, SMALL_MODEL, SMALL_VAE)
