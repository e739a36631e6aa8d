"""The engine of batch and evaluation on one machine: every job ends as a line, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from followemoji_core.jobs import Local, run_jobs
from followemoji_core.jobs.ledger import read_ledger
from tests.core.jobs.works import Noting


def runs(folder: Path) -> dict[str, int]:
    """How often each job began."""
    return {file.stem: len(file.read_text().split()) for file in folder.glob("*.ran")}


@pytest.mark.parametrize("workers", [1, 2])
def test_batch_goes_on_after_failures(tmp_path, workers):
    jobs = {name: {"how": name} for name in ("fail", "break", "fine", "fail once", "bytes", "outside")}
    ledger = tmp_path / "jobs.jsonl"
    outcome = run_jobs(Noting(tmp_path), jobs, ledger, Local(workers))
    assert set(outcome.done) == {"fine", "bytes"} and set(outcome.failed) == set(jobs) - {"fine", "bytes"}
    assert outcome.failed["fail"] == "fail has no face" and outcome.mistakes == {"break"}
    assert "ZeroDivisionError: seven by nothing" in outcome.failed["break"] and "works.py" in outcome.failed["break"]
    assert (tmp_path / "made" / "bytes.bin").read_bytes() == b"whole"
    assert "no name of a file below" in outcome.failed["outside"] and not (tmp_path.parent / "outside").exists()
    lines = read_ledger(ledger)
    assert {key: line.state for key, line in lines.items()} == {
        key: "done" if key in outcome.done else "failed" for key in jobs
    }
    assert lines["fail"].kind == "InputError"
    # Again: nothing twice, failed ones once more, changed ones too.
    before, jobs["fine"] = runs(tmp_path), {"how": "fine", "seed": 1}
    again = run_jobs(Noting(tmp_path), jobs, ledger, Local(workers))
    assert set(again.skipped) == {"bytes"} and set(again.done) == {"fine", "fail once"}
    assert runs(tmp_path) == {key: count + (key != "bytes") for key, count in before.items()}


def test_batch_worker_is_killed_in_mid_job(tmp_path):
    """Once: its job is tried again. Each time: it has failed; new workers do the others."""
    jobs = {"once": {"how": "killed once"}, "always": {"how": "killed"}, **{f"fine{n}": {} for n in range(6)}}
    told = []
    outcome = run_jobs(Noting(tmp_path), jobs, tmp_path / "jobs.jsonl", Local(2), say=told.append)
    assert set(outcome.done) == set(jobs) - {"always"} and not outcome.mistakes
    assert "lost 3 times, ended by SIGKILL" in outcome.failed["always"] and "tried again" in "".join(told)
    assert runs(tmp_path) == {**dict.fromkeys(jobs, 1), "once": 2, "always": 3}
    assert not list(tmp_path.glob(".*"))
