"""User study: the folder that is handed out, answers that strangers send, the table, and its agreement."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.evaluation.bootstrap import crossed_mean
from followemoji_core.evaluation.emojibench.agreement import kendalls_w
from followemoji_core.evaluation.emojibench.study import QUESTIONS, write_study
from followemoji_core.evaluation.emojibench.study_answers import markdown, read_study, write_result
from followemoji_core.media import Clip, clip_info, read_frames
from tests import bench_folder

METHODS = ["model", "warp", "noise"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return bench_folder.make(tmp_path_factory.mktemp("study"), 3)


@pytest.fixture(scope="module")
def study(bench):
    record = bench.folder / "outputs" / "warp" / "method.json"
    record.write_text(json.dumps({"label": "The | <b>warp</b>"}), "utf-8")
    return write_study(bench, bench.folder / "study", METHODS, cases=4, seed=1)


def answer(made, rank, rater="0123456789abcdef", **changes):
    """A file of answers; rank: (case, question) -> methods, best first, or None."""
    key = json.loads(made.key.read_text())
    answers = {}
    for blind, entry in key["cases"].items():
        named = {method: name for name, method in entry["candidates"].items()}
        orders = {question: rank(entry["case"], question) for question in QUESTIONS}
        found = {
            question: {named[method]: place for place, method in enumerate(order, 1)}
            for question, order in orders.items()
            if order
        }
        if found:
            answers[blind] = found
    about = {"format": "followemoji-study-answers", "version": 1, "study": key["study"], "rater": rater, "name": "Ann"}
    return about | {"simulated": True, "answers": answers} | changes


def write(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_the_study_tells_nothing_of_methods(bench, study):
    """Not by names, order, length, size or codec of its files, nor by a word in its page; the key lies outside."""
    folder = study.page.parent
    assert study.cases == 4 and study.key == bench.folder / "study_key.json" and not study.left_out
    key = json.loads(study.key.read_text())
    page = study.page.read_text("utf-8")
    shown = json.loads(re.search(r'id="study">(.*?)</script>', page)[1])
    for word in (*METHODS, *bench_folder.METHODS.values(), "self-", "cross-", str(folder.parent)):
        assert word not in page
    for each in shown["cases"]:
        entry = key["cases"][each["id"]]
        assert each["candidates"] == sorted(entry["candidates"]) and sorted(entry["candidates"].values()) == sorted(
            METHODS
        )
        kinds = set()
        for name, method in entry["candidates"].items():
            clip = Clip(folder / "media" / f"{name}.mp4")
            frames = list(read_frames(clip))
            kinds.add((len(frames), frames[0].shape, clip_info(clip).fps))
            (case,) = [case for case in bench.cases if case.id == entry["case"]]
            made = next(read_frames(Clip(bench.output(method, case))))
            assert np.abs(frames[0].astype(int) - made).mean() < 6, "the key says which is which"
        assert kinds == {(bench_folder.FRAMES, (64, 64, 3), 25.0)}
    assert len(list((folder / "media").iterdir())) == 4 * (len(METHODS) + 2)
    assert sum(entry["case"].startswith("cross") for entry in key["cases"].values()) == 3


def test_a_study_is_not_overwritten_and_names_what_it_lacks(bench, study, tmp_path):
    with pytest.raises(InputError, match="is there already: answers to it may come"):
        write_study(bench, bench.folder / "study", METHODS)
    with pytest.raises(InputError, match="'liveportrait' has made nothing; there are model, noise, untouched, warp"):
        write_study(bench, tmp_path / "other", ["model", "liveportrait"])
    with pytest.raises(InputError, match="compares 2 to 8 different methods, not model, model"):
        write_study(bench, tmp_path / "other", ["model", "model"])
    assert not (tmp_path / "other").exists()


def test_cases_without_every_video_are_left_out_and_named(tmp_path):
    bench = bench_folder.make(tmp_path / "bench", 1)
    bench.output("warp", bench.cases[0]).unlink()
    media = tmp_path / "few" / "media"
    media.mkdir(parents=True)
    for name in ("0123456789ab.mp4", ".0123456789ab.jpg.01234567.partial", "logo.png"):  # of one that was broken off
        (media / name).write_bytes(b"")
    made = write_study(bench, tmp_path / "few", METHODS)
    assert len(list(media.iterdir())) == len(METHODS) + 2 + 1 and (media / "logo.png").exists()
    assert made.cases == 1 and made.left_out == {"self-0": "warp has no video of self-0"}


def test_the_study_table_of_raters_who_agree(study, tmp_path):
    """Everybody, everywhere: model, warp, noise. Ranks 1, 2, 3 without doubt, W = 1."""
    files = [write(tmp_path, f"{rater}.json", answer(study, lambda *_: METHODS, rater)) for rater in "abc"]
    result = read_study(study.key, files)
    for place, method in enumerate(METHODS, 1):
        assert result.mean_rank("identity", method) == pytest.approx((place, place, place))
        assert result.preferred("overall", method)[0] == (place == 1)
    assert result.agreement("overall") == pytest.approx((1, 1, 1, 1 / 3, 4))
    text = write_result(result, tmp_path)
    assert "3 SIMULATED raters, 4 cases" in text and "no opinion of people" in text
    assert r"| The \| \<b\>warp\</b\> | 2.00 (2.00 to 2.00), worse |" in text
    assert text.count("12 of 12 | nothing |") == 3 and text.count("(simulated, no person)") == 3
    assert json.loads((tmp_path / "study.json").read_text())["rows"]["noise"]["overall"]["mean_rank"] == [3, 3, 3]


def test_simulated_raters_never_count_beside_people(study, tmp_path):
    real = write(tmp_path, "real.json", answer(study, lambda *_: METHODS, "a", simulated=False))
    made_up = write(tmp_path, "made_up.json", answer(study, lambda *_: METHODS[::-1], "b"))
    result = read_study(study.key, [made_up, real])
    assert not result.simulated and result.mean_rank("overall", "model")[0] == 1 and len(result.raters) == 1
    told = {file.file: file for file in result.files}
    assert told["made_up.json"].counted == 0 and "not counted beside people" in told["made_up.json"].problems[0]
    assert "One rater: intervals are over cases" in markdown(result)


def test_answers_of_a_study_that_do_not_count_are_told(study, tmp_path):
    """Malformed, another study's, twice, incomplete, no orders: each by its file, none dropped silently."""
    whole = answer(study, lambda *_: METHODS, "a")
    part = answer(study, lambda case, question: METHODS if case[-1] == "0" and question == "overall" else None, "b")
    tied = answer(study, lambda *_: METHODS, "c")
    blind = next(iter(tied["answers"]))
    tied["answers"][blind]["overall"] = dict.fromkeys(tied["answers"][blind]["overall"], 1)
    tied["answers"][blind]["identity"] = "best"
    tied["answers"]["ffff"] = {}
    files = {
        "whole": whole,
        "again": whole,
        "part": part,
        "tied": tied,
        "other": answer(study, lambda *_: METHODS, "d", study="0" * 12),
        "nobody": answer(study, lambda *_: METHODS, 7),
        "list": [1, 2],
        "broken": "{",
        "deep": "[" * 5000,
        "nan": '{"format": NaN}',
        "empty": answer(study, lambda *_: None, "e"),
    }
    paths = [write(tmp_path, f"{name}.json", content) for name, content in files.items()]
    result = read_study(study.key, [*paths, tmp_path / "absent.json"])
    told = {file.file.removesuffix(".json"): (file.counted, " ".join(file.problems)) for file in result.files}
    assert told["whole"] == (12, "") and told["again"] == (0, "its rater is in whole.json already")
    assert told["part"][0] in (1, 2) and re.search(r"[34] cases are not .*cross-1.*\(", told["part"][1] + "(")
    assert told["tied"][0] == 10 and "no order of 1 to 3" in told["tied"][1] and "ffff is not in" in told["tied"][1]
    assert told["other"][0] == 0 and "another study (000000000000)" in told["other"][1]
    assert "does not say who answered" in told["nobody"][1] and "no file of answers" in told["list"][1]
    assert "nests more than" in told["deep"][1] and "NaN" in told["nan"][1] and "cannot be read" in told["absent"][1]
    assert all(counted == 0 for name, (counted, _) in told.items() if name not in ("whole", "part", "tied"))
    assert "holds no answer that counts" in told["empty"][1] and len(told) == 12 and "Expecting" in told["broken"][1]
    assert len(result.raters) == 3 and result.mean_rank("overall", "model")[0] == 1
    # A rater who saved in between and sends both files: the fuller one counts, in whatever order they come.
    early = write(tmp_path, "early.json", part | {"rater": "a"})
    for given in ([early, paths[0]], [paths[0], early]):
        result = read_study(study.key, given)
        assert {file.file: file.counted for file in result.files} == {"early.json": 0, "whole.json": 12}
        assert len(result.raters) == 1 and np.isfinite(result.ranks["identity"]).all()


