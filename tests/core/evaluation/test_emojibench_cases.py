"""EmojiBench's cases: evaluation of drawn people, and of somebody's own pictures and clips with all their faults."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.__main__ import main
from followemoji_core.commands import emojibench as command
from followemoji_core.errors import InputError
from followemoji_core.evaluation.emojibench import cases as bench_cases
from followemoji_core.evaluation.emojibench import methods
from followemoji_core.evaluation.emojibench.adopting import adopt
from followemoji_core.evaluation.emojibench.cases import file_name, open_bench
from followemoji_core.evaluation.emojibench.drawn_cases import draw_bench
from followemoji_core.evaluation.emojibench.manifest import all_pairs, read_manifest
from followemoji_core.evaluation.emojibench.methods import Model
from followemoji_core.evaluation.emojibench.running import run_method
from followemoji_core.face.geometry import screen_points
from followemoji_core.jobs import Local
from followemoji_core.media import Clip, read_frames
from followemoji_core.pictures import write_picture
from followemoji_core.walk.studio import SMALL_SETTINGS

REFERENCE = Path(os.environ.get("FOLLOWEMOJI_REFERENCE", "../shared/reference")) / "media"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return draw_bench(tmp_path_factory.mktemp("bench"), people=2, motions=2, own=1, frames=6, size=96)


def test_evaluation_of_drawn_people_knows_the_truth(bench):
    assert Counter(case.kind for case in bench.cases) == {"cross": 4, "self": 2}
    for case in bench.cases:
        picture, truth, expected = case.picture(), case.truth_frames(), case.expected()
        assert picture.shape == (96, 96, 3) and truth.shape == case.driving_frames().shape == (6, 96, 96, 3)
        assert len(expected) == len(case.motion()) == 6
        if case.kind == "self":
            # The driver's own landmarks; the portrait is the frame before, so nearly the first.
            assert np.array_equal(truth, case.driving_frames())
            assert np.allclose(expected.points, screen_points(case.motion())[..., :2], atol=1e-3)
        else:
            # The motion begins at rest: the portrait as it is, in a picture and nearly in landmarks (heads of other
            # shapes do not look quite ahead alike).
            assert np.array_equal(truth[0], picture)
            assert np.abs(expected.points[0] - screen_points(case.face())[:, :2]).max() < 1.5
    people = {case.portrait: case.picture().tobytes() for case in bench.cases if case.kind == "cross"}
    assert len(set(people.values())) == 2


def test_evaluation_cases_are_made_once_and_alike(bench, tmp_path):
    files = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*.mp4")}
    again = draw_bench(bench.folder, people=2, motions=2, own=1, frames=6, size=96)
    assert again.cases == bench.cases and open_bench(bench.folder).cases == bench.cases
    assert {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*.mp4")} == files
    other = draw_bench(tmp_path, people=1, motions=1, own=0, frames=6, size=96)
    assert np.array_equal(other.cases[0].truth_frames(), bench.cases[0].truth_frames())


def test_evaluation_methods_make_every_case(bench):
    by_method = {}
    for method in ("truth", "untouched", "warp", "noise"):
        outcome = run_method(bench, method)
        assert len(outcome.done) == 6 and not outcome.failed
        by_method[method] = {
            case.id: np.stack(list(read_frames(Clip(bench.output(method, case))))) for case in bench.cases
        }
    for case in bench.cases:
        truth = case.truth_frames().astype(float)
        error = {method: np.abs(made[case.id] - truth).mean() for method, made in by_method.items()}
        assert error["truth"] < 6 < error["noise"] and error["truth"] < error["warp"] < error["noise"]
    about = json.loads((bench.folder / "outputs" / "warp" / "method.json").read_text())
    assert set(about["seconds"]) == {case.id for case in bench.cases}


def test_evaluation_of_the_shipped_model_resumes(bench):
    """A video that is gone is made again, and none besides; another setting makes all again."""
    model = Model(96, SMALL_SETTINGS)
    assert len(run_method(bench, "model", model=model).done) == 6
    lost = bench.output("model", bench.cases[3])
    content = lost.read_bytes()
    lost.unlink()
    outcome = run_method(bench, "model", model=model, where=Local(2))
    assert list(outcome.done) == [bench.cases[3].id] and len(outcome.skipped) == 5
    assert lost.read_bytes() == content
    frames = np.stack(list(read_frames(Clip(lost))))
    assert np.abs(frames.astype(float) - bench.cases[3].truth_frames()).mean() < 40


def test_evaluation_takes_no_video_of_another_making(tmp_path):
    """Another portrait, another setting, a broken off run: what is there is of what method.json says, or it is gone."""
    bench = draw_bench(tmp_path, people=1, motions=1, own=1, frames=3, size=96)
    cross, own = sorted(bench.cases, key=lambda case: case.kind)
    run_method(bench, "model", model=Model(96, SMALL_SETTINGS))
    before = {case.id: bench.output("model", case).read_bytes() for case in bench.cases}
    write_picture(cross.files[0], 255 - cross.picture())
    outcome = run_method(bench, "model", model=Model(96, SMALL_SETTINGS))
    assert list(outcome.done) == [cross.id] and list(outcome.skipped) == [own.id]
    assert bench.output("model", cross).read_bytes() != before[cross.id]
    broken = Model(96, replace(SMALL_SETTINGS, seed=5), precision="bf17")
    with pytest.raises(KeyError):
        run_method(bench, "model", model=broken)
    assert not bench.output("model", cross).exists() and not bench.output("model", own).exists()
    assert "seed 5" in json.loads((tmp_path / "outputs" / "model" / "method.json").read_text())["about"]
    with pytest.raises(InputError, match="Choose another folder"):
        draw_bench(tmp_path, people=1, motions=1, own=1, frames=4, size=96)
    with pytest.raises(InputError, match="no case"):
        draw_bench(tmp_path / "none", people=1, motions=0, own=0)


def test_evaluation_of_a_name_that_others_take(bench, tmp_path):
    """Videos read back under a name are another's: they never pass for what this pack made under it before. Two jobs
    of one name are never at once, and what a killed one left is cleared up."""
    videos = tmp_path / "videos"
    run_method(bench, "untouched", "mine")
    shutil.copytree(bench.folder / "outputs" / "mine", videos)
    run_method(bench, "noise", "mine")
    noise = {case.id: bench.output("mine", case).read_bytes() for case in bench.cases}
    assert len(adopt(bench, "mine", videos).found) == 6
    outcome = run_method(bench, "noise", "mine")
    assert (
        len(outcome.done) == 6 and {case.id: bench.output("mine", case).read_bytes() for case in bench.cases} == noise
    )
    assert "noise" in json.loads((bench.folder / "outputs" / "mine" / "method.json").read_text())["about"]
    record = bench.folder / "outputs" / "mine" / "method.json"
    before = record.read_bytes()
    with bench.written("mine"):
        for job in (lambda: run_method(bench, "warp", "mine"), lambda: adopt(bench, "mine", videos)):
            with pytest.raises(InputError, match="The same job is being done already"):
                job()
    assert record.read_bytes() == before
    left = record.with_name(f".{bench.cases[0].id}.mp4"[:33] + ".0123abcd.partial")
    left.write_bytes(b"half a video")
    methods.MakeOutputs(bench.folder, "noise", "mine").clean(bench.cases[0].id, {})
    assert not left.exists()
    left.write_bytes(b"half a video")
    bench.output("mine", bench.cases[0]).unlink()
    assert list(run_method(bench, "noise", "mine").done) == [bench.cases[0].id] and not left.exists()


def test_evaluation_by_command(tmp_path, capsys):
    line = ["evaluate", "cases", str(tmp_path), "--people=1", "--motions=1", "--frames=3", "--json"]
    assert main(line) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["cases"] == {"self": 1, "cross": 1} and facts["refused"] == 0
    assert main(["evaluate", "run", str(tmp_path), "--method=untouched", "--name=still", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["done"] == 2 and (tmp_path / "outputs" / "still" / "method.json").exists()
    assert main(["evaluate", "run", str(tmp_path), "--method=dagan", "--json"]) == 1
    assert "--method dagan=FOLDER" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    # Another's videos: what is not taken is told by name, and a case without a video is a failed one.
    taken, videos = tmp_path / "outputs" / "still", tmp_path / "videos"
    shutil.copytree(taken, videos)
    lost, *_ = videos.glob("cross-*.mp4")
    lost.rename(videos / "my, \u00e4 film.mp4")
    assert main(["evaluate", "run", str(tmp_path), f"--method=TPS={videos}", "--json"]) == 1
    out, err = capsys.readouterr()
    facts = json.loads(out.splitlines()[-1])
    assert facts["done"] == 1 and list(facts["failed"]) == [lost.stem]
    assert facts["not_taken"] == [["my, \u00e4 film.mp4", "no case is called so"]]
    assert "not taken: my, \u00e4 film.mp4: no case is called so" in err and "1 cases without a video" in err
    assert main(["evaluate", "run", str(tmp_path), "--method=TPS=", "--json"]) == 1
    assert "names no folder" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]


def test_evaluation_names_are_those_of_the_core():
    assert command.METHODS == methods.BUILT_IN and command.KINDS == bench_cases.KINDS


# --- manifests


def test_evaluation_manifest_of_any_spreadsheet(tmp_path):
    for text in ("portrait,driving,kind\na.png,b.mp4,\n,b.mp4,self\n", "Portrait;Driving\na.png;b.mp4\n"):
        (tmp_path / "m.csv").write_text("\ufeff" + text, encoding="utf-8")
        manifest = read_manifest(tmp_path / "m.csv")
        assert [row.kind for row in manifest.rows][:1] == ["cross"] and not manifest.refused
        assert manifest.rows[0].portrait == tmp_path / "a.png"
    (tmp_path / "m.json").write_text('[{"portrait": "a.png", "driving": "b.mp4"}]')
    assert read_manifest(tmp_path / "m.json").rows[0].driving == tmp_path / "b.mp4"


def test_evaluation_manifest_counts_what_is_wrong(tmp_path):
    (tmp_path / "m.csv").write_text(
        "portrait,driving,kind,mood\na.png,b.mp4,sideways,\n\n,b.mp4,cross,\na.png,,,\na.png,b.mp4,,x\n"
    )
    manifest = read_manifest(tmp_path / "m.csv")
    assert [row["row"] for row in manifest.refused] == ["m.csv line 2", "m.csv line 4", "m.csv line 5"] and len(
        manifest.rows
    ) == 1
    assert "sideways" in manifest.refused[0]["reason"] and "portrait" in manifest.refused[1]["reason"]
    assert "driving" in manifest.refused[2]["reason"] and "mood" in manifest.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("m.csv", b"\xff\xfe\x00", "Manifest"),
        ("m.csv", b"portrait,clip\na,b\n", "no column driving"),
        ("m.csv", b"driving,driving\na,b\n", "one name"),
        ("m.csv", b"", "no rows"),
        ("m.json", b'{"rows": []}', "list of rows"),
        ("m.json", b"[" * 10_000, "deep"),
    ],
)
def test_evaluation_manifest_refused(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_manifest(tmp_path / name)


def test_evaluation_of_cross_reenactment_needs_portraits(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="--portraits"):
        all_pairs(None, tmp_path, ["cross"])


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"frames": "many"}, {"cases": [{"id": "../x"}]}, {"cases": "all"}, {"size": 10**9}]
)
def test_evaluation_of_a_strangers_folder(bench, tmp_path, change):
    about = json.loads((bench.folder / "benchmark.json").read_text()) | change
    (tmp_path / "benchmark.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match="evaluate cases|file's name"):
        open_bench(tmp_path)


def test_evaluation_names_of_files():
    assert file_name("Mona Lisa (1503)!") == "Mona-Lisa-1503" and file_name("../..") == "_" and file_name("äö") == "_"


@pytest.mark.skipif(not (REFERENCE / "driving_d7.mp4").exists(), reason="needs the reference clips")
def test_evaluation_of_real_pictures(tmp_path):
    """Each is looked at once; a short clip, a damaged one, a missing one and a picture without a face are counted."""
    from followemoji_core.evaluation.emojibench.real_cases import make_bench
    from followemoji_core.media import write_video

    portraits, clips, out = tmp_path / "portraits", tmp_path / "clips", tmp_path / "bench"
    portraits.mkdir()
    clips.mkdir()
    for name in ("portrait_mona_lisa.jpg", "portrait_cat.jpg"):
        (portraits / name).write_bytes((REFERENCE / name).read_bytes())
    (portraits / "again.jpg").write_bytes((REFERENCE / "portrait_mona_lisa.jpg").read_bytes())
    film = (REFERENCE / "driving_d7.mp4").read_bytes()
    (clips / "d7.mp4").write_bytes(film)
    (clips / "torn.mp4").write_bytes(film[:3000])
    write_video(clips / "short.mp4", iter(np.zeros((2, 64, 64, 3), np.uint8)), 25.0)
    task = REFERENCE / "face_landmarker_v2_with_blendshapes.task"
    rows = all_pairs(portraits, clips)
    said: list[str] = []
    bench = make_bench(out, rows, task, frames=4, side=128, say=said.append)
    assert [case.id for case in bench.cases] == ["self-d7", "cross-again-d7", "cross-portrait_mona_lisa-d7"]
    assert len(bench.cases) + len(bench.refused) == len(rows.rows)
    reasons = {(row["portrait"], row["driving"]): row["reason"] for row in bench.refused}
    assert "4" in reasons["", "short.mp4"] or "face" in reasons["", "short.mp4"]
    assert "torn.mp4" in reasons["", "torn.mp4"] and "No face" in reasons["portrait_cat.jpg", "d7.mp4"]
    assert any("same file" in note for note in bench.notes)
    case = bench.cases[2]
    points, size = screen_points(case.face()), np.array(case.face().size)
    assert tuple(size) == (128, 128) and 0 < points[:, :2].min() and points[:, :2].max() < 128
    assert case.driving_frames().shape == (4, 128, 128, 3)
    # Nothing is looked at twice.
    said.clear()
    assert make_bench(out, rows, task, frames=4, side=128, say=said.append).cases == bench.cases
    assert not [line for line in said if line.endswith("ready")]
