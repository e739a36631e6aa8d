"""Strangers' files: bounded before anything is built, finite or refused, and every failure one kind of error."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from followemoji_core.errors import CheckpointError, FollowEmojiError, InputError, MotionFileError, OutputError
from followemoji_core.face.detector import _read_bundle
from followemoji_core.face.motion_file import load_motion, save_motion
from followemoji_core.files import check_place
from followemoji_core.gate import Refused, check_depth, loading, parse_json, safetensors_header
from followemoji_core.model.config import LandmarkEncoderConfig
from followemoji_core.model.landmark_encoder import LandmarkEncoder
from followemoji_core.model.weights.build import build
from followemoji_core.model.weights.fill import complete
from followemoji_core.model.weights.read import finite, read_tensors
from followemoji_core.training.settings import load_settings
from tests.core.face.test_motion import ARRAYS, MOTION, same, template

NPY = b"\x93NUMPY\x01\x00"


def npy(array: np.ndarray, protocol: int) -> bytes:
    """As numpy.save writes it, whose own protocol cannot be chosen."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, dict(descr="|O", fortran_order=False, shape=array.shape))
    return out.getvalue() + pickle.dumps(array, protocol)


def bare_npy(opcodes: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return NPY + struct.pack("<H", len(head)) + head + opcodes


# --- the gate itself


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), RecursionError(), MemoryError(), OverflowError(), UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
        struct.error("x"), KeyError("x"), EOFError(), zipfile.BadZipFile("x"), OSError(5, "Input/output error"),
        SyntaxError("broken PNG file"), Refused("it is odd"),
    ],
)  # fmt: skip
def test_whatever_a_loader_raises_names_the_file(error):
    with (
        pytest.raises(MotionFileError, match="a.npy.*Do this."),
        loading("/secret/a.npy", "File", MotionFileError, "Do this."),
    ):
        raise error


def test_what_is_not_the_files_fault_passes():
    """Ctrl-C, a host's interrupt (an Exception of its own, in older ComfyUI), and errors that already say it."""

    class Interrupt(Exception):
        pass

    for error in (KeyboardInterrupt(), Interrupt(), CheckpointError("said"), ModuleNotFoundError("diffusers")):
        with pytest.raises(type(error)), loading("a", "File", InputError, "."):
            raise error


