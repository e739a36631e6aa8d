"""Networks of metrics: fetched when asked, checked by hash, found or named as missing."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace

import pytest

from followemoji_core.errors import CheckpointError, InputError, MissingDependencyError
from followemoji_core.evaluation.emojibench import networks
from followemoji_core.evaluation.emojibench.networks import NETWORKS, fetch_network, find_network, listed
from followemoji_core.fetching import DownloadError


@pytest.fixture
def small(monkeypatch):
    """The same networks, as small files that this machine has."""
    data = b"weights" * 100
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    monkeypatch.setitem(NETWORKS, "auraface", replace(NETWORKS["auraface"], size=700, sha256=sha(data)))
    monkeypatch.setitem(NETWORKS, "i3d", replace(NETWORKS["i3d"], git_blob=blob))
    return data


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["auraface", "i3d"])
def test_metric_network_is_fetched_and_checked(small, tmp_path, name):
    source, folder = tmp_path / "source", tmp_path / "models" / "evaluate"
    with pytest.raises(MissingDependencyError, match=f"evaluate networks --fetch {name}"):
        find_network(name, folder)
    source.write_bytes(small)
    assert fetch_network(name, folder, address=source.as_uri())
    assert find_network(name, folder).read_bytes() == small
    assert not fetch_network(name, folder, address="http://127.0.0.1:9/"), "it is there: nobody is asked"
    assert any(line.startswith(name) and "): there;" in line for line in listed(folder))
    find_network(name, folder).write_bytes(b"another")
    with pytest.raises(CheckpointError, match="hash differs"):
        find_network(name, folder)
    source.write_bytes(b"another" * 100)
    with pytest.raises(DownloadError, match="arrived damaged"):
        fetch_network(name, folder, address=source.as_uri())
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch_network(name, folder, address="http://127.0.0.1:9/")


def test_metric_network_that_the_user_names(tmp_path):
    own = tmp_path / "own.onnx"
    own.write_bytes(b"his")
    assert find_network("auraface", tmp_path, {"auraface": own}) == own
    with pytest.raises(InputError, match="there is no file"):
        find_network("auraface", tmp_path, {"auraface": tmp_path / "none"})
    with pytest.raises(InputError, match="known: auraface"):
        find_network("vgg", tmp_path)


def test_metric_network_hash_is_gits(tmp_path):
    """The I3D file is known by what git calls it in the commit of its address."""
    path = tmp_path / "i3d.pt"
    path.write_bytes(b"anything")
    called = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True).stdout.strip()
    assert replace(NETWORKS["i3d"], git_blob=called).is_whole(path)
    assert not NETWORKS["i3d"].is_whole(path)


def test_metric_networks_are_known_by_a_hash_and_a_fixed_address():
    for network in NETWORKS.values():
        assert len(network.sha256) == 64 or len(network.git_blob) == 40
        assert network.address.startswith("https://") and network.licence
    assert networks.network("alexnet").sha256[:8] in networks.network("alexnet").file, "torchvision's own check"
