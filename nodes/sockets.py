"""The types that travel on wires, and the parts of the node schema that every node shares."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.v0_0_2 import io

from ..followemoji_core.diffusion.schedule import SCHEDULERS
from ..followemoji_core.errors import InputError

# What a wire carries: a `host.loading.LoadedModel`, a core `FaceMotion`, `AlignedMotion`, `Appearance`, `Crop`.
Model = io.Custom("FOLLOWEMOJI_MODEL")
Motion = io.Custom("FOLLOWEMOJI_MOTION")
Aligned = io.Custom("FOLLOWEMOJI_ALIGNED_MOTION")
Appearance = io.Custom("FOLLOWEMOJI_APPEARANCE")
Crop = io.Custom("FOLLOWEMOJI_CROP")
Stitcher = io.Custom("STITCHER")  # of the pack Inpaint-CropAndStitch
FaceLandmarks = io.Custom("FACE_LANDMARKS")  # ComfyUI's own, from 0.23
BoundingBox = io.Custom("BOUNDING_BOX")  # ComfyUI's own, younger than 0.3.64: {x, y, width, height}, or a list of them


_SCHEMA_FIELDS = {field.name for field in fields(io.Schema)}


def box_of(box: Any) -> tuple[float, float, float, float] | None:
    """x, y, width, height of a BOUNDING_BOX: one, or lists of them, of which the largest counts; None for none."""
    boxes = [box]
    while any(isinstance(each, list | tuple) for each in boxes):
        boxes = [each for found in boxes for each in (found if isinstance(found, list | tuple) else [found])]
    try:
        found = [tuple(float(each[key]) for key in ("x", "y", "width", "height")) for each in boxes]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"The bounding box lacks x, y, width or height in pixels ({error!r}). Connect a node that gives one."
        ) from error
    return max(found, key=lambda each: each[2] * each[3], default=None)


def schema(node_id: str, display_name: str, aliases: list[str], **kwargs) -> io.Schema:
    """A node's schema: `io.Schema`'s arguments, in our category, found under `aliases` and the pack's own words.

    Arguments that an older ComfyUI does not know are left out.
    """
    kwargs |= dict(node_id=node_id, display_name=display_name, category="Follow-Your-Emoji")
    kwargs["search_aliases"] = [*aliases, "follow your emoji", "fye", "portrait animation"]
    return io.Schema(**{name: value for name, value in kwargs.items() if name in _SCHEMA_FIELDS})


def advanced(widget: io.Input) -> io.Input:
    """The same input, folded away by frontends that can, and free to be left out of an API prompt.

    `execute` then needs the input's default as its own.
    """
    widget.optional = True
    widget.extra_dict = {**(widget.extra_dict or {}), "advanced": True}
    return widget


def steps_input() -> io.Input:
    """steps: of the published schedule."""
    return io.Int.Input(
        "steps",
        default=30,
        min=1,
        max=1000,
        tooltip="How many steps take the noise away. More takes longer; 30 as in the paper's code.",
    )


def solver_inputs() -> list[io.Input]:
    """seed, steps, guidance, scheduler: of every node that samples."""
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip="Another number gives another video. The same number gives the same video, with slight differences "
            "between graphics cards.",
        ),
        steps_input(),
        io.Float.Input(
            "guidance",
            default=3.5,
            min=0.0,
            max=30.0,
            step=0.1,
            tooltip="How strongly the video keeps to the portrait; 3.5 as in the paper's code. 1 is softer but twice "
            "as fast, and right for the small model.",
        ),
        io.Combo.Input(
            "scheduler",
            options=list(SCHEDULERS),
            default="ddim",
            tooltip="The method that takes the noise away. ddim: as in the paper's code. dpm++ 2m and unipc need only "
            "15 to 20 steps.",
        ),
    ]


def window_inputs(shortest: int) -> list[io.Input]:
    """window_length, overlap, shared_noise: of every node that samples, folded away. shortest: window, in frames."""
    return [
        advanced(
            io.Int.Input(
                "window_length",
                default=16,
                min=shortest,
                max=32,
                tooltip="How many frames are made together. 16 as trained. More, up to 32, gives steadier motion and "
                "takes more memory.",
            )
        ),
        advanced(
            io.Int.Input(
                "overlap",
                default=4,
                min=0,
                max=31,
                tooltip="How many frames two neighbouring windows share, less than window_length. More is smoother and "
                "slower. Counts only where windows or strategy is gaussian.",
            )
        ),
        advanced(
            io.Float.Input(
                "shared_noise",
                default=0.0,
                min=0.0,
                max=1.0,
                step=0.05,
                tooltip="How much of the noise is the same in all frames, from 0 to 1. More keeps still what does not "
                "move. 0 as in the paper's code; 1 for the small model.",
            )
        ),
    ]
