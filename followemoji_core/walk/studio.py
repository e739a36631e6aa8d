"""Everything that the walk needs, loaded, without ComfyUI: networks, autoencoder and image encoder on one device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..encoders.vae import Codec, fill, open_codec
from ..errors import CheckpointError
from ..model.weights.checkpoint import Networks, find_files, load_networks, read_tensors
from ..small import SMALL_MODEL, SMALL_MODELS, SMALL_VAE
from ..types import AlignedMotion
from .animate import Host, Progress, animate, new_store
from .appearance import Appearance, read_appearance
from .job import job_key
from .latent_store import LatentStore
from .places import CLIP_FILE, VAE_FILE
from .settings import Settings

# How the small model is used: two steps are nearest to the truth, more are not sharper (`targets` measures it).
SMALL_SETTINGS = Settings(steps=2, guidance=1.0, shared_noise=1.0)


@dataclass(frozen=True)
class Studio:
    """Turns a framed portrait and an aligned motion into frames.

    clip: CLIP's image encoder; None where the networks bring their own. host: where and how to compute.
    """

    networks: Networks
    codec: Codec
    clip: torch.nn.Module | None
    host: Host
    identity: tuple = ()  # what the networks' files are known by

    @torch.no_grad()
    def read(self, portrait: np.ndarray) -> Appearance:
        """(H,W,3) uint8 RGB, sides multiples of 8 -> what the denoiser will know of the portrait."""
        pictures = torch.from_numpy(np.ascontiguousarray(portrait))[None]
        latents = self.codec.encode(pictures).to(self.host.device, self.host.dtype)
        if self.clip is None:
            pixels = pictures.to(self.host.device).movedim(-1, 1).to(self.host.dtype) / 255
            tokens = self.networks.image_encoder(pixels)
        else:
            tokens = clip_tokens(self.clip, portrait)
        return read_appearance(self.networks.appearance_net, latents, tokens)

    def animate(
        self,
        portrait: np.ndarray | Appearance,
        landmarks: AlignedMotion | Tensor,
        settings: Settings,
        *,
        folder: Path | None = None,
        on_pass: Callable[[int, int], None] = lambda done, total: None,
        on_step: Callable[[Progress], None] = lambda progress: None,
    ) -> LatentStore:
        """The latents of the video, see `animate.animate`. portrait: (H,W,3) uint8 RGB, or what `read` gave.

        folder: where finished windows are kept, under the job's name, so that the same job finds them again.
        """
        appearance = portrait if isinstance(portrait, Appearance) else self.read(portrait)
        store = None
        if folder is not None:
            key = job_key(self.identity, self.host.dtype, settings, landmarks, appearance)
            store = new_store(len(landmarks), appearance, settings, folder / key)
        host = replace(self.host, on_pass=on_pass, on_step=on_step)
        networks = self.networks
        return animate(networks.denoiser, networks.landmark_encoder, appearance, landmarks, settings, host, store=store)

    def frames(self, latents: LatentStore | Tensor) -> Iterator[np.ndarray]:
        """Decode latents (T,c,h,w) to (H,W,3) uint8 RGB, a few at a time."""
        latents = latents.latents if isinstance(latents, LatentStore) else latents
        for chunk in latents.split(self.codec.at_once(latents)):
            yield from self.codec.decode(chunk.float()).numpy()


def best_dtype(device: str) -> torch.dtype:
    """Half precision where it is faster: float16 on graphics cards, bfloat16 on CPUs that multiply in it."""
    if device != "cpu":
        return torch.float16
    capabilities = torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else ""
    fast = capabilities.startswith("AVX512") and torch.ops.mkldnn._is_mkldnn_bf16_supported() and _multiplies_bf16()
    return torch.bfloat16 if fast else torch.float32


def _multiplies_bf16() -> bool:
    """Whether the CPU has instructions for it: AVX512 alone lets oneDNN emulate them, slower than float32."""
    test = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(test and test()) or bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def open_studio(
    models: Path, device: str, dtype: torch.dtype, weights: Path | None = None, vae: Path | None = None
) -> Studio:
    """The released weights from a models folder laid out as ComfyUI's: followemoji/, vae/, clip_vision/.

    weights, vae: files (weights: or a folder) to take instead of followemoji/ and vae/sd-vae-ft-mse.safetensors. Raises
    CheckpointError for files that are absent, damaged, or of another kind.
    """
    files = find_files(weights or models / "followemoji")
    networks = load_networks(files, device, dtype)
    networks.denoiser.fuse()
    codec = open_codec(vae or models / VAE_FILE).to(device, dtype)
    clip = None
    if networks.image_encoder is None:
        clip = load_clip(models / CLIP_FILE).eval().to(device, dtype)
    return Studio(networks, codec, clip, Host(torch.device(device), dtype), files.identity)


def small_studio(device: str = "cpu", dtype: torch.dtype = torch.float32) -> Studio:
    """The small model that ships with this package, trained on drawn people at 128 x 128."""
    return open_studio(SMALL_MODELS, device, dtype, SMALL_MODEL, SMALL_VAE)


@torch.no_grad()
def clip_tokens(clip: torch.nn.Module, portrait: np.ndarray) -> Tensor:
    """(H,W,3) uint8 RGB -> CLIP's last hidden state (1,n,width), before the final norm."""
    import transformers

    like = next(clip.parameters())
    side = clip.config.image_size
    # Through PIL, as published; transformers 5 gives that a name of its own.
    kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    processor = kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    picture = processor(images=portrait, return_tensors="pt").pixel_values.to(like)
    return clip(pixel_values=picture).last_hidden_state


def load_clip(path: Path) -> torch.nn.Module:
    """The image encoder of SD image-variations (CLIP ViT-L/14) in transformers' layout, one .safetensors."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    state = read_tensors(path)
    patches = state.get("vision_model.embeddings.patch_embedding.weight")
    if patches is None or "vision_model.embeddings.class_embedding" not in state:
        raise CheckpointError(
            f"{path.name} is not a CLIP image encoder. `python -m followemoji_core download` fetches it."
        )
    width, _, patch, _ = patches.shape
    places = len(state["vision_model.embeddings.position_embedding.weight"]) - 1
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=len(state["vision_model.encoder.layers.0.mlp.fc1.weight"]),
        num_hidden_layers=len([key for key in state if key.endswith("mlp.fc1.weight")]),
        num_attention_heads=max(width // 64, 1),
        projection_dim=len(state["visual_projection.weight"]) if "visual_projection.weight" in state else 768,
        patch_size=patch,
        image_size=patch * round(places**0.5),
    )
    state.setdefault("visual_projection.weight", torch.zeros(config.projection_dim, width))  # never read here
    return fill(CLIPVisionModelWithProjection(config), state, path.name)
