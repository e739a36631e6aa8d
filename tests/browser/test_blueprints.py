"""Subgraph blueprints as an artist finds them, in the current ComfyUI: searched, added, wired, changed, run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.drawn.scenes import Scene
from followemoji_core.media import Clip, read_frames, write_video
from tests.browser.conftest import Frontend
from tests.comfy import graphs
from tests.comfy.server import PACK_FOLDER
from tests.comfy.test_expression_nodes import failure
from tests.make_blueprints import BLUEPRINTS, CATEGORY, ROOT, text

SHOTS = Path(os.environ["FOLLOWEMOJI_SCREENSHOTS"]) if "FOLLOWEMOJI_SCREENSHOTS" in os.environ else None
NAMES = [blueprint.name for blueprint in BLUEPRINTS]
# What is wired to the inputs: node, its file; and widgets of the blueprint that make its run short.
FILES = dict(portrait=("LoadImage", "blueprint.png"), picture=("LoadImage", "blueprint_group.png"),
             driving=("LoadVideo", "blueprint.mp4"), driving_2=("LoadVideo", "blueprint_2.mp4"))  # fmt: skip
SHORT = {
    "Animate Portrait": dict(steps=2, width=128, height=128),
    "Animate Group": dict(steps=1, crop_width=128, crop_height=128),
    "Express": dict(sequence="smile_wide 8, wink_left 8"),
}
MADE = {
    "Animate Portrait": dict(frames=8, size=(128, 128), fps=25.0),
    "Animate Group": dict(frames=8, size=(576, 384), fps=25.0),
    "Express": dict(frames=16, size=(384, 512), fps=25.0),
}


@pytest.fixture(scope="module")
def library(browser, server, comfy_models):
    """The page, on a server with a drawn portrait, a drawn group, two driving clips and seeded weights."""
    graphs.write_models(comfy_models)
    person, scene = Person.of(7), Scene.of(2, 3, (576, 384))
    portrait = paint(person, person.act(Acting.rest(), (384, 512)))[0]
    Image.fromarray(portrait).save(server.input / "blueprint.png")
    group = scene.paint(scene.act([Acting.rest()] * 3))[0]
    Image.fromarray(group).save(server.input / "blueprint_group.png")
    for number, name in ((14, "blueprint.mp4"), (15, "blueprint_2.mp4")):
        driver = Person.of(number)
        driving = paint(driver, driver.act(Acting.random(number, 8, from_rest=True), (256, 256)))
        write_video(server.input / name, iter(driving), 25.0)
    opened = Frontend(browser, server, 1600, 900)
    yield opened
    opened.page.close()


def search_and_add(library: Frontend, name: str) -> None:
    """By the search box, as a double click on the canvas opens it."""
    run = "(command) => window.app.extensionManager.command.execute(command)"
    library.page.evaluate("() => window.app.graph.clear()")
    library.page.evaluate(run, "Workspace.SearchBox.Toggle")
    library.page.wait_for_timeout(300)
    library.page.keyboard.type(name)
    library.page.get_by_text(name, exact=True).first.wait_for()
    library.page.get_by_text(f"Subgraph Blueprints / {CATEGORY}").first.wait_for()
    library.page.wait_for_timeout(500)  # the list follows the typing
    library.page.keyboard.press("Enter")
    library.page.wait_for_function("() => window.app.graph._nodes.length || window.app.canvas.isDragging")
    library.page.mouse.click(800, 400)
    library.page.wait_for_function("() => window.app.graph._nodes.length === 1")


WIRE = """(files) => {
    const graph = window.app.graph, [node] = graph._nodes;
    const add = (type) => { const added = LiteGraph.createNode(type); graph.add(added); return added; };
    for (const [name, [type, file]] of Object.entries(files)) {
        const slot = node.inputs.findIndex((input) => input.name === name);
        if (slot < 0) continue;
        const source = add(type);
        source.widgets[0].value = file;
        source.connect(0, node, slot);
    }
    node.connect(node.outputs.findIndex((output) => output.type === "VIDEO"), add("SaveVideo"), 0);
}"""
WIDGETS = """() => window.app.graph._nodes[0].widgets.map((widget) =>
    ({ name: widget.name, label: widget.label, value: widget.value, options: widget.options?.values }))"""
SET = """(values) => {
    for (const [name, value] of Object.entries(values)) {
        const node = window.app.graph._nodes[0], widget = node.widgets.find((widget) => widget.name === name);
        widget.value = value;
        widget.callback?.(value, window.app.canvas, node);
    }
}"""


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=NAMES)
def test_blueprint_is_found_added_wired_changed_and_run(library, server, blueprint, tmp_path):
    library.complaints.clear()
    search_and_add(library, blueprint.name)
    (title,) = library.page.evaluate("() => window.app.graph._nodes.map((node) => node.title)")
    assert title == blueprint.name
    library.page.evaluate(WIRE, FILES)
    numbers = {key: f"1:{index}" for index, key in enumerate(blueprint.nodes, 1)}
    before = inside(library, numbers)
    widgets = {widget["name"]: widget for widget in library.page.evaluate(WIDGETS)}
    assert list(widgets) == list(blueprint.widgets)
    for label, (key, name) in blueprint.widgets.items():
        assert widgets[label]["value"] == before[key][name], f"{label} shows what {name} is"
        new = other(widgets[label])
        library.page.evaluate(SET, {label: new})
        after = inside(library, numbers)
        changed = {(key, name) for key in before for name in before[key] if before[key][name] != after[key][name]}
        assert changed == {(key, name)} and after[key][name] == new, f"{label} reaches {name}"
        library.page.evaluate(SET, {label: widgets[label]["value"]})
    library.page.evaluate(SET, SHORT[blueprint.name])
    entry, _ = library.run()
    library.page.screenshot(path=str((SHOTS or tmp_path) / f"{blueprint.name}.png"))
    assert library.errors() == library.complaints == [] and entry["status"]["status_str"] == "success"
    (video,) = [path for path in server.outputs(entry) if path.suffix == ".mp4"]
    found = graphs.describe(video)
    assert found | MADE[blueprint.name] == found
    frames = np.stack(list(read_frames(Clip(video)))).astype(int)
    assert np.abs(frames - frames[0]).mean(axis=(1, 2, 3)).max() > 0.3, "it moves"


def test_more_drivers_than_faces_of_a_group_are_refused(library, server):
    """One face, two driving videos: told in plain words, by Paste Back before it asks for frames."""
    search_and_add(library, "Animate Group")
    library.page.evaluate(WIRE, FILES | dict(picture=("LoadImage", "blueprint.png")))
    library.page.evaluate(SET, SHORT["Animate Group"])
    said = failure(server, library.api())
    assert "There are 2 motions for 1 face, and a face takes one. Leave out 1 of the driving clips" in said


def inside(library: Frontend, numbers: dict[str, str]) -> dict[str, dict]:
    """What the server would get for each inner node, without its wires."""
    api = library.api()
    (outer,) = {number.partition(":")[0] for number in api if ":" in number}
    found = {key: api[f"{outer}:{number.partition(':')[2]}"]["inputs"] for key, number in numbers.items()}
    return {key: {name: v for name, v in inputs.items() if not isinstance(v, list)} for key, inputs in found.items()}


def other(widget: dict):
    """Another value; of a list that holds no other, one that will be there some day."""
    value = widget["value"]
    if isinstance(widget["options"], list):
        return next((option for option in widget["options"] if option != value), "another.safetensors")
    return "smile_wide 12" if isinstance(value, str) else value + (8 if isinstance(value, int) else 0.5)


def test_blueprint_files_are_what_their_script_writes():
    """The frontend shows a file's name; models to download are named as the templates name them."""
    assert {path.stem for path in (ROOT / "subgraphs").iterdir()} == set(NAMES)
    for blueprint in BLUEPRINTS:
        written = (ROOT / "subgraphs" / f"{blueprint.name}.json").read_text("utf-8")
        assert written == text(blueprint), "python tests/make_blueprints.py"
        (subgraph,) = json.loads(written)["definitions"]["subgraphs"]
        assert (subgraph["name"], subgraph["category"]) == (blueprint.name, CATEGORY)
        offered = {model["name"] for node in subgraph["nodes"] for model in node["properties"].get("models", [])}
        values = [value for node in subgraph["nodes"] for value in node.get("widgets_values") or ()]
        assert offered == {value for value in values if str(value).endswith((".safetensors", ".pth"))}


def test_blueprints_are_served_and_0_3_64_passes_them_over(server, old_server):
    ours = [
        each["name"] for each in server.get("/global_subgraphs").values() if PACK_FOLDER in each["info"]["node_pack"]
    ]
    assert sorted(ours) == sorted(NAMES)
    with pytest.raises(HTTPError, match="404"):
        old_server.get("/global_subgraphs")
    assert "FollowEmojiLongVideo" in old_server.object_info()
