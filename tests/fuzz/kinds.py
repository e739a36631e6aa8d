"""Every kind of file that comes from strangers: small whole ones, how they are damaged, and who reads them."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.fuzz import mutate


@dataclass(frozen=True)
class Kind:
    """seeds: makes the whole files. read: what is done with a file; asserts that what comes out is right. inner: how
    what is written in it is damaged."""

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], None]
    inner: Callable | None = None


def _finite(*arrays: np.ndarray) -> None:
    assert all(np.isfinite(np.asarray(array, np.float64)).all() for array in arrays)


# --- motions


def _motion_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.drawn import Acting, Person
    from followemoji_core.face.controls import Controls
    from followemoji_core.face.motion_file import save_motion

    motion = Person.of(1).act(Acting.rest(1), (128, 128))
    files = []
    for edit in (None, Controls.of({"jawOpen": 0.5, "headYaw": 10.0})):
        save_motion(folder / "m.safetensors", replace(motion, edit=edit))
        files.append((folder / "m.safetensors").read_bytes())
    return files


def _template_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.drawn import Acting, Person

    face = Person.of(1).act(Acting.rest(1), (128, 128)).frame(0)
    frame = dict(lmks=face.landmarks, lmks3d=face.metric, trans_mat=face.camera_from_face)
    scores = [float(score) for score in face.blendshapes[1:]]
    plain = np.array([frame | dict(bs=scores, width=128, height=128)])
    scalars = np.array([frame | dict(bs=list(face.blendshapes[1:]), width=np.int64(128))])
    files = []
    for array, protocol in ((plain, 2), (plain, 4), (scalars, 5)):
        out = io.BytesIO()
        np.lib.format.write_array_header_1_0(out, dict(descr="|O", fortran_order=False, shape=array.shape))
        files.append(out.getvalue() + pickle.dumps(array, protocol))
    return files


def _read_motion(path: Path) -> None:
    from followemoji_core.face.motion_file import load_motion

    motion = load_motion(path)
    _finite(motion.landmarks, motion.metric, motion.camera_from_face, motion.blendshapes)
    assert len(motion) == len(motion.landmarks) > 0 and 0.1 <= motion.fps <= 1000 and min(motion.size) > 0
    if motion.edit is not None:
        _right_controls(motion.edit)
        assert len(motion.edit) in (1, len(motion))


# --- edits and captures


def _right_controls(controls) -> None:
    from followemoji_core.face.controls import CHANNELS, Controls

    assert controls.values.shape == (len(controls), len(CHANNELS)) and len(controls) > 0
    Controls(controls.values, controls.fps)  # finite, and within what is allowed


def _json_or_text(data: bytes, rng) -> bytes:
    return (mutate.text if rng.random() < 0.2 else mutate.values)(data, rng)


_EDIT = b"""{"format": "followemoji.edit", "version": 1, "base": "motion", "frames": 40, "fps": 25.0,
 "keyframes": [
  {"frame": 0, "controls": {"mouthSmileLeft": 0.4, "jawOpen": -0.2}},
  {"second": 0.5, "easing": "linear", "controls": {"mouthSmileLeft": 1.25, "headYaw": -12.5}},
  {"frame": 30.5, "easing": "hold", "controls": {"eye_blink_left": 1, "headX": 2}}],
 "add": [
  {"expression": "wink left", "frame": 3, "frames": 12, "strength": 0.5},
  {"sequence": "smile 12, surprise 8 0.5, rest 6", "second": 0.2}]}"""


def _edit_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.face.edit_file import Edit, Keyframe, edit_text

    keys = tuple(Keyframe(2.0 * frame, {"jawOpen": frame / 40}) for frame in range(40))
    return [_EDIT, edit_text(Edit(keys, (), "portrait", None, 30.0)).encode()]


def _read_edit(path: Path) -> None:
    from followemoji_core.face.edit_file import edit_text, parse_edit, read_edit

    edit = read_edit(path)
    _right_controls(edit.controls())
    assert len(edit.controls()) == edit.length() and parse_edit(edit_text(edit)) == edit


_PLACED = b"""{"format": "followemoji.place", "version": 1, "size": [256, 200],
 "frame": {"centre": [120.5, 99], "height": 90, "turn": -12.5},
 "points": {"eye_outer_left": [150, 80.25], "pupil_right": [100, 81], "mouth_upper": [120, 120], "chin": [121, 140]}}"""


def _placed_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.face.place import placed_face, placed_points
    from followemoji_core.face.place_file import placement_text
    from followemoji_core.face.placement import Frame, Placement

    points = placed_points(placed_face(Placement((256, 256), {}, Frame((128, 120), 140, 5))))
    return [_PLACED, placement_text(Placement((256, 256), points)).encode()]


def _read_placed(path: Path) -> None:
    from followemoji_core.errors import InputError
    from followemoji_core.face.place import placed_face
    from followemoji_core.face.place_file import parse_placement, placement_text

    try:
        placement = parse_placement(path.read_text("utf-8", "replace"))
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    assert parse_placement(placement_text(placement)).points.keys() == placement.points.keys()
    try:
        face = placed_face(placement)
    except InputError:  # points that are no face are no fault of the file
        return
    _finite(face.landmarks, face.metric, face.camera_from_face)


def _captured():
    from followemoji_core.face.named_expressions import sequence

    return sequence("smile 4, look_left 4", 30.0)


def _csv_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.face.capture import write_live_link_csv

    write_live_link_csv(folder / "c.csv", _captured())
    return [(folder / "c.csv").read_bytes(), b"Time,jaw_open,EyeBlink_L\n00:00:01:02.5,0.5,1\n00:00:01:04,.25,0\n"]


def _read_csv(path: Path) -> None:
    from followemoji_core.face.capture import read_live_link_csv

    _right_controls(read_live_link_csv(path))


def _arkit_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.face.capture import write_arkit_json

    write_arkit_json(folder / "c.json", _captured())
    frames = b'[{"time": 0.0, "blendShapes": {"jawOpen": 0.5, "eyeBlink_L": 1}}, {"time": 0.04, "jawOpen": 0.25}]'
    tracks = b'{"fps": 24, "jawOpen": [0, 0.5, 1], "mouthSmileLeft": [1, 0.5, 0]}'
    return [(folder / "c.json").read_bytes(), frames, tracks]


def _read_arkit(path: Path) -> None:
    from followemoji_core.face.capture import read_arkit_json

    _right_controls(read_arkit_json(path))


# --- tables and ledgers of many jobs


def _table_seeds(folder: Path) -> list[bytes]:
    plain = b'portrait,driving,seed,long,given\na.png,b.mp4,3,yes,1=x.png|2=y.png\n"q""",c,,,\n'
    german = "sep=;\nPortrait;Driving;guidance;#note\na;b;0,5;=1+1\n".encode("utf-16")
    return [plain, german, b"\xef\xbb\xbfportrait\tdriving\tsize\r\na\tb\t512x640\r\n"]


