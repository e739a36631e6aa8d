"""The networks in ComfyUI's hands: built from its layers and its attention, each in a ModelPatcher."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import comfy.model_management as management
import comfy.model_patcher
import comfy.ops
import comfy.utils
import torch
from comfy.ldm.modules.attention import optimized_attention

from ...followemoji_core.model.denoiser import Denoiser
from ...followemoji_core.model.ops import Ops
from ...followemoji_core.model.weights.build import build
from ...followemoji_core.model.weights.files import CheckpointFiles
from ...followemoji_core.model.weights.fill import Weights, read_checkpoint
from ...followemoji_core.model.weights.read import check_file, latent_table, read_tensors
from ...followemoji_core.small import SMALL_MODEL
from .native_conds import KEY
from .native_model import NativeModel

log = logging.getLogger(__name__)
PRECISIONS = {"auto": None, "fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class LoadedModel:
    """The networks, each in a ModelPatcher, and the dtype in which they compute; what a model wire carries.

    denoiser: of a `NativeModel`, a MODEL for ComfyUI's own samplers as it is, with the landmark encoder beside it.
    """

    denoiser: comfy.model_patcher.ModelPatcher
    appearance_net: comfy.model_patcher.ModelPatcher
    landmark_encoder: comfy.model_patcher.ModelPatcher
    dtype: torch.dtype
    image_encoder: comfy.model_patcher.ModelPatcher | None = None
    latent_rgb: torch.Tensor | None = None  # (c + 1, 3): what a latent looks like, about; of files that say so
    identity: tuple = ()  # files, their sizes and times, and the dtype: what the weights are known by
    small: bool = False  # the model that ships, which knows one size of pictures

    def get_models(self) -> list[comfy.model_patcher.ModelPatcher]:
        """All that are there, for ComfyUI, which asks what it may move and free."""
        patchers = [self.denoiser, self.appearance_net, self.landmark_encoder, self.image_encoder]
        return [patcher for patcher in patchers if patcher is not None]

    @property
    def network(self) -> Denoiser:
        """The denoiser itself, for our own samplers."""
        return self.denoiser.model.diffusion_model.network

    @property
    def device(self) -> torch.device:
        """Where they compute, loaded or not."""
        return self.denoiser.load_device


def load_model(files: CheckpointFiles, precision: str) -> LoadedModel:
    """The networks of `files` in ComfyUI's hands, not yet on the device. precision: a key of PRECISIONS.

    Raises CheckpointError, with the file's name, for what cannot be read or does not hold what is needed.
    """
    weights = read_checkpoint(files, _read)
    device = management.get_torch_device()
    count = sum(tensor.numel() for part in weights.values() for tensor in part.state.values())
    stored = next(iter(weights["denoiser"].state.values())).dtype
    dtype = PRECISIONS[precision] or management.unet_dtype(device=device, model_params=count, weight_dtype=stored)
    compute = management.unet_manual_cast(dtype, device) or dtype
    tables = (latent_table(path) for path in (files.denoiser, files.appearance_net) if path)
    latent_rgb = next((table for table in tables if table is not None), None)
    progress = comfy.utils.ProgressBar(len(weights))
    patchers = {}
    for part, part_weights in weights.items():
        management.throw_exception_if_processing_interrupted()
        network = _network(part_weights, dtype, compute, device)
        if part == "denoiser":
            network = NativeModel(network, dtype, compute, management.unet_offload_device(), latent_rgb)
        patchers[part] = _patcher(network, device)
        progress.update(1)
    patchers["denoiser"].set_additional_models(KEY, [patchers["landmark_encoder"]])
    about = dict(identity=(*files.identity, str(dtype)), small=files.denoiser.name == SMALL_MODEL.name)
    return LoadedModel(**patchers, dtype=compute, latent_rgb=latent_rgb, **about)


def _read(path: Path) -> dict[str, torch.Tensor]:
    """As ComfyUI reads it (its switches for memory mapping hold); what it cannot read, the core explains."""
    if path.suffix == ".safetensors" and path.is_file():
        check_file(path)
        try:
            return comfy.utils.load_torch_file(str(path), safe_load=True)
        except Exception as error:  # its kinds differ by version
            log.debug("%s: %s", path, error)
    return read_tensors(path)


def _network(weights: Weights, dtype: torch.dtype, compute: torch.dtype, device: torch.device) -> torch.nn.Module:
    layers = comfy.ops.pick_operations(dtype, compute, load_device=device)
    ops = Ops(layers.Linear, layers.Conv2d, layers.GroupNorm, layers.LayerNorm, _attention)
    return build(weights, ops, management.unet_offload_device(), dtype)


def _patcher(network: torch.nn.Module, device: torch.device):
    patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
    return patcher(network, load_device=device, offload_device=management.unet_offload_device())


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    return optimized_attention(q, k, v, heads)
