"""Whether the pack's requirements fit beside ComfyUI's own, nothing installed: python tests/resolve_pythons.py

Resolves requirements.txt with the requirements of each ComfyUI that is there, on every Python and system that the pack
is for, by uv (`pip install uv`, or FOLLOWEMOJI_REGISTRY_TOOLS). --extras resolves pyproject's extras alone instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEMS = ("x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc", "aarch64-apple-darwin")
MACOS = "14.0"  # what torch 2.12 and dlib-bin need; uv takes 13 for granted
TREES = (("COMFYUI_PATH", "~/comfy/ComfyUI"), ("COMFYUI_OLD_PATH", "~/comfy/ComfyUI-0.3.64"))
EXTRAS = ("standalone", "cluster", "train", "evaluate", "fvd", "test")
SHOWN = ("numpy", "mediapipe", "opencv-contrib-python", "diffusers", "torch", "comfyui-frontend-package")
WITHIN = 300  # seconds for one of them


class NoIndex(RuntimeError):
    """There is no uv, or no package index answers."""


def trees() -> list[Path]:
    """The ComfyUI checkouts that are there."""
    found = [Path(os.environ.get(variable) or default).expanduser() for variable, default in TREES]
    return [tree for tree in found if (tree / "requirements.txt").is_file()]


def resolve(python: str, system: str, *what: str) -> dict[str, str]:
    """What uv would install of the arguments `what`: version by name. Raises NoIndex, or ValueError saying why not."""
    uv = shutil.which("uv", path=os.environ.get("FOLLOWEMOJI_REGISTRY_TOOLS"))
    if not uv:
        raise NoIndex("no uv: pip install uv")
    flags = ["--quiet", "--no-header", "--no-annotate", "--python-version", python, "--python-platform", system]
    command = [uv, "pip", "compile", *flags, *what]
    env = dict(os.environ, MACOSX_DEPLOYMENT_TARGET=MACOS)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=WITHIN)
    if done.returncode:
        if any(word in done.stderr.lower() for word in ("failed to fetch", "error sending request", "dns")):
            raise NoIndex(done.stderr.strip()[:300])
        raise ValueError(done.stderr.strip())
    pairs = [line.split(" ;")[0].split("==") for line in done.stdout.splitlines() if "==" in line]
    return {name: version.strip() for name, version in pairs}


def main() -> int:
    """Exit codes: 0 all can be resolved, 1 one cannot, 2 nothing could be tried."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extras", action="store_true", help="pyproject's extras, without ComfyUI")
    parser.add_argument("--pythons", nargs="+", default=PYTHONS)
    parser.add_argument("--systems", nargs="+", default=SYSTEMS)
    options = parser.parse_args()
    cases = {tree.name: (str(tree / "requirements.txt"), "requirements.txt") for tree in trees()}
    if options.extras:
        cases = {f"[{extra}]": ("pyproject.toml", "--extra", extra) for extra in EXTRAS}
    failed = 0
    for name, what in cases.items():
        for python in options.pythons:
            for system in options.systems:
                try:
                    found = resolve(python, system, *what)
                    said = ", ".join(f"{package} {found[package]}" for package in SHOWN if package in found)
                except NoIndex as error:
                    print(error, file=sys.stderr)
                    return 2
                except ValueError as error:
                    failed, said = failed + 1, f"CANNOT be resolved: {error}"
                print(f"{name}, Python {python}, {system}: {said}", flush=True)
    return 1 if failed else 0 if cases else 2


if __name__ == "__main__":
    sys.exit(main())
