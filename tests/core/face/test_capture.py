from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.errors import FollowEmojiError, InputError, MotionFileError
from followemoji_core.face.capture import (
    LIVE_LINK_COLUMNS,
    read_arkit_json,
    read_live_link_csv,
    write_arkit_json,
    write_live_link_csv,
)
from followemoji_core.face.controls import CHANNELS, SHAPES, Controls
from followemoji_core.face.edit_file import (
    Added,
    Edit,
    Keyframe,
    edit_of_controls,
    edit_text,
    parse_edit,
    read_edit,
    save_edit,
)
from followemoji_core.face.named_expressions import expression
from tests.core.face.test_expression import mixed

HEADER = "Timecode,BlendShapeCount," + ",".join(LIVE_LINK_COLUMNS)


def captured(frames: int = 90, fps: float = 30.0) -> Controls:
    """Controls without place, which captures lack, and with gaze in one direction at a time."""
    controls = mixed(3, frames)
    values = controls.values.copy()
    values[:, -3:] = 0
    values[:, CHANNELS.index("tongueOut")] = 0.25
    return Controls(Controls(values, fps).with_gaze(controls.gaze).values, fps)


def csv_text(rows: list[dict[str, float]], stamps: list[str] | None = None, header: str = HEADER) -> str:
    stamps = stamps or [f"14:03:{index // 60:02d}:{index % 60:02d}.000" for index in range(len(rows))]
    lines = [header]
    for row, stamp in zip(rows, stamps, strict=True):
        lines.append(",".join([stamp, "61", *(str(row.get(name, 0.0)) for name in header.split(",")[2:])]))
    return "\n".join(lines) + "\n"


def read(tmp_path: Path, text: str, **options) -> Controls:
    path = tmp_path / "take.csv"
    path.write_text(text, "utf-8")
    return read_live_link_csv(path, **options)


def test_a_capture_has_sixty_one_columns_in_the_apps_order() -> None:
    assert len(LIVE_LINK_COLUMNS) == 61 and len(set(LIVE_LINK_COLUMNS)) == 61
    assert {name[0].lower() + name[1:] for name in LIVE_LINK_COLUMNS[:52]} == {*SHAPES, "tongueOut"}
    assert LIVE_LINK_COLUMNS[:2] == ("EyeBlinkLeft", "EyeLookDownLeft") and LIVE_LINK_COLUMNS[51] == "TongueOut"


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0, 30 / 1.001])
def test_a_csv_gives_back_what_was_written(tmp_path: Path, fps: float) -> None:
    given = captured(fps=fps)
    write_live_link_csv(tmp_path / "take.csv", given)
    assert (tmp_path / "take.csv").read_text().splitlines()[0] == HEADER
    found = read_live_link_csv(tmp_path / "take.csv")
    np.testing.assert_allclose(found.values, given.values, atol=1e-5)
    assert found.fps == pytest.approx(fps, abs=1e-3)
    assert read_live_link_csv(tmp_path / "take.csv", fps=10).fps == 10


def test_a_json_gives_back_what_was_written(tmp_path: Path) -> None:
    given = mixed(5, 12)
    write_arkit_json(tmp_path / "take.json", given)
    found = read_arkit_json(tmp_path / "take.json")
    np.testing.assert_allclose(found.values, given.values, atol=1e-6)
    assert found.fps == given.fps


def test_a_capture_of_the_app_is_read(tmp_path: Path) -> None:
    rows = [{"JawOpen": index / 100, "HeadYaw": 0.1, "TongueOut": 1.0} for index in range(90)]
    found = read(tmp_path, csv_text(rows))
    assert len(found) == 90 and found.fps == 60
    np.testing.assert_allclose(found["jawOpen"], np.arange(90) / 100, atol=1e-6)
    np.testing.assert_allclose(found["headYaw"], np.degrees(0.1), atol=1e-4)
    assert (found["tongueOut"] == 1).all()
    degrees = read(tmp_path, csv_text([{"HeadYaw": 12.0}, {"HeadPitch": -3.0}]))
    assert degrees["headYaw"][0] == 12 and degrees["headPitch"][1] == -3
    assert read(tmp_path, csv_text([{"HeadYaw": 2.0}]), angles="degrees")["headYaw"][0] == 2


