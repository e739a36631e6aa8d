"""One stray or damaged file in a training folder is named, counted and left out; too many stop the run."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from followemoji_core.errors import InputError
from followemoji_core.training.batches import Batches
from followemoji_core.training.settings import TrainSettings
from followemoji_core.training.shards import add_latents, find_clips, open_clip, read_header, read_part, save_clip

ABOUT = dict(size="64", fps="25.0", video="x", first="0", last="4")


def clip(file, level=80, latents=True, **about):
    image = cv2.imencode(".png", np.full((64, 64, 3), level, np.uint8))[1]
    points = np.random.default_rng(0).uniform(5, 60, (4, 478, 2)).astype(np.float32)
    more = {"latents": np.zeros((4, 4, 8, 8), np.float16)} if latents else {}
    save_clip(file, [image] * 4, points, ABOUT | about, **more)
    return file


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        clip(tmp_path / f"{number:02d}.safetensors", level=10 * number)
    return tmp_path


def spoil(file, way):
    data = bytearray(file.read_bytes())
    if way == "stray":
        save_file({"weight": torch.zeros(3)}, file)
    elif way == "half":
        file.write_bytes(data[: len(data) // 2])
    elif way == "text":
        file.write_text("x")
    elif way == "depth":
        file.write_bytes((20_000).to_bytes(8, "little") + b"[" * 20_000)
    elif way == "size":
        clip(file, size="60000")


@pytest.mark.parametrize("way", ["stray", "half", "text", "depth", "size"])
def test_one_is_named_counted_and_left_out(folder, way):
    spoil(folder / "07.safetensors", way)
    told = []
    clips = find_clips(folder, told.append)
    assert len(clips) == 19 and open_clip(folder / "07.safetensors") is None
    assert "07.safetensors" in told[0] and told[1] == f"1 of 20 files in {folder} are left out"


def test_more_than_a_tenth_stop_the_run(folder):
    for number, way in enumerate(("stray", "half")):
        spoil(folder / f"{number:02d}.safetensors", way)
    assert len(find_clips(folder, print)) == 18
    spoil(folder / "02.safetensors", "text")
    with pytest.raises(InputError, match=r"3 of 20 files .* more than 10%: .*00.safetensors"):
        find_clips(folder)


def spoil_inside(file, way):
    """What a header does not show."""
    arrays = load_file(file)
    if way == "picture":
        arrays["images"][20:] = 0
    elif way == "points":
        arrays["points"][:, 3] = np.nan
    elif way == "offsets":
        arrays["offsets"][1:] += 10**12
    else:  # a picture of few bytes that claims 30,000 x 30,000 pixels
        head = bytearray(arrays["images"].tobytes())
        for start in arrays["offsets"][:-1]:
            head[start + 16 : start + 24] = (30_000).to_bytes(4, "big") * 2
        arrays["images"] = np.frombuffer(bytes(head), np.uint8)
    images = [arrays["images"][a:b] for a, b in zip(arrays["offsets"], arrays["offsets"][1:], strict=False)]
    if way == "offsets":
        from safetensors.numpy import save_file as save_arrays

        save_arrays(arrays, file, {"format": "followemoji.clip", "version": "1", **ABOUT})
    else:
        save_clip(file, images, arrays["points"], ABOUT, latents=arrays["latents"])


@pytest.mark.parametrize("way", ["picture", "points", "offsets", "claims"])
def test_damage_that_shows_only_when_it_is_read(folder, way, caplog):
    """The samples go on with another clip, the same one in every process and after a restart."""
    file = folder / "07.safetensors"
    spoil_inside(file, way)
    with pytest.raises(InputError, match="07.safetensors"):
        read_part(read_header(file), [0, 1])
    settings = TrainSettings(1, str(folder), "out", clips=8)
    batches = [Batches(find_clips(folder), settings) for _ in range(2)]
    seen = [made.at(step) for made in batches for step in range(16)]
    assert all(torch.equal(a.portraits, b.portraits) for a, b in zip(seen[:16], seen[16:], strict=True))
    assert not any((batch.portraits == 70).all((1, 2, 3)).any() for batch in seen)
    assert list(batches[0].damaged) == [file] and caplog.text.count("left out") == 2


def test_too_much_damage_stops_the_samples(folder):
    for number in range(15):
        spoil_inside(folder / f"{number:02d}.safetensors", "picture")
    with pytest.raises(InputError, match="more than 10%"):
        batches = Batches(find_clips(folder), TrainSettings(1, str(folder), "out", clips=8))
        for step in range(5):
            batches.at(step)


def test_a_folder_of_one_damaged_clip_is_no_endless_search(tmp_path):
    spoil_inside(clip(tmp_path / "0.safetensors"), "picture")
    with pytest.raises(InputError, match="0.safetensors"):
        Batches(find_clips(tmp_path), TrainSettings(1, str(tmp_path), "out")).at(0)


def test_latents_are_added_to_those_that_can_be_read(tmp_path):
    for number in range(3):
        clip(tmp_path / f"{number}.safetensors", latents=False)
    data = bytearray((tmp_path / "1.safetensors").read_bytes())
    at = data.index(b"IHDR")
    data[at : at + 4] = b"XXXX"
    (tmp_path / "1.safetensors").write_bytes(data)
    assert add_latents(tmp_path, lambda pictures: np.zeros((len(pictures), 4, 8, 8), np.float32)) == 2
    assert [found.latent_shape is None for found in find_clips(tmp_path)] == [False, True, False]
