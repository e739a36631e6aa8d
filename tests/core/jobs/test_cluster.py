"""The engine on Ray's own test cluster: two nodes on this machine, whose workers and nodes are killed in mid job."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from followemoji_core.jobs import Ray, run_jobs
from followemoji_core.jobs.ledger import read_ledger
from tests.core.jobs.works import Noting

ray = pytest.importorskip("ray", reason="needs Ray: pip install ray")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def cluster(monkeypatch):
    """A head and a second node, each with room for one worker."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # what the workers import
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
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
    rows = {f"row{number:02d}": {"seconds": 0.8} for number in range(12)}
    jobs = {**rows, "sent": {"how": "bytes"}, "faceless": {"how": "fail"}}
    told, killed, lost = [], [], []

    def begun(key: str) -> int:
        file = tmp_path / f"{key}.ran"
        return int(file.read_text().split()[-1]) if file.exists() else 0

    def at_work() -> list[str]:
        return [key for key in rows if begun(key) and key not in killed and not (tmp_path / f"{key}.done").exists()]

    def disaster():
        """A worker in the middle of its job, then a node in the middle of another's."""
        while not (victim := next((key for key in rows if begun(key)), None)):
            time.sleep(0.02)
        os.kill(begun(victim), signal.SIGKILL)
        killed.append(victim)
        while len(list(tmp_path.glob("*.done"))) < 4 or len(at_work()) < 2:
            time.sleep(0.02)
        lost.extend(at_work())
        cluster.remove_node(cluster.second, allow_graceful=False)

    trouble = threading.Thread(target=disaster)
    trouble.start()
    where = Ray(cluster.address, workers=2)
    outcome = run_jobs(Noting(tmp_path), jobs, tmp_path / "jobs.jsonl", where, say=told.append)
    trouble.join()
    runs = {key: len((tmp_path / f"{key}.ran").read_text().split()) for key in rows}
    finished = {key: len((tmp_path / f"{key}.done").read_text().split()) for key in rows}
    assert set(outcome.done) == {*rows, "sent"} and outcome.failed == {"faceless": "faceless has no face"}, told
    assert (tmp_path / "made" / "sent.bin").read_bytes() == b"whole"
    assert set(finished.values()) == {1}, finished  # nothing was done twice
    again = [key for key, count in runs.items() if count > 1]
    assert sorted(again) == sorted(killed + [key for key in lost if key in again]) and len(again) == 2, (runs, told)
    assert set(runs.values()) == {1, 2}
    lines = read_ledger(tmp_path / "jobs.jsonl")
    assert {key for key, line in lines.items() if line.state == "done"} == set(outcome.done)
    assert not ray.is_initialized()
