import io

import numpy as np
import pytest

from followemoji_core.errors import InputError
from followemoji_core.media import Clip, clip_info, read_audio, read_frames, write_video


def counting(frames, size=(48, 64)):
    """Frame k is grey of 5 k."""
    return [np.full((*size, 3), 5 * index, np.uint8) for index in range(frames)]


TONE = (np.sin(np.linspace(0, 2000, 2 * 44100)).astype(np.float32)[None], 44100)


def test_frames_in_frames_out(tmp_path):
    """Count, order, odd frame rate and the length of the sound survive."""
    path = tmp_path / "clip.mp4"
    assert write_video(path, iter(counting(40)), 30000 / 1001, TONE) == 40
    assert clip_info(Clip(path)).fps == pytest.approx(30000 / 1001)
    levels = [frame.mean() for frame in read_frames(Clip(path))]
    assert np.abs(np.array(levels) - 5 * np.arange(40)).max() < 3
    samples, rate = read_audio(Clip(path))
    assert rate == 44100 and samples.shape[1] / rate == pytest.approx(40 / 29.97, abs=0.06)


def test_trim_and_memory_files(tmp_path):
    write_video(tmp_path / "clip.mp4", counting(40), 20.0, TONE)
    clip = Clip(io.BytesIO((tmp_path / "clip.mp4").read_bytes()), start=0.5, duration=0.75)
    levels = [round(frame.mean() / 5) for frame in read_frames(clip)]
    assert levels == list(range(10, 25)) and clip_info(clip).frame_count == 15
    assert read_audio(clip)[0].shape[1] == round(0.75 * 44100)


def test_no_sound(tmp_path):
    write_video(tmp_path / "mute.mp4", counting(2), 25.0)
    assert read_audio(Clip(tmp_path / "mute.mp4")) is None


def test_an_interrupted_video_leaves_no_file(tmp_path):
    def frames():
        yield from counting(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "half.mp4", frames(), 25.0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no frames"):
        write_video(tmp_path / "none.mp4", [], 25.0)


def test_what_is_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(InputError, match="text.mp4 cannot be opened as a video"):
        list(read_frames(Clip(tmp_path / "text.mp4")))
    write_video(tmp_path / "clip.mp4", counting(40), 25.0)
    with pytest.raises(InputError, match="no frame that can be decoded.*trim"):
        list(read_frames(Clip(tmp_path / "clip.mp4", start=9.0)))
    whole = (tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # its index is in front: the rest is gone
    try:
        assert 0 < len(list(read_frames(Clip(tmp_path / "cut.mp4")))) < 40
    except InputError:
        pass  # older FFmpeg refuses such a file as a whole
