"""Place Face in the real frontend, by real drags: the whole face, single points, and back."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Animal
from followemoji_core.face.place import placed_face, placed_points
from followemoji_core.face.place_file import parse_placement, placement_text
from followemoji_core.face.placement import Placement
from tests.browser.conftest import Frontend

SIDE = 256
HINT = "FollowEmoji.PlaceHintSeen"
SET = "([id, value]) => window.app.extensionManager.setting.set(id, value)"
FOX = Animal.of(1)
BUILD = """([x, y]) => {
    const graph = window.app.graph;
    graph.clear();
    const add = (type, pos) => {
        const node = LiteGraph.createNode(type);
        node.pos = pos;
        graph.add(node);
        return node;
    };
    const animal = add("FollowEmojiDrawnAnimal", [x - 300, y]), place = add("FollowEmojiPlaceFace", [x, y]);
    animal.widgets.find((widget) => widget.name === "size").value = 256;
    animal.connect(0, place, 0);
    Object.assign(window.app.canvas.ds, { scale: 1, offset: [0, 0] });
    window.app.canvas.setDirty(true, true);
    window.placeNode = place.id;
}"""
PLACE = "(window.app.graph.getNodeById(window.placeNode) ?? window.app.graph._nodes.find((n) => n.followEmojiPlace))"


class Editor:
    """The editor of one node on the page, in pixels of its picture."""

    def __init__(self, page, node: str = PLACE):
        self.page, self.node = page, node
        self.settled()

    def ask(self, expression: str):
        return self.page.evaluate(
            f"() => {{ const node = {self.node}, editor = node.followEmojiPlace; return {expression}; }}"
        )

    def settled(self) -> None:
        """Until the picture is there and the server has answered what was asked last."""
        done = "editor?.answer && editor.pictureSize && !editor.client.busy && editor.url"
        self.page.wait_for_function(
            f"() => {{ const node = {self.node}, editor = node?.followEmojiPlace; return {done}; }}", timeout=60_000
        )
        self.page.wait_for_timeout(150)

    @property
    def text(self) -> str:
        return self.ask("node.widgets.find((widget) => widget.name === 'points').value")

    @property
    def placement(self) -> Placement:
        return parse_placement(self.text)

    def on_page(self, x: float, y: float) -> tuple[float, float]:
        at = self.ask(
            f"(({{ x, y }}) => [x, y])(new DOMPoint({x}, {y}).matrixTransform(editor.stage.element.getScreenCTM()))"
        )
        return at[0], at[1]

    def where(self, selector: str) -> tuple[float, float]:
        """The middle of something drawn, on the page."""
        middle = "(({ x, y, width, height }) => [x + width / 2, y + height / 2])"
        box = self.ask(f"{middle}(editor.stage.element.querySelector({selector!r}).getBoundingClientRect())")
        return box[0], box[1]

    def point(self, name: str) -> tuple[float, float]:
        return tuple(self.ask(f"editor.state.points.{name} ?? editor.answer.points.{name}"))

    def drag(self, start, end, steps: int = 8) -> None:
        """From a place on the page to another one."""
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=steps)
        mouse.up()
        self.settled()

    def click(self, label: str) -> None:
        self.ask(
            f"[...editor.element.querySelectorAll('button')].find((each) => each.textContent === {label!r}).click()"
        )
        self.settled()

    def drag_point(self, name: str, to: tuple[float, float]) -> None:
        self.drag(self.where(f'[data-point="{name}"]'), self.on_page(*to))


@pytest.fixture
def frontend(editors) -> Frontend:
    """The shared page with an empty graph and nothing to complain of."""
    editors.page.evaluate(SET, ["Comfy.VueNodes.Enabled", False])
    editors.page.evaluate("() => window.app.loadGraphData()")
    editors.complaints.clear()
    return editors


@pytest.fixture
def editor(frontend) -> Editor:
    frontend.page.evaluate(SET, [HINT, True])
    frontend.page.evaluate(BUILD, [480, 130])
    return Editor(frontend.page)


def test_the_whole_face_then_single_points_are_dragged_and_taken_back(editor, frontend, server):
    page = frontend.page
    assert editor.text == "" and page.evaluate("() => document.querySelector('.fye-place svg .frame') !== null")
    assert editor.ask("node.widgets.map((widget) => [widget.name, !!widget.hidden])") == [
        ["points", True], ["editor", False]
    ]  # fmt: skip

    # 1. The whole face: moved, scaled at a corner, turned at the knob.
    middle = editor.ask("editor.answer.frame")
    start = editor.on_page(*middle["centre"])
    editor.drag(start, editor.on_page(middle["centre"][0], middle["centre"][1] + 20))
    moved = editor.placement.frame
    assert np.allclose(moved.centre, (middle["centre"][0], middle["centre"][1] + 20), atol=1.5)
    corner = editor.where(".handle.corner:nth-of-type(4)")
    away = np.array(corner) + 0.25 * (np.array(corner) - editor.on_page(*moved.centre))
    editor.drag(corner, tuple(away))
    larger = editor.placement.frame
    assert larger.height == pytest.approx(1.25 * moved.height, rel=0.04)
    knob = editor.where(".handle.turn")
    editor.drag(knob, (knob[0] - 30, knob[1]))
    assert 5 < editor.placement.frame.turn < 40 and not editor.placement.points
    editor.click("Undo")
    assert editor.placement.frame == larger

    # 2. Points: the mesh goes through each, the rest follows a little.
    editor.click("Points")
    wanted = FOX.points(SIDE)
    for name in ("eye_outer_right", "eye_outer_left", "mouth_corner_left", "chin"):
        editor.drag_point(name, wanted[name])
    assert set(editor.placement.points) == {"eye_outer_right", "eye_outer_left", "mouth_corner_left", "chin"}
    for name, at in editor.placement.points.items():
        assert np.allclose(at, wanted[name], atol=1.0), name
        assert np.allclose(editor.ask(f"editor.answer.points.{name}"), at, atol=0.1)
    four = editor.text

    # 3. Keys: arrows by a pixel, with Shift finer; back and forth; a double click lets go.
    chin = editor.point("chin")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    editor.settled()
    assert np.allclose(editor.point("chin"), np.add(chin, (0.2, 1)), atol=0.02)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    editor.settled()
    assert editor.text == four
    page.keyboard.press("Control+Shift+z")
    assert editor.text != four
    page.keyboard.press("Control+z")
    page.mouse.dblclick(*editor.where('[data-point="chin"]'))
    editor.settled()
    assert "chin" not in editor.placement.points
    page.keyboard.press("Control+z")
    editor.settled()
    assert editor.text == four

    # 4. The wheel zooms where it is, and what is dragged then goes as far as the pointer.
    place = editor.on_page(*editor.point("eye_outer_left"))
    page.mouse.move(*place)
    for _ in range(4):
        page.mouse.wheel(0, -200)
    editor.settled()
    assert editor.ask("editor.stage.view[2]") < 0.6 * SIDE and np.allclose(
        editor.on_page(*editor.point("eye_outer_left")), place, atol=2
    )
    at = editor.point("eye_outer_left")
    editor.drag_point("eye_outer_left", (at[0] + 3, at[1] - 2))
    assert np.allclose(editor.point("eye_outer_left"), np.add(at, (3, -2)), atol=0.3)

    # 5. Run: the server's landmarks are the editor's.
    lines = editor.ask("editor.answer.points")
    page.evaluate("() => window.app.queuePrompt(0)")
    page.wait_for_timeout(500)
    server.queue_idle()
    expected = placed_points(placed_face(parse_placement(editor.text)))
    assert all(np.allclose(lines[name], at, atol=0.05) for name, at in expected.items())

    # 6. What the run gave is not hung below the editor, which shows the picture already.
    page.wait_for_function(f"() => window.app.nodeOutputs[{PLACE}.id]?.images?.length", timeout=20_000)
    page.evaluate("() => window.app.canvas.setDirty(true, true)")
    page.wait_for_timeout(1000)
    assert editor.ask("[node.imgs?.length ?? 0, node.widgets.map((widget) => widget.name)]") == [
        0, ["points", "editor"]
    ]  # fmt: skip
    assert frontend.complaints == []


def test_placed_points_are_saved_copied_and_undone_with_the_graph(editor, frontend):
    page = frontend.page
    text = placement_text(Placement((SIDE, SIDE), FOX.points(SIDE)))
    editor.ask(f"node.widgets.find((widget) => widget.name === 'points').value = {text!r}")
    page.wait_for_timeout(1000)
    editor.settled()
    assert editor.ask("Object.keys(editor.state.points).length") == 31 and editor.text == text
    saved = page.evaluate("() => window.app.graph.serialize()")
    (node,) = [each for each in saved["nodes"] if each["type"] == "FollowEmojiPlaceFace"]
    assert node["widgets_values"] == [text]
    api = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    (inputs,) = [each["inputs"] for each in api.values() if each["class_type"] == "FollowEmojiPlaceFace"]
    assert inputs["points"] == text and set(inputs) == {"points", "image"}

    # Copied and pasted, it has the same points, and both go their own ways.
    page.evaluate("() => { const { canvas } = window.app, node = " + PLACE + "; canvas.selectNode(node); "
                  "canvas.copyToClipboard([node]); canvas.pasteFromClipboard(); }")  # fmt: skip
    values = (
        "() => window.app.graph._nodes.filter((node) => node.followEmojiPlace)"
        ".map((node) => node.widgets.find((widget) => widget.name === 'points').value)"
    )
    assert page.evaluate(values) == [text, text]
    editor.click("Reset")
    assert sorted(page.evaluate(values)) == ["", text]

    # Loaded again.
    page.evaluate("(graph) => window.app.loadGraphData(graph)", saved)
    again = Editor(page)
    assert again.text == text and again.ask("Object.keys(editor.state.points).length") == 31
    assert again.ask("editor.mode") == "points"

    # The frontend's own undo takes a drag back.
    page.wait_for_timeout(500)
    again.drag_point("chin", (128, 220))
    page.wait_for_timeout(500)
    assert again.text != text
    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.Undo')")
    page.wait_for_timeout(1500)
    assert Editor(page).text == text
    assert frontend.complaints == []


def test_a_transparent_picture_shows_the_colours_that_the_run_uses(frontend, server):
    """On a page: white beneath what is clear, which the frontend's dark ground would show through."""
    Image.new("RGBA", (SIDE, SIDE), (250, 240, 20, 0)).save(server.input / "clear.png")
    page = frontend.page
    page.evaluate(BUILD.replace("FollowEmojiDrawnAnimal", "LoadImage").replace(
        'name === "size").value = 256', 'name === "image").value = "clear.png"'), [480, 130])  # fmt: skip
    editor = Editor(page)
    x, y = (int(each) for each in editor.on_page(SIDE / 2, 20))
    shot = Image.open(io.BytesIO(page.screenshot(clip=dict(x=x, y=y, width=4, height=4)))).convert("RGB")
    assert np.allclose(np.asarray(shot), (250, 240, 20), atol=6)
    assert frontend.complaints == []


