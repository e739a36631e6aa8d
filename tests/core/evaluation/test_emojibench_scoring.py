"""From outputs to the table: on a tiny drawn benchmark."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.evaluation.emojibench.cases import open_bench
from followemoji_core.evaluation.emojibench.drawn_cases import draw_bench
from followemoji_core.evaluation.emojibench.methods import Model
from followemoji_core.evaluation.emojibench.metrics import Tools
from followemoji_core.evaluation.emojibench.rows import SET, MethodNote, read_scores
from followemoji_core.evaluation.emojibench.running import run_method
from followemoji_core.evaluation.emojibench.scoring import score
from followemoji_core.media import write_video
from followemoji_core.walk.studio import SMALL_SETTINGS
from tests.detector import detector_file

FRAMES = 16
QUICK = ("l1", "flicker")
METHODS = ("truth", "warp", "untouched", "noise")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two people in the motion of a third and in one of their own, and what four methods make of it."""
    bench = draw_bench(tmp_path_factory.mktemp("bench"), people=2, motions=1, own=1, frames=FRAMES)
    for method in METHODS:
        run_method(bench, method)
    return bench


@pytest.fixture
def bench(drawn, tmp_path):
    shutil.copytree(drawn.folder, tmp_path / "bench")
    return open_bench(tmp_path / "bench")


def mean(scores, metric: str, method: str, kind: str) -> float:
    return float(np.mean(list(scores.of(metric, method, kind).values())))


def test_evaluation_order_of_methods_by_every_metric(bench):
    """truth < model, warp < untouched < noise where less is better, but for what is explained here.

    The small model works at 128 pixels: which of model and warp is nearer to the truth hangs on the metric. The
    untouched portrait does not flicker, no more than the truth. Noise is seen as no face: it has no expression, pose,
    gaze or identity, and the landmarks are nowhere.
    """
    run_method(bench, "model", model=Model(128, SMALL_SETTINGS))
    found = score(bench, tools=Tools(detector_file()))
    scores = found.scores
    assert (found.measured, found.kept, found.bad) == (20, 0, {})
    for kind in ("self", "cross"):
        for metric, sign in (("l1", 1), ("ssim", -1), ("psnr", -1)):
            order = ("truth", "model", "warp", "untouched", "noise")
            truth, model, warp, untouched, noise = (sign * mean(scores, metric, method, kind) for method in order)
            assert truth < min(model, warp) and max(model, warp) < untouched < noise, (metric, kind)
        assert mean(scores, "flicker", "truth", kind) < 0.5 and mean(scores, "flicker", "untouched", kind) < 0.01
        assert mean(scores, "flicker", "noise", kind) > 10
        accuracy = {method: mean(scores, "landmark_accuracy", method, kind) for method in METHODS}
        assert accuracy["noise"] == 0 < accuracy["untouched"] < min(accuracy["truth"], accuracy["warp"]), kind
        assert accuracy["untouched"] < mean(scores, "landmark_accuracy", "model", kind), kind
        for metric in ("expression", "pose", "landmark_error"):
            for method in ("truth", "model"):
                assert mean(scores, metric, method, kind) < mean(scores, metric, "untouched", kind), (metric, kind)
        for metric in ("expression", "pose", "gaze", "identity_dlib"):
            assert not scores.of(metric, "noise", kind)
        if scores.metrics["identity_dlib"].missing is None:
            assert mean(scores, "identity_dlib", "untouched", kind) < mean(scores, "identity_dlib", "truth", kind) < 0.6
    noise = next(row for row in scores.rows if (row.method, row.metric) == ("noise", "landmark_accuracy"))
    assert noise.value == 0 and noise.reason == f"face found in 0 of {FRAMES} frames"
    for metric in ("lpips", "fvd", "identity", "hyperiqa"):
        rows = [row for row in scores.rows if row.metric == metric]
        assert rows and all(row.case == SET and row.value is None for row in rows), metric
        assert scores.metrics[metric].missing == rows[0].reason, metric
    # What is read is what was found.
    again = read_scores(bench.folder)
    assert [(row.case, row.metric, row.reason) for row in again.rows] == [
        (row.case, row.metric, row.reason) for row in scores.rows
    ]
    assert again.metrics == scores.metrics and again.methods == scores.methods


