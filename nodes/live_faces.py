"""The faces that editors show: kept from their last run, or made at once of what is connected to them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from pathlib import Path
from typing import get_args

import folder_paths
import numpy as np

from ..followemoji_core.drawn import Acting, Animal, Person, paint, paint_animal
from ..followemoji_core.drawn.people import STYLES
from ..followemoji_core.errors import InputError
from ..followemoji_core.face.checked_json import CheckedObject, shown
from ..followemoji_core.face.choice import Which
from ..followemoji_core.face.crop import ROOM, Framing, crop_portrait
from ..followemoji_core.face.detector import MANY, MOST_FACES, FaceDetector
from ..followemoji_core.face.extraction import extract_face
from ..followemoji_core.face.live import LiveFace
from ..followemoji_core.face.place import placed_face
from ..followemoji_core.face.place_file import MOST_BYTES, parse_placement
from ..followemoji_core.face.placement import Placement
from ..followemoji_core.pictures import read_picture
from ..followemoji_core.types import FaceFrame, FaceMotion
from . import folders
from .host.kept import Kept

MOST_PIXELS_SENT = 12_000_000  # letters of a picture that is sent, in base64
_OWN = "their own"  # the style of Drawn Portrait
_kept: Kept[LiveFace] = Kept(12, 600 << 20)
_found: Kept[tuple[np.ndarray, FaceFrame]] = Kept(6, 300 << 20)  # portraits and their faces

Portrait = tuple[np.ndarray, FaceFrame]


def keep(picture: np.ndarray, face: FaceFrame, motion: FaceMotion | None) -> str:
    """Keep what an editor ran with; returns the key under which it is found, of its content alone."""
    digest = hashlib.sha256(np.ascontiguousarray(picture).tobytes())
    for found in (face,) if motion is None else (face, motion):
        for array in (found.landmarks, found.metric, found.camera_from_face):
            digest.update(np.ascontiguousarray(array).tobytes())
    if motion is not None:
        digest.update(repr(motion.fps).encode())
        digest.update(b"" if motion.edit is None else np.ascontiguousarray(motion.edit.values).tobytes())
    key = digest.hexdigest()[:32]
    if _kept.get(key) is None:
        live = LiveFace(picture, face, motion)
        _kept.put(key, live, live.weight())
    return key


def live_face(asked: CheckedObject) -> LiveFace | None:
    """What a request of an editor is about: `portrait`, what is connected to it, on the motion of its last run, `key`;
    or all of its last run. None where that is not kept, or no more.

    Raises InputError for a portrait that cannot be made, NoFaceError where it has no face.
    """
    key = asked.text("key", 64, "") or None
    run = _kept.get(key) if key else None
    portrait = asked.object("portrait")
    if portrait is None:
        return run
    mine, made = _portrait(portrait)
    motion = run.motion if run else None
    name = (mine, key if motion is not None else None)
    live = _kept.get(name)
    if live is None:
        live = LiveFace(*made, motion)
        _kept.put(name, live, live.weight())
    return live


def picture_face(asked: CheckedObject) -> FaceFrame:
    """The face of a picture that a request names or sends."""
    return _portrait(asked)[1][1]


def _portrait(asked: CheckedObject) -> tuple[tuple, Portrait]:
    """A portrait and its face, and what they are known by."""
    asked.known(*_KINDS, "detector", "which", "number", "confidence", "placed", "frame")
    kinds = [kind for kind in _KINDS if kind in asked.given]
    if len(kinds) != 1:
        raise InputError(f"{asked.place} needs one of {', '.join(_KINDS)}.")
    key, made = _KINDS[kinds[0]](asked)
    frame = asked.object("frame")
    if frame is None:
        return key, made
    frame.known("width", "height", "framing", "room")
    size = frame.whole("width", 64, 2048, 512), frame.whole("height", 64, 2048, 512)
    framing = frame.choice("framing", get_args(Framing), "face")
    room = frame.number("room", 1.2, 6.0, ROOM)
    key = (key, size, framing, room)
    if (known := _found.get(key)) is None:
        pixels, face = crop_portrait(made[0].astype(np.float32) / 255, made[1], size, framing, room)
        known = _kept_portrait(key, np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8), face)
    return key, known


def _of_input(asked: CheckedObject) -> tuple[tuple, Portrait]:
    """A picture of the input folder, by the name that Load Image shows."""
    name = asked.text("image", 500)
    root = os.path.realpath(folder_paths.get_input_directory())
    try:
        real = os.path.realpath(folder_paths.get_annotated_filepath(name))
    except ValueError:  # newer versions raise it for what leads out of the folder, and Python for a zero in a path
        real = ""
    if not real.startswith(root + os.sep) or not os.path.isfile(real):
        raise InputError(f"There is no picture {shown(name, 80)} in the input folder. Choose one in Load Image.")
    stamp = os.stat(real)
    key = (real, stamp.st_mtime_ns, stamp.st_size, *_looked_for(asked))
    return key, _found.get(key) or _looked_at(key, read_picture(real, ground=None), asked)


def _of_pixels(asked: CheckedObject) -> tuple[tuple, Portrait]:
    """A picture file in base64."""
    text = asked.text("pixels", MOST_PIXELS_SENT)
    key = (hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), *_looked_for(asked))
    if known := _found.get(key):
        return key, known
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{asked.name('pixels')} is no picture in base64.") from error
    with tempfile.TemporaryDirectory(prefix="followemoji-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        return key, _looked_at(key, read_picture(path), asked)


def _drawn(asked: CheckedObject) -> tuple[tuple, Portrait]:
    """The picture of Drawn Portrait."""
    drawn = asked.object("drawn")
    if drawn is None:
        raise InputError(f"{asked.name('drawn')} is null; it must be an object in braces.")
    drawn.known("person", "style", "size")
    number, size = drawn.whole("person", 0, 0x7FFFFFFF), drawn.whole("size", 64, 1024)
    style = drawn.choice("style", (_OWN, *STYLES), _OWN)
    key = ("drawn", number, size, style)
    if (known := _found.get(key)) is None:
        person = Person.of(number, None if style == _OWN else style)
        motion = person.act(Acting.rest(), (size, size))
        known = _kept_portrait(key, paint(person, motion)[0], motion.frame(0))
    return key, known


def _animal(asked: CheckedObject) -> tuple[tuple, Portrait]:
    """The picture of Drawn Animal, with a face placed on it."""
    drawn = asked.object("animal")
    if drawn is None:
        raise InputError(f"{asked.name('animal')} is null; it must be an object in braces.")
    drawn.known("animal", "size")
    number, size = drawn.whole("animal", 0, 0x7FFFFFFF), drawn.whole("size", 64, 1024)
    key = ("animal", number, size, _placed(asked))
    if (known := _found.get(key)) is None:
        picture = paint_animal(Animal.of(number), size)
        known = _kept_portrait(key, picture, _placed_face(asked, picture))
    return key, known


def _placed(asked: CheckedObject) -> str:
    return asked.text("placed", MOST_BYTES, "").strip()


def _placed_face(asked: CheckedObject, picture: np.ndarray) -> FaceFrame:
    """As Place Face makes it of that text, without a mask, a box or a face to correct."""
    size = picture.shape[1::-1]
    text = _placed(asked)
    return placed_face((parse_placement(text) if text else Placement(size)).scaled(size))


def _looked_for(asked: CheckedObject) -> tuple[str | float, ...]:
    """What a face is found by: a detector and which of several, or points placed by hand."""
    if "placed" in asked.given:
        return "placed", _placed(asked)
    detectors = tuple(folders.detectors())
    detector = asked.choice("detector", detectors, detectors[0])
    which = asked.choice("which", get_args(Which), "largest")
    return detector, asked.whole("number", 0, 999, 0) or which, asked.number("confidence", 0, 1, 0.5)


def _looked_at(key: tuple, picture: np.ndarray, asked: CheckedObject) -> Portrait:
    if "placed" in asked.given:
        return _kept_portrait(key, picture, _placed_face(asked, picture))
    detector, which, confidence = _looked_for(asked)
    most = MANY if isinstance(which, int) else MOST_FACES  # as Extract Face Landmarks would
    with FaceDetector(folders.find(detector), confidence, most) as finder:
        face = extract_face(picture, finder, which)
    return _kept_portrait(key, picture, face)


def _kept_portrait(key: tuple, picture: np.ndarray, face: FaceFrame) -> Portrait:
    return _found.put(key, (picture, face), picture.nbytes)


_KINDS = {"image": _of_input, "pixels": _of_pixels, "drawn": _drawn, "animal": _animal}
