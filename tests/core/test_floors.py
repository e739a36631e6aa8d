"""The floors of the house: who may import whom, and what may be imported where."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parents[2] / "followemoji_core"
GROUND = {"types", "errors", "files", "gate", "lock", "pickles", "sheets"}
# Room -> rooms of the core that it may enter; `media` is a side room of the walk.
MAY_ENTER = {
    "types": set(),
    "errors": set(),
    "files": {"errors"},
    "gate": {"errors"},
    "pickles": {"gate"},
    "fetching": {"errors"},
    "lock": {"errors"},
    "sheets": {"errors", "gate"},
    "jobs": {"errors", "files", "gate", "lock"},
    "face": GROUND,
    "model": GROUND,
    "diffusion": GROUND,
    "media": GROUND,
    "pictures": GROUND,
    "encoders": GROUND | {"model"},
    "drawn": GROUND | {"face"},
    "walk": GROUND | {"jobs", "media", "face", "model", "diffusion", "encoders", "small", ""},
    "training": GROUND | {"jobs", "media", "face", "model", "diffusion", "encoders", "drawn", "walk", "small"},
    # Ablations train.
    "evaluation": GROUND
    | {"jobs", "media", "pictures", "face", "model", "diffusion", "encoders", "drawn", "walk", "small", "training"}
    | {"fetching"},
    "commands": GROUND
    | {"jobs", "media", "pictures", "face", "model", "diffusion", "encoders", "drawn", "walk", "training", "evaluation"}
    | {"small", "fetching", ""},
    "__main__": {"commands"},
}
NEVER = {
    "jobs": {"numpy", "torch"},
    "face": {"torch"},
    "model": {"numpy", "mediapipe"},
    "diffusion": {"numpy", "mediapipe"},
}


def imports(file: Path) -> list[tuple[str, int]]:
    """(module, level) of every import in a file, wherever it stands; level 0 is absolute."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level))
    return found


def room_of(file: Path) -> str:
    return file.relative_to(CORE).parts[0].removesuffix(".py")


def test_rooms():
    files = sorted(CORE.rglob("*.py"))
    assert len(files) > 20
    for file in files:
        room, depth = room_of(file), len(file.relative_to(CORE).parts)
        for module, level in imports(file):
            top = module.split(".")[0]
            assert top not in {"comfy", "folder_paths", "nodes", "comfy_api"}, f"{file}: the core knows no ComfyUI"
            assert top != "followemoji_core", f"{file}: imports are relative"
            assert top not in NEVER.get(room, set()) or level, f"{file} imports {module}"
            assert top != "mediapipe" or file.name == "detector.py", f"{file}: only the detector knows mediapipe"
            if level == depth and room in MAY_ENTER:
                assert top in MAY_ENTER[room] | {room}, f"{file}: {room} may not enter {top}"
    for name in ("windows.py", "progressive.py"):
        file = CORE / "diffusion" / name
        assert not file.exists() or "torch" not in {module for module, _ in imports(file)}


def test_light_imports():
    """Heavy packages load on use: a missing one must not take all nodes away."""
    code = (
        "import sys, followemoji_core.walk.animate, followemoji_core.face.detector, followemoji_core.media;"
        "print({'mediapipe', 'cv2', 'diffusers', 'transformers', 'av'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CORE.parent, check=True)
    assert out.stdout.strip() == "set()"
