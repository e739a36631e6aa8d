"""Every template as an artist meets it, on both versions of ComfyUI: opened from the template browser, read, run."""

from __future__ import annotations

import json
import os
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.scenes import Scene
from followemoji_core.face.geometry import screen_points
from followemoji_core.media import Clip, read_frames, write_video
from tests.browser.conftest import Frontend
from tests.comfy import graphs
from tests.comfy.server import PACK_FOLDER, ComfyServer

NAMES = sorted(path.stem for path in graphs.WORKFLOWS.glob("*.json"))
SHOTS = Path(os.environ["FOLLOWEMOJI_SCREENSHOTS"]) if "FOLLOWEMOJI_SCREENSHOTS" in os.environ else None
WRITE_API = "FOLLOWEMOJI_WRITE_API" in os.environ
YOUNGER = {
    "context_windows": "0.3.64's context windows fail where frames are a batch",
    "folder_batch": "0.3.64 has no node that loads a folder of pictures",
}
# Widgets that make a run short, by type of node; what is not named here runs as it ships.
RELEASED = {"FollowEmojiPreparePortrait": dict(width=128, height=128)}
SHORTER: dict[str, dict[str, dict[str, Any]]] = {
    "animate_portrait": RELEASED | {"FollowEmojiSampler": dict(steps=2)},
    "context_windows": {"FollowEmojiDrawnMotion": dict(frames=20)},
    "expressions": {"FollowEmojiNamedExpression": dict(sequence="laugh 12, rest 6")},
    "folder_batch": RELEASED | {"FollowEmojiLongVideo": dict(steps=2)},
    "given_keyframes": {
        "FollowEmojiDrawnMotion": dict(frames=31),
        "FollowEmojiDrawnFrames": dict(frame_numbers="0, 15, -1"),
    },
    "group_portrait": {"FollowEmojiDrawnMotion": dict(frames=10)},
    "ksampler": {"FollowEmojiDrawnMotion": dict(frames=8)},
    "long_video": {"FollowEmojiDrawnMotion": dict(frames=20)},
    "place_face": {"FollowEmojiNamedExpression": dict(sequence="smile_wide 8, rest 2")},
    "paste_back": RELEASED | {"FollowEmojiSampler": dict(steps=2)},
    "refine_warp": {"FollowEmojiDrawnMotion": dict(frames=8)},
}
DRIVEN = dict(frames=8, fps=25.0, sound=True)
MADE = {
    "animate_portrait": DRIVEN | dict(size=(128, 128)),
    "context_windows": dict(frames=20),
    "edit_expression": dict(frames=49),
    "expressions": dict(frames=18, size=(256, 128)),
    "first_animation": dict(frames=48),
    "folder_batch": DRIVEN | dict(size=(128, 128)),
    "given_keyframes": dict(frames=31),
    "group_portrait": dict(frames=10, size=(480, 320)),
    "ksampler": dict(frames=8),
    "long_video": dict(frames=20),
    "look_at_landmarks": DRIVEN | dict(size=(512 + 512, 512)),
    "paste_back": DRIVEN | dict(size=(640, 704)),
    "place_face": dict(frames=10, size=(512, 512)),
    "refine_warp": dict(frames=8),
}


@pytest.fixture(scope="module")
def studio(browser, both_servers, comfy_models):
    """A page for all templates, as loading one takes seconds, on each server in turn; with the files that they name:
    drawn people, a driving clip, seeded weights."""
    graphs.write_models(comfy_models)
    person, driver = Person.of(7), Person.of(14)
    portrait = paint(person, person.act(Acting.rest(), (384, 512)))[0]
    portrait = np.pad(portrait, [(64, 128), (128, 128), (0, 0)], "edge")  # a face with room around it
    Image.fromarray(portrait).save(both_servers.input / "portrait.png")
    driving = paint(driver, driver.act(Acting.random(14, 8, from_rest=True), (256, 256)))
    tone = np.sin(np.arange(6_000) / 20)[None].astype(np.float32)
    write_video(both_servers.input / "driving.mp4", iter(driving), 25.0, (tone, 16_000))
    (both_servers.input / "portraits").mkdir(exist_ok=True)
    for number, size in ((7, (384, 512)), (18, (512, 405))):
        other = Person.of(number)
        picture = paint(other, other.act(Acting.rest(), size))[0]
        Image.fromarray(picture).save(both_servers.input / "portraits" / f"{number}.png")
    opened = Frontend(browser, both_servers, 1600, 900)  # after the files: it asks once what there is
    yield opened
    opened.page.close()


