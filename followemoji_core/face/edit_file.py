"""Edits as files: controls over time as versioned JSON, in a workflow or on disk. Read as data, never run."""

from __future__ import annotations

import functools
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..errors import InputError
from ..files import write_whole
from ..gate import loading, read_bytes
from .checked_json import CheckedObject, checked_number, checked_object, shown
from .controls import CHANNELS, Controls, bounded, channel, limits
from .named_expressions import LONGEST, STRONGEST, ease, expression, find, sequence, sequence_frames

FORMAT = "followemoji.edit"
VERSION = 2  # 2: named expressions in keyframes; what has none is written as 1
MOST_BYTES = 16_000_000
MOST_KEYFRAMES = 100_000
MOST_ADDED, MOST_ADDED_FRAMES, MOST_LETTERS = 1000, 4 * LONGEST, 40_000  # what is added, in all; of sequences

Base = Literal["portrait", "motion"]
Easing = Literal["smooth", "linear", "hold"]


@dataclass(frozen=True)
class Keyframe:
    """Controls at a frame, counted from 0, whole or not; easing: how it goes on from here to the next key of each.

    expressions: named ones, at their apex, by strength in [0,2]; they are keyed as controls are, and added to them.
    """

    frame: float
    controls: dict[str, float]
    easing: Easing = "smooth"
    expressions: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Added:
    """A named expression, or a sequence of them as text, from a frame on."""

    frame: int = 0
    expression: str | None = None
    sequence: str | None = None
    frames: int | None = None  # of the expression; in its own time unless given
    strength: float = 1.0


@dataclass(frozen=True)
class Edit:
    """What an artist did to a face over time.

    base: "portrait", a still face that the controls move, or "motion", a driving motion that they are added to.
    frames: how long; None is as long as the motion, or as the last key. A control keeps its first key's value before
    it and its last key's after it; one without keys rests. What is added is summed.
    """

    keyframes: tuple[Keyframe, ...] = ()
    added: tuple[Added, ...] = ()
    base: Base = "portrait"
    frames: int | None = None
    fps: float = 25.0

    def length(self) -> int:
        """Frames of it: as given, else as far as keys and additions reach; at least 1."""
        if self.frames is not None:
            return self.frames
        ends = [math.ceil(key.frame) + 1 for key in self.keyframes]
        ends += [added.frame + _frames_of(added, self.fps) for added in self.added]
        return max([1, *ends])

    def controls(self, frames: int | None = None) -> Controls:
        """(T,59) controls; T = frames, or length(). What lies beyond the end is cut off."""
        count = self.length() if frames is None else frames
        return self._at(np.arange(count))

    def frame(self, index: int) -> Controls:
        """The controls of one frame, (1,59), as `controls` of enough frames has them."""
        return self._at(np.array([index]))

    def keyed(self, name: str, frame: float) -> float:
        """What the keys say of a control at a frame, without what is added to them; 0 without a key."""
        keys = [(key.frame, key.controls[name], key.easing) for key in self.keyframes if name in key.controls]
        return float(_track(np.array([frame]), keys)[0]) if keys else 0.0

    def _at(self, frames: np.ndarray) -> Controls:
        """Controls of frames (T,) that are in order and have no gap."""
        values = np.zeros((len(frames), len(CHANNELS)))
        for index, name in enumerate(CHANNELS):
            keys = [(key.frame, key.controls[name], key.easing) for key in self.keyframes if name in key.controls]
            if keys:
                values[:, index] = _track(frames, keys)
        for name in {name: None for key in self.keyframes for name in key.expressions}:  # in order, each once
            keys = [(key.frame, key.expressions[name], key.easing) for key in self.keyframes if name in key.expressions]
            values += _track(frames, keys)[:, None] * find(name).held(np.zeros(1))
        for added in self.added:
            inside = slice(*np.searchsorted(frames, [added.frame, added.frame + _frames_of(added, self.fps)]))
            if inside.start < inside.stop:
                values[inside] += _controls_of(added, self.fps, frames[inside] - added.frame).values
        return Controls(bounded(values), self.fps)


