"""Points placed by hand as versioned JSON text: in a workflow, over the API, or on disk. Read as data, never run."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ..errors import InputError
from ..gate import MOST_SIDE
from ..types import LANDMARKS, FaceFrame
from .checked_json import CheckedObject, checked_numbers, checked_object, shown
from .placement import LEAST_HEIGHT, POINTS, Frame, Placement

FORMAT = "followemoji.place"
VERSION = 1
MOST_BYTES = 100_000
_FAR = 10.0 * MOST_SIDE  # pixels; what is too far from its own picture is told by the fit
_ADVICE = "Copy the whole text that Place Face gives, or leave it empty to begin anew."


def parse_placement(text: str) -> Placement:
    """The points of JSON text. Raises InputError that names the key which is wrong, and what is allowed."""
    return placement_of(checked_object(text, "a placed face", MOST_BYTES, _ADVICE))


def placement_of(placed: CheckedObject) -> Placement:
    """The same of JSON that is parsed already."""
    placed.known("format", "version", "size", "frame", "points")
    placed.of_format(FORMAT, VERSION, _ADVICE)
    width, height = placed.numbers("size", 2, 1, MOST_SIDE)
    if width != int(width) or height != int(height):
        raise InputError(f"size is {width:g}, {height:g}; it must be whole pixels, width and height of the picture.")
    frame = placed.object("frame")
    if frame is not None:
        frame.known("centre", "height", "turn")
        x, y = frame.numbers("centre", 2, -_FAR, _FAR)
        frame = Frame((x, y), frame.number("height", LEAST_HEIGHT, _FAR), frame.number("turn", -360, 360, 0))
    points = placed.object("points")
    places = {}
    if points is not None:
        points.known(*POINTS)
        places = {name: tuple(points.numbers(name, 2, -_FAR, _FAR)) for name in points.given}
    return Placement((int(width), int(height)), places, frame)


def placement_text(placement: Placement) -> str:
    """The points as JSON text; parse_placement gives the same points back, to a hundredth of a pixel."""
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "size": list(placement.size)}
    frame = placement.frame
    if frame is not None:
        centre, height, turn = _rounded(frame.centre), _round(frame.height), _round(frame.turn)
        content["frame"] = {"centre": centre, "height": height, "turn": turn}
    content["points"] = {name: _rounded(placement.points[name]) for name in POINTS if name in placement.points}
    return json.dumps(content, allow_nan=False)


def placement_request(asked: CheckedObject) -> tuple[Placement, np.ndarray | None]:
    """What the editor asks for, {"placement": ..., "face": ...}: points, and the landmarks (478,3) float32 of a face to
    correct, or None. Raises InputError as parse_placement does."""
    asked.known("node", "placement", "face")
    face = asked.given.get("face")
    placed = CheckedObject(asked.given.get("placement"), "", "a placed face")
    return placement_of(placed), None if face is None else landmarks_of(face)


def landmarks_text(face: FaceFrame) -> list[list[float]]:
    """Landmarks of a face for JSON: 478 of x, y, z, to a millionth; landmarks_of takes them back."""
    return np.round(face.landmarks.astype(np.float64), 6).tolist()


def landmarks_of(given: Any) -> np.ndarray:
    """(478,3) float32 of JSON. Raises InputError unless it is a list of 478 points of three bounded numbers."""
    if not isinstance(given, list) or len(given) != LANDMARKS:
        count = f"{len(given)} points" if isinstance(given, list) else shown(given)
        raise InputError(f"The face to correct is {count}; {LANDMARKS} are needed. Run the graph again.")
    rows = [checked_numbers(row, f"face[{index}]", 3, -100.0, 100.0) for index, row in enumerate(given)]
    return np.array(rows, np.float32)


def _round(value: float) -> float:
    return round(float(value), 2)


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [_round(value) for value in values]