def test_evaluation_is_resumed_and_gives_the_same_numbers(bench):
    """Stopped in the middle; a changed video is measured again, and nothing else; a new metric is measured alone."""

    class Stopped(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("2 of 4"):
            raise Stopped

    with pytest.raises(Stopped):
        score(bench, metrics=QUICK, say=stop)
    assert not (bench.folder / "scores.csv").exists()
    resumed = score(bench, metrics=QUICK)
    assert (resumed.measured, resumed.kept) == (8, 8)
    table = (bench.folder / "scores.csv").read_text()
    again = score(bench, metrics=QUICK)
    assert (again.measured, again.kept) == (0, 16) and (bench.folder / "scores.csv").read_text() == table
    shutil.rmtree(bench.folder / "measured")
    score(bench, metrics=QUICK)
    assert (bench.folder / "scores.csv").read_text() == table, "in one go"
    warp, noise = (bench.output(method, bench.cases[0]) for method in ("warp", "noise"))
    shutil.copy(noise, warp)
    changed = score(bench, metrics=QUICK)
    assert (changed.measured, changed.kept) == (1, 15)
    case = bench.cases[0]
    assert changed.scores.of("l1", "warp", case.kind)[case.id] == changed.scores.of("l1", "noise", case.kind)[case.id]
    measured = bench.folder / "measured" / "warp" / f"{case.id}.json"
    measured.write_bytes(measured.read_bytes()[:-20])
    assert score(bench, metrics=QUICK).measured == 1, "damaged"


def test_evaluation_of_bad_outputs_is_counted_with_the_reason(bench):
    """Missing, short, long, not square, damaged; any size is brought to what is measured; others stay as they are."""
    pictures = bench.cases[0].driving_frames()
    one, two, three, four = (bench.output("warp", case) for case in bench.cases)
    one.unlink()
    write_video(two, iter(pictures[:-1]), 25)
    write_video(three, iter(np.concatenate([pictures, pictures[:3]])), 25)
    write_video(four, (np.zeros((64, 96, 3), np.uint8) for _ in range(FRAMES)), 25)
    bench.output("noise", bench.cases[0]).write_bytes(b"no video")
    large = bench.output("untouched", bench.cases[0])
    write_video(large, (np.kron(frame, np.ones((2, 2, 1), np.uint8)) for frame in bench.cases[0].driving_frames()), 25)
    lines: list[str] = []
    found = score(bench, metrics=("l1", "psnr"), say=lines.append, others={"tps": MethodNote("TPS", "", "not run")})
    reasons = {row.case: row.reason for row in found.scores.rows if row.method == "warp" and row.metric == "l1"}
    assert [reasons[case.id] for case in bench.cases] == [
        "the video is missing",
        f"the video has {FRAMES - 1} frames; the case has {FRAMES}",
        f"the video has more than {FRAMES} frames; the case has {FRAMES}",
        "the video has 96 x 64 pixels; the case is square",
    ]
    assert sum(found.bad["warp"].values()) == 4 and sum(found.bad["noise"].values()) == 1
    assert "cannot be opened as a video" in next(iter(found.bad["noise"]))
    assert any(line.startswith("warp: 1 of 4 videos not measured: the video is missing") for line in lines)
    assert found.scores.methods["warp"].reason and found.scores.methods["tps"].reason == "not run"
    assert found.scores.methods["noise"].reason is None
    assert all(row.value is None for row in found.scores.rows if row.method == "warp")
    case = bench.cases[0]
    truth = case.truth_frames().astype(float)
    expected = np.abs(truth - case.driving_frames()).mean() / 255
    assert found.scores.of("l1", "untouched", case.kind)[case.id] == pytest.approx(expected, abs=0.01)
    assert read_scores(bench.folder).methods == found.scores.methods
    assert sum(score(bench, metrics=("l1", "psnr")).bad["warp"].values()) == 4, "kept ones are counted as well"


def test_evaluation_of_a_damaged_case_leaves_the_others(bench):
    first, *_, last = (case for case in bench.cases if case.kind == "cross")
    (bench.folder / "truth" / f"{first.id}.mp4").write_bytes(b"no video")
    write_video(bench.folder / "truth" / f"{last.id}.mp4", iter(last.driving_frames()[:-2]), 25, lossless=True)
    found = score(bench, methods=["warp"], metrics=["l1"])
    (one, count), (two, again) = found.bad["warp"].items()
    assert count == again == 1 and found.measured == 2
    assert "the case itself cannot be read" in one and "cannot be opened" in one
    assert f"has {FRAMES - 2} frames, not {FRAMES}" in two


def test_evaluation_refuses_what_it_does_not_know(bench, tmp_path):
    with pytest.raises(InputError, match="'tps' has no outputs.*noise, truth, untouched, warp"):
        score(bench, methods=["tps"])
    with pytest.raises(InputError, match="no metric 'fid'; known: l1"):
        score(bench, metrics=["fid"])
    with pytest.raises(InputError, match="'brisque' is no package"):
        score(bench, tools=Tools(plugs=["brisque"]))
    with pytest.raises(InputError, match="no network 'vgg'"):
        score(bench, tools=Tools(files={"vgg": tmp_path}))
    (bench.folder / "outputs" / "warp" / "method.json").write_text('{"label": 3}')
    with pytest.raises(InputError, match="method.json"):
        score(bench, metrics=["l1"])


def test_evaluation_without_a_detector_or_truth_says_so(bench):
    """Columns are empty with the command; cross reenactment without truth has reasons instead of numbers."""
    shutil.rmtree(bench.folder / "truth")
    few = replace(bench, cases=tuple(case for case in bench.cases if case.kind == "cross"))
    found = score(few, methods=["warp"], metrics=("l1", "flicker", "pose", "landmark_velocity_fd"))
    rows = {row.metric: row for row in found.scores.rows}
    assert rows["l1"].value is None and rows["l1"].reason == "what should come out is not known"
    assert rows["flicker"].value is not None and "against the driver's" in rows["flicker"].reason
    for metric in ("pose", "landmark_velocity_fd"):
        assert rows[metric].value is None and "download --detector" in rows[metric].reason