def test_eye_angles_count_where_the_shapes_are_silent(tmp_path: Path) -> None:
    found = read(tmp_path, csv_text([{"LeftEyeYaw": -0.2, "RightEyePitch": 0.1}]))
    np.testing.assert_allclose(found.gaze[0, 1, 0], np.degrees(-0.2), atol=1e-3)
    np.testing.assert_allclose(found.gaze[0, 0, 1], np.degrees(0.1), atol=1e-3)
    assert found["eyeLookInLeft"][0] > 0 and found["eyeLookUpRight"][0] > 0


def test_other_headers_and_missing_columns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(tmp_path, "frame,jaw_open,mouthSmile_L,Mouth Smile Right,strange\n0,0.5,0.25,0.75,9\n")
    assert found.named() == {"jawOpen": 0.5, "mouthSmileLeft": 0.25, "mouthSmileRight": 0.75}
    assert "lacks 48 shapes, which rest" in caplog.text and "strange" in caplog.text and found.fps == 60


def test_dropped_rows_are_filled_in_and_midnight_is_passed(tmp_path: Path) -> None:
    stamps = [f"23:59:58:{index:02d}" for index in range(30)] + [f"23:59:59:{index:02d}" for index in range(30)]
    stamps += [f"00:00:00:{index:02d}" for index in range(30)]
    kept = [index for index in range(90) if index not in (10, 40, 41)]
    rows = [{"JawOpen": index / 100} for index in kept]
    found = read(tmp_path, csv_text(rows, [stamps[index] for index in kept]))
    assert found.fps == 30 and len(found) == 90
    np.testing.assert_allclose(found["jawOpen"], np.arange(90) / 100, atol=1e-4)


def test_a_long_capture_takes_bounded_memory(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "long.csv"
    row = ",61," + ",".join(["0.125"] * 61) + "\n"
    with open(path, "w") as file:
        file.write(HEADER + "\n")
        for index in range(200_000):
            second = index // 60
            file.write(f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{index % 60:02d}.000{row}")
    code = (
        "import resource, sys; from followemoji_core.face.capture import read_live_link_csv as read;"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; found = read(sys.argv[1]);"
        "print(len(found), found.fps, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)"
    )
    printed = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    frames, fps, kibibytes = (float(number) for number in printed.split())
    assert frames == 200_000 and fps == 60 and kibibytes < 300_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "take.csv is not read: it is empty"),
        (HEADER + "\n", "has names, but no row of numbers"),
        ("a,b\n1,2\n", "none of its 2 columns is an ARKit shape"),
        ("JawOpen,jawOpen\n1,2\n", "the column 'jawOpen' twice"),
        ("JawOpen,MouthClose\n1\n", "Row 2 of capture .* has 1 columns, the first row 2"),
        ("JawOpen\n0.1\nwide\n", "Row 3 of capture .*: JawOpen is 'wide', no number"),
        ("JawOpen\nnan\n", "jawOpen is not finite in frame 0"),
        ("JawOpen\n7\n", "jawOpen is 7 in frame 0; allowed: -1 to 2"),
        ("Timecode,JawOpen\n00:00:05:00,0\n00:00:01:00,0\n", "goes back in time after its frame 0"),
        ("\x00\x01\x02", "is not a Live Link Face CSV"),
        ("JawOpen\n" + "1" * 200_000, "a line of more than 100000 letters"),
    ],
)
def test_refused_captures(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MotionFileError, match=message):
        read(tmp_path, text)


def test_one_row_is_a_capture(tmp_path: Path) -> None:
    assert len(read(tmp_path, csv_text([{"JawOpen": 0.5}]))) == 1
    with pytest.raises(MotionFileError, match="cannot be read"):
        read_live_link_csv(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="Frame rate is 0"):
        read(tmp_path, csv_text([{}]), fps=0)


