"""Training clips on disk: one safetensors file a clip, of which single frames can be read.

images: compressed pictures end to end, `offsets` (T+1,) int64; points (T,478,2) float32 pixels of the clip; latents
(T,c,h,w) float16 of unit variance, optional. The header says size, fps and where the clip comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face.opencv import opencv
from ..files import write_whole
from ..model.config import LATENT_CELL

FORMAT = "followemoji.clip"


@dataclass(frozen=True)
class Clip:
    """A clip on disk. size: side in pixels. latent_shape (c,h,w), None where there are no latents."""

    file: Path
    frames: int
    size: int
    latent_shape: tuple[int, int, int] | None


def check_size(size: int) -> None:
    """InputError where clips of that side would fit no latents."""
    if size % LATENT_CELL or size < 64:
        raise InputError(f"The size is {size}; it must be a multiple of {LATENT_CELL} and at least 64.")


def save_clip(file: Path, images: Sequence[np.ndarray], points: np.ndarray, about: dict[str, str], **more) -> None:
    """images: compressed pictures, (N,) uint8 each; about: of the header; more: further arrays. All or nothing.

    points (N,478,2) pixels of the clip. Raises OutputError where the disk is full.
    """
    from safetensors.numpy import save

    arrays = {
        "images": np.concatenate([image.ravel() for image in images]),
        "offsets": np.cumsum([0, *(image.size for image in images)]).astype(np.int64),
        "points": np.ascontiguousarray(points, np.float32),
        **more,
    }
    write_whole(file, save(arrays, {"format": FORMAT, "version": "1", **about}))


def find_clips(folder: Path) -> list[Clip]:
    """Every clip under a folder, in the order of the names. Raises InputError where there is none."""
    found = [open_clip(file) for file in sorted(folder.rglob("*.safetensors"))]
    clips = [clip for clip in found if clip is not None]
    if not clips:
        raise InputError(
            f"There are no training clips in {folder}. Make some: `python -m followemoji_core prepare VIDEOS "
            f"{folder}`, or `synthesize {folder}` for drawn people."
        )
    return clips


def open_clip(file: Path) -> Clip | None:
    """What a file's header says; None for a file that is no clip."""
    try:
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        about = header["__metadata__"]
        if about["format"] != FORMAT:
            return None
        latents = header.get("latents")
        shape = tuple(latents["shape"][1:]) if latents else None
        return Clip(file, header["points"]["shape"][0], int(about["size"]), shape)
    except (OSError, ValueError, KeyError, OverflowError, MemoryError):
        return None


def read_part(clip: Clip, frames: Sequence[int], pictures: bool = True) -> dict[str, np.ndarray]:
    """Those frames of a clip: points (n,478,2) float32 pixels; latents (n,c,h,w) float16, where there are; pictures
    (n,H,W,3) uint8 RGB."""
    from safetensors import safe_open

    cv2 = opencv()
    frames = list(frames)
    with safe_open(clip.file, "numpy") as tensors:
        part = {"points": tensors.get_slice("points")[:][frames]}
        if clip.latent_shape:
            part["latents"] = tensors.get_slice("latents")[:][frames]
        if pictures:
            bounds, images = tensors.get_tensor("offsets"), tensors.get_slice("images")
            bytes_of = [images[int(bounds[frame]) : int(bounds[frame + 1])] for frame in frames]
            part["pictures"] = np.stack([cv2.imdecode(image, cv2.IMREAD_COLOR)[..., ::-1] for image in bytes_of])
    return part


def add_latents(
    folder: Path, encode: Callable[[np.ndarray], np.ndarray], on_clip: Callable[[int, int], None] = lambda i, n: None
) -> int:
    """Write latents into every clip that has none; returns how many got some.

    encode: (T,H,W,3) uint8 RGB -> (T,c,h,w) of unit variance. on_clip(done, total) runs after each. Raises InputError
    where there is no clip, OutputError where the disk is full.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file, save

    clips = [clip for clip in find_clips(folder) if clip.latent_shape is None]
    for index, clip in enumerate(clips):
        arrays = load_file(clip.file)
        with safe_open(clip.file, "numpy") as tensors:
            about = tensors.metadata()
        pictures = read_part(clip, range(clip.frames))["pictures"]
        # In C order: safetensors writes memory as it lies, and convolutions leave channels last.
        latents = np.ascontiguousarray(encode(pictures), np.float16)
        write_whole(clip.file, save(arrays | {"latents": latents}, about))
        on_clip(index + 1, len(clips))
    return len(clips)
