"""The Expression Editor by hand: real drags, wheel and keys in a real browser (issue 12, section 3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.edit_file import parse_edit
from tests.browser.conftest import Frontend
from tests.comfy import graphs

SHOTS = Path(os.environ["FOLLOWEMOJI_SCREENSHOTS"]) if "FOLLOWEMOJI_SCREENSHOTS" in os.environ else None
MOTION = "FOLLOWEMOJI_MOTION"
SET = "([id, value]) => window.app.extensionManager.setting.set(id, value)"


def node(number: int, kind: str, x: int, size: tuple[int, int], inputs=(), outputs=(), values=()) -> dict[str, Any]:
    """A node of a saved graph. inputs: (name, type, link); outputs: (name, type, links)."""
    return {
        "id": number, "type": kind, "pos": [x, 20], "size": list(size), "flags": {}, "order": number, "mode": 0,
        "properties": {}, "widgets_values": list(values),
        "inputs": [dict(name=name, type=type_, link=link) for name, type_, link in inputs],
        "outputs": [dict(name=name, type=type_, links=list(links)) for name, type_, links in outputs],
    }  # fmt: skip


def scene(*editors: tuple[int, int, str], driven: bool = False) -> dict[str, Any]:
    """A graph: for each (id, person, edit) a drawn portrait with an editor; driven: a drawn motion for all."""
    nodes, links = [], []
    if driven:
        nodes.append(node(90, "FollowEmojiDrawnMotion", 0, (240, 130), outputs=[("driving", MOTION, [])],
                          values=[7, 30, 20_000_001, False]))  # fmt: skip
    for index, (number, person, edit) in enumerate(editors):
        x, first, source = 280 + 620 * index, 10 * number, number + 50
        links += [[first, source, 0, number, 0, "IMAGE"], [first + 1, source, 1, number, 1, MOTION]]
        inputs = [("portrait", "IMAGE", first), ("face", MOTION, first + 1), ("motion", MOTION, None)]
        if driven:
            links.append([first + 2, 90, 0, number, 2, MOTION])
            nodes[0]["outputs"][0]["links"].append(first + 2)
            inputs[2] = ("motion", MOTION, first + 2)
        drawn = [("portrait", "IMAGE", [first]), ("face", MOTION, [first + 1])]
        nodes.append(node(source, "FollowEmojiDrawnPortrait", x - 270, (240, 140), outputs=drawn,
                          values=[person, "their own", 512]))  # fmt: skip
        nodes[-1]["pos"][1] = 200 if driven else 20
        nodes.append(node(number, "FollowEmojiExpressionEditor", x, (540, 760), inputs, values=[edit]))
    return dict(
        last_node_id=99, last_link_id=999, nodes=nodes, links=links, groups=[], config={}, extra={}, version=0.4
    )


PICTURE = """async ([id]) => {
    const image = window.editorOf(id).element.querySelector(".fye-stage img");
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return [canvas.width, canvas.height, image.src];
}"""


class EditorPage:
    """A page with editors, addressed by their nodes' ids."""

    def __init__(self, frontend: Frontend):
        self.frontend, self.page = frontend, frontend.page
        self.page.set_default_timeout(90_000)
        self.page.set_viewport_size({"width": 1500, "height": 1000})
        self.page.evaluate(
            """() => { window.editorOf = (id) => {
                const graphs = [window.app.graph, ...(window.app.graph.subgraphs?.values?.() ?? [])];
                const nodes = graphs.flatMap((graph) => graph._nodes ?? graph.nodes);
                return nodes.find((node) => node.id == id && node.type === "FollowEmojiExpressionEditor")
                    .widgets.find((widget) => widget.name === "edit");
            }; }"""
        )

    def set(self, name: str, value: Any) -> None:
        self.page.evaluate(SET, [name, value])
        self.page.wait_for_timeout(500)

    def open(self, graph: dict[str, Any], scale: float = 1.0) -> None:
        self.page.evaluate("(graph) => window.app.loadGraphData(graph)", graph)
        self.zoom(scale)

    def zoom(self, scale: float, left: int = 100, top: int = 70) -> None:
        """The graph at a scale, its origin at a place of the page."""
        self.page.evaluate(
            """([scale, left, top]) => {
                const { canvas } = window.app;
                canvas.ds.scale = scale;
                canvas.ds.offset = [left / scale, top / scale];
                canvas.setDirty(true, true);
            }""",
            [scale, left, top],
        )
        self.page.wait_for_timeout(400)

    def root(self, number: int = 1):
        return self.page.locator(".fye-editor").nth(
            self.page.evaluate(
                "(id) => [...document.querySelectorAll('.fye-editor')].indexOf(window.editorOf(id).element)", number
            )
        )

    def ready(self, number: int = 1) -> EditorPage:
        """Wait until its preview stands still."""
        self.page.wait_for_function(
            """(id) => {
                const editor = document.querySelector(".fye-editor") && window.editorOf(id).element;
                const now = performance.now();
                if (!editor?.querySelector(".fye-handle, .fye-stage:not(:has(.fye-ring)) img[src]")) return false;
                if (editor.getAttribute("aria-busy") !== "false") editor.since = now;
                return now - (editor.since ??= now) > 250;
            }""",
            arg=number,
            timeout=90_000,
            polling=50,
        )
        return self

    def text(self, number: int = 1) -> str:
        return self.page.evaluate("(id) => window.editorOf(id).value", number)

    def edit(self, number: int = 1) -> dict[str, Any]:
        return json.loads(self.text(number))

    def source(self, number: int = 1) -> str:
        return self.page.evaluate("(id) => window.editorOf(id).element.querySelector('.fye-stage img').src", number)

    def pixels(self, number: int = 1) -> np.ndarray:
        import base64
        import io

        content = base64.b64decode(self.source(number).split(",")[1])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)

    def handle(self, name: str, number: int = 1) -> tuple[float, float]:
        """Where a handle is on the page."""
        box = self.root(number).locator(f'.fye-handle[data-handle="{name}"]').bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def ring(self, number: int = 1) -> tuple[float, float, float]:
        box = self.root(number).locator(".fye-ring").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 2

    def drag(self, start: tuple[float, float], dx: float, dy: float, steps: int = 6) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(start[0] + dx, start[1] + dy, steps=steps)
        self.page.mouse.up()

    def press(self, label: str, number: int = 1) -> None:
        self.root(number).locator(".fye-button", has_text=label).filter(has_text=label).first.click()

    def focus(self, number: int = 1) -> None:
        self.page.evaluate("(id) => window.editorOf(id).element.querySelector('.fye-stage').focus()", number)

    def keys(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)

    def go_to(self, frame: int, number: int = 1) -> None:
        field = self.root(number).get_by_label("The frame that is shown, counted from 0")
        field.fill(str(frame))
        field.press("Enter")
        self.ready(number)


