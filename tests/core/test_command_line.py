"""The command line outside ComfyUI: the same core with diffusers' and transformers' models."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from followemoji_core.__main__ import main
from followemoji_core.commands import download as downloads
from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.motion_file import save_motion
from followemoji_core.media import Clip, clip_info, read_frames, write_video
from followemoji_core.walk.studio import VAE_FILE
from tests import weights


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A drawn portrait and driver with their motions, and a models folder with small networks."""
    folder = tmp_path_factory.mktemp("inputs")
    person, driver = Person.of(7), Person.of(1)
    face = person.act(Acting.rest(), (128, 128))
    Image.fromarray(paint(person, face)[0]).save(folder / "portrait.png")
    save_motion(folder / "face.safetensors", face)
    motion = driver.act(Acting.random(1, 6, from_rest=True), (96, 96))
    save_motion(folder / "driving.safetensors", motion)
    write_video(folder / "driving.mp4", iter(paint(driver, motion)), 25.0)
    weights.untrained_models(folder / "models")
    return folder


def arguments(inputs: Path, command: str, out: Path, **changes) -> list[str]:
    options = dict(
        portrait=inputs / "portrait.png",
        face=inputs / "face.safetensors",
        driving=inputs / "driving.safetensors",
        models=inputs / "models",
        size=64,
        out=out,
    )
    if command == "animate":
        options |= dict(weights=inputs / "models" / "followemoji" / "all.safetensors", steps=2, device="cpu")
    return [command, *(f"--{key.replace('_', '-')}={value}" for key, value in (options | changes).items())]


def test_the_demo_command(tmp_path, capsys):
    """README's first command, shortened: the small model, from nothing but this package."""
    assert main(["demo", "--out", str(tmp_path), "--frames", "5", "--steps", "1"]) == 0
    assert "the portrait alive" in capsys.readouterr().out
    for name in ("driving", "landmarks", "animation"):
        clip = Clip(tmp_path / f"{name}.mp4")
        assert len(list(read_frames(clip))) == 5 and clip_info(clip).fps == 25


def test_animate(inputs, tmp_path, capsys):
    frames = []
    for name in ("a.mp4", "b.mp4"):
        assert main(arguments(inputs, "animate", tmp_path / name, seed=3)) == 0
        frames.append(np.stack(list(read_frames(Clip(tmp_path / name)))))
    assert frames[0].shape == (6, 64, 64, 3) and np.array_equal(*frames)
    assert "6 frames at 25 fps" in capsys.readouterr().out


def test_animate_long(inputs, tmp_path, capsys):
    """Stopped and started again: the finished windows are found, and nothing is left lying about at the end."""
    wanted = arguments(inputs, "animate", tmp_path / "long.mp4", window_length=3)
    assert main([*wanted, "--long"]) == 0
    assert "6 frames at 25 fps" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]
    assert main([*wanted, "--long", "--known-frames=concat"]) == 1
    assert "not trained with covered latents" in capsys.readouterr().err


def test_landmarks(inputs, tmp_path):
    saved = tmp_path / "kept.safetensors"
    assert main(arguments(inputs, "landmarks", tmp_path / "out.mp4", save_motion=saved, rotation="relative")) == 0
    assert clip_info(Clip(tmp_path / "out.mp4")).frame_count == 6 and saved.is_file()
    # With the driver's pictures, and a detector for the portrait or not at all.
    assert main(arguments(inputs, "landmarks", tmp_path / "two.mp4", driving=inputs / "driving.mp4")) == 1


def test_mistakes_are_explained(inputs, tmp_path, capsys):
    for changes, words in (
        (dict(size="100"), "multiples of 8"),
        (dict(size="wide"), "512x640"),
        (dict(brows=9), "allowed: 0 to 3"),
        (dict(portrait=inputs / "driving.mp4"), "cannot be opened as a picture"),
        (dict(models=tmp_path, weights=tmp_path), "lacks the denoiser"),
        (dict(steps=0), "at least 1"),
        (dict(overlap=9, window_length=9), "never move on"),
        (dict(out=tmp_path / "x.gif"), "must end in .mp4"),
        (dict(out="/proc/nowhere/x.mp4"), "Choose another folder for --out"),
        (dict(face=inputs / "driving.mp4"), "not a motion file"),
        (dict(driving=inputs / "driving.mp4"), "There is no face detector at"),
    ):
        assert main(arguments(inputs, "animate", **{"out": tmp_path / "x.mp4", **changes})) == 1
        error = capsys.readouterr().err
        assert words in error and "Traceback" not in error
    assert not (tmp_path / "x.mp4").exists()


def test_ctrl_c(inputs, tmp_path, monkeypatch, capsys):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("followemoji_core.walk.animate.sample", stop)
    assert main(arguments(inputs, "animate", tmp_path / "x.mp4")) == 130
    assert list(tmp_path.iterdir()) == []


# --- download, from a hub on this machine


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
    with pytest.raises(downloads.DownloadError, match="SHA-256"):
        downloads.fetch_task(target, url=url)
    downloads.fetch_task(target, url=url)
    assert target.read_bytes() == data
    server.shutdown()
    server.server_close()
    target.unlink()
    with pytest.raises(downloads.DownloadError, match="could not be fetched"):
        downloads.fetch_task(target, url=url)
