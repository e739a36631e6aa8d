"""Face captures of phones and other tools: Live Link Face CSV and ARKit JSON, both ways, as controls over time."""

from __future__ import annotations

import codecs
import csv
import json
import logging
import math
import os
import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from ..errors import InputError, MotionFileError
from ..files import written_whole
from ..gate import Refused, file_size, loading, parse_json, read_bytes
from .controls import CHANNELS, HEAD, SHAPES, Controls, find_channel, set_gaze

log = logging.getLogger(__name__)

Angles = Literal["auto", "degrees", "radians"]
MOST_ROWS = 1_000_000
MOST_BYTES = 1_000_000_000  # of a CSV, which is read row by row
MOST_JSON_BYTES = 300_000_000
_LONGEST_LINE = 100_000  # letters of a row of a CSV
LIVE_LINK_FPS = 60.0  # what the app records at where a file does not say
_BASES = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0, 100.0, 120.0)  # frames that a timecode counts in a second
_RATES = (*_BASES, 24 / 1.001, 30 / 1.001, 60 / 1.001)
_TIMECODE = re.compile(r"\s*(\d{1,4})[:;](\d{1,2})[:;](\d{1,2})(?:[:;.](\d{1,3}(?:\.\d{1,9})?))?\s*")

# The app's columns, in its order: ARKit's 52, then head and eyes.
_EYE = ("EyeBlink", "EyeLookDown", "EyeLookIn", "EyeLookOut", "EyeLookUp", "EyeSquint", "EyeWide")
_BOTH = "MouthSmile MouthFrown MouthDimple MouthStretch"
_LIVE_LINK_SHAPES = (
    *(f"{name}Left" for name in _EYE), *(f"{name}Right" for name in _EYE),
    "JawForward", "JawRight", "JawLeft", "JawOpen", "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight",
    "MouthLeft", *(f"{name}{side}" for name in _BOTH.split() for side in ("Left", "Right")),
    "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper",
    *(f"{name}{side}" for name in ("MouthPress", "MouthLowerDown", "MouthUpperUp") for side in ("Left", "Right")),
    "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff",
    "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
)  # fmt: skip
_EYE_ANGLES = tuple(f"{side}Eye{angle}" for side in ("Left", "Right") for angle in ("Yaw", "Pitch", "Roll"))
LIVE_LINK_COLUMNS = (*_LIVE_LINK_SHAPES, "HeadYaw", "HeadPitch", "HeadRoll", *_EYE_ANGLES)
_ANGLES = {name.lower(): len(CHANNELS) + index for index, name in enumerate(_EYE_ANGLES)}
_WIDTH = len(CHANNELS) + len(_EYE_ANGLES)  # what is read of a row: the controls, then the eyes' angles


def read_live_link_csv(path: str | os.PathLike[str], fps: float | None = None, angles: Angles = "auto") -> Controls:
    """Controls of a Live Link Face recording, one frame a row; dropped rows are filled in.

    fps: the recording's rate; told from its timecode unless given. angles: unit of head and eyes; with "auto" radians,
    as the app writes them, unless one is larger than half a turn. Columns in any order and spelling; those that are
    missing rest, and are logged; eye angles count where the eyeLook shapes are all 0.
    Raises MotionFileError for a file that is none, with the row and the column; InputError for a bad `fps`.
    """
    _check(fps, angles)
    with loading(path, "Capture", MotionFileError, "Choose the .csv of a recording.", more=(csv.Error,)):
        file_size(path, MOST_BYTES)
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(_lines(file))
            header = next(rows, None)
            if not header:
                raise Refused("it is empty")
            columns, time_column = _columns(path, header)
            values, stamps = _rows(path, rows, header, columns, time_column)
    return _controls(path, values, _seconds(path, stamps), fps, angles)


def write_live_link_csv(path: str | os.PathLike[str], controls: Controls) -> None:
    """Write controls as Live Link Face does: 61 columns, angles in radians, timecode from 0. Place is not in it.

    The file appears whole or not at all. Raises OutputError where it cannot be written.
    """
    order = [CHANNELS.index(find_channel(name) or "") for name in LIVE_LINK_COLUMNS[: len(SHAPES) + 1]]
    gaze = np.radians(controls.gaze)
    eyes = np.stack(
        [gaze[:, 1, 0], gaze[:, 1, 1], 0 * gaze[:, 1, 0], gaze[:, 0, 0], gaze[:, 0, 1], 0 * gaze[:, 0, 0]], 1
    )
    table = np.concatenate([controls.values[:, order], np.radians(controls.turns), eyes], axis=1)
    rate = max(math.ceil(controls.fps - 1e-6), 1)
    with written_whole(Path(path), "Check that the folder exists and has room.") as partial:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            file.write("Timecode,BlendShapeCount," + ",".join(LIVE_LINK_COLUMNS) + "\n")
            for index, row in enumerate(table):
                seconds = index / controls.fps
                second = math.floor(seconds + 1e-9)
                frame = max((seconds - second) * rate, 0.0)
                stamp = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{frame:06.3f}"
                file.write(f"{stamp},{len(LIVE_LINK_COLUMNS)}," + ",".join(f"{value:.9g}" for value in row) + "\n")


