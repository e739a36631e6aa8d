"""The face detector for tests: that of the golden data, else fetched once by the command that users have."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from followemoji_core.commands.download import DownloadError, fetch_detector
from tests.parity.conftest import reference_dir


def detector_file() -> Path:
    """face_landmarker.task; skips the test where it is not here and cannot be fetched."""
    bundles = sorted(reference_dir().glob("media/*.task"))
    if bundles:
        return bundles[0]
    kept = Path(tempfile.gettempdir()) / "followemoji-tests" / "face_landmarker.task"
    try:
        fetch_detector(kept)
    except DownloadError as error:
        pytest.skip(f"no face detector: {error}")
    return kept
