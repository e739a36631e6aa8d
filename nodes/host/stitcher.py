"""A crop as the node "Inpaint Stitch" of ComfyUI-Inpaint-CropAndStitch takes it, for graphs that use that pack."""

from __future__ import annotations

import torch
from comfy_execution.graph_utils import ExecutionBlocker

import nodes as comfy_nodes

from ...followemoji_core.face.resample import sample, whole_box
from ...followemoji_core.gate import MOST_PIXELS
from ...followemoji_core.types import Crop
from .pictures import one_picture

_STITCH = "InpaintStitchImproved"  # that pack's node


def stitcher(image: torch.Tensor, crop: Crop, mask: torch.Tensor):
    """Its dictionary, of lists of one entry, which it takes for every frame of a batch; None where that pack is not
    installed. A crop that is turned, follows a clip or reaches far beyond the picture has none: whoever connects it is
    told so.

    image (1,H,W,C), mask (1,h,w) in the crop.
    """
    if _STITCH not in comfy_nodes.NODE_CLASS_MAPPINGS:
        return None
    box = whole_box(crop.picture_from_crop, crop.size) if len(image) == 1 else None
    if box is None or box[2] * box[3] > MOST_PIXELS:
        return ExecutionBlocker(
            "This crop is turned, or follows a clip: Inpaint Stitch cannot undo it. Use Paste Back."
        )
    left, top, width, height = box
    wide, tall = crop.picture_size
    canvas, x, y = one_picture(image, "picture"), max(-left, 0), max(-top, 0)  # where the picture is on the canvas
    right, bottom = max(left + width - wide, 0), max(top + height - tall, 0)
    if x or y or right or bottom:
        size = wide + x + right, tall + y + bottom
        shifted = torch.tensor([[1.0, 0.0, -x], [0.0, 1.0, -y]], dtype=torch.float64).numpy()
        canvas = torch.from_numpy(sample(canvas[0].float().cpu().numpy(), shifted, size, "edge"))[None]
    return {
        "downscale_algorithm": "area",
        "upscale_algorithm": "bicubic",
        "blend_pixels": 0.0,
        "device_mode": "cpu (compatible)",
        "canvas_to_orig_x": [x],
        "canvas_to_orig_y": [y],
        "canvas_to_orig_w": [wide],
        "canvas_to_orig_h": [tall],
        "canvas_image": [canvas],
        "cropped_to_canvas_x": [left + x],
        "cropped_to_canvas_y": [top + y],
        "cropped_to_canvas_w": [width],
        "cropped_to_canvas_h": [height],
        "cropped_mask_for_blend": [mask],
    }
