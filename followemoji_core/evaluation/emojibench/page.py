"""Web pages of one file: their sources in pages/, and what they are allowed to do."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files


def source(name: str) -> str:
    """A file of pages/."""
    return (files(__package__) / "pages" / name).read_text("utf-8")


def policy(style: str, script: str, media: str) -> str:
    """What a page may do: its own style and script, pictures and videos from `media`, nothing else."""
    style, script = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src {style}; script-src {script}; img-src {media}; media-src {media}; "
        "base-uri 'none'; form-action 'none'"
    )
