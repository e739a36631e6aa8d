"""The templates of whole pictures on real servers: a group whose faces move each on its own, and paste_back."""

from __future__ import annotations

import numpy as np
from PIL import Image

from followemoji_core.drawn import Acting
from followemoji_core.drawn.scenes import Scene
from followemoji_core.face.geometry import screen_points
from followemoji_core.face.motion_file import load_motion
from followemoji_core.media import Clip, read_frames
from tests.comfy import graphs
from tests.comfy.test_workflows import run


def test_the_group_of_the_template_moves_and_is_pasted_back(both_servers):
    """As it ships, but shorter: three faces move, each in another way; what is around them stays what it is."""
    graph = graphs.change(graphs.load("group_portrait"), "FollowEmojiDrawnMotion", frames=10)
    video = run(both_servers, graph)
    assert graphs.describe(video) == dict(frames=10, size=(480, 320), fps=25.0, sound=False)
    frames = np.stack(list(read_frames(Clip(video)))).astype(int)
    scene = Scene.of(10, 3, (480, 320))
    rest = scene.act([Acting.rest()] * 3)
    picture = scene.paint(rest)[0].astype(int)
    assert np.abs(frames[:, :50] - picture[:50]).mean() < 3  # the sky, as the codec keeps it
    moved = []
    for face in rest:
        (left, top), (right, bottom) = (
            getattr(screen_points(face)[0], end)(axis=0).astype(int) for end in ("min", "max")
        )
        part = frames[:, max(top, 0) : bottom, max(left, 0) : right]
        assert np.abs(part[0] - picture[max(top, 0) : bottom, max(left, 0) : right]).mean() < 25  # still that person
        moved.append(np.abs(part[9] - part[0]).mean())
    assert min(moved) > 2


def test_several_drawn_motions_for_a_group_are_those_of_the_numbers(both_servers):
    """One by default, as before; with count the next numbers of motion and person."""
    motion = dict(motion=5, frames=4, person=20_000_003, still_head=True)
    graph = {
        "one": dict(class_type="FollowEmojiDrawnMotion", inputs=motion),
        "three": dict(class_type="FollowEmojiDrawnMotion", inputs=motion | dict(count=3)),
        "last": dict(class_type="FollowEmojiDrawnMotion", inputs=motion | dict(motion=7, person=20_000_005)),
    }
    for name in list(graph):
        save = dict(motion=[name, 0], filename_prefix=f"kept/{name}")
        graph[f"save_{name}"] = dict(class_type="FollowEmojiSaveMotion", inputs=save)
    outputs = both_servers.run(graph)["outputs"]
    one, three, last = (
        [
            load_motion(both_servers.output / text.partition(":")[0]).landmarks
            for text in outputs[f"save_{name}"]["text"]
        ]
        for name in ("one", "three", "last")
    )
    assert len(one) == len(last) == 1 and len(three) == 3
    assert np.array_equal(three[0], one[0]) and np.array_equal(three[2], last[0])


def test_paste_back_template_by_the_released_layout(comfy):
    """paste_back at 128 px and 2 steps: a portrait of any size comes out whole, moved only around its face."""
    graph = graphs.load("paste_back")
    graphs.change(graph, "LoadImage", image="portrait.jpg")
    graphs.change(graph, "LoadVideo", file="temple.mp4")
    graphs.change(graph, "FollowEmojiPreparePortrait", width=128, height=128)
    graphs.change(graph, "FollowEmojiLoadModel", **graphs.PUBLISHED)
    graphs.change(graph, "FollowEmojiSampler", steps=2)
    video = run(comfy, graph)
    with Image.open(comfy.input / "portrait.jpg") as portrait:
        width, height = (side // 2 * 2 for side in portrait.size)
        picture = np.asarray(portrait.convert("RGB")).astype(int)[:height, :width]
    assert graphs.describe(video) == dict(frames=8, size=(width, height), fps=30.0, sound=True)
    frame = next(iter(read_frames(Clip(video)))).astype(int)
    changed = np.abs(frame - picture).mean(axis=2)
    assert changed[-height // 10 :].mean() < 4 < np.abs(changed).max()
