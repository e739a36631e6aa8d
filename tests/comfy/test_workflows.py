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
    """float16 weights of the same numbers, clip_fc found beside them; and landmark images as an artist may paint."""
    graph = graphs.animate(seed=5)
    graphs.change(graph, "FollowEmojiLoadModel", **graphs.SPLIT)
    (sampler,) = [node for node in graph.values() if node["class_type"] == SAMPLER]
    graph["900"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=sampler["inputs"]["landmarks"]))
    sampler["inputs"]["landmarks"] = ["900", 0]
    split, whole = graphs.pixels(run(comfy, graph)), graphs.pixels(run(comfy, graphs.animate(seed=5)))
    assert len(split) == len(whole)
    assert sum(abs(a - b) for a, b in zip(split, whole, strict=True)) / len(whole) < 4


def test_look_at_landmarks_of_a_portrait_with_odd_sides(current):
    graph = graphs.load("look_at_landmarks")
    graphs.change(graph, "LoadVideo", file="temple.mp4")
    Image.open(current.input / "portrait.jpg").resize((531, 733)).save(current.input / "odd.png")
    graphs.change(graph, "LoadImage", image="odd.png")
    assert graphs.describe(run(current, graph)) == dict(frames=8, size=(512 + 512, 512), fps=30.0, sound=True)


def test_a_video_made_of_images_is_read_without_encoding(comfy):
    """Load Video, its components, Create Video: the same landmarks as from the file, its sound and rate kept."""
    graph = {
        "1": dict(class_type="LoadVideo", inputs=dict(file="temple.mp4")),
        "2": dict(class_type="GetVideoComponents", inputs=dict(video=["1", 0])),
        "3": dict(class_type="CreateVideo", inputs=dict(images=["2", 0], audio=["2", 1], fps=["2", 2], bit_depth=8)),
    }
    for number, source in (("4", "1"), ("6", "3")):
        inputs = dict(
            source=[source, 0], detector="face_landmarker.task", face="largest", missing="error", image_fps=9.0
        )
        graph[number] = dict(class_type="FollowEmojiExtractLandmarks", inputs=inputs)
        drawn = dict(motion=[number, 0], background=[source, 0], height=128)
        graph[f"{number}1"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=drawn)
        graph[f"{number}2"] = dict(
            class_type="CreateVideo",
            inputs=dict(images=[f"{number}1", 0], audio=[number, 1], fps=[number, 2], bit_depth=8),
        )
        save = dict(video=[f"{number}2", 0], filename_prefix=f"made{number}", format="mp4", codec="h264")
        graph[f"{number}3"] = dict(class_type="SaveVideo", inputs=save | {"format.codec": "h264"})
    first, second = comfy.outputs(comfy.run(graph))
    assert graphs.describe(first) == graphs.describe(second) == dict(frames=8, size=(128, 128), fps=30.0, sound=True)
    differences = [abs(a - b) for a, b in zip(graphs.pixels(first), graphs.pixels(second), strict=True)]
    assert sum(differences) / len(differences) < 5  # the two readers turn YUV into RGB a little differently


@pytest.mark.alone
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


def test_alignment_says_what_may_look_wrong(both_servers):
    """On the node and in the history; nothing when all is well, but for a node that has warned before."""
    graph = graphs.load("first_animation")
    align = next(key for key, node in graph.items() if node["class_type"] == "FollowEmojiAlignMotion")
    graph = {key: node for key, node in graph.items() if key == align or key in str(graph[align]["inputs"].values())}
    drawn = dict(motion=[align, 0])
    graph["drawn"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=drawn)
    graph["shown"] = dict(class_type="PreviewImage", inputs=dict(images=["drawn", 0]))

    def said() -> list[str]:
        return both_servers.run(graph)["outputs"].get(align, {}).get("text", [])

    assert said() == []
    graphs.change(graph, "FollowEmojiAlignMotion", neutral_frame=20)
    (text,) = said()
    assert "The driver is not at rest in neutral frame 20" in text
    graphs.change(graph, "FollowEmojiAlignMotion", neutral_frame=0)
    assert said() == []


def test_comfyui_face_landmarks_node_exists_where_promised(current):
    """FACE_LANDMARKS is ComfyUI's own type from 0.23; its payload is tested in tests/core."""
    assert "FACE_LANDMARKS" in current.object_info()["MediaPipeFaceLandmarker"]["output"]
