"""Where the pack's model files lie: models/followemoji, and the folders of older packs."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..followemoji_core.errors import CheckpointError
from ..followemoji_core.face.detector import TASK_URL

FOLDER = "followemoji"
NONE = "none"
WITH_DENOISER = "same file as the denoiser"
_EXTENSIONS = {".safetensors", ".pth", ".pt", ".ckpt", ".bin"}
_HUB = "https://huggingface.co"
# Always offered, so that a shared graph opens anywhere and says where to get what is absent.
KNOWN = {
    "FYE_unet-fp16.safetensors": f"{_HUB}/Kijai/FollowYourEmoji-safetensors",
    "FYE_referencenet-fp16.safetensors": f"{_HUB}/Kijai/FollowYourEmoji-safetensors",
    "lmk_guider.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    "unet.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    "referencenet.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    "face_landmarker.task": TASK_URL,
}


def register() -> None:
    """Tell ComfyUI about the folder. Extensions are set here: a folder added by a yaml file starts without any."""
    models = folder_paths.models_dir
    for folder in (FOLDER, "FYE", os.path.join("follow_emoji", "ckpts")):
        folder_paths.add_model_folder_path(FOLDER, os.path.join(models, folder), is_default=folder == FOLDER)
    paths, extensions = folder_paths.folder_names_and_paths[FOLDER]
    folder_paths.folder_names_and_paths[FOLDER] = (paths, {*extensions, *_EXTENSIONS, ".task"})


def options(*, task: bool = False, extra: tuple[str, ...] = ()) -> list[str]:
    """File names for a combo: `extra` first, then the known ones, then what else is there."""
    there = [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(".task") == task]
    known = [name for name in KNOWN if name.endswith(".task") == task]
    return list(dict.fromkeys([*extra, *known, *sorted(there)]))


def find(name: str) -> Path | None:
    """The file of a combo's choice; None for NONE and WITH_DENOISER."""
    if name in (NONE, WITH_DENOISER):
        return None
    path = folder_paths.get_full_path(FOLDER, name)
    if path is None:
        source = KNOWN.get(os.path.basename(name))
        where = f" Download it from {source}" if source else " Put it there"
        raise CheckpointError(
            f"{name} is not in models/{FOLDER}.{where} and press R to refresh; "
            f"`python -m followemoji_core download` fetches all released files."
        )
    return Path(path)
