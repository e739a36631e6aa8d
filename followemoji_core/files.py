"""Files that appear under their name when they are whole, or not at all."""

from __future__ import annotations

import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError

_SHOWN = 32  # letters of a name that its partial file shows


@contextmanager
def written_whole(path: Path, advice: str) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name at the end of the block, and is gone after an error.

    Raises OutputError, with the cause and `advice`, where the disk is full or the folder cannot be written to.
    """
    from safetensors import SafetensorError  # what `save_file` raises instead of OSError

    # No two writers share one; shorter than the name, which may be as long as the file system allows.
    partial = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} could not be written ({error}). {advice}") from error
    finally:
        partial.unlink(missing_ok=True)


def clear_partial(path: Path) -> None:
    """Delete what writers of `path` left behind who were killed in mid work; for when nobody writes there, since the
    names of others may begin alike."""
    for partial in path.parent.glob(f".{glob.escape(path.name[:_SHOWN])}.????????.partial"):
        with suppress(OSError):
            partial.unlink()


def check_place(path: Path, needed: int = 0) -> None:
    """Whether a file of about `needed` bytes can be written to `path`, found out before the work; its folder is made.

    Raises OutputError, with the cause and a way out, where the folder cannot be made or written to, the name is a
    folder's or too long, or the disk lacks room.
    """
    name = path.name if len(path.name) < 60 else f"{path.name[:56]}..."
    length = len(os.fsencode(path.name)) or 1
    probe = path.with_name(secrets.token_hex(length)[:length])  # as long as the name: file systems have limits
    try:
        if "\0" in path.name:
            raise ValueError("a null character is in its name")
        if path.is_dir():
            raise OutputError(f"{path} is a folder. Name a file in it.")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            probe.touch(exist_ok=False)
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        if isinstance(error, OutputError):
            raise
        why = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{name} cannot be written to {path.parent} ({why}). Choose another folder or name."
        ) from error
    if needed > free:
        raise OutputError(
            f"{path} needs about {needed / 1e6:,.0f} MB, its disk has {free / 1e6:,.0f} MB left. Make room, or choose "
            f"another folder."
        )


def write_whole(path: Path, content: bytes | str) -> None:
    """Such a file from its content."""
    advice = "What was written before is kept: make room, or choose another folder, and run the same command again."
    with written_whole(path, advice) as partial:
        partial.write_bytes(content if isinstance(content, bytes) else content.encode())


def stamp(path: Path | None) -> tuple[str, int, int] | None:
    """What a file's content is known by without reading it: where it is, its bytes, when it was written; zeros where it
    is not there, which whoever reads it will say."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return str(path), 0, 0
    return str(path.resolve()), found.st_size, found.st_mtime_ns
