"""What an artist sees beside the graphs: colours of wires, the setting of previews, downloads."""

from __future__ import annotations

import json

import pytest

from followemoji_core.face.detector import TASK_URL
from tests.comfy import graphs


def graph(name: str) -> dict:
    return json.loads((graphs.WORKFLOWS / f"{name}.json").read_text("utf-8"))


def test_look_and_animate_show_the_same():
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
    """The frontend offers what properties.models names, if it is on huggingface.co. The detector is not named there:
    no frontend downloads a .task, and that of 0.3.64 calls it missing when it is there. The note links to it."""
    offered, chosen = {}, set()
    for node in graph(name)["nodes"]:
        for model in node.get("properties", {}).get("models", []):
            offered[model["name"]] = model
    for node in graphs.load(name).values():
        chosen |= {value for value in node["inputs"].values() if str(value).endswith((".safetensors", ".pth", ".task"))}
    assert chosen == {*offered, "face_landmarker.task"}
    (note,) = [node for node in graph(name)["nodes"] if node["type"] == "MarkdownNote"]
    assert TASK_URL in note["widgets_values"][0] or "Models as for animate_portrait" in note["widgets_values"][0]
    for model in offered.values():
        assert model["url"].startswith("https://huggingface.co/") and "/resolve/main/" in model["url"]
        assert model["directory"] in ("followemoji", "vae", "clip_vision")
