import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from followemoji_core.errors import InputError, OutputError
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


# --- strangers' films


def film(path, frames, times, base=1000, codec="libx264", options=None):
    """Grey frames at those times, in seconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, base)
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time * base), Fraction(1, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_a_variable_frame_rate_becomes_a_steady_one_that_stays_with_the_sound(tmp_path, name):
    """As phones film in the dark: 30 frames per second, then 10. What is seen at a time is what was filmed then."""
    times = [*(k / 30 for k in range(30)), *(1 + k / 10 for k in range(10)), *(2 + k / 30 for k in range(10))]
    path = film(tmp_path / name, counting(50), times)
    info = clip_info(Clip(path))
    assert info.fps == pytest.approx(49 / times[-1], abs=0.01)
    levels = np.array([frame.mean() for frame in read_frames(Clip(path))]) / 5
    assert abs(len(levels) / info.fps - times[-1]) < 1.5 / info.fps + 1 / 30
    for beat, level in enumerate(levels):
        filmed = times[int(round(level))]
        assert filmed - 0.5 / info.fps - 1e-3 <= beat / info.fps
        following = times[min(int(round(level)) + 1, 49)]
        assert beat / info.fps <= following + 0.5 / info.fps + 1e-3 or round(level) == 49
    trimmed = list(read_frames(Clip(path, start=1.0, duration=0.5)))
    assert len(trimmed) == round(0.5 * info.fps) and round(trimmed[0].mean() / 5) == 30


def test_a_steady_film_is_left_as_it_is_whatever_its_clock(tmp_path):
    """Times in whole milliseconds, as in mkv, are no variable rate; a rate claimed wrongly is not believed."""
    path = film(tmp_path / "v.mkv", counting(40), [round(k / 23.976, 3) for k in range(40)])
    assert clip_info(Clip(path)).fps == pytest.approx(23.976, abs=0.02)
    levels = [round(frame.mean() / 5) for frame in read_frames(Clip(path))]
    assert levels == list(range(40))


def test_a_cover_picture_is_no_film(tmp_path):
    """Songs carry one; it would be a clip of one frame at 90,000 frames per second."""
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=44100)
        cover = container.add_stream("mjpeg", rate=25)
        cover.width = cover.height = 64
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(TONE[0][:, :44100], format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(sound.encode(frame))
        for stream in (cover, sound):
            container.mux(stream.encode(None))
    with av.open(str(tmp_path / "song.m4a")) as container:
        assert container.streams.video[0].disposition & av.stream.Disposition.attached_pic
    for reader in (clip_info, read_audio, lambda clip: list(read_frames(clip))):
        with pytest.raises(InputError, match="song.m4a holds no video stream"):
            reader(Clip(tmp_path / "song.m4a"))


def test_a_title_that_is_not_utf8(tmp_path):
    write_video(tmp_path / "clip.mp4", counting(3), 25.0)
    with av.open(str(tmp_path / "clip.mp4")) as source, av.open(str(tmp_path / "t.mkv"), "w") as target:
        target.metadata["title"] = "XYXYXY"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "t.mkv").read_bytes()
    assert b"XYXYXY" in data
    (tmp_path / "t.mkv").write_bytes(data.replace(b"XYXYXY", b"\xff\xfe\xe9\xff\xfe\xe9"))
    assert clip_info(Clip(tmp_path / "t.mkv")).fps == 25 and len(list(read_frames(Clip(tmp_path / "t.mkv")))) == 3


@pytest.mark.parametrize("fps", [1e-9, 1e9, 0.0, -5.0, float("nan"), float("inf")])
def test_rates_that_no_clip_has(tmp_path, fps):
    with pytest.raises(InputError, match="frames per second"):
        write_video(tmp_path / "a.mp4", counting(2), fps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "ffconcat version 1.0\nfile clip.mp4\n"])
def test_a_list_of_other_files_is_no_film(tmp_path, text):
    write_video(tmp_path / "clip.mp4", counting(3), 25.0)
    (tmp_path / "list.mp4").write_text(text)
    with pytest.raises(InputError, match="list.mp4 cannot be opened"):
        clip_info(Clip(tmp_path / "list.mp4"))


# --- sound that mp4 does not take


@pytest.mark.parametrize("rate", [192_000, 12_345, 384_000, 5000])
def test_sound_at_a_rate_that_mp4_does_not_take_is_resampled(tmp_path, caplog, rate):
    tone = np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    write_video(tmp_path / "a.mp4", counting(50), 25.0, (np.stack([tone, tone]), rate))
    samples, now = read_audio(Clip(tmp_path / "a.mp4"))
    assert "resampled" in caplog.text and now <= 48_000 and abs(samples.shape[1] - 2 * now) < 2048
    middle = samples[0, now // 2 : now // 2 + now]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * now / len(middle) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    "sound",
    [
        (np.zeros((1, 0), np.float32), 44100), (np.zeros((0, 9), np.float32), 44100), (TONE[0], 0), (TONE[0], 10**9),
        (np.full((1, 44100), np.nan, np.float32), 44100), (np.full((1, 44100), np.inf, np.float32), 44100),
    ],
)  # fmt: skip
def test_sound_that_cannot_be_written_is_left_out_with_a_warning(tmp_path, caplog, sound):
    assert write_video(tmp_path / "a.mp4", counting(5), 25.0, sound) == 5
    assert "left out" in caplog.text and read_audio(Clip(tmp_path / "a.mp4")) is None


def film_with_sound(path, codec: str, rate: int, levels: np.ndarray) -> None:
    """Five pictures beside int16 levels (8, samples), 7.1."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=rate)
        sound.layout, sound.format = "7.1", "s16"
        for picture in counting(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for start in range(0, levels.shape[1], rate):
            packed = np.ascontiguousarray(levels[:, start : start + rate].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="7.1")
            frame.sample_rate, frame.pts = rate, start
            container.mux(sound.encode(frame))
        for stream in (video, sound):
            container.mux(stream.encode(None))


def test_surround_sound_is_mixed_to_two_channels(tmp_path):
    """Speech lies in the centre channel; and of 7.1 PyAV would read past the last one."""
    levels = np.zeros((8, 8820), np.int16)
    levels[2] = 8000
    film_with_sound(tmp_path / "s.mkv", "pcm_s16le", 44100, levels)
    samples, rate = read_audio(Clip(tmp_path / "s.mkv"))
    assert samples.shape == (2, 8820) and np.allclose(samples[0], samples[1]) and samples[0, 4000] > 0.05
    for channels in (6, 8, 11):  # as another node may hand it over
        sound = np.zeros((channels, 44100), np.float32)
        sound[2] = 0.25 * np.sin(np.arange(44100) / 20)
        write_video(tmp_path / f"{channels}.mp4", counting(25), 25.0, (sound, 44100))
        samples, _ = read_audio(Clip(tmp_path / f"{channels}.mp4"))
        assert len(samples) == 2 and all(np.abs(side).max() > 0.01 for side in samples)


def test_a_small_file_that_holds_hours_of_silence(tmp_path, caplog):
    film_with_sound(tmp_path / "s.mkv", "flac", 96000, np.zeros((8, 96000 * 200), np.int16))
    size = (tmp_path / "s.mkv").stat().st_size
    samples, _ = read_audio(Clip(tmp_path / "s.mkv"))
    assert size < 200_000 and samples.nbytes < 160 << 20 and "longer than its size explains" in caplog.text


def test_pictures_that_no_codec_takes(tmp_path):
    for height, width in ((31, 32), (16, 16_400)):
        with pytest.raises(OutputError, match=f"v.mp4 cannot have {width} x {height} pixels"):
            write_video(tmp_path / "v.mp4", iter([np.zeros((height, width, 3), np.uint8)]), 25.0)
    assert list(tmp_path.iterdir()) == []


def test_names_as_long_as_the_file_system_allows(tmp_path):
    write_video(tmp_path / ("n" * 251 + ".mp4"), counting(2), 25.0)
    with pytest.raises(OutputError, match="cannot be written"):
        write_video(tmp_path / ("n" * 252 + ".mp4"), (1 / 0 for _ in "a"), 25.0)  # before the first frame
