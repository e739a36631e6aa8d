"""Files that appear under their name when they are whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


@contextmanager
def written_whole(path: Path, advice: str) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name at the end of the block, and is gone after an error.

    Raises OutputError, with the cause and `advice`, where the disk is full or the folder cannot be written to.
    """
    from safetensors import SafetensorError  # what `save_file` raises instead of OSError

    partial = _partial(path)
    try:
        yield partial
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} could not be written ({error}). {advice}") from error
    finally:
        partial.unlink(missing_ok=True)


def check_place(path: Path, needed: int = 0) -> None:
    """Raises OutputError where a file of about `needed` bytes could not be written to `path` now: its folder cannot be
    made or written to, its name is a folder's or too long, or the disk lacks room. Its folder is made."""
    if os.path.isdir(path):
        raise OutputError(f"{path} is a folder. Name a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _partial(path)
        partial.touch()
        partial.unlink()
        free = shutil.disk_usage(path.parent).free
    except (OSError, ValueError) as error:
        name = path.name if len(path.name) < 60 else f"{path.name[:56]}..."
        why = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{name} cannot be written to {path.parent} ({why}). Choose another folder or name."
        ) from error
    if needed > free:
        raise OutputError(
            f"{path} needs about {needed / 1e6:,.0f} MB, its disk has {free / 1e6:,.0f} MB left. Make room, or choose "
            f"another folder."
        )


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # no two writers share one


def write_whole(path: Path, content: bytes | str) -> None:
    """Such a file from its content."""
    advice = "What was written before is kept: make room, or choose another folder, and run the same command again."
    with written_whole(path, advice) as partial:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())