@pytest.fixture(scope="module")
def shown(browser: Any, server: Any) -> Iterator[EditorPage]:
    opened = Frontend(browser, server)
    page = EditorPage(opened)
    page.set("FollowEmoji.EditorHintSeen", True)
    yield page
    opened.page.close()


@pytest.fixture(params=["canvas", "vue"])
def editor(request, shown) -> EditorPage:
    """One editor on a drawn portrait, in both ways in which the frontend draws nodes."""
    shown.set("Comfy.VueNodes.Enabled", request.param == "vue")
    shown.open(scene((1, 20_000_018, "")))
    shown.frontend.complaints.clear()
    yield shown.ready()
    assert shown.frontend.complaints == []


@pytest.fixture
def plain(shown) -> EditorPage:
    shown.set("Comfy.VueNodes.Enabled", False)
    shown.open(scene((1, 20_000_018, "")))
    return shown.ready()


def controls(edit: dict[str, Any], index: int = 0) -> set[str]:
    return {name for name, value in edit["keyframes"][index]["controls"].items() if value}


def test_left_corner_up_changes_the_left_alone_and_undo_restores_it(editor):
    before, source = editor.pixels(), editor.source()
    editor.drag(editor.handle("cornerLeft"), 6, -14)
    editor.ready()
    assert controls(editor.edit()) and all(name.endswith("Left") for name in controls(editor.edit()))
    changed = np.abs(editor.pixels() - before).max(axis=2) > 24
    assert changed[:, 276:].sum() > 800 and changed[:, :216].sum() == 0
    after = editor.source()
    editor.focus()
    editor.keys("Control+z")
    assert editor.ready().text() == "" and editor.source() == source, "bit for bit"
    editor.keys("Control+y")
    assert editor.ready().source() == after
    # What was written by hand is what the file's reader reads.
    assert parse_edit(editor.text()).keyframes[0].frame == 0


