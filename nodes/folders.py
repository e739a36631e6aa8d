"""Where the pack's model files lie: models/followemoji, and the folders of older packs."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ..followemoji_core.errors import CheckpointError
from ..followemoji_core.face.detector import TASK_URL
from ..followemoji_core.small import SMALL_MODELS
from ..followemoji_core.walk.places import NETWORK_FOLDERS

FOLDER = "followemoji"
NONE = "none"
WITH_DENOISER = "same file as the denoiser"
DETECTOR = "face_landmarker.task"
_WRAPPER = "ComfyUI-FollowYourEmojiWrapper"
_EXTENSIONS = {".safetensors", ".pth", ".pt", ".ckpt", ".bin"}
_HUB = "https://huggingface.co"
# Where the known files come from, for the error that says that one is absent.
KNOWN = {
    "FYE_unet-fp16.safetensors": f"{_HUB}/Kijai/FollowYourEmoji-safetensors",
    "FYE_referencenet-fp16.safetensors": f"{_HUB}/Kijai/FollowYourEmoji-safetensors",
    "lmk_guider.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    "unet.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    "referencenet.pth": f"{_HUB}/YueMafighting/FollowYourEmoji/tree/main/ckpts",
    DETECTOR: TASK_URL,
}


def register() -> None:
    """Tell ComfyUI about models/followemoji, older packs' folders and the small model; again and again does no harm.

    Extensions are set here: a folder added by a yaml file starts without any.
    """
    models = folder_paths.models_dir
    for folder in NETWORK_FOLDERS:
        path = os.path.join(models, *folder.split("/"))
        folder_paths.add_model_folder_path(FOLDER, path, is_default=folder == FOLDER)
    for folder in (FOLDER, "vae"):  # the small model that ships with the pack
        folder_paths.add_model_folder_path(folder, str(SMALL_MODELS / folder))
    for nodes in folder_paths.get_folder_paths("custom_nodes"):  # a pack that brings two of the files itself
        if os.path.isdir(folder := os.path.join(nodes, _WRAPPER, "models")):
            folder_paths.add_model_folder_path(FOLDER, folder)
    paths, extensions = folder_paths.folder_names_and_paths[FOLDER]
    folder_paths.folder_names_and_paths[FOLDER] = (paths, {*extensions, *_EXTENSIONS, ".task"})


def options(*extra: str) -> list[str]:
    """Names of weights for a combo: `extra` first, then what is there, sorted.

    What is not there is not listed: the frontend then knows that it is missing, and offers the download that a graph
    names.
    """
    there = [name for name in folder_paths.get_filename_list(FOLDER) if not name.endswith(".task")]
    return [*extra, *sorted(there)]


def detectors() -> list[str]:
    """Names of face detectors for a combo, the usual one first even if it is not there: our error tells where it is, no
    frontend does."""
    there = [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(".task")]
    return list(dict.fromkeys([DETECTOR, *sorted(there)]))


def default(names: list[str], *preferred: str) -> str | None:
    """The first of `preferred` that is among the names, else the first name; None of no names."""
    return next((name for name in (*preferred, *names) if name in names), None)


def find(name: str) -> Path | None:
    """The file of a combo's choice; None for NONE and WITH_DENOISER.

    Raises CheckpointError, which says where to get the file, when it is not there.
    """
    if name in (NONE, WITH_DENOISER):
        return None
    path = folder_paths.get_full_path(FOLDER, name)
    if path is None:
        source = KNOWN.get(os.path.basename(name))
        where = f" Download it from {source} into that folder" if source else " Put it there"
        what, option = ("This one file", "--detector ") if name == DETECTOR else ("All released files", "")
        raise CheckpointError(
            f"{name} is not in models/{FOLDER}.{where} and press R to refresh. "
            f"{what} by a command: `python -m followemoji_core download {option}--models ../../models` in the pack's "
            f"folder, with ComfyUI's Python."
        )
    return Path(path)


def beside(path: Path, name: str) -> Path | None:
    """The file of that name in the folder of `path`, if it is there."""
    other = path.with_name(name)
    return other if other.is_file() else None