def _read_table(path: Path) -> None:
    from followemoji_core.commands.table import read_rows

    table = read_rows(path, argparse.Namespace(folder=path.parent))
    keys = [row.key for row in table.rows]
    assert keys and len({key.casefold() for key in keys}) == len(keys)
    for row in table.rows:
        assert row.reason or path.parent in row.options.out.parents


def _ledger_seeds(folder: Path) -> list[bytes]:
    line = b'{"key": "%d.mp4", "state": "done", "job": "x", "facts": {"a": [1, 2.5]}, "reason": "", "seconds": 1.5}\n'
    return [b"".join(line % number for number in range(3)), line % 7 + b'{"key": "torn']


def _read_ledger(path: Path) -> None:
    from followemoji_core.jobs.ledger import read_ledger

    for key, line in read_ledger(path).items():
        assert line.key == key and line.state in ("done", "failed") and isinstance(line.facts, dict)


# --- weights


def _landmark_encoder() -> dict:
    from followemoji_core.model.config import LandmarkEncoderConfig
    from followemoji_core.model.landmark_encoder import LandmarkEncoder

    return LandmarkEncoder(LandmarkEncoderConfig((2, 2, 4, 4), 4)).state_dict()


def _image_encoder() -> dict:
    from followemoji_core.model.config import ImageEncoderConfig
    from followemoji_core.model.image_encoder import ImageEncoder

    return ImageEncoder(ImageEncoderConfig(8, 1, 4, 8, 2)).state_dict()


def _safetensors(state: dict) -> bytes:
    from safetensors.torch import save

    return save({key: value.contiguous() for key, value in state.items()})


def _weights_seeds(folder: Path) -> list[bytes]:
    half = {key: value.half() if value.is_floating_point() else value for key, value in _image_encoder().items()}
    return [_safetensors(_landmark_encoder()), _safetensors(half), _safetensors(_denoiser())]


