"""The published image encoder: CLIP ViT-L/14 of SD image-variations, through transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from ..model.weights.read import read_tensors
from .strict import fill, opening

if TYPE_CHECKING:
    from typing import Self  # of Python 3.11

_MOST_LAYERS = 64
_WIDEST = 8192


class ClipVision:
    """Tokens are CLIP's last hidden state, before the final norm; width: 1024 for ViT-L/14."""

    def __init__(self, module: nn.Module):
        self.module = module

    @property
    def width(self) -> int:
        return self.module.config.hidden_size

    @torch.no_grad()
    def tokens(self, pictures: Tensor) -> Tensor:
        """(n,H,W,3) uint8 RGB of any size -> (n,m,width): the middle square, shrunk to CLIP's size, one at a time."""
        import transformers

        like = next(self.module.parameters())
        side = self.module.config.image_size
        # Through PIL, as published; transformers 5 gives that a name of its own.
        kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
        processor = kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
        seen = (processor(images=one, return_tensors="pt").pixel_values.to(like) for one in pictures.cpu().numpy())
        return torch.cat([self.module(pixel_values=pixels).last_hidden_state for pixels in seen])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        self.module.to(device, dtype)
        return self


def open_clip_vision(path: Path) -> ClipVision:
    """One .safetensors in transformers' layout; sizes are read off it.

    Raises CheckpointError for another model, or a file that is damaged or incomplete.
    """
    state = read_tensors(path)
    with opening(path, "Image encoder"):
        return ClipVision(fill(*layout(state, path.name), path.name))


def layout(state: dict[str, Tensor], name: str) -> tuple[Callable[[], nn.Module], dict[str, Tensor]]:
    """What makes the module, and the state dict that fills it. Raises CheckpointError for another model."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    patches = state.get("vision_model.embeddings.patch_embedding.weight")
    if patches is None or "vision_model.embeddings.class_embedding" not in state:
        raise CheckpointError(f"{name} is not a CLIP image encoder. `python -m followemoji_core download` fetches it.")
    width, _, patch, _ = patches.shape
    layers = len([key for key in state if key.endswith("mlp.fc1.weight")])
    if layers > _MOST_LAYERS or width > _WIDEST:
        raise CheckpointError(f"{name} is no CLIP image encoder: it would have {layers} layers of {width}.")
    places = len(state["vision_model.embeddings.position_embedding.weight"]) - 1
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=len(state["vision_model.encoder.layers.0.mlp.fc1.weight"]),
        num_hidden_layers=layers,
        num_attention_heads=max(width // 64, 1),
        projection_dim=len(state["visual_projection.weight"]) if "visual_projection.weight" in state else 768,
        patch_size=patch,
        image_size=patch * round(places**0.5),
    )
    unread = torch.zeros(1, 1).expand(config.projection_dim, width)
    return lambda: CLIPVisionModelWithProjection(config), {"visual_projection.weight": unread, **state}
