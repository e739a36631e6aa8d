"""Pictures of every kind that is promised look as they do elsewhere; others are not opened."""

from __future__ import annotations

import struct
import subprocess
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from followemoji_core.errors import InputError
from followemoji_core.gate import MOST_PIXELS
from followemoji_core.pictures import read_picture

RAMP = np.arange(256, dtype=np.uint8).reshape(8, 32)
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], -1)


def read(path, image, **options):
    image.save(path, **options)
    return read_picture(path)


def test_grey_of_16_bits_is_not_white(tmp_path):
    for name in ("g.png", "g.tiff"):
        got = read(tmp_path / name, Image.fromarray(RAMP.astype(np.uint16) * 257))
        assert np.array_equal(got, np.repeat(RAMP[..., None], 3, 2)), name


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_pictures_are_not_black(tmp_path, white):
    got = read(tmp_path / "f.tiff", Image.fromarray(RAMP / np.float32(255) * np.float32(white)))
    assert np.array_equal(got[..., 0], RAMP)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_numbers_of_float_pictures_are_finite_or_refused(tmp_path, bad):
    numbers = RAMP / np.float32(255)
    numbers[3, 3] = bad
    with pytest.raises(InputError, match="f.tiff.*(not finite|brightest)"):
        read(tmp_path / "f.tiff", Image.fromarray(numbers))


def test_palette_cmyk_grey_and_one_bit(tmp_path):
    image = Image.fromarray(COLOUR)
    assert np.array_equal(read(tmp_path / "a.png", image), COLOUR)
    few = image.quantize(16)
    assert np.array_equal(read(tmp_path / "p.png", few), np.asarray(few.convert("RGB")))
    assert np.abs(read(tmp_path / "c.tiff", image.convert("CMYK")).astype(int) - COLOUR).max() <= 1
    assert np.abs(read(tmp_path / "c.jpg", image.convert("CMYK"), quality=100).astype(int) - COLOUR).mean() < 3
    assert np.array_equal(read(tmp_path / "l.png", Image.fromarray(RAMP))[..., 1], RAMP)
    assert set(np.unique(read(tmp_path / "1.png", Image.fromarray(RAMP).convert("1")))) == {0, 255}


@pytest.mark.parametrize(
    "mode, name", [("RGBA", "a.png"), ("RGBA", "a.webp"), ("LA", "a.png"), ("P", "a.png"), ("RGBA", "a.gif")]
)
def test_transparency_shows_white_and_that_is_said(tmp_path, caplog, mode, name):
    clear = Image.new("RGBA", (8, 8), (10, 10, 10, 0))
    clear.paste((10, 10, 10, 255), (0, 0, 4, 8))
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    got = read(tmp_path / name, clear.convert(mode), **options)
    assert (got[:, 4:] == 255).all() and np.abs(got[:, :4].astype(int) - 10).max() < 3
    assert f"{name}: where it is transparent it is taken as white" in caplog.text
    caplog.clear()
    read(tmp_path / name, Image.new("RGBA", (8, 8), (10, 10, 10, 255)).convert(mode), **options)
    assert caplog.text == "", "nothing is lost of an opaque one"
    if name != "a.gif":  # whose clear colour is black
        read(tmp_path / name, clear.convert(mode), **options)
        caplog.clear()
        assert np.abs(read_picture(tmp_path / name, ground=None).astype(int) - 10).max() < 3 and caplog.text == ""


@pytest.mark.parametrize("turn, back", [(3, 2), (6, 1), (8, 3)])
def test_a_picture_is_upright(tmp_path, turn, back):
    """As a phone that was held another way writes it."""
    exif = Image.Exif()
    exif[0x0112] = turn
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(COLOUR, back)))
    assert np.array_equal(read(tmp_path / "a.png", lying, exif=exif), COLOUR)
    sideways = np.ascontiguousarray(np.rot90(RAMP.astype(np.uint16) * 257, back))
    assert np.array_equal(read(tmp_path / "g.png", Image.fromarray(sideways), exif=exif)[..., 0], RAMP)


def test_an_eps_called_png_is_refused_and_ghostscript_never_started(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", never)
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError, match="a.png.*cannot be opened as a picture"):
        read_picture(tmp_path / "a.png")


@pytest.mark.alone
@pytest.mark.parametrize("sides", [(60_000, 60_000), (8001, 8000), (33_000, 10), (0, 5)])
def test_pictures_of_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, sides):
    """A file of a few bytes that claims them."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", *sides, 8, 2, 0, 0, 0)
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")))
    begun = time.process_time()
    with pytest.raises(InputError, match="big.png"):
        read_picture(tmp_path / "big.png")
    assert time.process_time() - begun < 1 and MOST_PIXELS == 64_000_000


def test_damaged_pictures(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for share in (0.0, 0.3, 0.7):
        (tmp_path / "a.png").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="a.png"):
            read_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="absent.png cannot be read"):
        read_picture(tmp_path / "absent.png")
