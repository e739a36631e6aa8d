"""ComfyUI as the core's host: its layers and attention, its memory management, progress, preview and interrupt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import comfy.latent_formats
import comfy.model_management as management
import comfy.model_patcher
import comfy.ops
import comfy.utils
import latent_preview
import torch
from comfy.ldm.modules.attention import optimized_attention
from PIL import Image

from ...followemoji_core.diffusion.sampler import StepReport
from ...followemoji_core.errors import InputError
from ...followemoji_core.model.config import LATENT_CELL, LATENT_SCALE
from ...followemoji_core.model.ops import Ops
from ...followemoji_core.model.weights.build import build
from ...followemoji_core.model.weights.files import CheckpointFiles
from ...followemoji_core.model.weights.fill import Weights, read_checkpoint
from ...followemoji_core.model.weights.read import latent_table, read_tensors

# Live activations per latent cell of one frame and byte of the dtype: tests/measure_memory.py, and a quarter on top.
_BYTES_PER_CELL = 13_000
log = logging.getLogger(__name__)
SDXL_SCALE = comfy.latent_formats.SDXL.scale_factor
PRECISIONS = {"auto": None, "fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class LoadedModel:
    """The three networks, each in a ModelPatcher, and the dtype in which they compute."""

    denoiser: comfy.model_patcher.ModelPatcher
    appearance_net: comfy.model_patcher.ModelPatcher
    landmark_encoder: comfy.model_patcher.ModelPatcher
    dtype: torch.dtype
    image_encoder: comfy.model_patcher.ModelPatcher | None = None
    latent_rgb: torch.Tensor | None = None  # (c + 1, 3): what a latent looks like, about; of files that say so
    identity: tuple = ()  # files, their sizes and times: what the weights are known by

    def get_models(self) -> list[comfy.model_patcher.ModelPatcher]:
        """For ComfyUI, which asks what it may move and free."""
        patchers = [self.denoiser, self.appearance_net, self.landmark_encoder, self.image_encoder]
        return [patcher for patcher in patchers if patcher is not None]

    @property
    def device(self) -> torch.device:
        return self.denoiser.load_device


@dataclass(frozen=True)
class OwnImageEncoder:
    """The image encoder that a checkpoint brings along, where ComfyUI has a CLIP_VISION."""

    model: LoadedModel

    def encode_image(self, image: torch.Tensor, crop: bool | str = True) -> dict[str, torch.Tensor]:
        """(n,H,W,3) in [0,1] -> tokens (n,m,width); the whole picture is seen, whatever `crop` says."""
        patcher, device = self.model.image_encoder, self.model.device
        management.load_models_gpu([patcher])
        pixels = image[..., :3].movedim(-1, 1).to(device, self.model.dtype)
        with torch.no_grad():
            return {"last_hidden_state": patcher.model(pixels)}


def load_model(files: CheckpointFiles, precision: str) -> LoadedModel:
    """The networks in ComfyUI's hands, not yet on the device. `precision`: a key of PRECISIONS."""
    weights = read_checkpoint(files, _read)
    device = management.get_torch_device()
    count = sum(tensor.numel() for part in weights.values() for tensor in part.state.values())
    stored = next(iter(weights["denoiser"].state.values())).dtype
    dtype = PRECISIONS[precision] or management.unet_dtype(device=device, model_params=count, weight_dtype=stored)
    compute = management.unet_manual_cast(dtype, device) or dtype
    progress = comfy.utils.ProgressBar(len(weights))
    patchers = {}
    for part, part_weights in weights.items():
        management.throw_exception_if_processing_interrupted()
        patchers[part] = _patcher(part_weights, dtype, compute, device)
        progress.update(1)
    latent_rgb = latent_table(files.denoiser)
    return LoadedModel(**patchers, dtype=compute, latent_rgb=latent_rgb, identity=(*files.identity, str(dtype)))


def _read(path: Path) -> dict[str, torch.Tensor]:
    """As ComfyUI reads it (its switches for memory mapping hold); what it cannot read, the core explains."""
    if path.suffix == ".safetensors" and path.is_file():
        try:
            return comfy.utils.load_torch_file(str(path), safe_load=True)
        except Exception as error:  # its kinds differ by version
            log.debug("%s: %s", path, error)
    return read_tensors(path)


def _patcher(weights: Weights, dtype: torch.dtype, compute: torch.dtype, device: torch.device):
    layers = comfy.ops.pick_operations(dtype, compute, load_device=device)
    ops = Ops(layers.Linear, layers.Conv2d, layers.GroupNorm, layers.LayerNorm, _attention)
    offload = management.unet_offload_device()
    network = build(weights, ops, offload, dtype)
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return patcher(network, load_device=device, offload_device=offload)


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    return optimized_attention(q, k, v, heads)


