"""The shipped graphs on real servers: what a user gets when Run is pressed, or a job queued."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from tests.comfy import graphs
from tests.comfy.server import PromptInterrupted

SAMPLER = "FollowEmojiSampler"


def run(server, graph):
    (video,) = [path for path in server.outputs(server.run(graph)) if path.suffix == ".mp4"]
    return video


def test_animate_portrait(comfy):
    graph = graphs.animate(seed=5)
    prompt_id = comfy.queue(graph)
    entry = comfy.wait(prompt_id)
    (video,) = [path for path in comfy.outputs(entry) if path.suffix == ".mp4"]
    assert graphs.describe(video) == dict(frames=8, size=(128, 128), fps=30.0, sound=True)
    (node,) = [node_id for node_id, node in graph.items() if node["class_type"] == SAMPLER]
    assert comfy.progress(prompt_id, node)[-1] == (3, 3)
    assert len(comfy.previews(prompt_id, node)) >= 2
    assert [line for line in comfy.log().splitlines() if "not used by the" in line] == []

    graphs.forget(comfy)
    assert graphs.pixels(run(comfy, graphs.animate(seed=5))) == graphs.pixels(video), "same seed, same video"
    assert graphs.pixels(run(comfy, graphs.animate(seed=6))) != graphs.pixels(video)


def test_the_safetensors_split_gives_nearly_the_same(comfy):
    """float16 weights of the same numbers; and landmark images instead of a motion, as an artist may paint them."""
    graph = graphs.animate(seed=5)
    graphs.change(graph, "FollowEmojiLoadModel", **graphs.SPLIT)
    (sampler,) = [node for node in graph.values() if node["class_type"] == SAMPLER]
    graph["900"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=sampler["inputs"]["landmarks"]))
    sampler["inputs"]["landmarks"] = ["900", 0]
    split, whole = graphs.pixels(run(comfy, graph)), graphs.pixels(run(comfy, graphs.animate(seed=5)))
    assert len(split) == len(whole)
    assert sum(abs(a - b) for a, b in zip(split, whole, strict=True)) / len(whole) < 4


def test_look_at_landmarks(comfy):
    graph = graphs.load("look_at_landmarks")
    graphs.change(graph, "LoadImage", image="portrait.jpg")
    graphs.change(graph, "LoadVideo", file="temple.mp4")
    found = graphs.describe(run(comfy, graph))
    assert (found["frames"], found["fps"], found["sound"]) == (8, 30.0, True)
    assert found["size"][0] > found["size"][1] / 2


def test_cancel_stops_within_a_step_and_the_next_job_runs(comfy):
    graph = graphs.animate(seed=7)
    graphs.change(graph, SAMPLER, steps=500)
    prompt_id = comfy.queue(graph)
    comfy.wait_event("progress", prompt_id, count=8)  # face detection reports too: well into sampling
    while not comfy.previews(prompt_id):
        time.sleep(0.05)
    steps = comfy.previews(prompt_id)
    asked = comfy.interrupt()
    with pytest.raises(PromptInterrupted):
        comfy.wait(prompt_id)
    comfy.queue_idle()
    assert time.monotonic() - asked < 5
    assert len(comfy.previews(prompt_id)) - len(steps) <= 2
    assert graphs.describe(run(comfy, graphs.animate(seed=8)))["frames"] == 8


def test_motion_files(comfy):
    """Captured once, saved, loaded, and the same landmark images come out."""
    extract = dict(
        class_type="FollowEmojiExtractLandmarks",
        inputs=dict(source=["1", 0], detector="face_landmarker.task", face="largest", missing="hold", image_fps=25.0),
    )
    graph = {
        "1": dict(class_type="LoadVideo", inputs=dict(file="temple.mp4")),
        "2": extract,
        "3": dict(class_type="FollowEmojiSaveMotion", inputs=dict(motion=["2", 0], filename_prefix="motion/motion")),
        "4": dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=["2", 0])),
        "5": dict(class_type="SaveImage", inputs=dict(images=["4", 0], filename_prefix="a")),
    }
    drawn = [np.asarray(Image.open(path)) for path in comfy.outputs(comfy.run(graph))]
    (saved,) = (comfy.output / "motion").glob("*.safetensors")
    name = f"motion/{saved.name} [output]"
    assert name in str(comfy.object_info()["FollowEmojiLoadMotion"]["input"]["required"]["file"])
    graph = {
        "2": dict(class_type="FollowEmojiLoadMotion", inputs=dict(file=name, template_fps=30.0)),
        "4": graph["4"],
        "5": graph["5"],
    }
    again = [np.asarray(Image.open(path)) for path in comfy.outputs(comfy.run(graph))]
    assert len(drawn) == 8 and np.array_equal(again, drawn) and drawn[0].any()
    saved.unlink()


def test_comfyui_face_landmarks_node_exists_where_promised(current):
    """FACE_LANDMARKS is ComfyUI's own type from 0.23; its payload is tested in tests/core."""
    assert "FACE_LANDMARKS" in current.object_info()["MediaPipeFaceLandmarker"]["output"]