def _denoiser() -> dict:
    from followemoji_core.model.config import UNetConfig
    from followemoji_core.model.denoiser import Denoiser

    config = UNetConfig((4, 4), (True, False), 1, token_width=4, context_width=4, positions=4, heads=2, groups=2)
    return Denoiser(config).state_dict()


def _pth(old: bool) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        import torch

        files = []
        for state in (_landmark_encoder(), {"state_dict": _image_encoder(), "epoch": 3}):
            torch.save(state, folder / "w.pth", _use_new_zipfile_serialization=not old)
            files.append((folder / "w.pth").read_bytes())
        return files

    return seeds


def _read_weights(path: Path) -> None:
    from followemoji_core.model.weights.build import build
    from followemoji_core.model.weights.fill import complete
    from followemoji_core.model.weights.read import latent_table, read_tensors
    from followemoji_core.model.weights.recognise import recognise

    state = read_tensors(path)
    latent_table(path)
    found = recognise(state)
    part = "image_encoder" if "patches.weight" in state else found if found == "denoiser" else "landmark_encoder"
    network = build(complete(part, state, path.name))
    assert all(value.isfinite().all() for value in network.state_dict().values() if value.is_floating_point())


def _opcodes_old(data: bytes, rng) -> bytes:
    """Of the third and fourth pickle of an old .pth: the table, and the names of its storages."""
    at = 0
    import pickletools

    stream = io.BytesIO(data)
    starts = []
    for _ in range(5):
        starts.append(stream.tell())
        for _ in pickletools.genops(stream):
            pass
    starts.append(stream.tell())
    at = rng.choice((3, 3, 3, 4, 2, 1, 0))
    start, end = starts[at], starts[at + 1]
    return data[:start] + mutate.opcodes(data[start:end], rng) + data[end:]


def _vae_seeds(folder: Path) -> list[bytes]:
    from diffusers import AutoencoderKL

    from followemoji_core.encoders.autoencoder import TinyAutoencoder
    from followemoji_core.encoders.sd_vae import vae_sizes

    small = TinyAutoencoder(4, (0, 0, 0, 0)).full_state()
    return [_safetensors(AutoencoderKL(**vae_sizes([1, 1, 1, 1])).state_dict()), _safetensors(small)]


def _read_vae(path: Path) -> None:
    from followemoji_core.encoders.opening import open_codec

    codec = open_codec(path)
    assert all(value.isfinite().all() for value in codec.module.state_dict().values())


def _clip_seeds(folder: Path) -> list[bytes]:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=16, patch_size=8,
        projection_dim=8,
    )  # fmt: skip
    return [_safetensors(CLIPVisionModelWithProjection(config).state_dict())]


def _read_clip(path: Path) -> None:
    from followemoji_core.encoders.clip import open_clip_vision

    clip = open_clip_vision(path)
    assert all(value.isfinite().all() for value in clip.module.state_dict().values() if value.is_floating_point())


def _task_seeds(folder: Path) -> list[bytes]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name in ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"):
            bundle.writestr(name, bytes(range(200)))
    return [out.getvalue()]


def _read_task(path: Path) -> None:
    """As far as this package reads it; what is whole goes to MediaPipe."""
    from followemoji_core.face.detector import _read_bundle

    assert _read_bundle(path) == path.read_bytes()


# --- training


_TOML = b"""stage = 1
data = "clips"
out = "run"
steps = 200
learning_rate = 1e-4
covered = true
[model]
channels = [64, 64, 64]
attention = [true, true, false]
layers = 1
"""


def _read_toml(path: Path) -> None:
    import math

    from followemoji_core.training.settings import load_settings

    settings = load_settings(path, {"seed": 1})
    assert settings.stage in (1, 2) and math.isfinite(settings.learning_rate) and settings.seed == 1


def _clips_seeds(folder: Path) -> list[bytes]:
    from followemoji_core.face.opencv import opencv
    from followemoji_core.training.shards import save_clip

    image = opencv().imencode(".png", np.full((64, 64, 3), 80, np.uint8))[1]
    points = np.full((2, 478, 2), 30.0, np.float32)
    about = dict(size="64", fps="25.0", video="x", first="0", last="2")
    latents = np.zeros((2, 4, 8, 8), np.float16)
    save_clip(folder / "c.safetensors", [image, image], points, about, latents=latents)
    return [(folder / "c.safetensors").read_bytes()]


