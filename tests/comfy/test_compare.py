"""Compare Frames on real servers."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from tests.comfy.server import ComfyServer, PromptFailed

NODE = "FollowEmojiCompareFrames"


def drawn(person: int, frames: int, seed: int = 7) -> dict:
    return dict(
        class_type="FollowEmojiDrawnMotion",
        inputs=dict(motion=seed, frames=frames, person=person, still_head=False),
    )


def graph(server: ComfyServer, first: list[np.ndarray], second: list[np.ndarray], **inputs) -> dict:
    """Pictures (H,W,3) uint8 of both clips, by LoadImage and Batch Images."""
    nodes: dict = {}
    for side, pictures in (("first", first), ("second", second)):
        batch = None
        for index, picture in enumerate(pictures):
            name = f"compare_{side}_{index}_{len(pictures)}_{picture.shape[0]}.png"
            Image.fromarray(picture).save(server.input / name)
            load = f"{side}_{index}"
            nodes[load] = dict(class_type="LoadImage", inputs=dict(image=name))
            if batch is None:
                batch = [load, 0]
            else:
                nodes[f"{side}_batch_{index}"] = dict(
                    class_type="ImageBatch", inputs=dict(image1=batch, image2=[load, 0])
                )
                batch = [f"{side}_batch_{index}", 0]
        inputs = {side: batch, **inputs}
    nodes["made"] = dict(class_type=NODE, inputs=inputs)
    nodes["kept"] = dict(class_type="SaveImage", inputs=dict(images=["made", 1], filename_prefix="compare"))
    return nodes


@pytest.fixture(scope="module")
def pictures():
    person = Person.of(20_000_018)
    return list(paint(person, person.act(Acting.random(7, 3, from_rest=True), (96, 64))))


def test_numbers_and_a_plot_of_two_clips(both_servers, pictures):
    """One frame of three is a tenth darker; the numbers stand on the node, in the output and in the plot."""
    darker = (pictures[1].astype(float) * 0.9).round().astype(np.uint8)
    wanted = graph(both_servers, pictures, [pictures[0], darker, pictures[2]])
    entry = both_servers.run(wanted)
    text = entry["outputs"]["made"]["text"][0]
    l1 = np.abs(pictures[1].astype(float) - darker).mean() / 255 / 3
    assert text.startswith("3 frames of 96 x 64 pixels") and f"L1: {l1:.4f}" in text and "frame 1, counted" in text
    assert "Landmark" not in text
    (saved,) = [path for path in both_servers.outputs(entry) if path.parent.name == "output"]
    plot = np.asarray(Image.open(saved))
    assert plot.shape[1] == 960 and plot.std() > 10
    shown = [path for path in both_servers.outputs(entry) if path.parent.name == "temp"]
    assert len(shown) == 1 and np.array_equal(np.asarray(Image.open(shown[0]))[..., :3], plot)


def test_equal_clips_and_the_landmark_error(both_servers, pictures):
    nodes = dict(one=drawn(20_000_001, 3), other=drawn(20_000_002, 3))
    wanted = graph(both_servers, pictures, pictures, first_face=["one", 0], second_face=["one", 0]) | nodes
    text = both_servers.run(wanted)["outputs"]["made"]["text"][0]
    assert "L1: 0.0000" in text and "PSNR: 100.00 dB" in text and "SSIM: 1.0000" in text
    assert "Landmark error: 0.00%" in text
    wanted["made"]["inputs"]["second_face"] = ["other", 0]
    text = both_servers.run(wanted)["outputs"]["made"]["text"][0]
    error = float(text.split("Landmark error: ")[1].split("%")[0])
    assert 1 < error < 50


@pytest.mark.parametrize(
    "first, second, faces, message",
    [
        (3, 2, {}, "first clip has 3 frames, the second 2"),
        (1, 3, {}, "first clip has 1 frames, the second 3.*Repeat Image Batch"),
        (3, "small", {}, "first clip's frames are 96 x 64 pixels, the second's 48 x 32.*Upscale Image"),
        (3, 3, {"first_face": 3}, "first face is connected, the second is not"),
        (3, 3, {"first_face": 3, "second_face": 4}, "first face has 3 frames, the second 4, the clips 3"),
    ],
)
def test_clips_that_do_not_match_are_named_both(server, pictures, first, second, faces, message):
    other = [np.ascontiguousarray(each[::2, ::2]) for each in pictures] if second == "small" else pictures[:second]
    inputs = {name: [name, 0] for name in faces}
    nodes = {name: drawn(20_000_001, frames) for name, frames in faces.items()}
    with pytest.raises(PromptFailed, match=message):
        server.run(graph(server, pictures[:first], other, **inputs) | nodes)
