"""The report of an evaluation: its numbers, its words, and what it does with little or damaged input."""

from __future__ import annotations

import re

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.evaluation.bootstrap import mean_interval
from followemoji_core.evaluation.emojibench.cases import open_bench
from followemoji_core.evaluation.emojibench.paper_table import ROWS
from followemoji_core.evaluation.emojibench.plots import Row as Plotted
from followemoji_core.evaluation.emojibench.plots import interval_plot, number
from followemoji_core.evaluation.emojibench.report import write_report
from followemoji_core.evaluation.emojibench.rows import MethodNote, Row, Scores, read_scores, write_scores
from followemoji_core.evaluation.emojibench.summary import Interval, chosen_cases, read_summary
from followemoji_core.media import write_video
from tests import bench_folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = bench_folder.make(tmp_path_factory.mktemp("bench"), 4)
    bench_folder.score(made, without={("self-1", "warp")})
    return made


def cells(page: str, table: str) -> dict[str, list[str]]:
    """Rows of a table by their heads, tags taken out; table: its aria-label."""
    body = page.split(f'aria-label="{table}"')[1].split("</table>")[0].split("<tbody>")[1]
    plain = [
        [re.sub("<[^>]+>", " ", cell).strip() for cell in re.split("</t[hd]>", row)[:-1]]
        for row in body.split("<tr")[1:]
    ]
    return {re.sub(r"^[^>]*> *", "", row[0]): row[1:] for row in plain}


def test_the_evaluation_report_has_the_numbers_of_the_table(bench, tmp_path):
    told = []
    page = write_report(bench, tmp_path / "page.html", on_case=lambda *done: told.append(done)).read_text("utf-8")
    paper = cells(page, "Layout of the paper's Table 1")
    assert list(paper)[:7] == [*ROWS, "Ours"] and all("not run" in paper[name][0] for name in ROWS)
    assert paper["Ours"] == ["0.1150", "none", "0.1150", "none", "0.8850", "none", "0.8850"]
    mean = np.mean([0.3, 0.32, 0.33])
    assert paper["Warp"][0] == f"{mean:.4f} n = 3"
    (card,) = re.findall(r'<article class="card"><h3>L1</h3>.*?</article>', page, re.DOTALL)
    assert '+0.2000 <span class="worse">worse</span><small>0.2000 to 0.2000; n = 3' in card
    assert page.count('<section class="player"') == 6 and told[-1] == (6, 6) and page.count("data:video/mp4") == 6 * 5
    assert "no face in frame 3" in page and "evaluate fetch fvd" in page and "not told apart" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page), "nothing from elsewhere"


def test_rows_that_chance_may_have_made_are_not_told_apart(bench, tmp_path):
    """The same cases, differences around 0; and two cases tell nothing apart, however large."""
    rng = np.random.default_rng(0)
    spread = rng.normal(0, 0.1, 30)
    old = read_scores(bench.folder)

    def summary(values: dict[str, np.ndarray]):
        rows = [
            Row(f"c{index}", "self", "p", "d", method, "l1", float(value))
            for method, found in values.items()
            for index, value in enumerate(found)
        ]
        folder = tmp_path / str(len(rows))
        folder.mkdir()
        write_scores(folder, Scores(rows, old.metrics, {name: MethodNote(name) for name in values}))
        return read_summary(folder)

    base = rng.random(30)
    found = summary({"a": base, "b": base + spread - spread.mean() + 0.005, "c": base + 0.1})
    assert found.difference("self", "l1", "b", "a").verdict == "not told apart"
    assert found.difference("self", "l1", "c", "a").verdict == "worse", "lower is better"
    assert found.difference("self", "l1", "a", "c").verdict == "better"
    alone = summary({"a": base[:1], "b": base[:1] + 5})
    two = summary({"a": base[:2], "b": base[:2] + 5})
    assert two.difference("self", "l1", "b", "a").verdict == "not told apart"
    assert alone.difference("self", "l1", "b", "a").verdict == "not told apart"
    assert found.interval("self", "l1", "a").count == 30 and found.interval("cross", "l1", "a") is None
    few = summary({"a": np.array([0.4, 0.1, 0.3, 0.2]), "b": np.zeros(4)})
    assert chosen_cases(few, "self", "l1", "a") == {"best": "c1", "median": "c3", "worst": "c0"}
    assert chosen_cases(alone, "self", "l1", "a") == {"best": "c0"}


