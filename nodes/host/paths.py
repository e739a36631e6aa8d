"""New files in ComfyUI's folders."""

from __future__ import annotations

import secrets
from pathlib import Path

import folder_paths

from ...followemoji_core.errors import InputError, OutputError
from ...followemoji_core.files import check_place


def new_file(prefix: str, folder: str, kind: str, suffix: str, size=(0, 0)) -> tuple[Path, str]:
    """A path for a new file, numbered as ComfyUI numbers them, that can be written to, and its folder below `folder`.

    folder: ComfyUI's, absolute; kind: its name in errors. size (width, height): for what the prefix says of it. Raises
    InputError for a prefix that leads out of the folder, OutputError where nothing can be written.
    """
    try:
        where, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, folder, *size)
    except OSError as error:
        raise OutputError(
            f"Nothing can be written to ComfyUI's {kind} folder under that name ({error.strerror}). Choose a shorter "
            f"one, or see that the folder is not read-only."
        ) from error
    except Exception as error:  # of no kind of its own
        raise InputError(f"{prefix!r} leads out of ComfyUI's {kind} folder. Choose a name within it.") from error
    path = Path(where) / f"{name}_{counter:05}_{suffix}"
    check_place(path)
    return path, subfolder


def new_video(prefix: str) -> Path:
    """A path for a new .mp4 in the temp folder, which no other run has. Raises OutputError as `new_file` does."""
    name = f"{secrets.token_hex(4)}.mp4"  # two servers may share a temp folder
    return new_file(prefix, folder_paths.get_temp_directory(), "temp", name)[0]
