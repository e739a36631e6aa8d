import numpy as np

from followemoji_core.__main__ import main
from followemoji_core.demo import draw_frames, draw_portrait, drive
from followemoji_core.face.geometry import screen_points, solve_geometry
from followemoji_core.media import Clip, clip_info, read_frames

UPPER_LID, LOWER_LID, LIPS = 159, 145, (13, 14)


def test_the_drawn_landmarks_are_exact():
    """MediaPipe's geometry, solved from the screen landmarks alone, gives back the mesh that was drawn."""
    motion = drive(40, size=(320, 256))
    metric, camera_from_face = solve_geometry(motion.landmarks, motion.size)
    assert np.abs(metric - motion.metric).max() < 1e-2
    assert np.abs(camera_from_face - motion.camera_from_face).max() < 1e-2
    assert (screen_points(motion) > 0).all() and (screen_points(motion) < motion.size).all()
    height = lambda a, b: np.linalg.norm(motion.metric[:, a] - motion.metric[:, b], axis=-1)  # noqa: E731
    assert height(UPPER_LID, LOWER_LID).min() < 0.2 < 0.5 < height(UPPER_LID, LOWER_LID).max()
    assert height(*LIPS).max() > 0.5


def test_pictures_are_repeatable_and_differ():
    (first, _), (again, _), (other, _) = draw_portrait((96, 96)), draw_portrait((96, 96)), draw_portrait((96, 96), 3)
    assert np.array_equal(first, again) and np.abs(first.astype(int) - other).mean() > 5
    frames = list(draw_frames(drive(3, size=(64, 48))))
    assert len(frames) == 3 and frames[0].shape == (48, 64, 3)


def test_the_demo_command(tmp_path, capsys):
    """README's first command, shortened: the small model, from nothing but this package."""
    assert main(["demo", "--out", str(tmp_path), "--frames", "5", "--steps", "1"]) == 0
    assert "the portrait alive" in capsys.readouterr().out
    for name in ("driving", "landmarks", "animation"):
        clip = Clip(tmp_path / f"{name}.mp4")
        assert len(list(read_frames(clip))) == 5 and clip_info(clip).fps == 25
