"""Saves graphs as they were saved at an earlier commit, for tests/comfy/test_saved_graphs.py:

    python tests/save_graphs.py COMMIT TEMPLATE...    # that commit's templates
    python tests/save_graphs.py COMMIT nodes:A,B      # those nodes, every widget off its default
    python tests/save_graphs.py COMMIT graph:NAME     # one of GRAPHS

A real server with that commit's nodes, a real browser; tests/comfy/saved_graphs/COMMIT_NAME.json holds the graph as the
frontend saves it, and the prompt that the frontend made of it. Widget values are kept by place alone, as frontends
before 1.40 or so do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser.conftest import FLAGS, Frontend, find_chromium  # noqa: E402
from tests.comfy.server import PACK_FOLDER, ComfyServer  # noqa: E402

SAVED = ROOT / "tests" / "comfy" / "saved_graphs"

# By name: nodes as (type, widget values, {input: (number of a node above, output's name)}).
GRAPHS = {
    "expression": [
        ("FollowEmojiDrawnPortrait", dict(person=3, size=256), {}),
        (
            "FollowEmojiExpression",
            dict(frames=6, ease_in=1, ease_out=1, jaw_open=0.7, funnel=0.4, chin=0.3, more="tongueOut 0.5", fps=12.0),
            {},
        ),
        ("FollowEmojiAlignMotion", {}, dict(portrait=(0, "face"), driving=(1, "motion"))),
        ("FollowEmojiWarpPreview", {}, dict(portrait=(0, "portrait"), face=(0, "face"), aligned=(2, "aligned"))),
        ("SaveVideo", dict(filename_prefix="saved/expression"), dict(video=(3, "video"))),
    ],
    "landmarks": [
        ("LoadVideo", dict(file="driving.mp4"), {}),
        ("FollowEmojiExtractLandmarks", dict(missing="hold", confidence=0.4), dict(source=(0, "VIDEO"))),
        ("FollowEmojiDrawLandmarks", {}, dict(motion=(1, "motion"))),
        ("CreateVideo", {}, dict(images=(2, "images"), audio=(1, "audio"), fps=(1, "fps"))),
        ("SaveVideo", dict(filename_prefix="saved/landmarks"), dict(video=(3, "VIDEO"))),
    ],
}

_BUILD = """
(nodes) => {
    window.app.graph.clear();
    const made = nodes.map(([type, values, wires], index) => {
        const node = window.LiteGraph.createNode(type);
        if (!node) throw new Error(`no ${type}`);
        window.app.graph.add(node);
        node.pos = [340 * index, 100];
        const own = (node.widgets ?? []).filter((widget) => widget.type !== "button");
        if (values === null) own.forEach((widget, place) => off(widget, place));
        for (const [name, value] of Object.entries(values ?? {})) own.find((each) => each.name === name).value = value;
        return node;
    });
    nodes.forEach(([, , wires], index) => {
        for (const [name, [from, output]] of Object.entries(wires)) {
            const slot = made[from].outputs.findIndex((each) => each.name === output);
            made[from].connect(slot, made[index], made[index].inputs.findIndex((each) => each.name === name));
        }
    });
    // Neighbouring widgets get values that differ, so that one that slips is seen.
    function off(widget, place) {
        const { values, min, max, step2 } = widget.options ?? {};
        const list = typeof values === "function" ? values() : values;
        if (Array.isArray(list)) widget.value = list.find((value) => value !== widget.value) ?? widget.value;
        else if (typeof widget.value === "boolean") widget.value = !widget.value;
        else if (typeof widget.value === "number") {
            const step = step2 || 1, value = Math.min(max, Math.max(min, widget.value) + step * (place + 1));
            widget.value = Number(value.toFixed(4));
        } else if (!String(widget.value).startsWith("{")) widget.value = `${widget.name} ${place}`;
    }
}
"""
_SAVE = """
async () => ({ graph: window.app.graph.serialize(), api: (await window.app.graphToPrompt()).output })
"""


def save(commit: str, wanted: list[str]) -> None:
    """Write the files of `wanted`; raises what playwright and the server raise."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as session:
        pack = Path(folder) / "pack"
        pack.mkdir()
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", str(pack)], input=archive.stdout, check=True)
        browser = session.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        tree = Path("~/comfy/ComfyUI").expanduser()
        root = Path(folder) / "server"
        with ComfyServer(tree, root, packs={PACK_FOLDER: pack}) as server:
            (server.input / "driving.mp4").touch()
            page = Frontend(browser, server).page
            for each in wanted:
                kind, _, what = each.rpartition(":")
                if kind == "nodes":
                    name, nodes = "nodes", [[f"FollowEmoji{node}", None, {}] for node in what.split(",")]
                    page.evaluate(_BUILD, nodes)
                elif kind == "graph":
                    name = what
                    page.evaluate(_BUILD, GRAPHS[what])
                else:
                    name = what
                    template = json.loads((pack / "workflows" / f"{name}.json").read_text("utf-8"))
                    page.evaluate("(graph) => window.app.loadGraphData(graph)", template)
                saved = page.evaluate(_SAVE)
                for node in saved["graph"]["nodes"]:
                    node.pop("widgets_values_named", None)
                text = json.dumps(dict(commit=commit, **saved), ensure_ascii=True, separators=(",", ":"))
                (SAVED / f"{commit}_{name}.json").write_text(text + "\n", "utf-8")
        browser.close()


if __name__ == "__main__":
    SAVED.mkdir(parents=True, exist_ok=True)
    save(sys.argv[1], sys.argv[2:])
