"""The engine on Ray's own test cluster: two nodes on this machine, whose workers and nodes are killed in mid job."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from followemoji_core.jobs import Ray, run_jobs
from followemoji_core.jobs.ledger import read_ledger
from tests.core.jobs.works import Noting, wait_for

ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cluster(monkeypatch):
    """A head and a second node, each with room for one worker."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # what the workers import
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else the tests beside it starve its workers
    monkeypatch.chdir(ROOT)
    store = {"object_store_memory": 80 << 20}
    try:
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **store})
    except Exception as error:  # bare, as Ray raises it after 30 s
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("this machine is too busy to start Ray's test cluster")
    try:
        made.second = made.add_node(num_cpus=1, **store)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def test_batch_on_a_cluster_outlives_a_worker_and_a_node(cluster, tmp_path):
    rows = {f"row{number:02d}": {"seconds": 1.5} for number in range(8)}
    jobs = {**rows, "sent": {"how": "bytes"}, "faceless": {"how": "fail"}}
    told, broken = [], []

    def begun(parent: int | None = None) -> tuple[str, int] | None:
        """A row that began just now, and its worker; parent: of that raylet."""
        for key in set(rows) - set(broken):
            file = tmp_path / f"{key}.ran"
            if file.exists() and time.time() - file.stat().st_mtime < 0.3 and (words := file.read_text().split()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if parent is None or psutil.Process(int(words[-1])).ppid() == parent:
                        return key, int(words[-1])
        return None

    def disaster():
        """A worker in the middle of its job, then a node in the middle of another's."""
        found = wait_for(begun)
        os.kill(found[1], signal.SIGKILL)
        broken.append(found[0])
        wait_for(lambda: len(list(tmp_path.glob("*.done"))) >= 2)
        raylet = cluster.second.all_processes["raylet"][0].process.pid
        broken.append(wait_for(lambda: begun(raylet))[0])
        cluster.remove_node(cluster.second, allow_graceful=False)

    trouble = threading.Thread(target=disaster, daemon=True)
    trouble.start()
    where = Ray(cluster.address, workers=2)
    outcome = run_jobs(Noting(tmp_path), jobs, tmp_path / "jobs.jsonl", where, say=told.append)
    trouble.join(10)
    runs = {key: len((tmp_path / f"{key}.ran").read_text().split()) for key in rows}
    finished = {key: len((tmp_path / f"{key}.done").read_text().split()) for key in rows}
    assert set(outcome.done) == {*rows, "sent"} and outcome.failed == {"faceless": "faceless has no face"}, told
    assert (tmp_path / "made" / "sent.bin").read_bytes() == b"whole"
    assert set(finished.values()) == {1}, finished  # nothing was done twice
    assert len(broken) == 2 and {key: count for key, count in runs.items() if count > 1} == dict.fromkeys(broken, 2), (
        told
    )
    lines = read_ledger(tmp_path / "jobs.jsonl")
    assert {key for key, line in lines.items() if line.state == "done"} == set(outcome.done)
    assert not list(tmp_path.glob("*.half")) and not ray.is_initialized()