def test_a_damaged_key_of_a_study_is_an_error(study, tmp_path):
    about = json.loads(study.key.read_text())
    next(iter(about["cases"].values()))["candidates"].popitem()
    for content in (about, "{", {"format": "followemoji-study-key", "version": 1}):
        with pytest.raises(InputError, match=r"Key of a study key.json .* choose that file"):
            read_study(write(tmp_path, "key.json", content), [])
    assert "no answer" in markdown(read_study(study.key, []))


def test_agreement_of_raters_by_hand():
    """Sums of ranks 4, 6, 8 around 6: S = 8, W = 12 * 8 / (9 * 24)."""
    assert kendalls_w([[1, 2, 3], [1, 3, 2], [2, 1, 3]]) == pytest.approx(12 * 8 / (9 * 24))
    assert kendalls_w([[1, 2, 3], [3, 2, 1]]) == 0 and kendalls_w([[2, 1, 3]] * 4) == 1
    every = list(itertools.product(itertools.permutations((1, 2, 3)), repeat=3))
    assert np.mean([kendalls_w(each) for each in every]) == pytest.approx(1 / 3), "what chance gives"
    for wrong in ([[1, 2, 3]], [[1], [1]], [[1, 1, 3], [1, 2, 3]]):
        with pytest.raises(ValueError, match="needed|no order"):
            kendalls_w(wrong)


