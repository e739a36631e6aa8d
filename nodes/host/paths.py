"""Where ComfyUI's files lie, and how errors speak of it: relative to ComfyUI's folders, whoever queues."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import io

from ...followemoji_core.errors import FollowEmojiError, InputError, OutputError
from ...followemoji_core.files import check_place

_PACK = str(Path(__file__).resolve().parents[2])


def new_file(prefix: str, folder: str, kind: str, suffix: str, size=(0, 0)) -> tuple[Path, str]:
    """A path for a new file, numbered as ComfyUI numbers them, that can be written to, and its folder below `folder`.

    folder: ComfyUI's, absolute; kind: its name in errors. size (width, height): for what the prefix says
    of it. Raises InputError for a prefix that leads out of it,
    OutputError where nothing can be written.
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


def plain(text: str) -> str:
    """The text with ComfyUI's folders, the pack's and Python by their short names."""
    names = {
        os.path.dirname(folder_paths.__file__): "",
        folder_paths.base_path: "",
        _PACK: f"custom_nodes/{os.path.basename(_PACK)}",
    }
    for kind in ("output", "temp", "input", "user"):
        names[getattr(folder_paths, f"get_{kind}_directory")()] = kind
    for kind, (folders, _) in folder_paths.folder_names_and_paths.items():
        names |= {folder: f"models/{kind}" for folder in folders}
    names |= {folder_paths.models_dir: "models", sys.executable: "python"}
    for path in sorted((path for path in names if len(path) > 1), key=len, reverse=True):
        short = names[path]
        text = text.replace(path + os.sep, f"{short}/" if short else "").replace(path, short or "ComfyUI")
    return text


def with_plain_errors(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node, whose errors of ours do not show where on the server ComfyUI lies."""
    execute = node.execute.__func__

    @functools.wraps(execute)
    def speaking_plainly(cls, *args, **kwargs):
        try:
            return execute(cls, *args, **kwargs)
        except FollowEmojiError as error:
            error.args = (plain(str(error)), *error.args[1:])
            raise

    node.execute = classmethod(speaking_plainly)
    return node
