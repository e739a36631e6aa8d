"""batch: a table as artists save it, every row of it done or with its reason, and nothing twice."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from followemoji_core.commands import main
from followemoji_core.drawn import Acting, Person
from followemoji_core.face.motion_file import save_motion
from followemoji_core.jobs.ledger import read_ledger
from followemoji_core.media import Clip, read_frames
from followemoji_core.small import SMALL_MODEL, SMALL_VAE
from followemoji_core.walk import studio
from followemoji_core.walk.places import VAE_FILE
from followemoji_core.walk.studio import open_studio
from tests.drawn_portrait import write_portrait


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A portrait with its face, two motions of 3 frames, and files that are none."""
    folder = tmp_path_factory.mktemp("inputs")
    write_portrait(folder, 7, 128)
    for number in (1, 2):
        save_motion(folder / f"m{number}.safetensors", Person.of(number).act(Acting.random(number, 3), (128, 128)))
    (folder / "damaged.safetensors").write_bytes((folder / "m1.safetensors").read_bytes()[:900])
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "dark.png")
    (folder / "torn.png").write_bytes((folder / "portrait.png").read_bytes()[:700])
    return folder


def table(inputs: Path, text: str, encoding: str = "utf-8", name: str = "jobs.csv") -> Path:
    file = inputs / name
    file.write_bytes(text.encode(encoding))
    return file


def batch(capsys, file: Path, out: Path, *more: str) -> tuple[int, dict]:
    code = main(["batch", str(file), f"--out={out}", "--renderer=warp", "--size=64", "--json", *more])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


MIXED = """portrait;driving;face;out;expression;seed;#note
portrait.png;m1.safetensors;face.safetensors;fine;0,5;3;"half; as strong"
portrait.png;m2.safetensors;face.safetensors;deep/too;;;=HYPERLINK("x")

portrait.png;m1.safetensors;face.safetensors;FINE.mp4;;;the first again
portrait.png;;face.safetensors;;;;
nobody.png;m1.safetensors;face.safetensors;;;;
torn.png;m1.safetensors;face.safetensors;torn;;;
portrait.png;damaged.safetensors;face.safetensors;;;;
portrait.png;m1.safetensors;face.safetensors;strong;9;;
portrait.png;m1.safetensors;face.safetensors;whole;;1,5;
portrait.png;m1.safetensors;face.safetensors;../above;;;
portrait.png;m1.safetensors;;no_detector;;;
"""


def test_batch_reports_every_row_and_goes_on(inputs, tmp_path, capsys):
    """As a European spreadsheet writes it: a byte order mark, semicolons, decimal commas."""
    file = table(inputs, MIXED, "utf-8-sig")
    code, facts = batch(capsys, file, tmp_path, "--check", f"--models={tmp_path}")
    assert code == 1 and facts["ready"] == 2 and len(facts["failed"]) == 9 and not list(tmp_path.rglob("*.*"))
    code, facts = batch(capsys, file, tmp_path, f"--models={tmp_path}")
    assert code == 1 and (facts["rows"], facts["blank"], facts["done"], facts["skipped"]) == (11, 1, 2, 0)
    for key, words in {
        "row 5": "Row 2 writes FINE.mp4 too",
        "row 6": "driving is empty",
        "nobody_m1.mp4": "No such file",
        "torn.mp4": "Picture torn.png",
        "portrait_damaged.mp4": "damaged.safetensors",
        "strong.mp4": "allowed: 0 to 3",
        "row 11": "invalid int value: '1.5'",
        "row 12": "a name below the folder",
        "no_detector.mp4": "There is no face detector",
    }.items():
        assert words in facts["failed"][key], key
    lines = read_ledger(tmp_path / "jobs.jsonl")
    assert {key for key, line in lines.items() if line.state == "failed"} == set(facts["failed"])
    assert len(list(read_frames(Clip(tmp_path / "deep" / "too.mp4")))) == lines["deep/too.mp4"].facts["frames"] == 3

    before = {name: (tmp_path / name).stat().st_mtime_ns for name in ("fine.mp4", "deep/too.mp4")}
    file = table(inputs, MIXED.replace("too;;;=", "too;0.2;;="))  # that row is changed; the other one is done
    code, facts = batch(capsys, file, tmp_path, f"--models={tmp_path}")
    assert (facts["done"], facts["skipped"]) == (1, 1) and (tmp_path / "fine.mp4").stat().st_mtime_ns == before[
        "fine.mp4"
    ]
    (tmp_path / "fine.mp4").unlink()  # by someone who wants it again
    code, facts = batch(capsys, table(inputs, "\n".join(MIXED.splitlines()[:2])), tmp_path)
    assert (code, facts["done"], facts["failed"]) == (0, 1, {}) and (tmp_path / "fine.mp4").exists()


