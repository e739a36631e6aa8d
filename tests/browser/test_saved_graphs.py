"""Graphs saved at earlier commits, opened in the real frontend: every value is where it was meant to be."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import Frontend
from tests.comfy import schemas

SAVED = sorted(path.stem for path in schemas.SAVED.glob("*_*.json"))
MOVED = {1: 2, 2: 1}  # outputs of Extract Face Landmarks at 07e6153: sound and frame rate changed places


@pytest.fixture(scope="module")
def opened(browser, both_servers):
    """One page for all graphs, and what the server says of its nodes."""
    page = Frontend(browser, both_servers)
    yield page, both_servers.object_info()
    page.page.close()


@pytest.mark.parametrize("name", SAVED)
def test_values_land_where_they_were_meant(opened, name):
    page, info = opened
    saved = json.loads((schemas.SAVED / f"{name}.json").read_text("utf-8"))
    absent = {node["class_type"] for node in saved["api"].values()} - set(info)
    if absent:
        assert not any(kind.startswith("FollowEmoji") for kind in absent)
        pytest.skip(f"this ComfyUI has no {', '.join(absent)}")
    page.complaints.clear()
    assert page.open(saved["graph"]) == []
    made = page.api()
    assert [text for text in page.complaints if "/api/view?" not in text] == []  # of pictures that are not there
    assert set(made) == set(saved["api"])
    for number, then in saved["api"].items():
        now, kind = made[number]["inputs"], then["class_type"]
        ours = kind.startswith("FollowEmoji")
        then = {key: value for key, value in then["inputs"].items() if ours or isinstance(value, list)}
        for key, value in then.items():
            if name.startswith("07e6153") and isinstance(value, list):
                if saved["api"][value[0]]["class_type"] == "FollowEmojiExtractLandmarks":
                    value = [value[0], MOVED.get(value[1], value[1])]
            assert now[key] == value, f"{kind}.{key}"
        if ours:
            optional = info[kind]["input"].get("optional", {})
            new = {key: value for key, value in now.items() if key not in then}
            assert new == {key: optional[key][1]["default"] for key in new}, kind