@pytest.mark.parametrize("name", NAMES)
def test_template_opens_readable_and_runs(studio, both_servers, old, name, tmp_path):
    if old and name in YOUNGER:
        pytest.skip(YOUNGER[name])
    studio.complaints.clear()
    if not old:
        studio.page.set_viewport_size({"width": 1280, "height": 800})
        studio.load_template(PACK_FOLDER, name)
        readable(studio.layout(), 0.55)
        studio.page.set_viewport_size({"width": 1600, "height": 900})
    # 0.3.64's own templates cannot be installed beside the current ones, and its browser is empty without them.
    types = (studio.load_template if old else studio.open_template)(PACK_FOLDER, name)
    assert sorted(types) == sorted(node["type"] for node in graph(name)["nodes"])
    readable(studio.layout(), 0.6)
    if not old:
        same_api(studio.api(), name)
    for kind, values in SHORTER.get(name, {}).items():
        studio.set(kind, **values)
    entry, reached = studio.run()
    studio.page.wait_for_function(VIDEO_SHOWN, timeout=10_000)
    picture = SHOTS / f"{name}{'_old' if old else ''}.png" if SHOTS else tmp_path / "shot.png"
    studio.page.screenshot(path=str(picture))
    assert studio.errors() == [] and entry["status"]["status_str"] == "success"
    seen = studio.layout()
    stays_in_place(seen)
    stays_in_place(seen | dict(nodes=reached))
    videos = [path for path in both_servers.outputs(entry) if path.suffix == ".mp4"]
    assert len(videos) == (2 if name == "folder_batch" else 1)
    for video in videos:
        found = graphs.describe(video)
        assert found | MADE[name] == found
        frames = np.stack(list(read_frames(Clip(video)))).astype(int)
        assert np.abs(frames - frames[0]).mean(axis=(1, 2, 3)).max() > 0.5, "it moves"
        RESULTS.get(name, lambda *told: None)(frames, both_servers)
    assert studio.complaints == []


@pytest.fixture
def old(both_servers) -> bool:
    return both_servers.get("/system_stats")["system"]["comfyui_version"] == "0.3.64"


# The video of the last node has come, and can be played.
VIDEO_SHOWN = """() => {
    const saving = window.app.graph._nodes.find((node) => node.type === "SaveVideo");
    return saving.widgets.some((widget) => widget.name === "video-preview")
        && saving.videoContainer?.querySelector("video")?.readyState > 0;
}"""


def graph(name: str) -> dict:
    return json.loads((graphs.WORKFLOWS / f"{name}.json").read_text("utf-8"))


def same_api(api: dict, name: str) -> None:
    if WRITE_API:
        path = graphs.WORKFLOWS / "api" / f"{name}.json"
        path.write_text(json.dumps(api, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert api == graphs.load(name), "workflows/api is what the frontend makes of the graph"


def readable(seen: dict, least: float) -> None:
    """Text is drawn, no wire turns back, all is in its place."""
    assert seen["scale"] >= least and not seen["low_quality"]
    stays_in_place(seen)
    # A wire leaves its node to the right and comes from the left; where it has to turn back, reroutes lead it around.
    assert [wire["name"] for wire in seen["wires"] if wire["first"] < wire["start"] or wire["last"] > wire["end"]] == []


def stays_in_place(seen: dict) -> None:
    """The note on top, nodes in their groups, nothing covered."""
    boxes = seen["nodes"]
    (note,) = [box for title, box in boxes.items() if title.startswith("MarkdownNote")]
    others = {title: box for title, box in boxes.items() if box is not note}
    assert note[1] + note[3] <= min(y for _, y, *_ in others.values()), "the note is on top"
    assert [pair for pair in combinations(boxes, 2) if overlap(*(boxes[title] for title in pair))] == []
    assert [title for title, box in others.items() if not any(inside(box, group) for group in seen["groups"])] == []


def overlap(one, other) -> bool:
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))


def inside(box, group) -> bool:
    return all(
        group[axis] <= box[axis] and box[axis] + box[axis + 2] <= group[axis] + group[axis + 2] for axis in (0, 1)
    )


def both_halves_move(frames: np.ndarray, server: ComfyServer) -> None:
    """The drawing and the animation, side by side; both come back to rest."""
    for half in (frames[:, :, :128], frames[:, :, 128:]):
        moved = np.abs(half - half[0]).mean(axis=(1, 2, 3))
        assert moved.max() > 3 * moved[-1]


def three_faces_move(frames: np.ndarray, server: ComfyServer) -> None:
    """Each in another way; what is around them stays what it is."""
    scene = Scene.of(10, 3, (480, 320))
    rest = scene.act([Acting.rest()] * 3)
    picture = scene.paint(rest)[0].astype(int)
    assert np.abs(frames[:, :50] - picture[:50]).mean() < 3  # the sky, as the codec keeps it
    moved = []
    for face in rest:
        left, top = screen_points(face)[0].min(axis=0).astype(int).clip(0)
        right, bottom = screen_points(face)[0].max(axis=0).astype(int)
        part = frames[:, top:bottom, left:right]
        assert np.abs(part[0] - picture[top:bottom, left:right]).mean() < 25  # still that person
        moved.append(np.abs(part[9] - part[0]).mean())
    assert min(moved) > 2


def only_the_face_changes(frames: np.ndarray, server: ComfyServer) -> None:
    with Image.open(server.input / "portrait.png") as portrait:
        changed = np.abs(frames[0] - np.asarray(portrait).astype(int)).mean(axis=2)
    assert changed[-changed.shape[0] // 10 :].mean() < 4 < changed.max()


RESULTS = {
    "expressions": both_halves_move,
    "group_portrait": three_faces_move,
    "paste_back": only_the_face_changes,
}
