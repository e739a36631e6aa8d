"""Nodes of other packs that ours take the place of, in ComfyUI's that can replace nodes (0.14 and newer).

Only what does the same is here; nodes/MIGRATION.md maps the rest. A node is replaced where its own pack is not there.
"""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyAPI, io

from . import folders

_OURS, _THEIRS = "FollowEmojiLoadModel", "DownloadAndLoadFYEModel"
_LANDMARK_ENCODERS = ("FYE_lmk_guider.safetensors", "lmk_guider.pth")


async def register() -> None:
    """Tell ComfyUI; again and again does no harm. Nothing where it cannot replace nodes, or no server is there."""
    from server import PromptServer  # ComfyUI's own

    if not hasattr(io, "NodeReplace") or getattr(PromptServer, "instance", None) is None:
        return
    for each in _replacements():
        await ComfyAPI().node_replacement.register(each)


def _replacements() -> list:
    """ComfyUI-FollowYourEmojiWrapper's loader: the same files by the same names, its landmark encoder among them. Its
    second output, the image encoder, comes from Load CLIP Vision here, and is left open."""
    there = folders.options()
    encoder = next((name for name in _LANDMARK_ENCODERS if name in there), _LANDMARK_ENCODERS[-1])
    return [
        io.NodeReplace(
            new_node_id=_OURS,
            old_node_id=_THEIRS,
            old_widget_ids=["precision"],
            input_mapping=[
                {"new_id": "denoiser", "set_value": "FYE_unet-fp16.safetensors"},
                {"new_id": "appearance_net", "set_value": "FYE_referencenet-fp16.safetensors"},
                {"new_id": "landmark_encoder", "set_value": encoder},
                {"new_id": "precision", "old_id": "precision"},
            ],
            output_mapping=[{"new_idx": 0, "old_idx": 0}],
        )
    ]