def _read_training_clip(path: Path) -> None:
    from followemoji_core.training.shards import read_header, read_part

    clip = read_header(path)
    part = read_part(clip, [0, clip.frames - 1])
    assert part["pictures"].shape == (2, clip.size, clip.size, 3) and part["points"].shape == (2, 478, 2)
    _finite(*part.values())


# --- kept windows


def _latents_seeds(folder: Path) -> list[bytes]:
    import torch

    from followemoji_core.walk.latent_store import LatentStore

    LatentStore(9, (4, 8, 8), folder / "job").put([0, 4, 8], torch.randn(3, 4, 8, 8))
    (file,) = (folder / "job").glob("*.safetensors")
    return [file.read_bytes()]


def _read_latents(path: Path) -> None:
    """What does not fit is put aside; what is taken is finite, and what was kept."""
    from followemoji_core.walk.latent_store import ASIDE, LatentStore

    for old in path.parent.glob(f"*{ASIDE}"):
        old.unlink()
    store = LatentStore(9, (4, 8, 8), path.parent)
    assert store.latents.isfinite().all() and bool(store.known.any()) == path.exists()
    assert path.exists() != bool(list(path.parent.glob(f"*{ASIDE}")))


# --- pictures, videos, sounds


def _picture_seeds(folder: Path) -> list[bytes]:
    from PIL import Image

    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colour = Image.fromarray(np.stack([ramp, ramp.T, 255 - ramp], -1))
    clear = colour.copy()
    clear.putalpha(Image.fromarray(ramp))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for image, form, more in (
        (colour, "PNG", {}), (clear, "PNG", {}), (colour.convert("P"), "PNG", {}), (colour, "JPEG", {"exif": exif}),
        (Image.fromarray(ramp.astype(np.uint16) * 257), "PNG", {}), (colour.convert("CMYK"), "JPEG", {}),
        (Image.fromarray(ramp / np.float32(255)), "TIFF", {}), (colour, "TIFF", {"compression": "tiff_lzw"}),
        (clear, "WEBP", {}), (colour, "BMP", {}), (colour.convert("P"), "GIF", {}),
    ):  # fmt: skip
        out = io.BytesIO()
        image.save(out, form, **more)
        files.append(out.getvalue())
    return files


def _read_picture(path: Path) -> None:
    from followemoji_core.pictures import read_picture

    picture = read_picture(path)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


