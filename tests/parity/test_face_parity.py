"""Faces against what the published code computes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from followemoji_core.errors import NoFaceError
from followemoji_core.face.align import AlignOptions, align
from followemoji_core.face.detector import FaceDetector
from followemoji_core.face.draw import draw_landmarks, draw_motion
from followemoji_core.face.extraction import extract_face, extract_motion
from followemoji_core.face.geometry import CanonicalFace, screen_points, solve_geometry
from followemoji_core.face.motion import stack_screen_faces
from followemoji_core.face.tracking import FaceTracker
from followemoji_core.media import Clip, read_frames
from followemoji_core.types import FaceFrame, FaceMotion
from tests.parity.conftest import face_task, golden_files, require_reference


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
    drawings = draw_motion(align(portrait, driving, AlignOptions.published()), golden["index"])
    wrong = (drawings != golden["drawings"]).any(axis=-1).mean(axis=(1, 2))
    assert wrong.max() <= 5e-4, wrong


def test_detector_landmarks(golden_portrait: Path, detector: FaceDetector) -> None:
    """mediapipe 1.2.2 differs from 0.10.21 by at most 0.017 pixels and 0.0012 of a blendshape (the shiba)."""
    golden = load(golden_portrait)
    face = extract_face(np.load(golden_portrait)["image"], detector)
    np.testing.assert_allclose(face.landmarks * 512, golden.landmarks * 512, atol=0.1, rtol=0)
    np.testing.assert_allclose(face.blendshapes[1:], golden.blendshapes[1:], atol=0.01, rtol=0)


def test_detector_finds_no_face_where_there_is_none(golden_faceless: Path, detector: FaceDetector) -> None:
    with pytest.raises(NoFaceError, match="No face in the portrait .*Crop closer"):
        extract_face(np.load(golden_faceless)["image"], detector)


def test_a_clip_in_threads_is_the_clip_in_order(detector: FaceDetector) -> None:
    """Bit for bit, the frames in which nobody is seen included; and again with landmarkers that were used before."""
    frames = [frame for _, frame in zip(range(40), read_frames(driving_clip()), strict=False)]
    frames[11:14] = [np.zeros_like(frames[0])] * 3
    tracker = FaceTracker()
    for frame in frames:
        tracker.see(detector.find(frame))
    expected = stack_screen_faces(tracker.chosen(), 30.0)
    seen: list[tuple[int, bool]] = []
    for _ in range(2):
        motion = extract_motion(iter(frames), 30.0, detector, on_frame=lambda *frame: seen.append(frame))
        for name in ("landmarks", "metric", "camera_from_face", "blendshapes", "found"):
            np.testing.assert_array_equal(getattr(motion, name), getattr(expected, name), err_msg=name, strict=True)
    assert seen == 2 * list(enumerate(expected.found.tolist())) and not expected.found[11:14].any()


def test_a_clip_can_be_left(detector: FaceDetector) -> None:
    """What progress raises comes out, and the detector serves the next one."""

    def leave(index: int, found: bool) -> None:
        if index == 3:
            raise KeyboardInterrupt

    frames = read_frames(driving_clip())
    with pytest.raises(KeyboardInterrupt):
        extract_motion(frames, 30.0, detector, on_frame=leave)
    assert detector.detect(next(frames))


def driving_clip() -> Clip:
    return Clip(min(require_reference().glob("media/*.mp4")))


def test_shipped_canonical_face_is_the_bundle_s() -> None:
    """GeometryPipelineMetadata: 1 = canonical mesh, 2 = repeated landmark and weight. Mesh3d: 3 = floats, 4 = index."""
    with zipfile.ZipFile(face_task()) as bundle:
        metadata = list(protobuf_fields(bundle.read("geometry_pipeline_metadata_landmarks.binarypb")))
    mesh = list(protobuf_fields(next(value for field, value in metadata if field == 1)))
    basis = [dict(protobuf_fields(value)) for field, value in metadata if field == 2]
    floats = b"".join(value for field, value in mesh if field == 3)
    shipped = CanonicalFace.default()
    np.testing.assert_array_equal(shipped.vertices, np.frombuffer(floats, "<f4").reshape(468, 5)[:, :3])  # x y z u v
    np.testing.assert_array_equal(shipped.triangles.ravel(), [value for field, value in mesh if field == 4])
    np.testing.assert_array_equal(shipped.basis, [pair.get(1, 0) for pair in basis])
    np.testing.assert_array_equal(shipped.weights, [np.frombuffer(pair[2], "<f4")[0] for pair in basis])


def protobuf_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message in the wire format: (number, int for varints, bytes for everything else)."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, message[position : position + length]
        position += length
