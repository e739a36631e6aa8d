"""A graph with a node of an older pack, as an artist meets it: opened, the replacement offered and taken, run."""

from __future__ import annotations

import json

from tests.comfy import graphs

OLD, NEW = "DownloadAndLoadFYEModel", "FollowEmojiLoadModel"


def test_the_wrapper_s_loader_is_offered_replaced_and_the_graph_runs(frontend, server, comfy_models):
    graphs.write_models(comfy_models)
    server.upload(graphs.media() / "portrait_mona_lisa.jpg", "portrait.jpg")
    graphs.cut(graphs.media() / "driving_temple.mp4", server.input / "temple.mp4", 8)
    graph = json.loads((graphs.WORKFLOWS / "animate_portrait.json").read_text("utf-8"))
    (loader,) = [node for node in graph["nodes"] if node["type"] == NEW]
    loader |= dict(type=OLD, widgets_values=["fp32"], inputs=[], properties={"Node name for S&R": OLD})
    loader.pop("widgets_values_named", None)
    for output, name, kind in zip(
        loader["outputs"], ("fye_pipe", "clip_vision"), ("FYEPIPE", "CLIP_VISION"), strict=True
    ):
        output |= dict(name=name, type=kind)
    assert frontend.open(graph) == [OLD]
    frontend.page.get_by_test_id("error-overlay-see-errors").click()
    frontend.page.get_by_role("button", name="Replace Node").click()
    frontend.page.wait_for_function(
        "(type) => window.app.graph._nodes.some((node) => node.type === type)", arg=NEW, timeout=10_000
    )
    api = frontend.api()
    expected = graphs.change(graphs.load("animate_portrait"), NEW, precision="fp32")
    assert {key: node["inputs"] for key, node in api.items()} == {key: node["inputs"] for key, node in expected.items()}
    graphs.change(api, "LoadImage", image="portrait.jpg")
    graphs.change(api, "LoadVideo", file="temple.mp4")
    graphs.change(api, "FollowEmojiPreparePortrait", width=128, height=128)
    graphs.change(api, "FollowEmojiSampler", steps=2)
    (video,) = [path for path in server.outputs(server.run(api)) if path.suffix == ".mp4"]
    assert graphs.describe(video)["frames"] == 8