def put_on_device(patchers: list, frames: int, latent_shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    """Make room and load, in one request. `frames` of latents go through the networks at once."""
    management.load_models_gpu(patchers, memory_required=activations(frames, latent_shape, dtype))


def activations(frames: int, latent_shape: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Bytes that the networks need for `frames` at once, beside themselves; an estimate."""
    _, h, w = latent_shape
    return frames * h * w * dtype.itemsize * _BYTES_PER_CELL


def windows_at_once(latent_shape: tuple[int, int, int], model: LoadedModel, most: int):
    """frames of a window -> how many such windows the free memory holds, by the same estimate."""
    if model.device.type == "cpu":
        return lambda frames: 1  # nothing is gained there

    def at_once(frames: int) -> int:
        each = activations(frames, latent_shape, model.dtype)
        return max(1, min(most, int(management.get_free_memory(model.device) * 0.8 // each)))

    return at_once


def landmark_size(landmarks) -> tuple[int, int]:
    """(width, height) of an aligned motion, or of landmark images, which must be black behind."""
    if not isinstance(landmarks, torch.Tensor):
        return landmarks.size
    if landmarks[0, ..., :3].float().mean() > 0.25:
        raise InputError(
            "The landmark images are not black behind. Connect Draw Landmarks without a background, or the "
            "aligned motion itself."
        )
    return landmarks.shape[2], landmarks.shape[1]


def encode_picture(vae, picture: torch.Tensor) -> torch.Tensor:
    """(1,H,W,3) in [0,1] -> latents (1,c,h,w) scaled to unit variance, refusing a VAE of another family."""
    latents = vae.encode(picture)
    if latents.ndim != 4:
        raise InputError("The VAE is a video VAE. Load an SD 1.5 VAE, such as sd-vae-ft-mse.")
    h, w = picture.shape[1] // LATENT_CELL, picture.shape[2] // LATENT_CELL
    if tuple(latents.shape[2:]) != (h, w):
        raise InputError(
            f"The VAE makes {latents.shape[3]}x{latents.shape[2]} latents of a {picture.shape[2]}x{picture.shape[1]} "
            f"picture, {w}x{h} are needed. Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    scale = getattr(vae.first_stage_model, "vae_scale", None)  # small autoencoders carry their factor
    if looks_like_sdxl(latents, picture) if scale is None else abs(float(scale) - SDXL_SCALE) < 1e-3:
        raise InputError(
            "The VAE is an SDXL VAE: its latents have another meaning, and the video would have wrong colours and "
            "shapes. Load an SD 1.5 VAE, such as sd-vae-ft-mse."
        )
    return latents * LATENT_SCALE


def looks_like_sdxl(latents: torch.Tensor, picture: torch.Tensor) -> bool:
    """Whether SDXL's latent-to-RGB table explains the picture much better than SD 1.5's (both are ComfyUI's own).

    The two VAEs have the same layers, so nothing but what they compute tells them apart.
    """
    if latents.shape[1] != 4:
        return False
    target = torch.nn.functional.interpolate(
        picture[..., :3].movedim(-1, 1).float().cpu(), latents.shape[2:], mode="area"
    )

    def unexplained(latent_format) -> float:
        factors = torch.tensor(latent_format.latent_rgb_factors)
        bias = latent_format.latent_rgb_factors_bias or [0.0, 0.0, 0.0]
        guess = latent_format.process_in(latents.float().cpu()).movedim(1, -1) @ factors + torch.tensor(bias)
        return float((((guess + 1) / 2).clamp(0, 1) - target.movedim(1, -1)).abs().mean())

    sdxl = unexplained(comfy.latent_formats.SDXL())
    return sdxl < 0.1 and sdxl < 0.5 * unexplained(comfy.latent_formats.SD15())


class Preview:
    """Quick pictures of latents, as ComfyUI's settings want them; none where they are switched off."""

    def __init__(self, model: LoadedModel):
        self._previewer = latent_preview.get_previewer(model.device, comfy.latent_formats.SD15())
        self._table = model.latent_rgb

    @property
    def on(self) -> bool:
        return self._previewer is not None

    def picture(self, latent: torch.Tensor) -> Image.Image | None:
        """One frame's latent (c,h,w), scaled -> a picture of about its own size."""
        if self._previewer is None:
            return None
        if self._table is not None:
            table = self._table.to(latent)
            rgb = latent.movedim(0, -1) @ table[:-1] + table[-1]
            picture = Image.fromarray(rgb.clamp(0, 1).mul(255).byte().cpu().numpy())
            return picture.resize((rgb.shape[1] * 8, rgb.shape[0] * 8), Image.Resampling.BILINEAR)
        return self._previewer.decode_latent_to_preview(latent[None]) if len(latent) == 4 else None


class SamplingProgress:
    """ComfyUI's progress bar, preview picture and Cancel, as the sampler's two callbacks."""

    def __init__(self, model: LoadedModel):
        self._preview = Preview(model)
        self._bar: comfy.utils.ProgressBar | None = None

    def on_window(self, index: int, total: int) -> None:
        management.throw_exception_if_processing_interrupted()
        self._bar = self._bar or comfy.utils.ProgressBar(total)
        self._bar.update_absolute(index, total)

    def on_step(self, report: StepReport) -> None:
        """The preview walks through the clip as the steps go on."""
        done = (report.step + 1) / report.steps
        picture = self._preview.picture(report.clean[round(done * (len(report.clean) - 1))])
        total = self._bar.total
        self._bar.update_absolute(
            round(done * total), total, picture and ("JPEG", picture, latent_preview.MAX_PREVIEW_RESOLUTION)
        )


def jpeg(picture: Image.Image | None):
    """What a progress bar takes as a preview."""
    return picture and ("JPEG", picture, latent_preview.MAX_PREVIEW_RESOLUTION)


def to_numpy(images: torch.Tensor, index: int):
    """Frame `index` of an IMAGE batch as (H,W,C) uint8; IMAGE may be half precision and on a device."""
    return images[index].float().mul(255).round().clamp(0, 255).byte().cpu().numpy()


def task_progress(total: int):
    """A per-item callback that moves ComfyUI's progress bar and answers Cancel."""
    bar = comfy.utils.ProgressBar(max(total, 1))

    def on_item(index: int) -> None:
        management.throw_exception_if_processing_interrupted()
        bar.update_absolute(index + 1, max(total, index + 1))

    return on_item