def _video_seeds(folder: Path) -> list[bytes]:
    import av

    from followemoji_core.media import write_video

    frames = [np.full((32, 32, 3), 20 * index, np.uint8) for index in range(5)]
    tone = np.sin(np.arange(8000) / 9).astype(np.float32)[None]
    write_video(folder / "v.mp4", frames, 25.0, (tone, 16000))
    files = [(folder / "v.mp4").read_bytes()]
    for name, codec in (("v.mkv", "ffv1"), ("v.avi", "mpeg4"), ("v.webm", "libvpx"), ("v.mov", "mjpeg")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width = stream.height = 32
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        files.append((folder / name).read_bytes())
    return files


def _read_video(path: Path) -> None:
    from followemoji_core.media import Clip, clip_info, read_frames

    info = clip_info(Clip(path))
    assert 0.1 <= info.fps <= 1000 and info.frame_count >= 0
    for frame in read_frames(Clip(path)):
        assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3


def _sound_seeds(folder: Path) -> list[bytes]:
    import av

    from followemoji_core.media import write_video

    frames = [np.zeros((16, 16, 3), np.uint8)] * 3
    tone = np.sin(np.arange(2000) / 9).astype(np.float32)
    write_video(folder / "s.mp4", frames, 25.0, (np.stack([tone, tone]), 44100))
    files = [(folder / "s.mp4").read_bytes()]
    for name, codec, form in (("s.mkv", "pcm_f32le", "flt"), ("s.avi", "pcm_s16le", "s16"), ("f.mkv", "flac", "s16")):
        with av.open(str(folder / name), "w") as container:
            film = container.add_stream("mjpeg", rate=25)
            film.width = film.height = 16
            film.pix_fmt = "yuvj420p"
            sound = container.add_stream(codec, rate=8000)
            sound.layout = "mono"
            container.mux(film.encode(av.VideoFrame.from_ndarray(frames[0], format="rgb24")))
            heard = (tone[:800] if form == "flt" else (tone[:800] * 9999).astype(np.int16))[None]
            piece = av.AudioFrame.from_ndarray(heard, format=form, layout="mono")
            piece.sample_rate, piece.pts = 8000, 0
            container.mux(sound.encode(piece))
            for stream in (film, sound):
                container.mux(stream.encode(None))
        files.append((folder / name).read_bytes())
    return files


def _read_sound(path: Path) -> None:
    from followemoji_core.media import Clip, read_audio

    found = read_audio(Clip(path))
    if found is not None:
        _finite(found[0])
        assert found[0].ndim == 2 and found[0].dtype == np.float32 and found[1] > 0


# --- tables of what was measured


def _scores():
    from followemoji_core.evaluation.emojibench.rows import MethodNote, MetricNote, Row, Scores

    rows = (
        Row("a", "self", "p", "d", "warp", "l1", 0.25),
        Row("b", "cross", "p", "d", "warp", "l1", None, 'the video has 3 frames, "the case" 64'),
        Row("*", "self", "", "", "warp", "fvd", 1.5e-7, "of 2 videos"),
    )
    metrics = {
        "l1": MetricNote("L1", "lower", "", ("self", "cross"), "Difference.", True),
        "fvd": MetricNote("FVD", "lower", "", ("self",), "Of a set.", missing="pip install cd-fvd"),
    }
    return Scores(rows, metrics, {"warp": MethodNote("Warp"), "tps": MethodNote("TPS", "", "not run")}, (0.02, 0.2))


def _scores_seeds(name: str) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        from followemoji_core.evaluation.emojibench.rows import write_scores

        write_scores(folder, _scores())
        return [(folder / name).read_bytes()]

    return seeds


def _read_scores_csv(path: Path) -> None:
    from followemoji_core.evaluation.emojibench.rows import read_rows

    about = _scores()
    rows = read_rows(path, about)
    _finite([row.value for row in rows if row.value is not None])
    assert all(row.metric in about.metrics and row.method in about.methods for row in rows)
    assert all(row.reason for row in rows if row.value is None)


def _read_scores_json(path: Path) -> None:
    from followemoji_core.evaluation.emojibench.rows import read_about

    found = read_about(path)
    _finite(found.thresholds)
    assert all(note.better in ("higher", "lower") and type(note.about) is str for note in found.metrics.values())


KINDS = {
    "motion": Kind(".safetensors", _motion_seeds, _read_motion, mutate.safetensors),
    "template": Kind(".npy", _template_seeds, _read_motion, mutate.npy),
    "edit": Kind(".json", _edit_seeds, _read_edit, _json_or_text),
    "placed": Kind(".json", _placed_seeds, _read_placed, _json_or_text),
    "capture_csv": Kind(".csv", _csv_seeds, _read_csv, mutate.text),
    "table": Kind(".csv", _table_seeds, _read_table, mutate.text),
    "ledger": Kind(".jsonl", _ledger_seeds, _read_ledger, mutate.text),
    "arkit_json": Kind(".json", _arkit_seeds, _read_arkit, _json_or_text),
    "weights": Kind(".safetensors", _weights_seeds, _read_weights, mutate.safetensors),
    "pth": Kind(".pth", _pth(old=False), _read_weights, mutate.zipped),
    "old_pth": Kind(".pth", _pth(old=True), _read_weights, _opcodes_old),
    "vae": Kind(".safetensors", _vae_seeds, _read_vae, mutate.safetensors),
    "clip": Kind(".safetensors", _clip_seeds, _read_clip, mutate.safetensors),
    "task": Kind(".task", _task_seeds, _read_task, mutate.zipped),
    "toml": Kind(".toml", lambda folder: [_TOML], _read_toml, mutate.settings),
    "training_clip": Kind(".safetensors", _clips_seeds, _read_training_clip, mutate.safetensors),
    "latents": Kind(".safetensors", _latents_seeds, _read_latents, mutate.safetensors),
    "picture": Kind(".png", _picture_seeds, _read_picture, mutate.chunks),
    "video": Kind(".mp4", _video_seeds, _read_video, mutate.atoms),
    "sound": Kind(".mp4", _sound_seeds, _read_sound, mutate.atoms),
    "scores_csv": Kind(".csv", _scores_seeds("scores.csv"), _read_scores_csv, mutate.text),
    "scores_json": Kind(".json", _scores_seeds("scores.json"), _read_scores_json, mutate.values),
}