@pytest.mark.parametrize(
    "given",
    [
        [{"jawOpen": 0.5, "mouthSmileLeft": 0.25}] * 2,
        [{"time": t, "blendShapes": {"JawOpen": 0.5, "mouthSmile_L": 0.25}} for t in (0.0, 0.04)],
        {"fps": 25, "frames": [{"weights": {"jawOpen": 0.5, "mouthSmileLeft": 0.25}}] * 2},
        {"names": ["jawOpen", "mouthSmileLeft", "odd"], "fps": 25, "frames": [[0.5, 0.25, 3], [0.5, 0.25, 3]]},
        {"names": ["jawOpen", "mouthSmileLeft"], "fps": 25, "frames": [{"weights": [0.5, 0.25]}] * 2},
        {"jawOpen": [0.5, 0.5], "mouthSmileLeft": [0.25, 0.25]},
    ],
)  # fmt: skip
def test_json_of_other_tools(tmp_path: Path, given: object) -> None:
    path = tmp_path / "take.json"
    path.write_text(json.dumps(given))
    found = read_arkit_json(path)
    assert len(found) == 2 and found.named(1) == {"jawOpen": 0.5, "mouthSmileLeft": 0.25}
    assert found.fps == (25 if "25" in json.dumps(given).replace("0.25", "") or "0.04" in json.dumps(given) else 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged or incomplete"),
        ("[" * 100_000, "it nests more than 16 deep"),
        ("3", "is not a capture of ARKit shapes"),
        ("[3]", "frame 0 is no object"),
        ('[{"odd": 3}]', "names no ARKit shape"),
        ('[{"jawOpen": "wide"}]', "jawOpen of frame 0 is not a number"),
        ('[{"jawOpen": NaN}]', "it holds NaN, which is no number"),
        ('[{"jawOpen": 5}]', "jawOpen is 5 in frame 0; allowed"),
        ('{"names": ["jawOpen"], "frames": [[1, 2]]}', "frame 0 has 2 values for 1 names"),
        ('{"jawOpen": [1], "mouthClose": [1, 2]}', "different numbers of frames"),
        ('{"fps": 0, "frames": [{"jawOpen": 1}]}', "fps is not a rate"),
        ("[]", "has 0 frames; allowed: 1 to"),
        ('[{"time": 1, "jawOpen": 0}, {"time": 0, "jawOpen": 0}]', "goes back in time"),
    ],
)
def test_refused_json(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "take.json"
    path.write_text(text)
    with pytest.raises(MotionFileError, match=message):
        read_arkit_json(path)


# Edits.

EDIT = {
    "format": "followemoji.edit", "version": 1, "base": "motion", "fps": 10, "frames": 40,
    "keyframes": [
        {"frame": 0, "controls": {"jawOpen": 0.0, "headYaw": 10}},
        {"second": 1.0, "controls": {"jawOpen": 1.0}, "easing": "linear"},
        {"frame": 20, "controls": {"jawOpen": 0.5}, "easing": "hold"},
        {"frame": 30, "controls": {"jaw_open": 0.0}},
    ],
    "add": [
        {"expression": "smile", "frame": 5, "frames": 12, "strength": 0.5},
        {"sequence": "wink_left 8", "second": 3},
    ],
}  # fmt: skip


def test_an_edit_is_what_its_keys_say() -> None:
    edit = parse_edit(json.dumps(EDIT))
    controls = edit.controls()
    assert len(controls) == 40 and controls.fps == 10 and edit.base == "motion"
    np.testing.assert_allclose(controls["jawOpen"][[0, 20, 29, 30, 39]], [0.0, 0.5, 0.5, 0.0, 0.0], atol=0.01)
    smile = np.zeros(40)
    smile[5:17] = expression("smile", 12, 0.5, 10)["jawOpen"]
    np.testing.assert_allclose((controls["jawOpen"] - smile)[10:20], np.linspace(1.0, 0.55, 10), atol=1e-5)
    assert (controls["headYaw"] == 10).all()  # one key: held
    assert controls["mouthSmileLeft"][5:17].max() > 0.4 and controls["eyeBlinkLeft"][30:38].max() > 0.9
    assert len(edit.controls(10)) == 10
    assert parse_edit('{"format": "followemoji.edit", "version": 1}').controls().values.shape == (1, len(CHANNELS))


def test_an_edit_comes_back_from_its_file(tmp_path: Path) -> None:
    edit = parse_edit(json.dumps(EDIT))
    save_edit(tmp_path / "edit.json", edit)
    assert read_edit(tmp_path / "edit.json") == edit
    mine = Edit((Keyframe(0.0, {"jawOpen": 0.5}),), (Added(0, "smile_wide"),))
    assert parse_edit(edit_text(mine)) == mine and mine.length() == len(expression("smile"))
    controls = mixed(6, 9)
    again = parse_edit(edit_text(edit_of_controls(controls))).controls()
    np.testing.assert_allclose(again.values, controls.values, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format is 'other'; an edit has 'followemoji.edit'"),
        ({"version": 3}, "version is 3; this pack reads up to 2"),
        ({"base": "video"}, "base is 'video'; allowed: portrait, motion"),
        ({"fps": 0}, "fps is 0; allowed: 0.01 to 1000"),
        ({"frames": 2.5}, "frames is 2.5; it must be a whole number"),
        ({"keyframe": []}, "keyframe is not a key of an edit. Did you mean keyframes"),
        ({"keyframes": {}}, "keyframes must be a list"),
        ({"keyframes": [3]}, r"keyframes\[0\] is 3; it must be an object"),
        ({"keyframes": [{"controls": {}}]}, r"keyframes\[0\] needs either a frame or a second"),
        ({"keyframes": [{"frame": 40}]}, r"keyframes\[0\].frame is 40; allowed: 0 to 39"),
        ({"keyframes": [{"frame": 5}, {"frame": 5}]}, r"keyframes\[1\] is at frame 5, not after 5"),
        ({"keyframes": [{"frame": 0, "controls": {"smileLeft": 1}}]}, r"keyframes\[0\].controls: 'smileLeft' is not a"),
        ({"keyframes": [{"frame": 0, "controls": {"jawOpen": "x"}}]}, "jawOpen is 'x'; it must be a number"),
        (
            {"keyframes": [{"frame": 0, "controls": {"jawOpen": 3}}]},
            r"keyframes\[0\].controls.jawOpen is 3; allowed: -1 to 2",
        ),
        ({"keyframes": [{"frame": 0, "controls": {"jawOpen": True}}]}, "jawOpen is True; it must be a number"),
        ({"keyframes": [{"frame": 0, "easing": "bounce"}]}, "easing is 'bounce'; allowed: smooth, linear, hold"),
        (
            {"add": [{"expression": "smil"}]},
            r"add\[0\].expression: 'smil' is not a named expression. Did you",
        ),
        ({"add": [{"sequence": "smile"}]}, r"add\[0\].sequence: Entry 1 of the sequence"),
        ({"add": [{"expression": "smile"}] * 1001}, "add must be a list in brackets, of at most 1000 entries"),
        ({"add": [{"sequence": "smile 100000"}] * 5}, "What is added has 500000 frames"),
        ({"add": [{}]}, r"add\[0\] needs either an expression or a sequence"),
    ],
)
def test_refused_edits(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_edit(json.dumps(EDIT | change))


@pytest.mark.parametrize(
    "text", ["", "nul", "[" * 100_000, '{"version": ' + "9" * 5000 + "}", "[]", '{"frames": 1e999}']
)
def test_what_is_no_edit_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_edit(text)


# Strangers' files: whatever the damage, a message or a correct result.

_BITS = ('"', "{", "}", "[", "]", ",", ":", "-", "9" * 30, "1e400", "NaN", "null", "true", "\x00", "\n", "é", "0", ".")


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 1, 5, 60)))
        piece = rng.choice((*_BITS, "", text[start:end] * 2, text[rng.randrange(len(text)) :][:20]))
        text = text[:start] + piece + text[end:]
        if not text:
            return "0"
    return text


@pytest.mark.parametrize("kind", ["edit", "csv", "json"])
def test_a_damaged_file_ends_in_a_message_or_a_result(tmp_path: Path, kind: str) -> None:
    """1,700 mutations each: 5,100 in all."""
    rng = random.Random(kind)
    path = tmp_path / "file"
    small = captured(3)
    if kind == "edit":
        start = json.dumps(EDIT)
    elif kind == "csv":
        write_live_link_csv(path, small)
        start = path.read_text()
    else:
        start = json.dumps({"fps": 30, "frames": [{"time": 0.1 * i, "blendShapes": small.named(i)} for i in range(3)]})
    good = 0
    for _ in range(1700):
        path.write_text(mutated(start, rng), "utf-8", "replace")
        try:
            if kind == "edit":
                result = read_edit(path).controls()
            else:
                result = (read_live_link_csv if kind == "csv" else read_arkit_json)(path)
        except FollowEmojiError as error:
            assert len(str(error)) < 700, error
            continue
        good += 1
        assert np.isfinite(result.values).all() and len(result) >= 1
    assert 20 < good < 1690  # both happen
