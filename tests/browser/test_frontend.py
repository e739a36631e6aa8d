"""What an artist sees: the shipped graphs open clean, say what they mean, and run by the Run button."""

from __future__ import annotations

import json
import os
import time
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.detector import TASK_URL
from followemoji_core.media import write_video
from tests.comfy import graphs
from tests.comfy.server import PACK_FOLDER

NAMES = sorted(path.stem for path in graphs.WORKFLOWS.glob("*.json"))
SHOTS = Path(os.environ["FOLLOWEMOJI_SCREENSHOTS"]) if "FOLLOWEMOJI_SCREENSHOTS" in os.environ else None


def graph(name: str) -> dict:
    return json.loads((graphs.WORKFLOWS / f"{name}.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def inputs(server, comfy_models):
    """The files that the graphs name: a drawn person, a drawn driver, seeded weights."""
    graphs.write_models(comfy_models)
    if not (server.input / "portrait.png").exists():
        person, driver = Person.of(7), Person.of(14)
        Image.fromarray(paint(person, person.act(Acting.rest(), (512, 512)))[0]).save(server.input / "portrait.png")
        driving = paint(driver, driver.act(Acting.random(14, 8, from_rest=True), (256, 256)))
        write_video(server.input / "driving.mp4", iter(driving), 25.0)
        (server.input / "portraits").mkdir(exist_ok=True)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_graph(frontend, name, tmp_path):
    opened = frontend.open(graph(name))
    frontend.screenshot(str((SHOTS or tmp_path) / f"{name}.png"))
    assert opened["missing"] == []
    if os.environ.get("FOLLOWEMOJI_WRITE_API"):
        path = graphs.WORKFLOWS / "api" / f"{name}.json"
        path.write_text(json.dumps(opened["api"], indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert opened["api"] == graphs.load(name), "workflows/api is what the frontend makes of the graph"
    assert frontend.complaints == []


@pytest.mark.parametrize("width, height, least", [(1600, 900, 0.6), (1280, 800, 0.55)])
@pytest.mark.parametrize("name", NAMES)
def test_template_opens_readable(frontend, name, width, height, least, tmp_path):
    """As the template browser opens it on a small screen: text is drawn, nothing is covered, no wire turns back."""
    frontend.page.set_viewport_size({"width": width, "height": height})
    types = frontend.open_template(PACK_FOLDER, name)
    assert sorted(types) == sorted(node["type"] for node in graph(name)["nodes"])
    assert frontend.complaints == []
    seen = frontend.layout()
    frontend.page.screenshot(path=str((SHOTS or tmp_path) / f"{name}_{width}.png"))
    assert seen["scale"] >= least and not seen["low_quality"]
    boxes, groups = seen["nodes"], seen["groups"]
    assert max(x + w for x, _, w, _ in groups) - min(x for x, *_ in groups) <= 1500
    (note,) = [box for title, box in boxes.items() if title.startswith("MarkdownNote")]
    others = [box for box in boxes.values() if box is not note]
    assert note[1] + note[3] <= min(y for _, y, *_ in others), "the note is on top"
    assert [pair for pair in combinations(boxes, 2) if overlap(*(boxes[title] for title in pair))] == []
    for box in others:
        assert any(inside(box, group) for group in groups)
    # A wire leaves its node to the right and comes from the left; where it has to turn back, reroutes lead it around.
    assert [wire["name"] for wire in seen["wires"] if wire["first"] < wire["start"] or wire["last"] > wire["end"]] == []


def overlap(one, other) -> bool:
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))


def inside(box, group) -> bool:
    return all(
        group[axis] <= box[axis] and box[axis] + box[axis + 2] <= group[axis] + group[axis + 2] for axis in (0, 1)
    )


def test_previews_stay_inside_their_groups(frontend, server):
    """The sampler's preview while it works, the video on its node afterwards."""
    frontend.open(graph("first_animation"))
    frontend.page.evaluate("() => window.app.queuePrompt(0)")
    found = {}
    preview, video = "node.imgs?.length", "node.widgets.some((widget) => widget.name === 'video-preview')"
    for kind, shown in (("FollowEmojiSampler", preview), ("SaveVideo", video)):
        find = (
            f"(kind) => {{ const node = window.app.graph._nodes.find((node) => node.type === kind); return {shown}; }}"
        )
        frontend.page.wait_for_function(find, arg=kind, timeout=120_000)
        layout = frontend.layout()
        found |= {title: box for title, box in layout["nodes"].items() if title.startswith(kind)}
    server.queue_idle()
    assert len(found) == 2
    for title, box in found.items():
        assert any(inside(box, group) for group in layout["groups"]), title


def test_look_and_animate_show_the_same(server):
    """Same framing, same settings: what is looked at is what will be animated."""
    shared = ("FollowEmojiExtractLandmarks", "FollowEmojiPreparePortrait", "FollowEmojiAlignMotion")
    settings = {}
    for name in ("look_at_landmarks", "animate_portrait", "folder_batch"):
        nodes = [node for node in graphs.load(name).values() if node["class_type"] in shared]
        titles = [node["_meta"]["title"] for node in nodes]
        assert len(set(titles)) == len(titles) == 4
        settings[name] = {
            title: {key: value for key, value in node["inputs"].items() if not isinstance(value, list)}
            for title, node in zip(titles, nodes, strict=True)
        }
    assert settings["look_at_landmarks"] == settings["animate_portrait"] == settings["folder_batch"]


def test_every_type_of_ours_has_a_colour_of_its_own(frontend, server):
    nodes = [node for name, node in server.object_info().items() if name.startswith("FollowEmoji")]
    ours = {kind for node in nodes for kind in node["output"] if kind.startswith("FOLLOWEMOJI_")}
    assert ours
    read = """(types) => types.map((type) => [
        window.app.canvas.default_connection_color_byType[type],
        window.app.canvas.constructor.link_type_colors[type],
        getComputedStyle(document.documentElement).getPropertyValue(`--color-datatype-${type}`).trim(),
    ])"""
    set_palette = "(name) => window.app.extensionManager.setting.set('Comfy.ColorPalette', name)"
    for palette in ("dark", "light", "dark"):  # loading one empties the frontend's tables
        frontend.page.evaluate(set_palette, palette)
        frontend.page.wait_for_timeout(500)
        colours = frontend.page.evaluate(read, sorted(ours))
        assert all(len(set(three)) == 1 and three[0] for three in colours)
        assert len({three[0] for three in colours}) == len(ours)


def test_the_preview_setting_is_in_the_panel_and_reaches_the_server(frontend, server):
    setting = "FollowEmoji.Preview"
    assert frontend.page.evaluate("(id) => window.app.extensionManager.setting.get(id)", setting) is True
    change = "([id, value]) => window.app.extensionManager.setting.set(id, value)"
    for value in (False, True):
        frontend.page.evaluate(change, [setting, value])
        frontend.page.wait_for_timeout(500)
        assert server.get("/settings")[setting] is value
        assert json.loads((server.root / "user/default/comfy.settings.json").read_text("utf-8"))[setting] is value


@pytest.mark.parametrize("name", ["animate_portrait", "look_at_landmarks", "folder_batch", "paste_back"])
def test_every_file_that_a_graph_names_can_be_downloaded(name):
    """The frontend offers what properties.models names, if it is on huggingface.co and no .task; it only lists the
    rest, and from some version on not even that, so the note links to the detector."""
    offered, chosen = {}, set()
    for node in graph(name)["nodes"]:
        for model in node.get("properties", {}).get("models", []):
            offered[model["name"]] = model
    for node in graphs.load(name).values():
        chosen |= {value for value in node["inputs"].values() if str(value).endswith((".safetensors", ".pth", ".task"))}
    assert chosen == set(offered)
    detector = offered.pop("face_landmarker.task")
    assert detector == dict(name="face_landmarker.task", url=TASK_URL, directory="followemoji")
    (note,) = [node for node in graph(name)["nodes"] if node["type"] == "MarkdownNote"]
    assert TASK_URL in note["widgets_values"][0] or "Models as for animate_portrait" in note["widgets_values"][0]
    for model in offered.values():
        assert model["url"].startswith("https://huggingface.co/") and "/resolve/main/" in model["url"]
        assert model["directory"] in ("followemoji", "vae", "clip_vision")


def test_run_button(frontend, server):
    """look_at_landmarks from the canvas to a video on the node, with people that the pack drew."""
    before = set(server.output.rglob("*.mp4"))
    frontend.open(graph("look_at_landmarks"))
    frontend.page.evaluate("() => window.app.queuePrompt(0)")
    deadline = time.monotonic() + 60
    while not (made := set(server.output.rglob("*.mp4")) - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    server.queue_idle()
    assert len(made) == 1 and graphs.describe(made.pop())["frames"] == 8
    assert frontend.complaints == []
