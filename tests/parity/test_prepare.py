"""`prepare` on real clips: the golden two, a corrupt one, one without a face, one with a cut, one with two people."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from followemoji_core.__main__ import main
from followemoji_core.errors import CheckpointError, InputError
from followemoji_core.face.detector import FaceDetector
from followemoji_core.face.geometry import screen_points
from followemoji_core.media import Clip, read_frames, write_video
from followemoji_core.training.prepare import PrepareSettings, prepare
from followemoji_core.training.shards import open_clip, read_part
from tests.parity.conftest import face_task, require_reference

SETTINGS = PrepareSettings(size=128, shortest=8, smallest_face=64)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    first, second = sorted(require_reference().glob("media/*.mp4"))[:2]
    small = [frame[::2, ::2] for _, frame in zip(range(30), read_frames(Clip(first)), strict=False)]
    other = [frame[::2, ::2] for _, frame in zip(range(30), read_frames(Clip(second)), strict=False)]
    side = min(len(small[0]), len(other[0])) // 2 * 2
    small, other = ([frame[:side, :side] for frame in frames] for frames in (small, other))
    write_video(folder / "plain.mp4", small, 25.0)
    write_video(folder / "cut.mp4", [*small[:15], *other[:15]], 25.0)
    write_video(folder / "empty.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 10, 25.0)
    both = [np.concatenate(pair, axis=1) for pair in zip(small[:6], other[:6], strict=True)]
    (folder / "deep").mkdir()
    write_video(folder / "deep" / "two.mp4", both, 25.0)
    (folder / "broken.mp4").write_bytes((folder / "plain.mp4").read_bytes()[:300])
    return folder


def test_clips_and_report(videos, tmp_path):
    counts = prepare(videos, tmp_path, face_task(), SETTINGS)
    assert counts["videos"] == 5 and counts["unreadable videos"] == 1
    assert counts["frames without a face"] == 10 and counts["frames with several faces"] == 6
    assert counts["cuts"] == 1 and counts["clips"] == 3 and counts["frames kept"] == 60
    names = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    assert names == ["cut.mp4-000.safetensors", "cut.mp4-001.safetensors", "plain.mp4-000.safetensors"]
    assert json.loads((tmp_path / "report.json").read_text()) == counts
    assert "broken.mp4" in json.loads((tmp_path / "broken.mp4.json").read_text())["error"]

    clip = open_clip(tmp_path / "plain.mp4-000.safetensors")
    part = read_part(clip, range(clip.frames))
    frames, points = part["pictures"], part["points"]
    assert frames.shape == (30, 128, 128, 3) and points.shape == (30, 478, 2)
    assert (points[:, :468] > -2).all() and (points[:, :468] < 130).all()
    with FaceDetector(face_task()) as detector:  # the face is where the clip says that it is
        (face,) = detector.detect(frames[7])
    assert np.abs(screen_points(face) - points[7]).mean() < 1.5


def test_it_goes_on_where_it_stopped(videos, tmp_path):
    prepare(videos, tmp_path, face_task(), SETTINGS)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    (tmp_path / "cut.mp4.json").unlink()
    prepare(videos, tmp_path, face_task(), SETTINGS)
    now = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
    assert {name for name in kept if now[name] != kept[name]} == {"cut.mp4-000.safetensors", "cut.mp4-001.safetensors"}


def test_mistakes_leave_the_videos_to_be_done(videos, tmp_path):
    """No detector, another size, an odd size: an error, and no report that calls a video done."""
    with pytest.raises(CheckpointError, match="face_landmarker"):
        prepare(videos, tmp_path, tmp_path / "face_landmarker.task", SETTINGS)
    assert not list(tmp_path.rglob("*.json"))
    (tmp_path / "plain.mp4.json").write_text(json.dumps({"settings": asdict(SETTINGS), "counts": {}}))
    with pytest.raises(InputError, match="size was 128, is 256"):
        prepare(videos, tmp_path, face_task(), replace(SETTINGS, size=256))
    with pytest.raises(InputError, match="multiple of 8"):
        PrepareSettings(size=500)


def test_command_and_empty_folder(videos, tmp_path, capsys):
    arguments = ["prepare", str(videos), str(tmp_path), "--detector", str(face_task()), "--size", "64"]
    assert main([*arguments, "--shortest", "8", "--workers", "2"]) == 0
    assert "3  clips" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="no video under"):
        prepare(tmp_path / "none", tmp_path, face_task())
