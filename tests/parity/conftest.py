"""Golden data: found by file name, so that another folder of the same layout is tested as well.

The folder is the one that FOLLOWEMOJI_REFERENCE names; without that ../shared/reference beside the project; without
that tests/golden, which comes with the project and holds numbers only. A test with one of the CASES as argument runs
once per matching file and gets its path. What a folder lacks is skipped: photographs, videos and the face detector are
not in tests/golden.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.face.detector import FaceDetector

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CASES = {
    "golden_portrait": "landmarks/portrait_*.npz",  # those in which a face was found
    "golden_faceless": "landmarks/portrait_*.npz",  # those in which none was
    "golden_clip": "landmarks/clip_*.npz",
    "golden_aligned": "landmarks/aligned_*.npz",
    "golden_network": "models/golden_*.safetensors",
}


def reference_dir() -> Path:
    """The folder of the golden data; may not exist when FOLLOWEMOJI_REFERENCE names it."""
    if named := os.environ.get("FOLLOWEMOJI_REFERENCE"):
        return Path(named).expanduser()
    beside = ROOT.parent / "shared" / "reference"
    return beside if beside.is_dir() else GOLDEN


def require_reference() -> Path:
    """The folder of golden data with photographs, videos and detector; skips the test where there is none."""
    folder = reference_dir()
    if not (folder / "media").is_dir():
        pytest.skip(f"no photographs and videos: {folder / 'media'} is not there (set FOLLOWEMOJI_REFERENCE)")
    return folder


def face_task() -> Path:
    """The Face Landmarker bundle of the golden data; skips the test where there is none."""
    bundles = sorted(require_reference().glob("media/*.task"))
    if not bundles:
        pytest.skip(f"no .task bundle in {reference_dir() / 'media'}")
    return bundles[0]


def golden_files(case: str) -> list[Path]:
    """The files of one of the CASES, sorted; [] where there are none."""
    files = sorted(reference_dir().glob(CASES[case]))
    if case in ("golden_portrait", "golden_faceless"):
        files = [file for file in files if bool(np.load(file)["found"]) == (case == "golden_portrait")]
    return files


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for case in CASES:
        if case in metafunc.fixturenames:
            files: list[object] = list(golden_files(case))
            skip = pytest.mark.skip(reason=f"no {case} among {reference_dir() / CASES[case]}")
            metafunc.parametrize(
                case, files or [pytest.param(None, marks=skip)], ids=lambda file: getattr(file, "stem", "absent")
            )


@pytest.fixture(scope="session")
def reference() -> Path:
    return require_reference()


@pytest.fixture(scope="session")
def detector() -> Iterator[FaceDetector]:
    """The real one; skips the test where its file or mediapipe is absent."""
    task = face_task()
    pytest.importorskip("mediapipe")
    with FaceDetector(task) as found:
        yield found
