import io
import os
import subprocess
import sys
from pathlib import Path

import av
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


_WRITE = """
import sys, numpy as np
from followemoji_core.media import write_video
wave = np.sin(np.arange(64) / 5)
noise = np.random.default_rng(0)
frames = [
    (127 + 90 * np.roll(wave, shift)[:, None, None] * wave[:, None] + noise.normal(0, 9, (64, 64, 3))).astype(np.uint8)
    for shift in range(6)
]
write_video(sys.argv[1], frames, 25.0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MALLOC_PERTURB_ is glibc's")
def test_the_same_frames_give_the_same_file(tmp_path):
    """Whatever lies in fresh memory: the encoder must read nothing that it did not write."""
    files = []
    for fill in ("1", "170"):
        files.append(tmp_path / f"{fill}.mp4")
        variables = os.environ | {"MALLOC_PERTURB_": fill, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([sys.executable, "-c", _WRITE, files[-1]], env=variables, check=True)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_trim_and_memory_files(tmp_path):
    write_video(tmp_path / "clip.mp4", counting(40), 20.0, TONE)
    clip = Clip(io.BytesIO((tmp_path / "clip.mp4").read_bytes()), start=0.5, duration=0.75)
    levels = [round(frame.mean() / 5) for frame in read_frames(clip)]
    assert levels == list(range(10, 25)) and clip_info(clip).frame_count == 15
    assert read_audio(clip)[0].shape[1] == round(0.75 * 44100)


@pytest.mark.parametrize("start", [0.0, 0.08, 0.3, 0.5, 0.7, 1.0])
def test_a_trim_is_comfyuis(tmp_path, start):
    """Its rule, on presentation times: from int(start / time_base) to before int((start + duration) / time_base)."""
    write_video(tmp_path / "clip.mp4", counting(50), 25.0)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        base = container.streams.video[0].time_base
        times = [frame.pts for frame in container.decode(video=0)]
    for duration in (0.25, 0.5, 0.51, 0.9):
        wanted = [t for t in times if int(start / base) <= t < int((start + duration) / base)]
        assert len(list(read_frames(Clip(tmp_path / "clip.mp4", start, duration)))) == len(wanted)


def test_damage_in_the_middle_costs_only_what_it_hits(tmp_path, caplog):
    write_video(
        tmp_path / "clip.mp4",
        [np.random.default_rng(k).integers(0, 255, (64, 64, 3), np.uint8) for k in range(60)],
        25.0,
    )
    data = bytearray((tmp_path / "clip.mp4").read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 4000] = bytes(4000)
    (tmp_path / "hit.mp4").write_bytes(data)
    assert 50 < len(list(read_frames(Clip(tmp_path / "hit.mp4")))) <= 60


def test_sound_that_begins_late_stays_with_the_picture(tmp_path):
    """A track that starts half a second in is silent until then; so is what a trim cuts into."""
    silence = np.zeros((1, 22050), np.float32)
    write_video(tmp_path / "clip.mp4", counting(40), 20.0, (np.concatenate([silence, TONE[0]], axis=1), 44100))
    samples, rate = read_audio(Clip(tmp_path / "clip.mp4", start=0.25, duration=1.0))
    assert samples.shape[1] == rate
    loud = np.abs(samples[0]) > 0.1
    assert not loud[: int(0.2 * rate)].any() and loud[int(0.3 * rate) :].mean() > 0.5


def test_reading_can_be_stopped(tmp_path):
    def stop():
        raise KeyboardInterrupt

    write_video(tmp_path / "clip.mp4", counting(5), 20.0, TONE)
    for reader in (
        lambda: next(read_frames(Clip(tmp_path / "clip.mp4"), stop)),
        lambda: read_audio(Clip(tmp_path / "clip.mp4"), stop),
    ):
        with pytest.raises(KeyboardInterrupt):
            reader()


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