def test_agreement_of_raters_by_a_second_implementation():
    """W by the variance of rank sums, of orders drawn at random."""
    rng = np.random.default_rng(2)
    for raters, things in ((2, 5), (6, 3), (12, 7)):
        ranks = np.array([rng.permutation(things) + 1 for _ in range(raters)])
        most = np.var(raters * np.arange(1, things + 1))
        assert kendalls_w(ranks) == pytest.approx(np.var(ranks.sum(0)) / most)


def test_the_interval_of_a_study_holds_the_truth():
    """Raters and cases both differ: 95 % intervals of 5 raters and 12 cases hold the true mean nearly that often;
    nothing answered counts as nothing."""
    rng = np.random.default_rng(4)
    held = 0
    for draw in range(150):
        values = rng.normal(0, 0.5, (5, 1)) + rng.normal(0, 0.5, (1, 12)) + rng.normal(0, 0.7, (5, 12))
        _, low, high = crossed_mean(values, draw)
        held += low <= 0 <= high
    assert held >= 0.9 * 150
    gaps = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 2.0]])
    assert crossed_mean(gaps)[0] == 2 and crossed_mean(np.full((3, 4), 2.0)) == pytest.approx((2, 2, 2))
    with pytest.raises(ValueError, match="table of numbers"):
        crossed_mean(np.full((2, 2), np.nan))
