"""Error texts for whoever queued the job, who may sit elsewhere: folders of the server by their names in ComfyUI."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.v0_0_2 import io

from ...followemoji_core.errors import FollowEmojiError

log = logging.getLogger(__name__)
_PACK = Path(__file__).resolve().parents[2]


def relative(text: str) -> str:
    """The text with every folder that ComfyUI knows called as ComfyUI's pages call it: models/vae, input, user."""
    names = {
        str(_PACK): _PACK.name,
        sys.executable: "python",
        folder_paths.base_path: "ComfyUI",
        folder_paths.models_dir: "models",
    }
    for kind in ("input", "output", "temp", "user"):
        names[getattr(folder_paths, f"get_{kind}_directory")()] = kind
    for kind, (folders, *_) in folder_paths.folder_names_and_paths.items():
        names.update((folder, kind if kind == "custom_nodes" else f"models/{kind}") for folder in folders)
    names |= {os.path.realpath(folder): name for folder, name in names.items()}
    for folder in sorted(names, key=len, reverse=True):  # the innermost first
        if len(folder) > 1:
            text = text.replace(folder, names[folder])
    return text


def with_relative_texts(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The same node; errors of the pack leave it without the server's paths, which go to its log instead."""
    for name in ("execute", "check_lazy_status"):
        if name in vars(node):
            setattr(node, name, classmethod(_with_relative_texts(vars(node)[name].__func__)))
    return node


def _with_relative_texts(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(cls, *args, **kwargs):
        try:
            return method(cls, *args, **kwargs)
        except FollowEmojiError as error:
            text = relative(str(error))
            if text != str(error):
                log.info("%s", error)
                error.args = (text,)
            raise

    return run