@pytest.mark.alone
def test_depth_and_numbers_of_json():
    check_depth(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[["}')  # in a string, brackets are letters
    for text in (b"[" * 20_000, b'{"a":' * 20_000):
        with pytest.raises(Refused, match="nests"):
            parse_json(text)
    begun = time.process_time()
    for text in (b'"' + b'\\"' * 100_000, b'"' + b'\\"' * 100_000 + b"\\"):
        check_depth(text)  # a string that is never closed
    assert time.process_time() - begun < 1
    for text in (b"[NaN]", b"[1e999]", b"[" + b"9" * 21 + b"]"):
        with pytest.raises(Refused):
            parse_json(text)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(dtype="F8"), "type F8"),
        (dict(dtype="F4"), "type F4"),
        (dict(shape=[60000, 60000]), "does not fit into the file"),
        (dict(shape=[-1, 4]), "no shape"),
        (dict(shape=[2**60]), "no shape"),
        (dict(data_offsets=[0, 2**40]), "does not fit"),
    ],
)
def test_headers_of_safetensors(tmp_path, change, words):
    head = json.dumps({"a": dict(dtype="F32", shape=[4], data_offsets=[0, 16]) | change}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
    with pytest.raises(Refused, match=words):
        safetensors_header(tmp_path / "a.safetensors", 1 << 20)
    with pytest.raises(CheckpointError, match="a.safetensors"):
        read_tensors(tmp_path / "a.safetensors")


# --- motions


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_templates_of_every_pickle_protocol_and_numpy_read_the_same(tmp_path, protocol, module):
    frames = template()
    for frame in frames[1:4]:  # scores as numpy's scalars, arrays column by column, sizes as numpy's numbers
        frame["bs"] = [np.float32(score) for score in frame["bs"]]
        frame["lmks"] = np.asfortranarray(frame["lmks"])
        frame["width"], frame["height"] = np.int64(frame["width"]), np.array(frame["height"])
    frames[4]["bs"] = np.array(frames[4]["bs"])
    frames[5]["lmks3d"] = frames[5]["lmks3d"].astype(">f8")
    data = npy(frames, protocol)
    spelled = "numpy._core" if b"numpy._core" in data else "numpy.core"
    if spelled != module:  # strings with their length in front, or lines
        for rest in (".multiarray", ".numeric"):
            before, after = f"{spelled}{rest}", f"{module}{rest}"
            for start in (lambda text: b"\x8c" + bytes([len(text)]), lambda text: b"c"):
                data = data.replace(start(before) + before.encode(), start(after) + after.encode())
        assert spelled.encode() not in data
    (tmp_path / "t.npy").write_bytes(data)
    loaded = load_motion(tmp_path / "t.npy")
    assert np.array_equal(loaded.landmarks, MOTION.landmarks) and loaded.size == MOTION.size
    assert np.array_equal(loaded.blendshapes[:, 1:], MOTION.blendshapes[:, 1:])
    assert np.array_equal(loaded.metric, MOTION.metric) and len(ARRAYS) == 5


NESTED = 100_000
BOMBS = {
    # 200 kB: tuples in tuples as a key of a dict, which overflow the C stack where they are hashed
    "nested tuples as a key": b"\x80\x04})" + b"\x85" * NESTED + b"K\x01s.",
    # pairs of the same pair, which take 2^60 steps to hash: by DUP, by MEMOIZE and BINGET, by PUT
    "exponential hash by DUP": b"\x80\x04})" + b"2\x86" * 60 + b"K\x01s.",
    "exponential hash by MEMOIZE": b"\x80\x04})" + b"".join(b"\x94h%c\x86" % k for k in range(60)) + b"K\x01s.",
    "exponential hash by PUT": b"\x80\x02})" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(60)) + b"K\x01s.",
    "a list in itself": b"\x80\x04]\x94h\x00a.",
    "a list in itself by a way around": b"\x80\x04]\x94]\x94h\x00ah\x00h\x01a.",
    "lists in lists": b"\x80\x04" + b"]" * NESTED + b"a" * (NESTED - 1) + b".",
    "a set": b"\x80\x04\x8f(K\x01\x90.",
    "a memo of two thousand million": b"\x80\x04Nr\xff\xff\xff\x7f.",
    "a string that is longer than the file": b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a number of a million digits": b"\x80\x04I" + b"9" * 1_000_000 + b"\n.",
    "one string encoded again and again": b"\x80\x02X@\x42\x0f\x00"
    + b"a" * 1_000_000
    + b"q\x00X\x06\x00\x00\x00latin1q\x01"
    + b"c_codecs\nencode\nq\x02]("
    + b"h\x02h\x00h\x01\x86R" * 5000
    + b"e.",
    "more pieces than bytes explain": b"\x80\x02" + b"N0" * 500_000 + b".",
    "nothing": b"",
}


@pytest.mark.alone
@pytest.mark.parametrize("name", BOMBS)
def test_no_pickle_kills_or_freezes(tmp_path, name):
    (tmp_path / "bomb.npy").write_bytes(bare_npy(BOMBS[name]))
    begun = time.process_time()
    with pytest.raises(MotionFileError, match="bomb.npy"):
        load_motion(tmp_path / "bomb.npy")
    assert time.process_time() - begun < 2


def test_the_template_reader_never_asks_pickle(tmp_path, monkeypatch):
    np.save(tmp_path / "t.npy", template(), allow_pickle=True)

    def never(*_, **__):
        raise AssertionError("pickle was asked")

    for name in ("Unpickler", "load", "loads"):
        monkeypatch.setattr(pickle, name, never)
    assert np.array_equal(load_motion(tmp_path / "t.npy").landmarks, MOTION.landmarks)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 1e30])
def test_landmarks_are_finite_or_refused(tmp_path, value):
    frames = template()
    frames[7]["lmks"][3, 1] = value
    np.save(tmp_path / "t.npy", frames, allow_pickle=True)
    with pytest.raises(MotionFileError, match="t.npy.*'lmks' of frame 7"):
        load_motion(tmp_path / "t.npy")


@pytest.mark.parametrize(
    "change", [dict(fps="1e-9"), dict(fps="1e9"), dict(fps="nan"), dict(size="[60000, 60000]"), dict(size="[" * 20_000),
               dict(version="x"), dict(format="other")]
)  # fmt: skip
def test_what_a_motion_file_claims_is_bounded(tmp_path, change):
    path = tmp_path / "m.safetensors"
    save_motion(path, MOTION)
    with open(path, "rb") as file:
        about = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
    save_file(load_file(path), path, about | change)
    with pytest.raises(MotionFileError, match="m.safetensors"):
        load_motion(path)
    save_file(load_file(path), path, about)
    assert same(load_motion(path), MOTION)


