"""A drawn portrait as an artist would have it on disk, with its face, so that no detector is needed."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.motion_file import save_motion


def write_portrait(folder: Path, number: int, side: int) -> None:
    """portrait.png and face.safetensors of that person at rest, `side` pixels."""
    person = Person.of(number)
    face = person.act(Acting.rest(), (side, side))
    Image.fromarray(paint(person, face)[0]).save(folder / "portrait.png")
    save_motion(folder / "face.safetensors", face)
