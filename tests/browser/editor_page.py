"""The Expression Editor on a page, as tests drive it: graphs with editors, its handles, bars and keys."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from tests.browser.conftest import Frontend

MOTION = "FOLLOWEMOJI_MOTION"
FRAME = "The frame that is shown, counted from 0"
GET = "(id) => window.app.extensionManager.setting.get(id)"
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


class EditorPage:
    """A page with editors, addressed by their nodes' ids."""

    def __init__(self, frontend: Frontend):
        self.frontend, self.page = frontend, frontend.page
        self.page.set_default_timeout(90_000)
        self.page.evaluate(
            """() => { window.editorOf = (id) => {
                const graphs = [window.app.graph, ...(window.app.graph.subgraphs?.values?.() ?? [])];
                const nodes = graphs.flatMap((graph) => graph._nodes ?? graph.nodes);
                return nodes.find((node) => node.id == id && node.type === "FollowEmojiExpressionEditor")
                    .widgets.find((widget) => widget.name === "edit");
            }; }"""
        )

    def set(self, name: str, value: Any) -> None:
        if self.page.evaluate(GET, name) != value:
            self.page.evaluate(SET, [name, value])
            self.page.wait_for_timeout(500)

    def alone(self, vue: bool) -> Iterator[EditorPage]:
        """One editor on a drawn portrait; afterwards the page has complained of nothing."""
        self.set("FollowEmoji.EditorHintSeen", True)
        self.set("Comfy.VueNodes.Enabled", vue)
        self.open(scene((1, 20_000_018, "")))
        self.frontend.complaints.clear()
        yield self.ready()
        assert self.frontend.complaints == []

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
        field = self.root(number).get_by_label(FRAME)
        field.fill(str(frame))
        field.press("Enter")
        self.ready(number)


def controls(edit: dict[str, Any], index: int = 0) -> set[str]:
    return {name for name, value in edit["keyframes"][index]["controls"].items() if value}
