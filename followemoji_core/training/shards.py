"""Training clips on disk: one safetensors file a clip, of which single frames can be read.

images: compressed pictures end to end, `offsets` (T+1,) int64; points (T,478,2) float32 pixels of the clip; latents
(T,c,h,w) float16 of unit variance, optional. The header says size, fps and where the clip comes from.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..face.opencv import opencv
from ..files import write_whole
from ..gate import MOST_PIXELS, Refused, loading, safetensors_header
from ..model.config import LATENT_CELL
from ..types import LANDMARKS

log = logging.getLogger(__name__)
FORMAT = "followemoji.clip"
MAY_FAIL = 0.1  # share of a folder's files that may be no clips, or damaged
_LARGEST = 16 << 30  # bytes of a clip


@dataclass(frozen=True)
class Clip:
    """A clip on disk. size: side in pixels. latent_shape (c,h,w), None where there are no latents. hidden: its header
    says that something moves in it that neither landmarks nor portrait tell."""

    file: Path
    frames: int
    size: int
    latent_shape: tuple[int, int, int] | None
    hidden: bool = False


def check_size(size: int) -> None:
    """InputError where clips of that side would fit no latents, or no clip is read again."""
    if size % LATENT_CELL or not 64 <= size <= MOST_PIXELS**0.5:
        raise InputError(f"The size is {size}; it must be a multiple of {LATENT_CELL}, 64 to {MOST_PIXELS**0.5:.0f}.")


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


def find_clips(folder: Path, say: Callable[[str], None] = log.warning) -> list[Clip]:
    """Every clip under a folder, in the order of the names; files that are none are left out, and `say` learns which.

    Raises InputError where there is no clip, or more of the files than MAY_FAIL are none.
    """
    clips, wrong = [], []
    for file in (files := sorted(folder.rglob("*.safetensors"))):
        try:
            clips.append(read_header(file))
        except InputError as error:
            wrong.append(str(error))
    if not clips:
        raise InputError(
            f"There are no training clips in {folder}. Make some: `python -m followemoji_core prepare VIDEOS "
            f"{folder}`, or `synthesize {folder}` for drawn people."
        )
    left_out(wrong, len(files), folder, say)
    return clips


def left_out(wrong: Sequence[str], of: int, folder: Path, say: Callable[[str], None] = log.warning) -> None:
    """Tell of files that are left out. wrong: what is wrong with each. of: how many files there are.

    Raises InputError where they are more than one and a larger share than MAY_FAIL.
    """
    if len(wrong) > max(1, MAY_FAIL * of):
        raise InputError(
            f"{len(wrong)} of {of} files in {folder} cannot be trained on, more than {MAY_FAIL:.0%}: "
            f"{' '.join(wrong[:3])} Move them elsewhere, or make them again."
        )
    for text in wrong:
        say(f"left out: {text}")
    if wrong:
        say(f"{len(wrong)} of {of} files in {folder} are left out")


def open_clip(file: Path) -> Clip | None:
    """What a file's header says; None for a file that is no clip, or a damaged one."""
    try:
        return read_header(file)
    except InputError:
        return None


def read_header(file: Path) -> Clip:
    """What a clip's header says. Raises InputError for a file that is no clip, or a damaged one."""
    with _loading(file):
        header = safetensors_header(file, _LARGEST)
        if header.metadata.get("format") != FORMAT:
            raise Refused("it is no training clip")
        frames = header.check("points", "F32", (None, LANDMARKS, 2)).shape[0]
        header.check("offsets", "I64", (frames + 1,))
        header.check("images", "U8", (None,))
        side = int(header.metadata["size"])
        shape = None
        if "latents" in header.entries:
            shape = header.check("latents", "F16", (frames, None, side // LATENT_CELL, side // LATENT_CELL)).shape[1:]
        if not frames or not 64 <= side <= MOST_PIXELS**0.5 or side % LATENT_CELL:
            raise Refused(f"it has {frames} frames of {side} pixels")
    return Clip(file, frames, side, shape, header.metadata.get("hidden") == "1")


def read_part(clip: Clip, frames: Sequence[int], pictures: bool = True) -> dict[str, np.ndarray]:
    """Those frames of a clip: points (n,478,2) float32 pixels; latents (n,c,h,w) float16, where there are; pictures
    (n,H,W,3) uint8 RGB. Raises InputError where they are damaged."""
    from safetensors import safe_open

    cv2 = opencv()
    frames = list(frames)
    with _loading(clip.file, cv2.error), safe_open(clip.file, "numpy") as tensors:
        part = {"points": tensors.get_slice("points")[:][frames]}
        if clip.latent_shape:
            part["latents"] = tensors.get_slice("latents")[:][frames]
        for name, values in part.items():
            if not np.isfinite(values).all():
                raise Refused(f"{name} of frames {frames} are not finite")
        if pictures:
            bounds, images = tensors.get_tensor("offsets"), tensors.get_slice("images")
            bytes_of = [_image(images, bounds, frame) for frame in frames]
            part["pictures"] = np.stack([_decoded(image, clip.size) for image in bytes_of])
    return part


def _image(images, bounds: np.ndarray, frame: int) -> np.ndarray:
    start, end = int(bounds[frame]), int(bounds[frame + 1])
    if not 0 <= start < end <= images.get_shape()[0]:
        raise Refused(f"the picture of frame {frame} lies outside of it")
    return images[start:end]


def _decoded(image: np.ndarray, side: int) -> np.ndarray:
    """(side,side,3) uint8 RGB. Its head is read first: a picture of a few bytes may claim any size."""
    from PIL import Image

    with Image.open(io.BytesIO(image.tobytes()), formats=("PNG", "JPEG")) as head:
        if head.size != (side, side):
            raise Refused(f"a picture in it has {head.size[0]} x {head.size[1]} pixels, not {side} x {side}")
    picture = opencv().imdecode(image, opencv().IMREAD_COLOR)
    if picture is None or picture.shape != (side, side, 3):
        raise ValueError("a picture in it cannot be decoded")
    return picture[..., ::-1]


def _loading(file: Path, *more: type[Exception]):
    from PIL import Image
    from safetensors import SafetensorError

    kinds = (SafetensorError, Image.DecompressionBombError, *more)
    return loading(file, "Training clip", InputError, "Make it again.", more=kinds)


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
    wrong = []
    for index, clip in enumerate(clips):
        try:
            pictures = read_part(clip, range(clip.frames))["pictures"]
        except InputError as error:
            wrong.append(str(error))
            log.warning("left out: %s", error)
            left_out(wrong, len(clips), folder, lambda line: None)
            continue
        arrays = load_file(clip.file)
        with safe_open(clip.file, "numpy") as tensors:
            about = tensors.metadata()
        # In C order: safetensors writes memory as it lies, and convolutions leave channels last.
        latents = np.ascontiguousarray(encode(pictures), np.float16)
        write_whole(clip.file, save(arrays | {"latents": latents}, about))
        on_clip(index + 1, len(clips))
    return len(clips) - len(wrong)