def read_edit(path: str | os.PathLike[str]) -> Edit:
    """The edit of a file. Raises InputError, with the file's name and the key that is wrong."""
    with loading(path, "Edit", InputError, "Choose a .json file saved by this pack."):
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    try:
        return parse_edit(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


@functools.lru_cache(8)  # an editor sends the same text again and again
def parse_edit(text: str) -> Edit:
    """The edit of JSON text. Raises InputError that names the key which is wrong, and what is allowed."""
    root = checked_object(text, "an edit", MOST_BYTES, "Save it again, or paste the whole of it.")
    root.known("format", "version", "base", "frames", "fps", "keyframes", "add")
    root.of_format(FORMAT, VERSION, "Choose an edit's file.")
    fps = root.number("fps", 0.01, 1000.0, 25.0)
    frames = None if root.given.get("frames") is None else root.whole("frames", 1, LONGEST)
    end = LONGEST if frames is None else frames
    keyframes = tuple(_keyframe(entry, fps, end) for entry in root.objects("keyframes", MOST_KEYFRAMES))
    for number, (key, following) in enumerate(zip(keyframes, keyframes[1:], strict=False), 1):
        if following.frame <= key.frame:
            raise InputError(
                f"keyframes[{number}] is at frame {following.frame:g}, not after {key.frame:g} of the one before. "
                "Put them in order, one for each frame."
            )
    added = tuple(_added(entry, fps, end) for entry in root.objects("add", MOST_ADDED))
    frames_added, letters = sum(_frames_of(one, fps) for one in added), sum(len(one.sequence or "") for one in added)
    if frames_added > MOST_ADDED_FRAMES or letters > MOST_LETTERS:
        raise InputError(
            f"What is added has {frames_added} frames and sequences of {letters} letters in all; at most "
            f"{MOST_ADDED_FRAMES} and {MOST_LETTERS}. Leave some of it out."
        )
    return Edit(keyframes, added, root.choice("base", get_args(Base), "portrait"), frames, fps)


def edit_text(edit: Edit) -> str:
    """The edit as JSON text; parse_edit gives the same edit back."""
    version = VERSION if any(key.expressions for key in edit.keyframes) else 1
    content: dict[str, Any] = {"format": FORMAT, "version": version, "base": edit.base, "fps": edit.fps}
    if edit.frames is not None:
        content["frames"] = edit.frames
    content["keyframes"] = [
        {"frame": key.frame, "easing": key.easing, "controls": dict(key.controls)}
        | ({"expressions": dict(key.expressions)} if key.expressions else {})
        for key in edit.keyframes
    ]
    content["add"] = [{name: value for name, value in vars(added).items() if value is not None} for added in edit.added]
    return json.dumps(content, indent=1, allow_nan=False)


def save_edit(path: str | os.PathLike[str], edit: Edit) -> None:
    """Write it; the file appears whole or not at all. Raises OutputError where it cannot be written."""
    write_whole(Path(path), edit_text(edit) + "\n")


def edit_of_controls(controls: Controls, base: Base = "portrait") -> Edit:
    """Controls of T frames as an edit with a key in every frame in which something changes."""
    values = controls.values.astype(np.float64)
    used = np.flatnonzero(values.any(axis=0))
    keys = []
    for frame in range(len(values)):
        inside = 0 < frame < len(values) - 1
        if (
            inside
            and np.array_equal(values[frame - 1, used], values[frame, used])
            and np.array_equal(values[frame, used], values[frame + 1, used])
        ):
            continue
        named = {CHANNELS[index]: float(controls.values[frame, index]) for index in used}
        keys.append(Keyframe(float(frame), named, "linear"))
    return Edit(tuple(keys), (), base, max(len(values), 1), controls.fps)


def _track(time: np.ndarray, keys: list[tuple[float, float, str]]) -> np.ndarray:
    """(T,) of one control, through its keys (frame, value, easing)."""
    frames, values, easings = (np.array(part) for part in zip(*keys, strict=True))
    after = np.searchsorted(frames, time, side="right")
    before = np.clip(after - 1, 0, len(keys) - 1)
    after = np.minimum(after, len(keys) - 1)
    span = np.maximum(frames[after] - frames[before], 1e-9)
    share = np.clip((time - frames[before]) / span, 0.0, 1.0)
    share = np.where(easings[before] == "smooth", ease(share), share)
    share = np.where((easings[before] == "hold") | (after == before), 0.0, share)
    return values[before] + share * (values[after] - values[before])


def _controls_of(added: Added, fps: float, at: np.ndarray) -> Controls:
    """(N,59) of its frames `at` (N,), which are in order."""
    if added.sequence is not None:
        return sequence(added.sequence, fps, at=at).scaled(added.strength)
    return expression(added.expression or "", added.frames, added.strength, fps, at)


def _frames_of(added: Added, fps: float) -> int:
    if added.sequence is not None:
        return sequence_frames(added.sequence)
    return added.frames or max(round(find(added.expression or "").seconds * fps), 1)


def _keyframe(entry: CheckedObject, fps: float, end: int) -> Keyframe:
    entry.known("frame", "second", "controls", "expressions", "easing")
    if ("frame" in entry.given) == ("second" in entry.given):
        raise InputError(f"{entry.place} needs either a frame or a second.")
    if "frame" in entry.given:
        frame = entry.number("frame", 0, end - 1)
    else:
        frame = entry.number("second", 0, (end - 1) / fps) * fps
    controls = CheckedObject(entry.given.get("controls", {}), entry.name("controls"))
    values: dict[str, float] = {}
    for name, value in controls.given.items():
        try:
            found = channel(name[:100])
        except InputError as error:
            raise InputError(f"{controls.place}: {error}") from error
        values[found] = checked_number(value, controls.name(name[:100]), *limits(found))
    expressions = CheckedObject(entry.given.get("expressions", {}), entry.name("expressions"))
    strengths: dict[str, float] = {}
    for name, value in expressions.given.items():
        try:
            found = find(name[:200]).name
        except InputError as error:
            raise InputError(f"{expressions.place}: {error}") from error
        strengths[found] = checked_number(value, expressions.name(name[:100]), 0.0, STRONGEST)
    return Keyframe(frame, values, entry.choice("easing", get_args(Easing), "smooth"), strengths)


def _added(entry: CheckedObject, fps: float, end: int) -> Added:
    entry.known("expression", "sequence", "frame", "second", "frames", "strength")
    if ("expression" in entry.given) == ("sequence" in entry.given):
        raise InputError(f"{entry.place} needs either an expression or a sequence.")
    if "second" in entry.given:
        frame = round(entry.number("second", 0, (end - 1) / fps) * fps)
    else:
        frame = entry.whole("frame", 0, end - 1, 0)
    frames = entry.whole("frames", 1, LONGEST) if "frames" in entry.given else None
    strength = entry.number("strength", 0.0, STRONGEST, 1.0)
    key = "expression" if "expression" in entry.given else "sequence"
    text = entry.given[key]
    if not isinstance(text, str):
        raise InputError(f"{entry.name(key)} is {shown(text)}; it must be text.")
    try:
        added = Added(frame, find(text[:200]).name, None, frames, strength) if key == "expression" else None
        added = added or Added(frame, None, text, None, strength)
        _frames_of(added, fps)
    except InputError as error:
        raise InputError(f"{entry.name(key)}: {error}") from error
    return added