def test_placing_shows_what_is_wrong_and_how_to_mend_it(editor, frontend):
    points = FOX.points(SIDE)
    swapped = {name: (SIDE - x, y) for name, (x, y) in points.items()}
    for wrong, said in ((swapped, "Swap left and right"), (points | {"lid_upper_left": (165, 150)}, "lies below")):
        text = placement_text(Placement((SIDE, SIDE), wrong))
        editor.ask(f"node.widgets.find((widget) => widget.name === 'points').value = {text!r}")
        frontend.page.wait_for_timeout(1000)
        editor.settled()
        assert said in editor.ask("editor.line.textContent") and editor.ask("editor.line.className").endswith("wrong")
    other = placement_text(Placement((SIDE, 100), {"chin": (9, 9)}))
    editor.ask(f"node.widgets.find((widget) => widget.name === 'points').value = {other!r}")
    frontend.page.wait_for_timeout(1000)
    assert "belong to a picture of 256 x 100 pixels" in editor.ask("editor.line.textContent")
    editor.click("Reset")
    assert editor.text == "" and "wrong" not in editor.ask("editor.line.className")


def test_the_hint_of_placing_is_seen_once(frontend, server):
    page = frontend.page
    page.evaluate(SET, [HINT, False])
    page.evaluate(BUILD, [480, 130])
    Editor(page)
    assert page.locator(".fye-hint > p").count() == 3
    page.locator(".fye-hint button").click()
    page.wait_for_timeout(500)
    page.evaluate(BUILD, [480, 130])
    Editor(page)
    assert page.locator(".fye-hint").count() == 0
    assert server.get("/settings")[HINT] is True


