"""The types that travel on wires, and the parts of the node schema that every node shares."""

from __future__ import annotations

from dataclasses import fields

from comfy_api.v0_0_2 import io

# What a wire carries: a `host.LoadedModel`, a core `FaceMotion`, `AlignedMotion`, `Appearance`.
Model = io.Custom("FOLLOWEMOJI_MODEL")
Motion = io.Custom("FOLLOWEMOJI_MOTION")
Aligned = io.Custom("FOLLOWEMOJI_ALIGNED_MOTION")
Appearance = io.Custom("FOLLOWEMOJI_APPEARANCE")
FaceLandmarks = io.Custom("FACE_LANDMARKS")  # ComfyUI's own, from 0.23

_SCHEMA_FIELDS = {field.name for field in fields(io.Schema)}


def schema(node_id: str, display_name: str, aliases: list[str], **kwargs) -> io.Schema:
    """A node's schema; arguments that an older ComfyUI does not know are left out."""
    kwargs |= dict(node_id=node_id, display_name=display_name, category="Follow-Your-Emoji")
    kwargs["search_aliases"] = [*aliases, "follow your emoji", "fye", "portrait animation"]
    return io.Schema(**{name: value for name, value in kwargs.items() if name in _SCHEMA_FIELDS})


def advanced(widget: io.Input) -> io.Input:
    """The same input, folded away by frontends that can, and free to be left out of an API prompt."""
    widget.optional = True
    widget.extra_dict = {**(widget.extra_dict or {}), "advanced": True}
    return widget
