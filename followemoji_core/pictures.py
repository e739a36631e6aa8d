"""Picture files: the formats that are promised, of a bounded size, as upright 8 bit RGB."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .files import written_whole
from .gate import LEAKS, Refused, check_size, loading, read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # Pillow would start Ghostscript for others, whatever the name
GROUND = (255, 255, 255)  # what shows through where a picture is transparent
_LARGEST = 400 << 20  # bytes of a file: 64 million pixels of 48 bits, not compressed
_HIGHLIGHTS = 4.0  # up to here the numbers of a float picture are taken to be of [0,1], with highlights above


def read_picture(path: str | os.PathLike[str], ground: tuple[int, int, int] | None = GROUND) -> np.ndarray:
    """A PNG, JPEG, WebP, TIFF, BMP or GIF (its first frame) -> (H,W,3) uint8 RGB, turned as its EXIF says.

    Transparency shows `ground`, white; None: the colours that the file has there, as in ComfyUI's Load Image. Grey of
    16 bits is divided by 257; of float pictures 0 to 1 is black to white, or 0 to 255 or 0 to 65535 where numbers above
    4 say so. Palettes, CMYK and the like become RGB as Pillow does it.
    Raises InputError for a file that cannot be read, of another format, of more than 64 million pixels, or with numbers
    that are not finite.
    """
    from PIL import Image

    advice = "Choose a PNG, JPEG, WebP or TIFF picture; if it is a video, portrait and driving are swapped."
    with loading(path, "Picture", InputError, advice, more=(Image.DecompressionBombError,)):
        content = io.BytesIO(read_bytes(path, _LARGEST))  # in memory, where a length that is not true costs nothing
        try:
            opened = Image.open(content, formats=FORMATS)
        except Image.UnidentifiedImageError as error:
            raise Refused(f"it cannot be opened as a picture ({', '.join(FORMATS)} can)") from error
        with opened:
            check_size(*opened.size)
            opened.load()
            return np.ascontiguousarray(_rgb(_upright(opened, Path(path).name), Path(path).name, ground))


def write_picture(path: Path, picture: np.ndarray) -> None:
    """(H,W,3) uint8 RGB as a PNG file that appears whole."""
    from PIL import Image

    with written_whole(path, "Make room, or choose another folder.") as partial:
        Image.fromarray(picture).save(partial, "PNG")


def _upright(image: Image, name: str) -> Image:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except (*LEAKS,):
        log.warning("%s: its EXIF is damaged; the picture is taken as it lies.", name)
        return image


def _rgb(image: Image, name: str, ground: tuple[int, int, int] | None) -> np.ndarray:
    from PIL import Image

    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.float32) / 257)
    if image.mode in ("I", "F"):
        return _grey(_levels(np.asarray(image, np.float32), whole=image.mode == "I"))
    clear = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    shown = image.convert("RGBA") if clear else image
    if clear and ground is not None:
        if shown.getextrema()[3][0] < 255:
            log.warning("%s: where it is transparent it is taken as %s.", name, "white" if ground == GROUND else ground)
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, (*ground, 255)), shown)
    return np.array(shown.convert("RGB"))


def _levels(numbers: np.ndarray, whole: bool) -> np.ndarray:
    """Numbers of a picture that does not say what its white is -> 0 to 255."""
    if not np.isfinite(numbers).all():
        raise Refused("it holds numbers that are not finite")
    most = float(numbers.max())
    if most > 65535:
        raise Refused(f"its brightest number is {most:g}; up to 1, 255 or 65535 are understood")
    if whole:
        return numbers if most <= 255 else numbers / 257
    return numbers * 255 if most <= _HIGHLIGHTS else numbers if most <= 255 else numbers / 257


def _grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(np.clip(levels, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)