def read_arkit_json(path: str | os.PathLike[str], fps: float | None = None, angles: Angles = "degrees") -> Controls:
    """Controls of ARKit shapes in JSON, in any of the forms that tools write.

    A list of frames, each {name: value} or with these under "blendShapes"; or {"names": [...], "frames": [[...]]}; or
    {name: [values]}. "fps" or each frame's "time" in seconds tell the rate, 60 where neither does; `fps` overrides.
    Raises MotionFileError for a file that is none, naming the frame; InputError for a bad `fps`.
    """
    _check(fps, angles)
    with loading(path, "Capture", MotionFileError, _FORMS):
        given = parse_json(read_bytes(path, MOST_JSON_BYTES).removeprefix(codecs.BOM_UTF8))
        values, times, rate = _frames(path, given)
    return _controls(path, values, times, rate if fps is None else fps, angles)


def write_arkit_json(path: str | os.PathLike[str], controls: Controls) -> None:
    """Write controls as JSON: names, rate and a list of numbers a frame; head in degrees, place in cm.

    The file appears whole or not at all. Raises OutputError where it cannot be written.
    """
    with written_whole(Path(path), "Check that the folder exists and has room.") as partial:
        with open(partial, "w", encoding="utf-8") as file:
            start = json.dumps({"fps": controls.fps, "names": list(CHANNELS)})
            file.write(start[:-1] + ', "frames": [\n')
            for index, row in enumerate(controls.values):
                file.write((",\n" if index else "") + "[" + ",".join(f"{value:.9g}" for value in row) + "]")
            file.write("\n]}\n")


_FORMS = 'Expected frames of {name: value}, or {"names": [...], "frames": [[...]]}.'


def _check(fps: float | None, angles: str) -> None:
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise InputError(f"Frame rate is {fps}; it must be a positive number of frames per second.")
    if angles not in ("auto", "degrees", "radians"):
        raise InputError(f"Unit of angles is {angles!r}; allowed: auto, degrees, radians.")


