"""Files that appear under their name when they are whole, or not at all."""

from __future__ import annotations

import os
import secrets
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

    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # no two writers share one
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
