"""Lays out the two versions of ComfyUI that the server and browser tests run: python tests/get_comfyui.py

From their public tags, with git, into the folders where tests/conftest.py looks; beside the older one the frontend that
it came with, from PyPI. What is there is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = "https://github.com/Comfy-Org/ComfyUI"
# Tag -> environment variable and default folder, as in tests/conftest.py.
VERSIONS = {
    "v0.33.0": ("COMFYUI_PATH", "~/comfy/ComfyUI"),
    "v0.3.64": ("COMFYUI_OLD_PATH", "~/comfy/ComfyUI-0.3.64"),
}
ANSWER, CLONE = 20, 600  # seconds: until the server must have answered, and for all of a clone


def main() -> int:
    """Exit codes: 0 both are there, 1 one could not be had; the last lines say why."""
    for tag, (variable, default) in VERSIONS.items():
        tree = Path(os.environ.get(variable) or default).expanduser()
        try:
            print(lay_out(tag, tree), flush=True)
        except OSError as error:
            print(f"ComfyUI {tag} cannot be put into {tree}: {error}", file=sys.stderr)
            return 1
    old = Path(os.environ.get("COMFYUI_OLD_PATH") or VERSIONS["v0.3.64"][1]).expanduser()
    try:
        print(lay_out_frontend(old), flush=True)
    except OSError as error:  # the interpreter's frontend serves as well
        print(f"The frontend of {old} cannot be had: {error}", file=sys.stderr)
    current = Path(os.environ.get("COMFYUI_PATH") or VERSIONS["v0.33.0"][1]).expanduser()
    # One environment serves both; 0.3.64 imports requests without asking for it.
    print(f"Now: {sys.executable} -m pip install -r {current / 'requirements.txt'} requests")
    return 0


def lay_out(tag: str, tree: Path) -> str:
    """Clone a tag into a folder that appears whole. Raises OSError, saying why, where that cannot be done."""
    if (tree / "main.py").is_file():
        return f"{tree} is there already and stays as it is"
    if tree.exists() and (not tree.is_dir() or any(tree.iterdir())):
        raise OSError("something else is there. Move it away, or name another folder")
    git("ls-remote", "--exit-code", REPOSITORY, f"refs/tags/{tag}", seconds=ANSWER)
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".comfyui-", dir=tree.parent) as folder:
        clone = Path(folder) / "ComfyUI"
        git("clone", "-q", "--depth=1", f"--branch={tag}", REPOSITORY, str(clone), seconds=CLONE)
        if tree.exists():
            tree.rmdir()
        clone.rename(tree)
    return f"{tree}: ComfyUI {tag}"


def own_frontend(tree: Path) -> tuple[str, Path] | None:
    """The frontend that a tree asks for: its requirement, and its folder beside the tree; None where it names none."""
    asked = re.search(r"^comfyui-frontend-package==(\S+)", (tree / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    return (asked[0], tree.parent / f"frontend-{asked[1]}") if asked else None


def lay_out_frontend(tree: Path) -> str:
    """Put the frontend that a tree asks for beside it. Raises OSError, saying why, where that cannot be done."""
    asked = own_frontend(tree)
    if asked is None:
        raise OSError("its requirements.txt names none")
    requirement, folder = asked
    if folder.is_dir():
        return f"{folder} is there already and stays as it is"
    with tempfile.TemporaryDirectory(prefix=".frontend-", dir=tree.parent) as partial:
        inside = Path(partial) / folder.name
        argv = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", f"--target={inside}", requirement]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing"]
            raise OSError(f"pip says: {said[-1]}")
        inside.rename(folder)
    return f"{folder}: the frontend of {tree.name}"


def git(*arguments: str, seconds: float) -> None:
    """Run git, which may ask for nothing. Raises OSError with what it said last."""
    if shutil.which("git") is None:
        raise OSError("git is not installed")
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *arguments], env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"no answer from {REPOSITORY} within {seconds:g} seconds. Is there a network?") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"{REPOSITORY} has no such tag"]
        raise OSError(f"git says: {said[-1]}")


if __name__ == "__main__":
    sys.exit(main())
