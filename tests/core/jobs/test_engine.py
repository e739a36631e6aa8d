"""The engine of batch and evaluation on one machine: every job ends as a line, whatever happens to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from followemoji_core.errors import InputError, MissingDependencyError
from followemoji_core.jobs import Local, Ray, run_jobs
from followemoji_core.jobs.ledger import read_ledger
from tests.core.jobs.works import Noting, wait_for

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by signals here")


def members(group: int) -> list[int]:
    """The processes of a group that are alive."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


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
    assert not list(tmp_path.glob(".*")) and not list(tmp_path.glob("*.half"))


def test_batch_ledger_torn_by_a_kill(tmp_path):
    """Half a last line is dropped, and its job done again; a line that is damaged elsewhere is named."""
    ledger, jobs = tmp_path / "jobs.jsonl", {"one": {}, "two": {}}
    run_jobs(Noting(tmp_path), jobs, ledger)
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-30])
    assert set(read_ledger(ledger)) == {"one"}
    outcome = run_jobs(Noting(tmp_path), jobs, ledger)
    assert set(outcome.skipped) == {"one"} and set(outcome.done) == {"two"} and runs(tmp_path) == {"one": 1, "two": 2}
    assert ledger.read_bytes().count(b"\n") == 2 and set(read_ledger(ledger)) == {"one", "two"}
    for damaged in (
        b'{"key": 3, "state": "done", "job": ""}\n',
        b"[]\n",
        b"\0\0\n",
        b'{"key": "a"}\n',
        b"[" * 99 + b"\n",
    ):
        ledger.write_bytes(whole + damaged)
        with pytest.raises(InputError, match="jobs.jsonl is not read: line 3"):
            run_jobs(Noting(tmp_path), jobs, ledger)
    ledger.write_bytes(b"x" * (3 << 20))
    with pytest.raises(InputError, match="line 1 is too long"):
        read_ledger(ledger)


def test_batch_jobs_have_names_of_their_own_and_one_engine(tmp_path):
    with pytest.raises(InputError, match="1 jobs have a name that another has: one"):
        run_jobs(Noting(tmp_path), [("one", {}), ("two", {}), ("one", {})], tmp_path / "jobs.jsonl")
    first = subprocess.Popen([sys.executable, "-m", "tests.core.jobs.works", str(tmp_path), "2"], cwd=ROOT)
    try:
        wait_for(lambda: "slow0" in runs(tmp_path))
        with pytest.raises(InputError, match=f"done already, by process {first.pid}"):
            run_jobs(Noting(tmp_path), {"one": {}}, tmp_path / "jobs.jsonl")
    finally:
        first.kill()  # and its worker follows it, in the middle of its job
        first.wait()
    began = runs(tmp_path)
    worker = int((tmp_path / "slow0.ran").read_text().split()[0])
    wait_for(lambda: not psutil.pid_exists(worker))
    outcome = run_jobs(Noting(tmp_path), {"slow0": {}, "slow1": {}}, tmp_path / "jobs.jsonl")
    assert len(outcome.done) == 2 and runs(tmp_path)["slow0"] == began["slow0"] + 1


@pytest.mark.parametrize("number, workers", [(signal.SIGTERM, 1), (signal.SIGTERM, 2), (signal.SIGINT, 2)])
def test_batch_stopped_within_a_job(tmp_path, number, workers):
    """What is finished stays, the job at work is left at once, no worker is left behind."""
    line = [sys.executable, "-m", "tests.core.jobs.works", str(tmp_path), str(workers)]
    running = subprocess.Popen(line, cwd=ROOT, start_new_session=True)
    try:
        wait_for(lambda: len(list(tmp_path.glob("slow*.ran"))) >= workers and (tmp_path / "quick.done").exists())
        os.killpg(running.pid, number) if number == signal.SIGINT else running.send_signal(number)
        running.wait(30)
        wait_for(lambda: not members(running.pid), 20)  # a slow job takes 60
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode != 0
    assert {key: line.state for key, line in read_ledger(tmp_path / "jobs.jsonl").items()} == {"quick": "done"}
    assert not [file for pattern in ("slow*.done", "*.half", ".*") for file in tmp_path.glob(pattern)]


def test_batch_without_ray_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "followyouremoji\[cluster\]"'):
        run_jobs(Noting(tmp_path), {"one": {}}, tmp_path / "jobs.jsonl", Ray())
    assert run_jobs(Noting(tmp_path), {"one": {}}, tmp_path / "jobs.jsonl").done