# --- weights


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return LandmarkEncoder(LandmarkEncoderConfig((2, 2, 4, 4), 4)).state_dict()


def test_a_pth_that_was_compressed_again_is_refused_and_not_read_as_noise(tmp_path, encoder):
    torch.save(encoder, tmp_path / "whole.pth")
    with (
        zipfile.ZipFile(tmp_path / "whole.pth") as whole,
        zipfile.ZipFile(tmp_path / "small.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    with pytest.raises(CheckpointError, match="small.pth.*compressed again"):
        read_tensors(tmp_path / "small.pth")
    assert all(torch.equal(value, encoder[key]) for key, value in read_tensors(tmp_path / "whole.pth").items())
    torch.save(encoder, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert all(torch.equal(value, encoder[key]) for key, value in read_tensors(tmp_path / "old.pth").items())


@pytest.mark.parametrize("name", [name for name in BOMBS if "key" in name or "hash" in name])
def test_no_table_of_weights_kills_or_freezes(tmp_path, name):
    torch.save({"a": torch.zeros(3)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "bomb.pth", "w") as bomb:
        for member in whole.namelist():
            bomb.writestr(member, BOMBS[name] if member.endswith("data.pkl") else whole.read(member))
    with pytest.raises(CheckpointError, match="bomb.pth"):
        read_tensors(tmp_path / "bomb.pth")


@pytest.mark.parametrize("first", [True, False])
def test_torch_reads_the_table_that_was_looked_at(tmp_path, first):
    """Its reader looks names up without case, and where zipfile does not: a second table would be unpickled unseen."""
    torch.save({"a": torch.zeros(3)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole:
        members = [(name, whole.read(name)) for name in whole.namelist()]
    table = (members[0][0].replace("data.pkl", "DATA.PKL"), BOMBS["exponential hash by PUT"])
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w") as bomb:
        for name, content in [table, *members] if first else [*members, table]:
            bomb.writestr(name, content)
    # zipfile finds what was moved; torch counts from the beginning of the file.
    (tmp_path / "moved.pth").write_bytes(b"PK" + bytes(30) + (tmp_path / "whole.pth").read_bytes())
    for name in ("bomb.pth", "moved.pth"):
        with pytest.raises(CheckpointError, match=f"{name}.*table of contents"):
            read_tensors(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_are_finite_or_refused(tmp_path, encoder, value):
    encoder["blocks.0.weight"][1, 0, 1, 1] = value
    save_file(encoder, tmp_path / "w.safetensors")
    weights = complete("landmark_encoder", read_tensors(tmp_path / "w.safetensors"), "w.safetensors")
    with pytest.raises(CheckpointError, match="w.safetensors is damaged: blocks.0.weight holds NaN or infinity"):
        build(weights)


def test_weights_too_large_for_a_precision(encoder):
    encoder["conv_in.bias"][0] = 1e6
    with pytest.raises(CheckpointError, match="conv_in.bias is too large for torch.float16. Choose .*bf16"):
        build(complete("landmark_encoder", encoder, "w.pth"), dtype=torch.float16)
    assert build(complete("landmark_encoder", encoder, "w.pth"), dtype=torch.bfloat16) is not None


def test_finite_of_every_type():
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2):
        assert finite(torch.ones(5).to(dtype)) and finite(torch.empty(0).to(dtype))
        assert not finite(torch.tensor([1, float("nan")]).to(dtype))
    assert finite(torch.tensor(3)) and finite(torch.tensor([True]))


@pytest.mark.alone
def test_sizes_that_a_file_only_claims_cost_nothing(tmp_path, encoder):
    """One row that stands for a thousand million, and a network too deep to lay out."""
    torch.save({"a": torch.zeros(1).expand(1 << 30)}, tmp_path / "wide.pth")
    with pytest.raises(CheckpointError, match="wide.pth.*claims"):
        read_tensors(tmp_path / "wide.pth")
    deep = encoder | {f"blocks.{number}.weight": torch.zeros(1, 1, 1, 1) for number in range(2000)}
    begun = time.process_time()
    with pytest.raises(CheckpointError, match="deep.pth"):
        complete("landmark_encoder", deep, "deep.pth")
    assert time.process_time() - begun < 2
    empty = {
        "conv_in.weight": torch.zeros(1 << 16, 4, 0, 0),
        "x.motion_modules.0.pos_encoder.pe": torch.zeros(1, 4096, 0),
    }
    save_file(empty, tmp_path / "empty.safetensors")
    with pytest.raises(CheckpointError, match="empty.safetensors.*no shape"):
        read_tensors(tmp_path / "empty.safetensors")


@pytest.mark.alone
def test_a_network_that_lacks_nearly_everything_is_refused_before_its_tables_are_made():
    wide = {"conv_in.weight": torch.zeros(1, 4, 1, 1).expand(1 << 15, 4, 3, 3), "clip_fc.weight": torch.zeros(8, 8)}
    wide |= {"conv_out.weight": torch.zeros(4, 1, 1, 1), "x.motion_modules.0.pos_encoder.pe": torch.zeros(1, 4096, 1)}
    for level in range(4):
        wide[f"down_blocks.{level}.resnets.0.conv1.weight"] = torch.zeros(1, 1).expand(1 << 15, 1)
        wide[f"down_blocks.{level}.attentions.0.norm.weight"] = torch.zeros(1)
    begun = time.process_time()
    with pytest.raises(CheckpointError, match="wide.pth is not complete"):
        complete("denoiser", wide, "wide.pth")
    assert time.process_time() - begun < 2


# --- bundles, settings, folders


def test_a_bundle_that_would_inflate_to_gigabytes(tmp_path):
    """The sizes in its table of contents are believed, before anything is unpacked."""
    names = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in names:
            bundle.writestr(name, bytes(1000))
    assert len(_read_bundle_of(tmp_path, out.getvalue())) == len(out.getvalue())
    data = bytearray(out.getvalue())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", (4 << 30) - 2)
    with pytest.raises(CheckpointError, match="model.task.*unpack to more than"):
        _read_bundle_of(tmp_path, bytes(data))
    flipped = bytearray(out.getvalue())
    flipped[flipped.index(b"face_detector.tflite") + 22] ^= 1
    with pytest.raises(CheckpointError, match="model.task"):
        _read_bundle_of(tmp_path, bytes(flipped))


def _read_bundle_of(folder, data: bytes) -> bytes:
    (folder / "model.task").write_bytes(data)
    return _read_bundle(folder / "model.task")


@pytest.mark.alone
@pytest.mark.parametrize(
    "line", ["x = " + "[" * 20_000, "x = " + "[" * 5000, ".".join("a" * 7000) + " = 1", "learning_rate = nan",
             "ema = inf", "steps = " + "9" * 5000, "seed = 2026-01-01", "# " + "x" * 20_000, 'stage = "1"', "model = 3"]
)  # fmt: skip
def test_settings_files(tmp_path, line):
    text = 'data = "a"\nout = "b"\n' + ("" if line.startswith("stage") else "stage = 1\n")
    (tmp_path / "s.toml").write_text(text + line + "\n")
    begun = time.process_time()
    with pytest.raises(InputError, match="s.toml"):
        load_settings(tmp_path / "s.toml")
    assert time.process_time() - begun < 2


def test_whether_a_file_can_be_written_is_known_before_the_work(tmp_path):
    check_place(tmp_path / "new" / "a.mp4")
    assert list((tmp_path / "new").iterdir()) == []
    check_place(tmp_path / ("a" * 250 + ".mp4"))
    with pytest.raises(OutputError, match="cannot be written"):
        check_place(tmp_path / ("a" * 260 + ".mp4"))
    with pytest.raises(OutputError, match="is a folder"):
        check_place(tmp_path / "new")
    with pytest.raises(OutputError, match="cannot be written"):
        check_place(tmp_path / "a\0b.mp4")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        check_place(tmp_path / "file" / "a.mp4")
    with pytest.raises(OutputError, match="Make room"):
        check_place(tmp_path / "a.mp4", needed=1 << 60)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("read", [load_motion, read_tensors, load_settings])
def test_pipes_and_folders_are_no_files(tmp_path, read):
    """A pipe would be waited for without end."""
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", tmp_path):
        with pytest.raises(FollowEmojiError):
            read(path)
