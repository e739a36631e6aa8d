"""Pictures while the samplers work: on servers that were started without --preview-method, and switched off at will."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.comfy import graphs

SETTING = "FollowEmoji.Preview"
SAMPLERS = {"first_animation": "FollowEmojiSampler", "long_video": "FollowEmojiLongVideo"}


def previews(server, name: str) -> list[bytes]:
    graph = graphs.change(graphs.load(name), SAMPLERS[name], steps=3)
    if name == "long_video":
        graphs.change(graph, "FollowEmojiDrawnMotion", frames=40)
    graphs.forget(server)
    prompt_id = server.queue(graph)
    server.wait(prompt_id)
    (node,) = [key for key, node in graph.items() if node["class_type"] == SAMPLERS[name]]
    return server.previews(prompt_id, node)


@pytest.mark.parametrize("name", SAMPLERS)
def test_previews_arrive_whatever_preview_method_says(both_servers, name):
    assert "--preview-method" not in both_servers.argv, "ComfyUI's default is none"
    shown = previews(both_servers, name)
    assert len(shown) >= 2
    for picture in (shown[0], shown[-1]):
        assert min(Image.open(io.BytesIO(picture)).size) >= 64
    low, high = Image.open(io.BytesIO(shown[-1])).convert("L").getextrema()
    assert high - low > 50, "a picture, not a grey field"


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_setting_switches_previews_off(both_servers, name):
    both_servers.post("/settings", {SETTING: False})
    try:
        assert previews(both_servers, name) == []
    finally:
        both_servers.post("/settings", {SETTING: True})
