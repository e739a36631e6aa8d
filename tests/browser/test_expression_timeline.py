"""The Expression Editor's time by hand: keyframes, the timeline, a driving motion (issue 12, section 3)."""

from __future__ import annotations

import numpy as np
import pytest

from followemoji_core.face.edit_file import parse_edit
from tests.browser.editor_page import FRAME, scene


def test_three_keyframes_make_a_clip_that_scrubs_and_plays(plain):
    rest = plain.source()
    length, shown = (plain.root().get_by_label(name) for name in ("Number of frames in the clip", FRAME))
    plain.go_to(12)
    assert (shown.input_value(), length.input_value()) == ("12", "1"), "without keys a run makes one frame"
    plain.go_to(0)
    plain.press("Key")
    assert length.input_value() == "1"
    plain.go_to(12)
    plain.drag(plain.handle("jaw"), 0, 40)
    plain.ready()
    opened = plain.edit()["keyframes"][1]["controls"]["jawOpen"]
    plain.go_to(24)
    plain.page.mouse.dblclick(*plain.handle("jaw"))
    edit = plain.ready().edit()
    assert [key["frame"] for key in edit["keyframes"]] == [0, 12, 24] and edit["frames"] == 25
    assert length.input_value() == "25"
    assert [key["controls"]["jawOpen"] for key in edit["keyframes"]] == [0, opened, 0]
    values = parse_edit(plain.text()).controls()["jawOpen"]
    assert len(values) == 25 and values[6] == pytest.approx(opened / 2, abs=1e-3)
    assert plain.source() == rest
    # Scrubbing, by the pointer.
    box = plain.root().locator(".fye-time").bounding_box()
    plain.drag((box["x"] + 14, box["y"] + 8), box["width"] / 2 - 14, 0)
    assert shown.input_value() == "12"
    assert np.abs(plain.pixels()[380:] - 0).any() and plain.source() != rest
    # Playing: frames go by, at the clip's rate once they are known, and stop.
    plain.focus()
    seen = set()
    plain.keys("Space")
    for _ in range(40):
        seen.add(plain.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow"))
        plain.page.wait_for_timeout(60)
    plain.keys("Space")
    assert len(seen) >= 12
    stopped = plain.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow")
    plain.page.wait_for_timeout(300)
    assert plain.root().get_by_label("Timeline", exact=True).get_attribute("aria-valuenow") == stopped


def test_keys_are_moved_copied_eased_and_deleted(plain):
    plain.press("Key")
    plain.go_to(10)
    plain.drag(plain.handle("upperLidLeft"), 0, 8)
    plain.ready()
    box = plain.root().locator(".fye-time").bounding_box()
    frame = (box["width"] - 24) / 24

    def place(number: int) -> tuple[float, float]:
        return box["x"] + 12 + number * frame, box["y"] + box["height"] - 18

    def frames() -> list[float]:
        return [key["frame"] for key in plain.edit()["keyframes"]]

    plain.drag(place(10), 5.3 * frame, 0)
    assert frames() == [0, 15], "it snaps to frames"
    plain.page.keyboard.down("Alt")
    plain.drag(place(15), 5 * frame, 0)
    plain.page.keyboard.up("Alt")
    assert (
        frames() == [0, 15, 20] and plain.edit()["keyframes"][1]["controls"] == plain.edit()["keyframes"][2]["controls"]
    )
    plain.root().get_by_label("Easing").select_option("hold")
    assert plain.edit()["keyframes"][2]["easing"] == "hold"
    plain.page.mouse.dblclick(*place(5))
    assert frames() == [0, 5, 15, 20]
    plain.go_to(5)
    plain.root().locator(".fye-time").focus()
    plain.keys("Delete")
    assert frames() == [0, 15, 20]
    plain.keys("Control+z")
    assert frames() == [0, 5, 15, 20]


def test_on_a_driving_motion_after_a_run(plain, server):
    """A driving clip with one keyframe becomes the same clip with an added smile; its curve, its expression."""
    plain.open(scene((1, 20_000_018, ""), driven=True))
    assert "after a run" in plain.ready().root().locator(".fye-told").text_content()
    plain.page.evaluate("() => window.app.queuePrompt(0)")
    plain.page.wait_for_function("() => window.editorOf(1).element.querySelectorAll('.fye-time polyline').length === 3")
    plain.ready()
    plain.go_to(20)
    still = plain.source()
    plain.go_to(0)
    assert plain.source() != still
    plain.drag(plain.handle("cornerLeft"), 5, -12)
    plain.ready()
    assert len(plain.edit()["keyframes"]) == 1 and "frames" not in plain.edit()
    plain.go_to(20)
    assert plain.source() != still, "one key holds for the whole clip"
    plain.press("Driver")
    plain.page.wait_for_timeout(1000)
    plain.press("Paste")
    assert "jawOpen" in plain.ready().text()
    server.queue_idle()
