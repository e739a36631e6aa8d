"""Landmarks Video on real servers, and what Extract Face Landmarks tells of the faces it saw."""

from __future__ import annotations

import pytest
from PIL import Image

from tests.comfy import graphs
from tests.comfy.server import ComfyServer, PromptFailed


def look(beside: bool = True, **inputs) -> graphs.Graph:
    extract = dict(detector="face_landmarker.task", face="largest", missing="hold", image_fps=25.0)
    align = dict(rotation="relative", translation="none", expression=1.0, portrait=["4", 0], driving=["2", 0])
    align |= dict(brows=1.0, eyes=1.0, pupils=1.0, mouth=1.0, smoothing=0.0, neutral_frame=-1)
    video = dict(motion=["2", 0], background=["1", 0])
    if beside:
        video |= dict(beside=["5", 0], beside_background=["3", 0])
    return {
        "1": dict(class_type="LoadVideo", inputs=dict(file="temple.mp4")),
        "2": dict(class_type="FollowEmojiExtractLandmarks", inputs=dict(source=["1", 0], **extract)),
        "3": dict(class_type="LoadImage", inputs=dict(image="portrait.jpg")),
        "4": dict(class_type="FollowEmojiExtractLandmarks", inputs=dict(source=["3", 0], **extract)),
        "5": dict(class_type="FollowEmojiAlignMotion", inputs=align),
        "6": dict(class_type="FollowEmojiLandmarksVideo", inputs=video | inputs),
        "7": dict(
            class_type="SaveVideo",
            inputs={
                "video": ["6", 0],
                "filename_prefix": "look",
                "format": "mp4",
                "codec": "h264",
                "format.codec": "h264",
            },
        ),
    }


def made(server: ComfyServer, graph: graphs.Graph) -> dict:
    (video,) = [path for path in server.outputs(server.run(graph)) if path.suffix == ".mp4"]
    return graphs.describe(video)


def test_side_by_side_with_rate_and_sound(comfy):
    expected = dict(frames=8, size=(512 + 288, 512), fps=30.0, sound=True)  # the painting is 720 x 1280
    assert made(comfy, look()) == expected
    assert made(comfy, look(frames=5, height=256)) == expected | dict(frames=5, size=(256 + 144, 256))


def test_alone_on_black_or_on_its_clip(comfy):
    assert made(comfy, look(beside=False, frames=3)) == dict(frames=3, size=(512, 512), fps=30.0, sound=True)
    graph = look(beside=False, height=0)
    del graph["6"]["inputs"]["background"]
    assert made(comfy, graph) == dict(frames=8, size=(512, 512), fps=30.0, sound=False)


def test_lengths_that_do_not_fit(current):
    graph = look()
    graph["6"]["inputs"]["beside"] = ["4", 0]
    with pytest.raises(PromptFailed, match="two motions have 8 and 1 frames"):
        current.run(graph)
    graphs.cut(current.input / "temple.mp4", current.input / "five.mp4", 5)
    graph = look()
    graph["8"] = dict(class_type="LoadVideo", inputs=dict(file="five.mp4"))
    graph["6"]["inputs"]["background"] = ["8", 0]
    with pytest.raises(PromptFailed, match="The background has 5 pictures, the motion has 8 frames"):
        current.run(graph)


def test_the_node_says_how_many_faces_it_saw_and_which_it_took(comfy):
    face = Image.open(comfy.input / "portrait.jpg").convert("RGB").crop((100, 100, 620, 800))
    both = Image.new("RGB", (1040, 700))
    both.paste(face, (0, 0))
    both.paste(face.resize((416, 560)), (600, 100))
    both.save(comfy.input / "pair.png")
    graph = look(frames=2)
    graph["3"]["inputs"]["image"] = "pair.png"
    graph["4"]["inputs"]["face"] = "rightmost"
    graphs.forget(comfy)
    entry = comfy.run(graph)
    (text,) = entry["outputs"]["4"]["text"]
    assert text.startswith("2 faces seen, the rightmost taken: ") and text in comfy.log()
    (text,) = entry["outputs"]["2"]["text"]
    assert text.startswith("1 face seen: ") and "most faces at once: 1" in text