def test_shift_is_fine_double_click_resets_and_mirror_moves_both(editor):
    editor.drag(editor.handle("browOuterRight"), 0, -20)
    coarse = editor.ready().edit()["keyframes"][0]["controls"]["browOuterUpRight"]
    editor.page.mouse.dblclick(*editor.handle("browOuterRight"))
    assert controls(editor.ready().edit()) == set()
    editor.page.keyboard.down("Shift")
    editor.drag(editor.handle("browOuterRight"), 0, -20)
    editor.page.keyboard.up("Shift")
    fine = editor.ready().edit()["keyframes"][0]["controls"]["browOuterUpRight"]
    assert 0 < fine < 0.5 * coarse
    editor.press("Clear")
    editor.press("Mirror")
    editor.drag(editor.ready().handle("cornerRight"), -5, -12)
    found = editor.ready().edit()["keyframes"][0]["controls"]
    assert found["mouthSmileLeft"] == pytest.approx(found["mouthSmileRight"], abs=1e-3) and found["mouthSmileLeft"] > 0
    editor.press("Mirror")


def test_the_ring_turns_and_tilts_the_head(editor):
    x, y, radius = editor.ring()
    editor.drag((x, y - 0.62 * radius), 14, -8)
    turned = editor.ready().edit()["keyframes"][0]["controls"]
    assert turned["headYaw"] > 1 and turned["headPitch"] > 0.5 and "headRoll" not in turned
    editor.press("Clear")
    x, y, radius = editor.ready().ring()
    editor.drag((x + radius, y), 0, 30)
    tilted = editor.ready().edit()["keyframes"][0]["controls"]
    assert set(tilted) == {"headRoll"} and tilted["headRoll"] < -3


def test_wheel_zooms_two_fingers_pan_and_drags_still_hit(editor):
    start, radius = editor.handle("jaw"), editor.ring()[2]
    x, y = editor.handle("cornerLeft")
    editor.page.mouse.move(x, y)
    editor.page.mouse.wheel(0, -240)
    editor.page.wait_for_timeout(300)
    zoomed = editor.handle("cornerLeft")
    assert np.allclose(zoomed, (x, y), atol=2), "about the pointer"
    assert editor.ring()[2] == pytest.approx(radius * np.exp(240 * 0.002), rel=0.02)
    assert editor.page.evaluate("() => window.app.canvas.ds.scale") == 1, "the graph keeps its zoom"
    editor.page.mouse.wheel(3, 12)
    editor.page.wait_for_timeout(300)
    panned = editor.handle("cornerLeft")
    assert panned[1] - y == pytest.approx(-12, abs=2)
    editor.drag(panned, 4, -10)
    assert all(name.endswith("Left") for name in controls(editor.ready().edit()))
    editor.focus()
    editor.keys("0")
    editor.page.wait_for_timeout(200)
    assert np.allclose(editor.handle("jaw"), start, atol=3)


