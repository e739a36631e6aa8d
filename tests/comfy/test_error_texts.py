"""Error texts do not show absolute paths of the server: names are relative to ComfyUI's folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.comfy import graphs
from tests.comfy.in_process import in_comfy
from tests.comfy.server import REPOSITORY, PromptFailed
from tests.conftest import TREES, comfy_tree


def message(server, graph) -> str:
    with pytest.raises(PromptFailed) as caught:
        server.run(graph)
    text = caught.value.message
    for folder in (server.root, server.root.resolve(), server.models.resolve(), server.tree, REPOSITORY, sys.prefix):
        assert str(folder) not in text
    return text


def test_an_empty_checkpoint(both_servers):
    """A file that is there, and empty."""
    folder = both_servers.models / "followemoji"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "emptied.pth").write_bytes(b"")
    graph = graphs.change(graphs.load("first_animation"), "FollowEmojiLoadModel", landmark_encoder="emptied.pth")
    text = message(both_servers, graph)
    assert "emptied.pth is damaged or incomplete" in text
    (folder / "emptied.pth").unlink()


def test_a_damaged_motion_file(both_servers):
    (both_servers.input / "damaged.safetensors").write_bytes(b"nothing")
    graph = graphs.load("first_animation")
    graphs.change(graph, "FollowEmojiLoadMotion", file="damaged.safetensors")
    assert "damaged.safetensors is not a motion file" in message(both_servers, graph)


@pytest.mark.parametrize("fixture", TREES)
def test_what_is_not_there_and_where_it_comes_from(fixture):
    """The way out names models/followemoji and the pack's folder, and no folder of this server."""
    tree = comfy_tree(fixture)
    code = """
        import importlib.util, sys
        spec = importlib.util.spec_from_file_location("pack", f"{PACK}/__init__.py", submodule_search_locations=[PACK])
        pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pack)
        import folder_paths
        from pack.nodes import folders
        from pack.nodes.host.error_texts import relative
        folders.register()
        try:
            folders.find("unet.pth")
        except ValueError as error:
            print(error)
        print(relative(f"{folder_paths.get_folder_paths('vae')[0]}/a.pt, {folder_paths.get_user_directory()}/b"))
    """
    absent, named = in_comfy(tree, code).strip().splitlines()[-2:]
    assert "unet.pth is not in models/followemoji. Download it from https://" in absent
    assert "-m followemoji_core download" in absent and "pack's folder" in absent
    for folder in (tree, REPOSITORY, Path(sys.prefix), Path.home()):
        assert str(folder) not in absent
    assert named.replace("\\", "/") == "models/vae/a.pt, user/b"
