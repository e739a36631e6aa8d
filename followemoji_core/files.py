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

    # No two writers share one; shorter than the name, which may be as long as the file system allows.
    partial = path.with_name(f".{path.name[:32]}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} could not be written ({error}). {advice}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Such a file from its content."""
    advice = "What was written before is kept: make room, or choose another folder, and run the same command again."
    with written_whole(path, advice) as partial:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())


def check_writable(path: Path, room: int = 0) -> None:
    """Whether a file can be written there, found out before the work and not after it; its folder is made.

    room: bytes that must be free. Raises OutputError with the cause and a way out.
    """
    advice = "Choose another name or folder."
    # As long as the name itself, which may be longer than the file system allows.
    probe = path.with_name(secrets.token_hex(len(os.fsencode(path.name)))[: len(os.fsencode(path.name))] or "-")
    try:
        if "\0" in path.name:
            raise ValueError("null character in its name")
        if path.is_dir():
            raise OutputError(f"{path} is a folder, not a file that can be written. {advice}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.touch(exist_ok=False)
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        if isinstance(error, OutputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path.name[:80]} cannot be written in {path.parent} ({reason}). {advice}") from error
    if free < room:
        raise OutputError(
            f"{path.parent} has {free / 2**20:.0f} MiB free, {path.name[:80]} may need {room / 2**20:.0f}. Make room, "
            f"or choose another folder."
        )