@pytest.mark.parametrize("scale", [0.75, 2.0])
def test_pointers_hit_at_any_zoom_of_the_graph(editor, scale):
    if scale > 1:
        editor.zoom(scale, left=-500, top=-350)
    else:
        editor.zoom(scale)
    start = editor.handle("cornerLeft")
    editor.drag(start, 5 * scale, -12 * scale)
    assert controls(editor.ready().edit()) and all(name.endswith("Left") for name in controls(editor.edit()))
    came = np.subtract(editor.handle("cornerLeft"), start)
    assert came[1] == pytest.approx(-12 * scale, abs=4 * scale)


def test_three_keyframes_make_a_clip_that_scrubs_and_plays(editor):
    rest = editor.source()
    editor.press("Key")
    editor.go_to(12)
    editor.drag(editor.handle("jaw"), 0, 40)
    editor.ready()
    opened = editor.edit()["keyframes"][1]["controls"]["jawOpen"]
    editor.go_to(24)
    editor.page.mouse.dblclick(*editor.handle("jaw"))
    edit = editor.ready().edit()
    assert [key["frame"] for key in edit["keyframes"]] == [0, 12, 24] and edit["frames"] == 25
    assert [key["controls"]["jawOpen"] for key in edit["keyframes"]] == [0, opened, 0]
    values = parse_edit(editor.text()).controls()["jawOpen"]
    assert len(values) == 25 and values[6] == pytest.approx(opened / 2, abs=1e-3)
    assert editor.source() == rest
    # Scrubbing, by the pointer.
    box = editor.root().locator(".fye-time").bounding_box()
    editor.drag((box["x"] + 14, box["y"] + 8), box["width"] / 2 - 14, 0)
    assert editor.ready().root().get_by_label("The frame that is shown, counted from 0").input_value() == "12"
    assert np.abs(editor.pixels()[380:] - 0).any() and editor.source() != rest
    # Playing: frames go by, at the clip's rate once they are known, and stop.
    editor.focus()
    seen = set()
    editor.keys("Space")
    for _ in range(40):
        seen.add(editor.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow"))
        editor.page.wait_for_timeout(60)
    editor.keys("Space")
    assert len(seen) >= 12
    stopped = editor.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow")
    editor.page.wait_for_timeout(300)
    assert editor.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow") == stopped


def test_keys_are_moved_copied_eased_and_deleted(editor):
    editor.press("Key")
    editor.go_to(10)
    editor.drag(editor.handle("upperLidLeft"), 0, 8)
    editor.ready()
    box = editor.root().locator(".fye-time").bounding_box()
    frame = (box["width"] - 24) / 24

    def place(number: int) -> tuple[float, float]:
        return box["x"] + 12 + number * frame, box["y"] + box["height"] - 18

    def frames() -> list[float]:
        return [key["frame"] for key in editor.edit()["keyframes"]]

    editor.drag(place(10), 5.3 * frame, 0)
    assert frames() == [0, 15], "it snaps to frames"
    editor.page.keyboard.down("Alt")
    editor.drag(place(15), 5 * frame, 0)
    editor.page.keyboard.up("Alt")
    assert (
        frames() == [0, 15, 20]
        and editor.edit()["keyframes"][1]["controls"] == editor.edit()["keyframes"][2]["controls"]
    )
    editor.root().get_by_label("Easing").select_option("hold")
    assert editor.edit()["keyframes"][2]["easing"] == "hold"
    editor.page.mouse.dblclick(*place(5))
    assert frames() == [0, 5, 15, 20]
    editor.go_to(5)
    editor.root().locator(".fye-time").focus()
    editor.keys("Delete")
    assert frames() == [0, 15, 20]
    editor.keys("Control+z")
    assert frames() == [0, 5, 15, 20]


def test_everything_by_keys_alone(editor):
    """Tab to a handle, arrows, Delete, frames, keys, undo: and ComfyUI hears nothing of it."""
    count = len(editor.page.evaluate("() => window.app.graph._nodes.map((node) => node.id)"))
    editor.focus()
    editor.keys(*["Tab"] * 3)
    label = editor.root().locator(".fye-label").text_content()
    assert label == "Brow, inner end, left"
    editor.keys("ArrowUp", "ArrowUp", "ArrowUp")
    editor.ready()
    assert "browDownLeft" in controls(editor.edit())
    editor.keys("Delete")
    assert controls(editor.ready().edit()) == set()
    editor.keys("Control+z")
    assert "browDownLeft" in controls(editor.ready().edit())
    editor.keys(".", ".", "k")
    assert [key["frame"] for key in editor.ready().edit()["keyframes"]] == [0, 2]
    editor.keys("Control+c", "Home", "Control+v", "l")
    assert editor.ready().root().locator(".fye-lines").count() == 14
    editor.keys("l", "End")
    assert editor.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow") == "24"
    editor.keys("Home", "Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab")
    assert editor.page.evaluate("() => document.activeElement.className") != "fye-stage"
    assert count == len(editor.page.evaluate("() => window.app.graph._nodes.map((node) => node.id)"))


def test_dials_add_up_and_before_is_held(editor):
    rest = editor.source()
    editor.press("Expressions")
    smile = editor.root().get_by_label("smile_wide")
    smile.focus()
    editor.keys(*["ArrowRight"] * 10)
    editor.root().get_by_label("surprise").focus()
    editor.keys(*["ArrowRight"] * 6)
    edit = editor.ready().edit()
    assert edit["version"] == 2 and edit["keyframes"][0]["expressions"] == {"smile_wide": 0.5, "surprise": 0.3}
    values = parse_edit(editor.text()).controls()
    assert values["mouthSmileLeft"][0] == pytest.approx(0.55, abs=1e-3) and values["jawOpen"][0] > 0.1
    editor.press("Expressions")
    shown = editor.ready().source()
    editor.focus()
    editor.page.keyboard.down("b")
    assert editor.ready().source() == rest
    editor.page.keyboard.up("b")
    assert editor.ready().source() == shown != rest


def test_saved_reloaded_copied_and_pasted_it_is_the_same_edit(editor):
    editor.drag(editor.handle("pupilRight"), -4, 0)
    text, picture = editor.ready().text(), editor.source()
    saved = editor.page.evaluate("() => window.app.graph.serialize()")
    api = editor.page.evaluate("async () => (await window.app.graphToPrompt()).output")
    assert api["1"]["inputs"]["edit"] == text and set(api["1"]["inputs"]) == {"portrait", "face", "edit"}
    editor.open(scene((1, 20_000_018, "")))
    assert editor.ready().text() == ""
    editor.open(saved)
    assert editor.ready().text() == text and editor.source() == picture
    pasted = editor.page.evaluate(
        """() => {
            const { canvas, graph } = window.app, node = graph.getNodeById(1);
            canvas.deselectAll?.();
            canvas.select?.(node) ?? canvas.selectNode(node);
            canvas.copyToClipboard();
            canvas.pasteFromClipboard({ connectInputs: true });
            return graph._nodes.map((each) => each.id).filter((id) => id != 1 && graph.getNodeById(id).comfyClass
                === "FollowEmojiExpressionEditor");
        }"""
    )
    assert len(pasted) == 1 and editor.text(pasted[0]) == text
    assert editor.ready(pasted[0]).source(pasted[0]) == picture
    editor.page.evaluate("(id) => { window.editorOf(id).value = ''; }", pasted[0])
    assert editor.text() == text, "they do not share anything"


def test_two_editors_do_not_mix_and_a_second_portrait_replaces_the_first(editor):
    editor.open(scene((1, 20_000_018, ""), (2, 20_000_021, "")), 0.8)
    one, two = editor.ready(1).source(1), editor.ready(2).source(2)
    assert one != two
    editor.drag(editor.handle("jaw", 2), 0, 25)
    assert controls(editor.ready(2).edit(2)) and editor.ready(1).text(1) == "" and editor.source(1) == one
    editor.drag(editor.handle("cornerLeft", 1), 4, -9)
    assert "jawOpen" not in controls(editor.ready(1).edit(1)) and controls(editor.edit(2)) <= {"jawOpen", "jawLeft"}
    edited = editor.source(1)
    editor.page.evaluate(
        "() => { window.app.graph.getNodeById(51).widgets.find((w) => w.name === 'person').value = 20000037; }"
    )
    editor.page.wait_for_timeout(1200)
    assert editor.ready(1).source(1) not in (one, edited) and controls(editor.edit(1)), "another person, the same edit"
    assert editor.source(2) != two


def test_the_graphs_undo_knows_the_edit(plain):
    """Undone with the graph where the focus is elsewhere; its own undo where it is in the editor, and then alone."""
    plain.drag(plain.handle("jaw"), 0, 25)
    plain.ready()
    nodes = "() => window.app.graph._nodes.length"
    plain.page.evaluate("() => document.activeElement.blur()")
    plain.page.mouse.click(40, 700)
    plain.page.mouse.click(40, 720)
    plain.keys("Control+z")
    plain.page.wait_for_timeout(1500)
    assert plain.page.evaluate(nodes) == 2 and plain.ready().text() == ""


def test_the_panel_of_parameters_leaves_the_editor_its_width(plain):
    """The frontend's panel sets a widget's width to the panel's own, and leaves it so."""
    wide = plain.root().evaluate("(element) => element.offsetWidth")
    plain.page.evaluate("() => { window.editorOf(1).width = 288; window.app.canvas.setDirty(true, true); }")
    plain.page.wait_for_timeout(500)
    assert plain.root().evaluate("(element) => element.offsetWidth") == wide > 300


def test_the_bars_fit_where_the_editor_is_as_wide_as_a_new_one(plain):
    """Above the picture one row, below the timeline two, each group of buttons whole; no button is cut off."""
    plain.page.evaluate("() => { window.app.graph.getNodeById(1).setSize([430, 700]); }")
    plain.zoom(1.0)
    plain.page.wait_for_timeout(500)
    rows = plain.root().evaluate(
        """(element) => [...element.querySelectorAll(".fye-bar")].map((bar) => {
            const right = bar.getBoundingClientRect().right + 0.5;
            const groups = [...bar.children].map((group) => [group.offsetTop - bar.offsetTop, group.offsetHeight]);
            const cut = [...bar.querySelectorAll("button, input, select")]
                .filter((each) => !each.hidden && each.getBoundingClientRect().right > right).length;
            return [Math.max(...groups.map(([top]) => top)) > 10 ? 2 : 1, Math.max(...groups.map(([, h]) => h)), cut];
        })"""
    )
    if SHOTS:
        plain.page.screenshot(path=str(SHOTS / "editor_bars.png"))
    assert [row[0] for row in rows] == [1, 2] and all(height < 30 and cut == 0 for _, height, cut in rows), rows


def test_inside_a_subgraph(editor):
    """Its inputs come from outside; it is still shown before any run."""
    made = editor.page.evaluate(
        """() => {
            const { graph } = window.app, node = graph.getNodeById(1);
            if (!graph.convertToSubgraph) return null;
            const { subgraph } = graph.convertToSubgraph(new Set([node]));
            window.app.canvas.openSubgraph?.(subgraph, graph._nodes.find((each) => each.subgraph)) ??
                window.app.canvas.setGraph(subgraph);
            return subgraph._nodes.find((each) => each.comfyClass === "FollowEmojiExpressionEditor").id;
        }"""
    )
    assert made is not None
    editor.zoom(1.0, left=-100)
    editor.ready(made)
    editor.drag(editor.handle("cornerLeft", made), 5, -12)
    assert all(name.endswith("Left") for name in controls(editor.ready(made).edit(made)))
    api = editor.page.evaluate("async () => (await window.app.graphToPrompt()).output")
    (inner,) = [each for each in api.values() if each["class_type"] == "FollowEmojiExpressionEditor"]
    assert inner["inputs"]["edit"] == editor.text(made)


def test_on_a_driving_motion_after_a_run(editor, server):
    """A driving clip with one keyframe becomes the same clip with an added smile; its curve, its expression."""
    editor.open(scene((1, 20_000_018, ""), driven=True))
    assert "after a run" in editor.ready().root().locator(".fye-told").text_content()
    editor.page.evaluate("() => window.app.queuePrompt(0)")
    editor.page.wait_for_function(
        "() => window.editorOf(1).element.querySelectorAll('.fye-time polyline').length === 3"
    )
    editor.ready()
    editor.go_to(20)
    still = editor.source()
    editor.go_to(0)
    assert editor.source() != still
    editor.drag(editor.handle("cornerLeft"), 5, -12)
    editor.ready()
    assert len(editor.edit()["keyframes"]) == 1 and "frames" not in editor.edit()
    editor.go_to(20)
    assert editor.source() != still, "one key holds for the whole clip"
    editor.press("Driver")
    editor.page.wait_for_timeout(1000)
    editor.press("Paste")
    assert "jawOpen" in editor.ready().text()
    server.queue_idle()


def test_a_photo_gives_its_expression(plain, server, comfy_models, tmp_path):
    graphs.write_models(comfy_models)
    person = Person.of(20_000_037)
    acting = Acting.random(7, 30, from_rest=True)
    motion = person.act(acting, (512, 512))
    frame = int(motion.blendshapes[:, 25].argmax())
    Image.fromarray(paint(person, motion.taken(np.array([frame])))[0]).save(tmp_path / "photo.png")
    plain.page.locator(".fye-editor input[type=file]").first.set_input_files(str(tmp_path / "photo.png"))
    plain.page.wait_for_function("() => window.editorOf(1).value !== ''", timeout=60_000)
    assert plain.ready().edit()["keyframes"][0]["controls"]
    (tmp_path / "text.png").write_text("no picture")
    plain.page.locator(".fye-editor input[type=file]").first.set_input_files(str(tmp_path / "text.png"))
    plain.page.wait_for_function(
        "() => document.querySelector('.fye-told').textContent.includes('The browser cannot open')"
    )


def test_both_themes(shown, tmp_path):
    """Pictures to be looked at; text stands out from its ground in both."""
    shown.set("Comfy.VueNodes.Enabled", False)
    edit = {"format": "followemoji.edit", "version": 2, "base": "portrait", "fps": 25, "frames": 49, "add": []}
    keys = [(0, 0.0), (16, 1.0), (48, 0.0)]
    edit["keyframes"] = [
        {"frame": f, "easing": "smooth", "controls": {"headYaw": 6 * v}, "expressions": {"smile_wide": v}}
        for f, v in keys
    ]
    for palette in ("light", "dark"):
        shown.set("Comfy.ColorPalette", palette)
        shown.open(scene((1, 20_000_018, json.dumps(edit))))
        shown.ready().go_to(16)
        shown.press("Expressions")
        shown.ready().root().screenshot(path=str((SHOTS or tmp_path) / f"editor_{palette}.png"))
        ink, ground = shown.page.evaluate(
            """() => ["color", "backgroundColor"].map((name) => {
                const style = getComputedStyle(document.querySelector(".fye-editor"))[name];
                const [r, g, b] = style.match(/[0-9.]+/g).map(Number);
                return 0.3 * r + 0.6 * g + 0.1 * b;
            })"""
        )
        assert abs(ink - ground) > 90


def test_the_hint_comes_once(browser, server):
    """Three lines, put away for good."""
    setting = "FollowEmoji.EditorHintSeen"
    opened = Frontend(browser, server)
    page = EditorPage(opened)
    page.set(setting, False)
    page.open(scene((1, 20_000_018, "")))
    hint = page.ready().root().locator(".fye-hint")
    assert hint.locator("p").count() == 3
    hint.get_by_text("Got it").click()
    page.page.wait_for_timeout(800)
    page.open(scene((1, 20_000_018, "")))
    assert page.ready().root().locator(".fye-hint").count() == 0
    assert server.get("/settings")[setting] is True
    opened.page.close()