def test_batch_writes_below_its_folder_alone(inputs, tmp_path, capsys):
    """Motions too: a stranger's table overwrites nothing."""
    rows = "portrait,driving,out,save_motion\n"
    for name, moved in (("a", "kept"), ("b", "kept.safetensors"), ("c", "../up"), ("d", str(tmp_path / "there"))):
        rows += f"portrait.png,m1.safetensors,{name},{moved}\n"
    _, facts = batch(capsys, table(inputs, rows), tmp_path, "--check", f"--models={tmp_path}")
    assert "Row 2 writes" in facts["failed"]["row 3"] and "save_motion" in facts["failed"]["row 3"]
    for row in ("row 4", "row 5"):
        assert "save_motion" in facts["failed"][row] and "below the folder" in facts["failed"][row]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("portrait,driving\n,,\n", "but no row"),
        ("portrait,clip\na,b\n", "has no column driving"),
        ("portrait,driving,sed\na,b,1\n", "sed (meant seed?)"),
        ("portrait,driving,Portrait\na,b,c\n", "portrait are there twice"),
        ("portrait,drivings,face_s\na,b,all\n", "columns are no options: face_s (meant face"),
        ('portrait,driving\n"a,b\n', "Table jobs.csv"),
        ("portrait,driving\na\0,b\n", "null characters"),
        ("portrait,driving\n" + "a" * 200_000 + ",b\n", "Table jobs.csv"),
        ("portrait,driving\n" + "," * 300 + "\n", "301 cells"),
    ],
)
def test_batch_refuses_what_is_no_table(inputs, tmp_path, capsys, text, words):
    assert main(["batch", str(table(inputs, text)), f"--out={tmp_path / 'out'}", "--renderer=warp"]) == 1
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("encoding, mark", [("utf-16", ""), ("cp1252", "sep=,\n"), ("utf-8", "\r\n")])
def test_batch_reads_what_spreadsheets_write(inputs, tmp_path, capsys, encoding, mark):
    text = "Portrait,Driving,Face,Out,Pupil Anchor\r\nportrait.png,m1.safetensors,face.safetensors,\u00dcber,box\r\n"
    text = mark + text
    code, facts = batch(capsys, table(inputs, text, encoding), tmp_path / "out", "--check")
    assert (code, facts["ready"]) == (0, 1), facts


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals here")
def test_batch_opens_networks_once_and_samples_alike_in_workers(inputs, tmp_path, capsys, monkeypatch):
    """The small model, by this process and by two others: the same pictures, up to roundings by the number of threads;
    networks are opened once."""
    text = "portrait,driving,face,seed\n" + "".join(
        f"portrait.png,m{motion}.safetensors,face.safetensors,{motion}\n" for motion in (1, 2)
    )
    (inputs / "models" / VAE_FILE).parent.mkdir(parents=True)
    shutil.copy(SMALL_VAE, inputs / "models" / VAE_FILE)
    model = [f"--models={inputs / 'models'}", f"--weights={SMALL_MODEL}", "--device=cpu", "--size=128", "--steps=1"]
    line = ["batch", str(table(inputs, text)), *model, "--guidance=1"]
    opened = []
    monkeypatch.setattr(
        studio, "open_studio", lambda *files, **more: opened.append(files) or open_studio(*files, **more)
    )
    for workers in (1, 2):
        assert main([*line, f"--workers={workers}", f"--out={tmp_path / str(workers)}"]) == 0
        assert "2 done, 0 done before, 0 failed" in capsys.readouterr().out
    assert len(opened) == 1
    first, second = (
        [np.stack(list(read_frames(Clip(tmp_path / workers / f"portrait_m{motion}.mp4")))) for workers in ("1", "2")]
        for motion in (1, 2)
    )

    def far(one, two):
        return np.abs(one.astype(float) - two).mean()

    assert max(far(*first), far(*second)) < 0.5 < 2 < far(first[0][1:], second[0][1:])
