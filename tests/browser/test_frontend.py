"""What an artist sees: the shipped graphs open clean, say what they mean, and run by the Run button."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
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


@pytest.mark.parametrize("name", NAMES)
def test_shipped_graph(frontend, name, tmp_path):
    opened = frontend.open(graph(name))
    frontend.screenshot(str((SHOTS or tmp_path) / f"{name}.png"))
    assert opened["missing"] == []
    assert opened["api"] == graphs.load(name), "workflows/api is what the frontend makes of the graph"
    assert frontend.complaints == []


@pytest.mark.parametrize("name", NAMES)
def test_template_browser(frontend, name):
    types = frontend.open_template(PACK_FOLDER, name)
    assert sorted(types) == sorted(node["type"] for node in graph(name)["nodes"])
    assert frontend.complaints == []


def test_every_file_that_a_graph_names_can_be_downloaded():
    """The frontend offers what properties.models names; each loader's choice must be among them."""
    offered, chosen = {}, set()
    for node in graph("animate_portrait")["nodes"]:
        for model in node.get("properties", {}).get("models", []):
            offered[model["name"]] = model
    for node in graphs.load("animate_portrait").values():
        chosen |= {value for value in node["inputs"].values() if str(value).endswith((".safetensors", ".pth"))}
    assert chosen == set(offered)
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