@pytest.mark.parametrize("palette", ["light", "dark"])
@pytest.mark.parametrize("vue", [False, True])
def test_placing_works_in_both_themes_with_and_without_nodes_2(frontend, palette, vue, tmp_path):
    page = frontend.page
    page.evaluate(SET, [HINT, True])
    page.evaluate(SET, ["Comfy.ColorPalette", palette])
    page.evaluate(SET, ["Comfy.VueNodes.Enabled", vue])
    try:
        page.evaluate(BUILD, [480, 130])
        page.wait_for_timeout(800)
        editor = Editor(page)
        editor.click("Points")
        editor.drag_point("chin", (128, 212))
        assert np.allclose(editor.placement.points["chin"], (128, 212), atol=1.5)
        page.screenshot(path=str(tmp_path / f"{palette}_{vue}.png"))
        assert page.locator("textarea:visible").count() == 0, "the text itself is hidden"
        back, front = editor.ask(
            "[editor.line, editor.line].map((each, at) => getComputedStyle(each)[at ? 'color' : 'backgroundColor'])"
        )
        assert back != front
        assert frontend.complaints == []
    finally:
        page.evaluate(SET, ["Comfy.VueNodes.Enabled", False])
        page.evaluate(SET, ["Comfy.ColorPalette", "dark"])


def test_placing_inside_a_subgraph(editor, frontend):
    page = frontend.page
    if not page.evaluate("() => typeof window.app.graph.convertToSubgraph === 'function'"):
        pytest.skip("this frontend has no subgraphs")
    page.evaluate("() => { const node = " + PLACE + "; const { subgraph } = window.app.graph.convertToSubgraph("
                  "new Set([node])); window.app.canvas.setGraph(subgraph); }")  # fmt: skip
    page.wait_for_timeout(800)
    inside = Editor(page, "window.app.canvas.graph._nodes.find((each) => each.followEmojiPlace)")
    inside.click("Points")
    inside.drag_point("chin", (128, 212))
    api = page.evaluate("async () => (await window.app.graphToPrompt()).output")
    (inputs,) = [each["inputs"] for each in api.values() if each["class_type"] == "FollowEmojiPlaceFace"]
    assert json.loads(inputs["points"])["points"]["chin"] == pytest.approx([128, 212], abs=1.5)
    assert frontend.complaints == []
