"""The small model that ships: a fresh ComfyUI, no files of anybody's, and a face that visibly moves."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.evaluation.reenactment import Case, box_error
from followemoji_core.face.align import align
from followemoji_core.face.motion import neutral_frame
from followemoji_core.face.steady import steady_path
from followemoji_core.media import Clip, read_frames
from tests.comfy import graphs
from tests.comfy.server import PromptFailed

PERSON, MOTION, FRAMES = 20_000_018, 7, 48  # what the graph shows: its portrait, and how talking.safetensors was made


def video(server, graph) -> np.ndarray:
    (path,) = [path for path in server.outputs(server.run(graph)) if path.suffix == ".mp4"]
    return np.stack(list(read_frames(Clip(path))))


def case(size: int = 128) -> Case:
    """The true pictures of the graph's person in the graph's motion, which is aligned with translation steady."""
    person, acting = Person.of(PERSON), Acting.random(MOTION, FRAMES, from_rest=True)
    rest, driving = person.act(Acting.rest(), (size, size)), person.act(acting, (size, size))
    moves, sizes = steady_path(driving, neutral_frame(driving))
    place = rest.camera_from_face[0, :3, 3] + np.column_stack([moves[:, 0], -moves[:, 1], np.zeros(FRAMES)])
    away = place / sizes[:, None] - driving.camera_from_face[:, :3, 3]
    acting = replace(acting, places=acting.places + away)
    motion = person.act(acting, (size, size))
    aligned = align(rest.frame(0), motion)
    return Case(person, paint(person, rest)[0], paint(person, motion), motion, motion, aligned, acting)


def test_it_runs_as_it_ships(server):
    made, true = video(server, graphs.load("first_animation")), case()
    assert made.shape == (FRAMES, 128, 128, 3)
    untouched = box_error(true, np.broadcast_to(true.portrait, true.truth.shape))
    assert box_error(true, made) < 0.6 * untouched
    # The ground stays what it is, in every frame.
    ground = made[:, 4:20, 4:20].mean((1, 2)) - true.portrait[4:20, 4:20].mean((0, 1))
    assert np.abs(ground).mean() < 15


def test_a_portrait_too_large_for_the_small_model_is_said_on_the_node_and_once_in_the_log(both_servers):
    graph = graphs.change(graphs.load("first_animation"), "FollowEmojiSampler", windows="plain")
    (loader,) = [node for node in graph.values() if node["class_type"] == "FollowEmojiLoadMotion"]
    loader.update(class_type="FollowEmojiDrawnMotion", inputs=dict(motion=3, frames=2, person=1, still_head=True))
    (encode,) = [key for key, node in graph.items() if node["class_type"] == "FollowEmojiEncodePortrait"]
    told = []
    for size in (192, 128):
        before = both_servers.log().count("knows pictures of 128x128")
        entry = both_servers.run(graphs.change(graph, "FollowEmojiDrawnPortrait", size=size))
        texts = entry["outputs"].get(encode, {}).get("text", [])
        told.append((both_servers.log().count("knows pictures of 128x128") - before, len(texts)))
        assert all("192x192" in text and "to 128" in text for text in texts)
    assert told == [(1, 1), (0, 0)]


def test_drawn_motion_of_any_length(server):
    graph = graphs.load("first_animation")
    (loader,) = [node for node in graph.values() if node["class_type"] == "FollowEmojiLoadMotion"]
    loader["class_type"] = "FollowEmojiDrawnMotion"
    loader["inputs"] = dict(motion=3, frames=5, person=1, still_head=True)
    graphs.change(graph, "FollowEmojiDrawnPortrait", style="stone")
    made = video(server, graphs.change(graph, "FollowEmojiSampler", steps=2))
    assert made.shape == (5, 128, 128, 3)


def test_a_checkpoint_of_200_steps_animates(both_servers, trained):
    """What the trainer wrote a moment ago is loaded as it is."""
    folder = both_servers.models / "followemoji"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trained, folder / "mine.safetensors")
    graph = graphs.load("first_animation")
    graphs.change(graph, "FollowEmojiLoadModel", denoiser="mine.safetensors")
    graphs.change(graph, "FollowEmojiDrawnPortrait", size=64)
    made = video(both_servers, graph)
    assert made.shape == (FRAMES, 64, 64, 3) and np.abs(np.diff(made.astype(int), axis=0)).mean() > 0.3


def test_the_released_weights_need_clip(current):
    """The loader's image encoder output is empty for files without one; the error says what to connect."""
    graph = graphs.animate()
    loader = next(key for key, node in graph.items() if node["class_type"] == "FollowEmojiLoadModel")
    graphs.change(graph, "FollowEmojiEncodePortrait", clip_vision=[loader, 1])
    with pytest.raises(PromptFailed, match="Connect Load CLIP Vision"):
        current.run(graph)
