"""Faces against what the published code computes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.errors import NoFaceError
from followemoji_core.face.align import align
from followemoji_core.face.detector import FaceDetector, extract_face
from followemoji_core.face.draw import draw_landmarks, draw_motion
from followemoji_core.face.geometry import CanonicalFace, screen_points, solve_geometry
from followemoji_core.types import FaceFrame, FaceMotion
from tests.parity.conftest import face_task, golden_files


@pytest.fixture(scope="module")
def detector() -> Iterator[FaceDetector]:
    task = face_task()
    pytest.importorskip("mediapipe")
    with FaceDetector(task) as found:
        yield found


def load(file: Path) -> FaceFrame | FaceMotion:
    """A golden portrait or clip as the published code saw it: its own mesh and head pose."""
    data = np.load(file)
    blendshapes = np.concatenate([np.zeros_like(data["bs"][..., :1]), data["bs"]], axis=-1)
    width, height = data["size"].tolist() if "size" in data else data["image"].shape[1::-1]
    arrays = (data["lmks"], data["lmks3d"], data["trans_mat"], blendshapes, (int(width), int(height)))
    if data["lmks"].ndim == 2:
        return FaceFrame(*arrays)
    return FaceMotion(*arrays, found=np.ones(len(data["lmks"]), bool), fps=30.0)


def check_geometry(face: FaceFrame | FaceMotion) -> None:
    metric, camera_from_face = solve_geometry(face.landmarks, face.size)
    far = np.abs(face.camera_from_face[..., :3, 3]).max() > 60  # cm; float32 in the published solver
    np.testing.assert_allclose(metric, face.metric, atol=1e-4, rtol=0)
    np.testing.assert_allclose(camera_from_face, face.camera_from_face, atol=3e-4 if far else 1e-4, rtol=0)


def test_portrait_geometry(golden_portrait: Path) -> None:
    check_geometry(load(golden_portrait))


def test_clip_geometry(golden_clip: Path) -> None:
    check_geometry(load(golden_clip))


def test_portrait_drawing_is_identical(golden_portrait: Path) -> None:
    face = load(golden_portrait)
    np.testing.assert_array_equal(draw_landmarks(screen_points(face), face.size), np.load(golden_portrait)["drawing"])


def test_clip_drawing_is_identical(golden_clip: Path) -> None:
    motion = load(golden_clip)
    drawing = draw_landmarks(screen_points(motion)[0], motion.size)
    np.testing.assert_array_equal(drawing, np.load(golden_clip)["drawing0"])


def named_parts(file: Path) -> tuple[Path, Path]:
    """aligned_PORTRAIT_CLIP -> its portrait and clip; both names may hold underscores."""
    name = file.stem.removeprefix("aligned_")
    for portrait in golden_files("golden_portrait"):
        clip = file.with_name(f"clip_{name.removeprefix(portrait.stem.removeprefix('portrait_') + '_')}.npz")
        if name.startswith(portrait.stem.removeprefix("portrait_") + "_") and clip.is_file():
            return portrait, clip
    pytest.skip(f"no portrait and clip for {file.name}")


@pytest.mark.parametrize("geometry", ["published", "solved"])
def test_aligned_drawings(golden_aligned: Path, geometry: str) -> None:
    """All but 0.05 % of the pixels: a point that lies on a pixel's border may fall on either side of it."""
    golden = np.load(golden_aligned)
    portrait, driving = (load(file) for file in named_parts(golden_aligned))
    if geometry == "solved":
        metric, camera_from_face = solve_geometry(portrait.landmarks, portrait.size)
        portrait = FaceFrame(portrait.landmarks, metric, camera_from_face, portrait.blendshapes, portrait.size)
        metric, camera_from_face = solve_geometry(driving.landmarks, driving.size)
        driving = FaceMotion(driving.landmarks, metric, camera_from_face, driving.blendshapes, driving.size,
                             driving.found, driving.fps)  # fmt: skip
    drawings = draw_motion(align(portrait, driving), golden["index"])
    wrong = (drawings != golden["drawings"]).any(axis=-1).mean(axis=(1, 2))
    assert wrong.max() <= 5e-4, wrong


def test_detector_landmarks(golden_portrait: Path, detector: FaceDetector) -> None:
    """mediapipe 1.2.2 differs from 0.10.21 by at most 0.017 pixels and 0.0012 of a blendshape (the shiba)."""
    golden = load(golden_portrait)
    face = extract_face(np.load(golden_portrait)["image"], detector)
    np.testing.assert_allclose(face.landmarks * 512, golden.landmarks * 512, atol=0.1, rtol=0)
    np.testing.assert_allclose(face.blendshapes[1:], golden.blendshapes[1:], atol=0.01, rtol=0)


def test_detector_finds_no_face_where_there_is_none(golden_faceless: Path, detector: FaceDetector) -> None:
    with pytest.raises(NoFaceError, match="No face in the portrait .*lower confidence"):
        extract_face(np.load(golden_faceless)["image"], detector)


def test_shipped_canonical_face_is_the_bundle_s(reference: Path) -> None:
    shipped, read = CanonicalFace.default(), CanonicalFace.from_task(face_task())
    for name in ("vertices", "basis", "weights"):
        np.testing.assert_array_equal(getattr(shipped, name), getattr(read, name))
