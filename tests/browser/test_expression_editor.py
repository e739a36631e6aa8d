"""The Expression Editor by hand: real drags, wheel and keys in a real browser (issue 12, section 3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from followemoji_core.drawn import Acting, Person, paint
from followemoji_core.face.edit_file import parse_edit
from tests.browser.editor_page import EditorPage, controls, scene
from tests.comfy import graphs

SHOTS = Path(os.environ["FOLLOWEMOJI_SCREENSHOTS"]) if "FOLLOWEMOJI_SCREENSHOTS" in os.environ else None


@pytest.fixture(params=["canvas", "vue"], scope="module")
def nodes(request) -> bool:
    """Whether the frontend draws nodes as elements of the page: for tests of pointers, focus, wheel and clipboard."""
    return request.param == "vue"


@pytest.fixture
def editor(nodes, shown) -> Iterator[EditorPage]:
    yield from shown.alone(nodes)


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


def test_shift_is_fine_double_click_resets_and_mirror_moves_both(plain):
    plain.drag(plain.handle("browOuterRight"), 0, -20)
    coarse = plain.ready().edit()["keyframes"][0]["controls"]["browOuterUpRight"]
    plain.page.mouse.dblclick(*plain.handle("browOuterRight"))
    assert controls(plain.ready().edit()) == set()
    plain.page.keyboard.down("Shift")
    plain.drag(plain.handle("browOuterRight"), 0, -20)
    plain.page.keyboard.up("Shift")
    fine = plain.ready().edit()["keyframes"][0]["controls"]["browOuterUpRight"]
    assert 0 < fine < 0.5 * coarse
    plain.press("Clear")
    plain.press("Mirror")
    plain.drag(plain.ready().handle("cornerRight"), -5, -12)
    found = plain.ready().edit()["keyframes"][0]["controls"]
    assert found["mouthSmileLeft"] == pytest.approx(found["mouthSmileRight"], abs=1e-3) and found["mouthSmileLeft"] > 0
    plain.press("Mirror")


def test_the_ring_turns_and_tilts_the_head(plain):
    x, y, radius = plain.ring()
    plain.drag((x, y - 0.62 * radius), 14, -8)
    turned = plain.ready().edit()["keyframes"][0]["controls"]
    assert turned["headYaw"] > 1 and turned["headPitch"] > 0.5 and "headRoll" not in turned
    plain.press("Clear")
    x, y, radius = plain.ready().ring()
    plain.drag((x + radius, y), 0, 30)
    tilted = plain.ready().edit()["keyframes"][0]["controls"]
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


def test_dials_add_up_and_before_is_held(plain):
    rest = plain.source()
    plain.press("Expressions")
    smile = plain.root().get_by_label("smile_wide")
    smile.focus()
    plain.keys(*["ArrowRight"] * 10)
    plain.root().get_by_label("surprise").focus()
    plain.keys(*["ArrowRight"] * 6)
    edit = plain.ready().edit()
    assert edit["version"] == 2 and edit["keyframes"][0]["expressions"] == {"smile_wide": 0.5, "surprise": 0.3}
    values = parse_edit(plain.text()).controls()
    assert values["mouthSmileLeft"][0] == pytest.approx(0.55, abs=1e-3) and values["jawOpen"][0] > 0.1
    plain.press("Expressions")
    shown = plain.ready().source()
    plain.focus()
    plain.page.keyboard.down("b")
    assert plain.ready().source() == rest
    plain.page.keyboard.up("b")
    assert plain.ready().source() == shown != rest


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


def test_two_editors_do_not_mix_and_a_second_portrait_replaces_the_first(plain):
    plain.open(scene((1, 20_000_018, ""), (2, 20_000_021, "")), 0.8)
    one, two = plain.ready(1).source(1), plain.ready(2).source(2)
    assert one != two
    plain.drag(plain.handle("jaw", 2), 0, 25)
    assert controls(plain.ready(2).edit(2)) and plain.ready(1).text(1) == "" and plain.source(1) == one
    plain.drag(plain.handle("cornerLeft", 1), 4, -9)
    assert "jawOpen" not in controls(plain.ready(1).edit(1)) and controls(plain.edit(2)) <= {"jawOpen", "jawLeft"}
    edited = plain.source(1)
    plain.page.evaluate(
        "() => { window.app.graph.getNodeById(51).widgets.find((w) => w.name === 'person').value = 20000037; }"
    )
    plain.page.wait_for_timeout(1200)
    assert plain.ready(1).source(1) not in (one, edited) and controls(plain.edit(1)), "another person, the same edit"
    assert plain.source(2) != two


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


def test_a_photo_gives_its_expression(plain, server, comfy_models, tmp_path):
    graphs.write_detector(comfy_models)
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


def test_the_hint_comes_once(shown, server):
    """Three lines, put away for good."""
    setting = "FollowEmoji.EditorHintSeen"
    shown.set(setting, False)
    shown.open(scene((1, 20_000_018, "")))
    hint = shown.ready().root().locator(".fye-hint")
    assert hint.locator("p").count() == 3
    hint.get_by_text("Got it").click()
    shown.page.wait_for_timeout(800)
    shown.open(scene((1, 20_000_018, "")))
    assert shown.ready().root().locator(".fye-hint").count() == 0
    assert server.get("/settings")[setting] is True
