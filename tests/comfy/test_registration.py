"""Every node registers on both ComfyUI versions, silently and fully described."""

from pathlib import Path

import pytest

from tests.comfy.in_process import OWN_MODULES, REGISTER, in_comfy
from tests.comfy.server import PACK_FOLDER
from tests.conftest import TREES, comfy_tree

DOCS = Path(__file__).resolve().parents[2] / "nodes" / "web" / "docs"


def test_nodes(both_servers):
    nodes = {name: node for name, node in both_servers.object_info().items() if name.startswith("FollowEmoji")}
    assert len(nodes) == 30
    for name, node in nodes.items():
        assert node["category"] == "Follow-Your-Emoji" and node["display_name"] and node["description"], name
        for group in ("required", "optional"):
            for field, (_, details) in node["input"].get(group, {}).items():
                assert details.get("tooltip"), f"{name}.{field} has no tooltip"
        assert len(node["output_tooltips"] or ()) == len(node["output"]) and all(node["output_tooltips"] or ()), name
        assert [text for text in node["output_name"] if text.isupper()] == [], f"{name} shows a type as a name"
        assert (DOCS / f"{name}.md").is_file(), f"{name} has no help page"
    assert {path.stem for path in DOCS.glob("*.md")} == set(nodes)


def test_nothing_in_the_log(both_servers):
    start = both_servers.log().split("To see the GUI")[0]
    assert "Traceback" not in start and "IMPORT FAILED" not in start
    assert [line for line in start.splitlines() if "FollowEmoji" in line] == []
    (line,) = [line for line in start.splitlines() if PACK_FOLDER in line]
    assert " seconds: " in line  # its import time, and nothing else


def test_help_and_templates_are_served(both_servers):
    templates = both_servers.get("/workflow_templates")
    assert {
        "animate_portrait",
        "context_windows",
        "expressions",
        "first_animation",
        "given_keyframes",
        "group_portrait",
        "ksampler",
        "long_video",
        "look_at_landmarks",
        "paste_back",
        "place_face",
        "refine_warp",
    } <= set(templates[PACK_FOLDER])


@pytest.mark.parametrize("fixture", TREES)
def test_registering_imports_nothing_heavy(fixture):
    """Heavy packages load on use: no start of ComfyUI waits for them, and one that is missing takes no nodes away."""
    show = "print('brought', *{name.split('.')[0] for name in after - before})"
    _, brought = in_comfy(comfy_tree(fixture), OWN_MODULES + REGISTER + show).rsplit("brought", 1)
    assert not {"diffusers", "mediapipe", "transformers", "accelerate", "cv2", "av"} & set(brought.split())
