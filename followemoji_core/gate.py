"""The gate for files that somebody else made: bounds before anything is built, and one kind of error for all that is
wrong with one.

A loader works inside `loading`; what it finds amiss itself it raises as Refused. Nothing that calls back into a host
may run inside, so that a host's own interrupt never passes through here.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import FollowEmojiError, InputError

MOST_PIXELS = 64_000_000  # of a picture or a video frame: 8000 x 8000; about 450 MB while one with alpha is converted
MOST_SIDE = 32_768
SLOWEST, FASTEST = 0.1, 1000.0  # frames per second that are believed
MOST_HEADER = 8 << 20  # bytes of a safetensors header; the released UNet's takes about 0.2 MB
MOST_WEIGHTS = 64 << 30  # bytes of a weights file; they are mapped, not read
_DEPTH = 16  # of JSON
_ENTRIES = 100_000  # tensors of a file

# What readers of damaged files raise. Packages' own kinds, which are none of these, are named to `loading` as `more`.
LEAKS: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError,
    OSError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip
# Bytes of a number, by safetensors' names; others (F4, F8_E8M0, ...) are no numbers that this package computes with.
NUMBERS = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


class Refused(Exception):
    """Why a file is not read; `loading` makes it the loader's error, which names the file."""


@contextmanager
def loading(
    path: str | os.PathLike[str],
    what: str,
    error: type[FollowEmojiError],
    advice: str,
    more: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Whatever goes wrong in the block is an `error` that calls the file `what` and ends in `advice`.

    more: kinds of a package that are none of LEAKS. FollowEmojiErrors pass as they are.
    """
    name = Path(path).name
    try:
        yield
    except FollowEmojiError:
        raise
    except Refused as cause:
        raise error(f"{what} {name} is not read: {short(cause)}. {advice}") from cause
    except (*LEAKS, *more) as cause:
        why = getattr(cause, "strerror", None)  # without the path, which the text has
        if isinstance(cause, OSError) and why:
            wrong = f"cannot be read: {why}"
        elif isinstance(cause, MemoryError):
            wrong = "does not fit into memory, or is damaged"
        else:
            wrong = f"is damaged or incomplete ({why or short(cause) or type(cause).__name__})"
        raise error(f"{what} {name} {wrong}. {advice}") from cause


def short(text: object, most: int = 200) -> str:
    """One line of it: what a damaged file says of itself can be long, and hold anything."""
    try:
        line = " ".join(str(text).split())
    except (ValueError, RecursionError):
        return ""
    line = "".join(letter if letter.isprintable() else "?" for letter in line[: most + 1])
    return f"{line[:most]}..." if len(line) > most else line.rstrip(".")


def file_size(path: str | os.PathLike[str], most: int) -> int:
    """Bytes of a plain file. Raises Refused for one that is larger than `most`, or a folder, pipe or device."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise Refused("it is no plain file")
    if found.st_size > most:
        raise Refused(f"it has {found.st_size:,} bytes; at most {most:,} are read")
    return found.st_size


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """The content of a plain file of at most `most` bytes. Raises Refused for another one."""
    size = file_size(path, most)
    with open(path, "rb") as file:
        return file.read(size)  # no more: Python makes room for all that it is asked for


def check_size(width: int, height: int) -> None:
    """Raises Refused for the sides of a picture that nobody made."""
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE and width * height <= MOST_PIXELS):
        raise Refused(f"it claims {width} x {height} pixels; at most {MOST_PIXELS / 1e6:g} million are read")


def check_drawable(width: int, height: int) -> None:
    """The same for a picture that is to be made: raises InputError."""
    try:
        check_size(width, height)
    except Refused as error:
        raise InputError(
            f"A picture of {width} x {height} pixels cannot be made; at most {MOST_PIXELS / 1e6:g} million pixels, and "
            f"{MOST_SIDE} a side. Choose a smaller height."
        ) from error


def check_rate(fps: float) -> float:
    """The rate itself. Raises Refused for one that no clip has."""
    if not (math.isfinite(fps) and SLOWEST <= fps <= FASTEST):
        raise Refused(f"it claims {fps:g} frames per second; {SLOWEST:g} to {FASTEST:g} are believed")
    return fps


# One that is not closed ends with the text: else every quotation mark in it would be tried as its beginning.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def check_depth(text: bytes, most: int = _DEPTH) -> None:
    """Raises Refused where brackets outside of strings in double quotes lie more than `most` deep."""
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", text)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > most:
            raise Refused(f"it nests more than {most} deep")


def parse_json(text: bytes, most: int = _DEPTH) -> Any:
    """JSON of bounded depth with finite numbers of at most 20 digits. Raises Refused or ValueError."""
    check_depth(text, most)
    return json.loads(text.decode("utf-8"), parse_constant=_no_number, parse_int=_whole, parse_float=_finite)


def _no_number(text: str) -> float:
    raise Refused(f"it holds {text}, which is no number")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise Refused("it holds a number of more than 20 digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text[:400])
    if not math.isfinite(value):
        raise Refused("it holds a number that is not finite")
    return value


@dataclass(frozen=True)
class Entry:
    """A tensor as a safetensors header announces it; dtype is a key of NUMBERS."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """What a safetensors file says that it holds; every tensor fits into the file."""

    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]

    def check(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> Entry:
        """The entry of that name. shape: None for any length. Raises Refused where it is absent or differs."""
        entry = self.entries.get(name)
        if entry is None:
            raise Refused(f"it lacks {name}")
        fits = len(entry.shape) == len(shape) and all(
            wanted in (None, got) for got, wanted in zip(entry.shape, shape, strict=True)
        )
        if entry.dtype != dtype or not fits:
            wanted = ", ".join("any" if side is None else str(side) for side in shape)
            raise Refused(f"{name} is {entry.dtype} {entry.shape}, expected {dtype} ({wanted})")
        return entry


def safetensors_header(
    path: str | os.PathLike[str], most: int, most_header: int = MOST_HEADER, marks: bool = False
) -> Header:
    """The header of a file of at most `most` bytes, before safetensors itself opens it. Raises Refused, ValueError.

    marks: whether an entry may have the shape (0,): a name that says something by being there, as ComfyUI saves them.
    """
    size = file_size(path, most)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError(f"it ends after {size} bytes")
        if length > most_header:
            raise Refused(f"its header has {length:,} bytes; at most {most_header:,} are read")
        found = parse_json(file.read(length))
    if not isinstance(found, dict) or len(found) > _ENTRIES:
        raise Refused("its header is no table of tensors")
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Refused("its header is no table of words")
    return Header({name: _entry(name, about, size - 8 - length, marks) for name, about in found.items()}, metadata)


def _entry(name: str, about: Any, room: int, marks: bool) -> Entry:
    dtype, shape, (start, end) = about["dtype"], tuple(about["shape"]), about["data_offsets"]
    if dtype not in NUMBERS:
        raise Refused(f"{short(name, 60)} is of the type {short(dtype, 20)}; known are {', '.join(NUMBERS)}")
    sides = (*shape, start, end)
    empty = 0 in shape and not (marks and shape == (0,))
    if len(shape) > 8 or empty or not all(type(side) is int and 0 <= side <= 1 << 48 for side in sides):
        raise Refused(f"{short(name, 60)} has no shape that a tensor can have")
    if end > room or math.prod(shape) * NUMBERS[dtype] != end - start:
        raise Refused(f"{short(name, 60)} does not fit into the file; it is damaged or incomplete")
    return Entry(dtype, shape)
