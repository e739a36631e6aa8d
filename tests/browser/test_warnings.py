"""What a node warns of stands on it, where whoever looks at it reads it."""

from __future__ import annotations

BUILD = """() => {
    const graph = window.app.graph;
    graph.clear();
    const add = (type) => { const node = LiteGraph.createNode(type); graph.add(node); return node; };
    const [portrait, motion, align, draw, show] = ["FollowEmojiDrawnPortrait", "FollowEmojiLoadMotion",
        "FollowEmojiAlignMotion", "FollowEmojiDrawLandmarks", "PreviewImage"].map(add);
    motion.widgets[0].value = "talking.safetensors (ships with the pack)";
    portrait.connect(1, align, "portrait");
    motion.connect(0, align, "driving");
    align.connect(0, draw, "motion");
    draw.connect(0, show, "images");
    window.align = align;
}"""
RUN = """(neutral) => {
    window.align.widgets.find((widget) => widget.name === "neutral_frame").value = neutral;
    return window.app.queuePrompt(0);
}"""
# Every word on the node that is none of its inputs.
TEXT = """() => (window.align.widgets ?? []).filter((widget) => widget.name.includes("preview"))
    .map((widget) => String(widget.value ?? "")).join()"""


def test_alignment_warns_on_the_node(frontend, server):
    frontend.page.evaluate(BUILD)
    for neutral, expected in ((-1, ""), (28, "not at rest in neutral frame 28"), (0, "All is well.")):
        frontend.page.evaluate(RUN, neutral)
        frontend.page.wait_for_timeout(500)
        server.queue_idle()
        if expected:
            frontend.page.wait_for_function(f"() => ({TEXT})().includes('{expected}')", timeout=10_000)
        else:
            assert frontend.page.evaluate(TEXT) == ""
    assert frontend.complaints == []
