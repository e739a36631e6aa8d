"""The real frontend in a real browser: Debian's Chromium, driven by playwright, on both versions of ComfyUI."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# What the page says without any fault of the pack: remote hosts, and settings that a fresh server does not have.
NOISE = ("ERR_NAME_NOT_RESOLVED", "https://huggingface.co/", "accessed before initialization")
ABSENT = ("/user.css", "/api/userdata")


def find_chromium() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium: install Debian's chromium, or name one in CHROMIUM")
    with playwright.sync_playwright() as session:
        instance = session.chromium.launch(executable_path=chromium, args=FLAGS)
        yield instance
        instance.close()


class Frontend:
    """A page on a running server, ready for graphs; what it complained about is in `complaints`."""

    def __init__(self, browser: Any, server: Any, width: int = 1900, height: int = 1000) -> None:
        self.complaints: list[str] = []
        self.server, url = server, server.url
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.page.goto(url)
        ready = "() => window.app && window.app.graph && window.app.extensionManager"
        self.page.wait_for_function(ready, timeout=180_000)
        # The graph of a first start comes after the app; one that is opened before it would be replaced.
        self.page.wait_for_function(
            "() => { const flows = window.app.extensionManager.workflow; return !flows || !!flows.activeWorkflow; }"
        )
        self.page.wait_for_timeout(2000)
        self.page.keyboard.press("Escape")  # the template dialog of a first start

    def _listen(self, message: Any) -> None:
        url = message.location.get("url", "")
        absent = "404 (Not Found)" in message.text and any(path in url for path in ABSENT)
        if message.type == "error" and not absent and not any(noise in message.text for noise in NOISE):
            self.complaints.append(f"{message.text} ({url})")

    def load_template(self, pack: str, name: str) -> list[str]:
        """What the template browser does once a graph has been clicked -> the types of its nodes."""
        return self.page.evaluate(
            """async ([pack, name]) => {
                const at = (file) => window.app.api.fetchApi(`/workflow_templates/${pack}/${file}`);
                if (!(await at(`${name}.jpg`)).ok) throw new Error(`${name} has no picture`);
                await window.app.loadGraphData(await (await at(`${name}.json`)).json(), true, true, name);
                return window.app.graph._nodes.map((node) => node.type);
            }""",
            [pack, name],
        )

    def open(self, graph: dict[str, Any]) -> list[str]:
        """Load a graph as a file that is dropped on the page -> types that the frontend does not know."""
        return self.page.evaluate(
            """async (graph) => {
                await window.app.loadGraphData(graph);
                const known = window.LiteGraph.registered_node_types;
                const virtual = ["Note", "MarkdownNote", "Reroute", "PrimitiveNode"];
                return window.app.graph._nodes.map((node) => node.type)
                    .filter((type) => !(type in known) && !virtual.includes(type));
            }""",
            graph,
        )

    def api(self) -> dict[str, Any]:
        """The API form of the graph."""
        return self.page.evaluate(
            """async () => {
                const api = (await window.app.graphToPrompt()).output;
                // A picture on the node, there only when its file is.
                for (const node of Object.values(api)) delete node.inputs["video-preview"];
                return api;
            }"""
        )

    def open_template(self, pack: str, name: str) -> list[str]:
        """Open a graph as an artist does, from the template browser's list of a pack -> the types of its nodes."""
        self.page.evaluate("() => window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text(pack).first.click()
        dialog.get_by_text(name, exact=True).first.click()
        dialog.wait_for(state="hidden")
        self.page.wait_for_function("() => window.app.graph._nodes.length > 0")
        return self.page.evaluate("() => window.app.graph._nodes.map((node) => node.type)")

    def set(self, kind: str, **values: Any) -> None:
        """Set widgets of every node of a type, by their names, also of those inside subgraphs."""
        known = self.page.evaluate(
            """([kind, values]) => {
                const graphs = [window.app.graph, ...(window.app.graph.subgraphs?.values() ?? [])];
                const nodes = graphs.flatMap((graph) => graph.nodes.filter((node) => node.type === kind));
                for (const node of nodes) for (const [name, value] of Object.entries(values)) {
                    const widget = node.widgets.find((widget) => widget.name === name);
                    widget.value = value;
                    widget.callback?.(value, window.app.canvas, node);
                }
                return nodes.length;
            }""",
            [kind, values],
        )
        assert known, f"no {kind} in the graph"

    def run(self, timeout: float = 180) -> tuple[dict[str, Any], dict[str, list[float]]]:
        """Press Run and wait -> the entry of the history, and how far each node reached meanwhile (x, y, w, h)."""
        before = set(self.server.get("/history"))
        self.page.evaluate(
            """() => {
                const reached = window.reached = {};
                const look = () => {
                    for (const node of window.app.graph._nodes) {
                        const [x, y, w, h] = node.boundingRect, key = `${node.type} ${node.id}`;
                        const old = reached[key] ?? [x, y, w, h];
                        const left = Math.min(x, old[0]), top = Math.min(y, old[1]);
                        const right = Math.max(x + w, old[0] + old[2]), bottom = Math.max(y + h, old[1] + old[3]);
                        reached[key] = [left, top, right - left, bottom - top];
                    }
                };
                clearInterval(window.looking);
                window.looking = setInterval(look, 50);
                window.app.lastExecutionError = null;
                return window.app.queuePrompt(0);
            }"""
        )
        deadline = time.monotonic() + timeout
        while not (new := {key: entry for key, entry in self.server.get("/history").items() if key not in before}):
            said = self.errors()
            assert not said, said
            assert time.monotonic() < deadline, "the run did not end"
            self.page.wait_for_timeout(100)
        (entry,) = new.values()
        self.page.wait_for_timeout(500)  # what the last messages show
        return entry, self.page.evaluate("() => (clearInterval(window.looking), window.reached)")

    def errors(self) -> list[str]:
        """What the frontend says is wrong: with the graph, with a node, in a dialog."""
        return self.page.evaluate(
            """() => {
                const said = [window.app.lastNodeErrors, window.app.lastExecutionError]
                    .filter((error) => error && Object.keys(error).length).map((error) => JSON.stringify(error));
                for (const dialog of document.querySelectorAll("[role=dialog]"))
                    if (dialog.checkVisibility()) said.push(dialog.innerText);
                for (const toast of document.querySelectorAll(".p-toast-message-warn, .p-toast-message-error"))
                    said.push(toast.innerText);
                for (const node of window.app.graph._nodes)
                    if (node.has_errors) said.push(`${node.title} has a red border`);
                return said;
            }"""
        )

    def layout(self) -> dict[str, Any]:
        """Scale, whether text is left out, boxes (x, y, w, h) of nodes and groups; of wires the x of both ends, and of
        the points next to them."""
        self.page.wait_for_timeout(500)
        return self.page.evaluate(
            """() => {
                const graph = window.app.graph, canvas = window.app.canvas;
                const wires = [...graph.links.values()].map((link) => {
                    const from = graph.getNodeById(link.origin_id), to = graph.getNodeById(link.target_id);
                    const start = from.getOutputPos(link.origin_slot)[0], end = to.getInputPos(link.target_slot)[0];
                    const points = [];
                    for (let id = link.parentId; id != null; id = graph.reroutes.get(id).parentId)
                        points.unshift(graph.reroutes.get(id).pos[0]);
                    const [first, last] = points.length ? [points[0], points.at(-1)] : [end, start];
                    return { name: `${from.title} to ${to.title}`, start, first, last, end };
                });
                const nodes = graph._nodes.map((node) => [`${node.type} ${node.id}`, [...node.boundingRect]]);
                const groups = graph._groups.map((group) => [...group._bounding]);
                const { ds, low_quality } = canvas;
                return { scale: ds.scale, low_quality, nodes: Object.fromEntries(nodes), groups, wires };
            }"""
        )


@pytest.fixture(scope="session")
def editors(browser: Any, server: Any) -> Iterator[Frontend]:
    """The page that all tests of editors share: a fresh one takes ten seconds."""
    opened = Frontend(browser, server, 1500)
    yield opened
    opened.page.close()


@pytest.fixture
def shown(editors: Frontend) -> Any:
    from tests.browser.editor_page import EditorPage

    return EditorPage(editors)


@pytest.fixture
def plain(shown: Any) -> Iterator[Any]:
    """One Expression Editor, where the frontend draws nodes on its canvas."""
    yield from shown.alone(False)


@pytest.fixture
def frontend(browser: Any, server: Any) -> Iterator[Frontend]:
    opened = Frontend(browser, server)
    yield opened
    opened.page.close()