def _lines(file: TextIO) -> Iterator[str]:
    """Its lines. Raises Refused for one that is longer than rows get, before it is read to its end."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise Refused(f"it has a line of more than {_LONGEST_LINE} letters")
        yield line


def _columns(path: str | os.PathLike[str], header: list[str]) -> tuple[dict[int, int], int | None]:
    """Column -> where its number goes, and the column of the timecode."""
    columns: dict[int, int] = {}
    time_column = None
    strange = []
    for index, name in enumerate(header):
        plain = re.sub(r"[^a-z]", "", name.lower())
        target = _target(name)
        if plain in ("timecode", "time", "timestamp") and time_column is None:
            time_column = index
        elif target is not None:
            if target in columns.values():
                raise MotionFileError(f"Capture {path} has the column {name.strip()[:60]!r} twice. Remove one.")
            columns[index] = target
        elif plain not in ("blendshapecount", "frame", ""):
            strange.append(name.strip()[:40])
    if not any(target <= len(SHAPES) for target in columns.values()):
        raise MotionFileError(
            f"{path} is not a Live Link Face CSV: none of its {len(header)} columns is an ARKit shape such as JawOpen. "
            "Choose the .csv of a recording; its first line holds the names."
        )
    absent = [name for index, name in enumerate(SHAPES) if index not in columns.values()]
    if absent:
        log.warning("Capture %s lacks %d shapes, which rest: %s.", path, len(absent), ", ".join(absent))
    if strange:
        log.warning("Capture %s has columns that mean nothing here: %s.", path, ", ".join(strange[:10]))
    return columns, time_column


def _target(name: str) -> int | None:
    found = find_channel(name[:100])
    return CHANNELS.index(found) if found else _ANGLES.get(re.sub(r"[^a-z]", "", name[:100].lower()))


def _rows(
    path: str | os.PathLike[str],
    rows: Iterable[list[str]],
    header: list[str],
    columns: dict[int, int],
    time_column: int | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows (T,64) float32, and their timecodes (T,2): whole seconds and frames; None where one cannot be read."""
    sources, targets = list(columns), list(columns.values())
    blocks: list[np.ndarray] = []
    block: list[list[float]] = []
    stamps = array("d")
    readable = time_column is not None
    count = 0

    def packed() -> np.ndarray:
        values = np.zeros((len(block), _WIDTH), np.float32)
        if block:
            with np.errstate(over="ignore"):  # seen later: not finite
                values[:, targets] = block
        return values

    for number, row in enumerate(rows, 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise MotionFileError(
                f"Row {number} of capture {path} has {len(row)} columns, the first row {len(header)}. Export it again."
            )
        count += 1
        if count > MOST_ROWS:
            raise MotionFileError(f"Capture {path} has more than {MOST_ROWS} rows. Split it.")
        try:
            block.append([float(row[source]) for source in sources])
        except ValueError as error:
            bad = next(source for source in sources if not _is_number(row[source]))
            raise MotionFileError(
                f"Row {number} of capture {path}: {header[bad].strip()[:60]} is {row[bad].strip()[:40]!r}, no number."
            ) from error
        if readable:
            match = _TIMECODE.fullmatch(row[time_column][:40])
            if match:
                hours, minutes, seconds, frames = (float(part or 0) for part in match.groups())
                stamps.extend((hours * 3600 + minutes * 60 + seconds, frames))
            else:
                readable = False
                log.warning("Capture %s: the timecode %r of row %d is none.", path, row[time_column][:40], number)
        if len(block) == 4096:
            blocks.append(packed())
            block = []
    blocks.append(packed())
    if not count:
        raise MotionFileError(f"Capture {path} has names, but no row of numbers. Record it again.")
    return np.concatenate(blocks), np.array(stamps).reshape(-1, 2) if readable else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _seconds(path: str | os.PathLike[str], stamps: np.ndarray | None) -> np.ndarray | None:
    """(T,) seconds from the first timecode, or None where there are none to go by."""
    if stamps is None:
        return None
    steps = np.diff(stamps[:, 0])
    whole = np.concatenate([[0.0], np.cumsum(np.where(steps < -43200, steps + 86400, steps))])  # past midnight
    # Frames of a second: the next rate that cameras have above the last number that is seen.
    last = np.floor(stamps[:, 1].max())
    base = next((rate for rate in _BASES if rate > last), last + 1) if whole[-1] >= 1 else max(LIVE_LINK_FPS, last + 1)
    seconds = whole + (stamps[:, 1] - stamps[0, 1]) / base
    back = np.flatnonzero(np.diff(seconds) < -0.5 / base)
    if len(back):
        raise MotionFileError(
            f"Capture {path} goes back in time after its frame {back[0]} (counted from 0). Sort its rows, or read the "
            "recordings one by one and join them."
        )
    return seconds


def _controls(
    path: str | os.PathLike[str], values: np.ndarray, seconds: np.ndarray | None, fps: float | None, angles: Angles
) -> Controls:
    """Controls of rows (T,64), at times (T,) where they are known."""
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        name = (*CHANNELS, *_EYE_ANGLES)[column]
        raise MotionFileError(f"Capture {path}: {name} is not finite in frame {row}. Export it again.")

    # 1. Angles in degrees; the eyes' count where their shapes say nothing.
    turning = [CHANNELS.index(name) for name in HEAD] + list(range(len(CHANNELS), _WIDTH))
    if angles == "radians" or (angles == "auto" and np.abs(values[:, turning]).max() <= math.pi):
        values[:, turning] = np.degrees(values[:, turning])
    looks = [index for index, name in enumerate(SHAPES) if name.startswith("eyeLook")]
    eyes = values[:, len(CHANNELS) :].reshape(-1, 2, 3)[..., :2]  # left, right
    if eyes.any() and not values[:, looks].any():
        set_gaze(values, eyes[:, ::-1])
    values = values[:, : len(CHANNELS)]

    # 2. The rate that the times tell, and rows that were dropped.
    rate = fps
    if seconds is not None and len(values) > 1 and seconds[-1] > 0:
        step = float(np.median(np.diff(seconds)))
        told = 1 / step if step > 0 else (len(values) - 1) / seconds[-1]
        near = min(_RATES, key=lambda known: abs(known - told))
        told = near if abs(near - told) < 0.02 * near else told
        rate = told if rate is None else rate
        count = round(min(seconds[-1] * rate, 1e9)) + 1
        if np.diff(seconds).max() > 1.6 / rate and fps is None and len(values) < count <= 4 * len(values):
            log.warning("Capture %s drops %d of %d frames; they are filled in.", path, count - len(values), count)
            grid = np.interp(np.arange(count) / rate, seconds, np.arange(len(values)))
            before = np.minimum(grid.astype(int), len(values) - 1)
            after = np.minimum(before + 1, len(values) - 1)
            share = (grid - before)[:, None].astype(np.float32)
            values = values[before] * (1 - share) + values[after] * share
    try:
        return Controls(values, float(LIVE_LINK_FPS if rate is None else rate))
    except InputError as error:
        raise MotionFileError(f"Capture {path}: {error}") from error


def _frames(path: str | os.PathLike[str], given: Any) -> tuple[np.ndarray, np.ndarray | None, float | None]:
    """Rows (T,64), times (T,) and rate, where they are known, of any of the forms."""
    rate = None
    if isinstance(given, dict):
        for key in ("fps", "frameRate", "frame_rate", "framerate"):
            if key in given:
                rate = _positive(path, key, given[key])
        names = given.get("names") or given.get("blendShapeNames") or given.get("blendshapes_names")
        for key in ("frames", "data", "samples", "blendShapes", "blendshapes", "curves"):
            if isinstance(given.get(key), list | dict):
                given = given[key]
                break
        if isinstance(given, dict):
            return _by_name(path, given), None, rate
        if names is not None:
            return _by_position(path, names, given), None, rate
    if not isinstance(given, list):
        raise MotionFileError(f"{path} is not a capture of ARKit shapes. {_FORMS}")
    values = np.zeros((_counted(path, len(given)), _WIDTH), np.float32)
    times = []
    known = 0
    for index, frame in enumerate(given):
        if not isinstance(frame, dict):
            raise MotionFileError(f"Capture {path}: frame {index} is no object of names and values. {_FORMS}")
        times.append(next((frame[key] for key in ("time", "timestamp", "t", "seconds") if key in frame), None))
        for name, value in _named(frame):
            target = _target(name)
            if target is not None:
                values[index, target] = _value(path, name, index, value)
                known += target <= len(SHAPES)
    if not known:
        raise MotionFileError(f"{path} names no ARKit shape such as jawOpen. {_FORMS}")
    seconds = None
    if all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
        with np.errstate(invalid="ignore"):  # looked at below
            seconds = np.array(times, np.float64) - float(times[0])
        if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
            raise MotionFileError(
                f"Capture {path} goes back in time, or has times that are not finite. Sort its frames."
            )
    return values, seconds, rate


def _named(frame: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values of a frame, also of those one level down."""
    for name, value in frame.items():
        if isinstance(value, dict):
            yield from ((inner, number) for inner, number in value.items() if not isinstance(number, dict | list))
        elif not isinstance(value, list):
            yield name, value


def _by_name(path: str | os.PathLike[str], given: dict[str, Any]) -> np.ndarray:
    tracks = {name: values for name, values in given.items() if isinstance(values, list) and _target(name) is not None}
    if not any(_target(name) <= len(SHAPES) for name in tracks):
        raise MotionFileError(f"{path} names no ARKit shape such as jawOpen. {_FORMS}")
    lengths = {len(values) for values in tracks.values()}
    if len(lengths) > 1:
        raise MotionFileError(f"Capture {path}: its shapes have different numbers of frames, {sorted(lengths)[:5]}.")
    rows = np.zeros((_counted(path, lengths.pop()), _WIDTH), np.float32)
    for name, values in tracks.items():
        rows[:, _target(name)] = [_value(path, name, index, value) for index, value in enumerate(values)]
    return rows


def _by_position(path: str | os.PathLike[str], names: Any, frames: Any) -> np.ndarray:
    targets = [_target(str(name)) for name in names]
    if not any(target is not None and target <= len(SHAPES) for target in targets):
        raise MotionFileError(f"{path} names no ARKit shape such as jawOpen. {_FORMS}")
    rows = np.zeros((_counted(path, len(frames)), _WIDTH), np.float32)
    for index, frame in enumerate(frames):
        numbers = frame if isinstance(frame, list) else next((v for v in frame.values() if isinstance(v, list)), [])
        if len(numbers) != len(targets):
            raise MotionFileError(f"Capture {path}: frame {index} has {len(numbers)} values for {len(targets)} names.")
        for target, name, value in zip(targets, names, numbers, strict=True):
            if target is not None:
                rows[index, target] = _value(path, str(name), index, value)
    return rows


def _counted(path: str | os.PathLike[str], frames: int) -> int:
    if not 1 <= frames <= MOST_ROWS:
        raise MotionFileError(f"Capture {path} has {frames} frames; allowed: 1 to {MOST_ROWS}.")
    return frames


def _positive(path: str | os.PathLike[str], key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.01 <= value <= 10_000:
        raise MotionFileError(f"Capture {path}: {key} is not a rate from 0.01 to 10000 frames per second.")
    return float(value)


def _value(path: str | os.PathLike[str], name: str, frame: int, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        raise MotionFileError(f"Capture {path}: {name[:60]} of frame {frame} is not a number within a million.")
    return float(value)