def test_the_interval_of_a_mean():
    """Of 400 normal numbers: 1.96 standard errors; of one number: itself."""
    values = np.random.default_rng(1).normal(3, 2, 400)
    error = 1.96 * values.std() / 20
    assert mean_interval(values) == pytest.approx(
        (values.mean(), values.mean() - error, values.mean() + error), abs=0.03
    )
    assert mean_interval(np.array([2.5])) == (2.5, 2.5, 2.5)


def test_the_evaluation_report_says_which_cases_are_left_out(bench, tmp_path):
    page = write_report(bench, tmp_path / "small.html", most_megabytes=0.03).read_text("utf-8")
    shown = page.count('<section class="player"')
    assert 0 < shown < 6 and "may take 0.03 MB" in page and len(page) < 100_000
    left = page.split("may take 0.03 MB: ")[1].split(".</p>")[0].split(", ")
    assert len(left) == 6 - shown


def test_the_evaluation_report_by_a_chosen_method_and_metric(bench, tmp_path):
    page = write_report(bench, tmp_path, reference="warp", metrics=["flicker"]).read_text("utf-8")
    assert "best by Flicker of Warp" in page and "by L1 of" not in page and "Differences are to\n<strong>Warp" in page
    for wrong in ({"reference": "liveportrait"}, {"metrics": ["fvd", "beauty"]}):
        with pytest.raises(InputError, match="There is no (number of 'liveportrait'|metric 'beauty'); there are"):
            write_report(bench, tmp_path, **wrong)


def test_the_evaluation_report_of_missing_and_damaged_videos(tmp_path):
    """A method without a video, with a short one, or a broken one keeps its tile, with the reason."""
    bench = bench_folder.make(tmp_path, 1)
    bench_folder.score(bench)
    bench.output("warp", bench.cases[0]).unlink()
    bench.output("noise", bench.cases[0]).write_bytes(b"none")
    write_video(bench.output("untouched", bench.cases[0]), bench_folder.frames(1, 3), 25.0)
    (tmp_path / "truth" / "cross-0.mp4").write_bytes(b"no film")
    (tmp_path / "portraits" / "p0.png").write_bytes(b"no picture")
    page = write_report(open_bench(tmp_path), tmp_path / "page.html").read_text("utf-8")
    assert "warp has no video of self-0" in page and "3 of 8 frames" in page and "cannot be opened as a video" in page
    assert "cross-0.mp4 cannot be opened" in page and page.count("p0.png is") == 2, "damaged after it was measured"


def test_an_evaluation_without_numbers_has_no_report(tmp_path):
    bench = bench_folder.make(tmp_path, 1)
    with pytest.raises(InputError, match="evaluate score"):
        write_report(bench, tmp_path)
    bench_folder.score(bench, without={(case.id, method) for case in bench.cases for method in bench_folder.METHODS})
    with pytest.raises(InputError, match="No method has a number yet"):
        write_report(bench, tmp_path)


def test_plots_hold_every_dot():
    """Places between 0 and 100 percent, whatever the numbers; equal ones too, and thousands are thinned out."""
    rng = np.random.default_rng(3)
    for values in (rng.normal(1e6, 1, 500), np.zeros(3), np.array([-1e-9, 1e-9]), np.array([5.0])):
        row = Plotted("<b>", Interval(*mean_interval(values), len(values)), values.tolist())
        plot = interval_plot([row], "a & b")
        places = [float(place) for place in re.findall(r'(?:x1|x2|cx)="([0-9.]+)%', plot)]
        assert min(places) >= 0 and max(places) <= 100 and plot.count("<circle") <= 151
        assert "&lt;b&gt;" in plot and "a &amp; b" in plot
    assert [number(each) for each in (0, 0.12345678, 31.4159, 12345.6, 2e-7, -0.5)] == [
        "0", "0.1235", "31.42", "12346", "2.00e-07", "-0.5000",
    ]  # fmt: skip
