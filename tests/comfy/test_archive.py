"""What the registry gives a user: the archive that `comfy node pack` makes, in a ComfyUI that has nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.media import Clip, read_frames
from tests.comfy import graphs
from tests.conftest import comfy_tree

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "ComfyUI-FollowYourEmoji"
MOST = 18_000_000  # bytes of the zip; 15.4 million of them are the small model and its autoencoder


def packed() -> list[str]:
    """What comfy-cli packs: files that git knows, less what .comfyignore says in gitignore's language."""
    pathspec = pytest.importorskip("pathspec", reason="pip install pathspec")
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip(f"{ROOT} is no git clone: what is packed are the files that git knows")
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    left_out = pathspec.GitIgnoreSpec.from_lines(lines)
    return [name for name in known.splitlines() if (ROOT / name).is_file() and not left_out.match_file(name)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """The archive, unpacked in a folder of its own."""
    whole = tmp_path_factory.mktemp("registry") / "node.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as made:
        for name in packed():
            made.write(ROOT / name, name)
    assert whole.stat().st_size < MOST
    with zipfile.ZipFile(whole) as made:
        made.extractall(whole.parent / FOLDER)
    return whole.parent / FOLDER


def test_what_stays_out(archive):
    """Tests, training records, pictures of README pages: nothing that runs, and no pattern that names nothing."""
    assert {path.name for path in archive.iterdir()} <= {
        *("__init__.py", "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "requirements.txt"),
        *("followemoji_core", "nodes", "workflows", "subgraphs", "locales"),
    }
    small = archive / "followemoji_core/small"
    assert not [*small.glob("*.json"), *small.glob("*.png")] and [*small.glob("*.toml")]
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    for line in filter(None, lines):
        assert line.startswith("#") or [*ROOT.glob(line.strip("/"))], f".comfyignore names {line}, which is not there"


def test_what_is_in(archive):
    """Code, small model, templates with thumbnails, blueprints, words, help pages and every picture that they show."""
    inside = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    for folder in ("followemoji_core", "nodes"):
        for path in (ROOT / folder).rglob("*.*"):
            if path.suffix in (".py", ".js", ".toml", ".npz", ".safetensors", ".html", ".css"):
                assert path.relative_to(ROOT).as_posix() in inside, path
    templates = [path.stem for path in (ROOT / "workflows").glob("*.json")]
    assert templates and {f"workflows/{name}.jpg" for name in templates} <= inside
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "subgraphs").glob("*.json")} <= inside
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "locales").rglob("*.json")} <= inside
    shown = 0
    for page in (archive / "nodes/web/docs").rglob("*.md"):
        for link in re.findall(r"!\[[^]]*\]\(([^):]+)\)|<img[^>]+src=\"([^\":]+)\"", page.read_text("utf-8")):
            assert (page.parent / (link[0] or link[1])).is_file(), f"{page.name} shows {link}"
            shown += 1
    assert shown > 5


def test_it_animates_where_nothing_else_is(archive, tmp_path):
    """A ComfyUI with the unpacked archive alone: nodes, templates and help pages are there, first_animation moves."""
    tree = comfy_tree("server")
    from tests.comfy.server import ComfyServer

    with ComfyServer(tree, tmp_path / "comfy", packs={FOLDER: archive}) as server:
        assert "IMPORT FAILED" not in server.log() and "Traceback" not in server.log()
        names = {name for name in server.object_info() if name.startswith("FollowEmoji")}
        assert names == {path.stem for path in (ROOT / "nodes/web/docs").glob("FollowEmoji*.md")}
        assert "first_animation" in server.get("/workflow_templates")[FOLDER]
        (made,) = [path for path in server.outputs(server.run(graphs.load("first_animation"))) if path.suffix == ".mp4"]
        frames = np.stack(list(read_frames(Clip(made))))
    assert frames.shape == (48, 128, 128, 3) and np.abs(np.diff(frames.astype(int), axis=0)).mean() > 0.3
