"""What the registry reads: names, places, requirements; and what its checks refuse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMFY = PROJECT["tool"]["comfy"]
PLACEHOLDER = "your-publisher-id"
FRONTEND = "comfyui-frontend-package"


def test_one_owner_everywhere():
    """Repository, pictures, README's clone and links of help pages name one owner, who is set with the publisher."""
    repository = PROJECT["project"]["urls"]["Repository"]
    owner, name = re.fullmatch(r"https://github\.com/([\w-]+)/([\w-]+)", repository).groups()
    if PLACEHOLDER in (owner, COMFY["PublisherId"]):
        assert owner == COMFY["PublisherId"], "the placeholder is to be replaced in both places, see CONTRIBUTING"
    pages = [ROOT / "pyproject.toml", ROOT / "README.md", *(ROOT / "nodes").rglob("*.md")]
    named = {}
    for page in pages:
        for found in re.findall(rf"github(?:usercontent)?\.com/([\w-]+)/{name}\b", page.read_text("utf-8")):
            named.setdefault(found, set()).add(page.name)
    assert set(named) == {owner}, f"the owner is {owner}, but {named}"
    assert {"pyproject.toml", "README.md"} <= named[owner]


def test_requirements_agree():
    """One list, written twice; the frontend alone is in pyproject only: ComfyUI brings its own."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    declared = set(PROJECT["project"]["dependencies"])
    assert declared - wanted == {f"{FRONTEND}>=1.27.10"} and wanted <= declared
    assert not [line for line in wanted if "==" in line.split(";")[0] or "<" in line.split(";")[0]]


@pytest.mark.parametrize(("key", "shape"), [("Icon", 1.0), ("Banner", 21 / 9)])
def test_icon_and_banner_are_pictures_of_the_repository(key, shape):
    """Square, and 21:9; no more than 800 x 400 for the icon, as the registry has it."""
    url = COMFY[key]
    place = re.fullmatch(r"https://raw\.githubusercontent\.com/[\w-]+/[\w-]+/main/(.+\.(?:png|jpg))", url)[1]
    picture = cv2.imread(str(ROOT / place))
    height, width = picture.shape[:2]
    assert width / height == pytest.approx(shape, abs=0.01)
    if key == "Icon":
        assert width <= 800 and height <= 400


def tool(name: str) -> str:
    """The path of a command of the registry's, in FOLLOWEMOJI_REGISTRY_TOOLS, else on PATH."""
    found = shutil.which(name, path=os.environ.get("FOLLOWEMOJI_REGISTRY_TOOLS"))
    if not found:
        pytest.skip(f"no {name}: pip install comfy-test==0.4.15 comfy-cli, in an environment of their own")
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """The files that git knows, alone."""
    if not (ROOT / ".git").exists():
        pytest.skip(f"{ROOT} is no git clone")
    folder = tmp_path_factory.mktemp("clone")
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def test_comfy_test_lint_passes(clone):
    done = subprocess.run([tool("comfy-test"), "lint"], cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_comfy_node_validate_passes(clone):
    command = [tool("comfy"), "--skip-prompt", "--no-enable-telemetry", "node", "validate"]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    said = done.stdout + done.stderr  # which of the two depends on its version
    assert done.returncode == 0 and "All validation checks passed" in said, said


@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_requirements_fit_beside_comfyui(python):
    """The oldest and the newest Python, the oldest and the current ComfyUI; resolve_pythons.py has all of them."""
    from tests.resolve_pythons import SYSTEMS, NoIndex, resolve, trees

    if not trees():
        pytest.skip("no ComfyUI's requirements.txt (set COMFYUI_PATH)")
    for tree in trees():
        try:
            found = resolve(python, SYSTEMS[0], str(tree / "requirements.txt"), "requirements.txt")
        except NoIndex as error:
            pytest.skip(str(error))
        assert not {"opencv-python", "opencv-python-headless", "protobuf", "jax"} & set(found)
        (own,) = [line for line in (tree / "requirements.txt").read_text("utf-8").splitlines() if FRONTEND in line]
        assert found[FRONTEND] == own.split("==")[1]
