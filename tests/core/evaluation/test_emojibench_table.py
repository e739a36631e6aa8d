"""The scores as text: evaluation of two methods, with what could not be had."""

from __future__ import annotations

from dataclasses import replace

from followemoji_core.evaluation.emojibench.rows import MethodNote
from followemoji_core.evaluation.emojibench.summary import read_summary
from followemoji_core.evaluation.emojibench.table import table, write_table
from tests import bench_folder


def test_evaluation_scores_as_a_table_of_text(tmp_path):
    bench = bench_folder.make(tmp_path, 3)
    bench_folder.score(bench, without={("self-1", "warp")})
    text = write_table(tmp_path)
    assert (tmp_path / "scores.md").read_text() == text + "\n"
    own, cross = text.split("Cross reenactment")
    # Mean over three cases with its interval; over two of them without, and with their number.
    row = next(line for line in own.splitlines() if line.startswith("| L1"))
    assert [cell.split(" ")[0] for cell in row.split(" | ")[1:3]] == ["0.1100", "0.3100"]
    assert " to " in row.split(" | ")[1] and row.split(" | ")[2] == "0.3100 (n = 2)"
    assert "FVD: No network: evaluate fetch fvd" in own and "| Identity" in cross and "| L1" not in cross
    # A method that nobody has run keeps its place, with the reason; and so does one where nothing has a number.
    assert "Methods without" not in text
    summary = read_summary(tmp_path)
    with_tps = replace(summary, methods={**summary.methods, "TPS": MethodNote("TPS", "", "not run | here")})
    assert table(with_tps) == f"{text}\n\nMethods without a number:\n\n- TPS: not run / here"
    assert table(replace(summary, values={}, reasons={})).count(": nothing of it was measured") == 4
