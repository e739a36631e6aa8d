"""Nodes of an older pack, where ours do the same: replaced by ComfyUI, with the same outcome."""

from __future__ import annotations

from tests.comfy import graphs
from tests.comfy.in_process import OWN_MODULES, REGISTER, in_comfy
from tests.conftest import comfy_tree

OLD, NEW = "DownloadAndLoadFYEModel", "FollowEmojiLoadModel"


def test_the_wrapper_s_loader_gives_the_same_video(current):
    """The job names their node, whose pack is not there, and the server runs ours: same files, same precision."""
    (replacement,) = current.get("/node_replacements")[OLD]
    assert replacement["new_node_id"] == NEW
    videos = []
    for precision, old in (("fp32", False), ("fp32", True), ("bf16", True)):
        graph = graphs.animate(seed=3)
        (loader,) = [node for node in graph.values() if node["class_type"] == NEW]
        loader["inputs"].update(graphs.SPLIT, landmark_encoder="lmk_guider.pth", precision=precision)
        if old:
            loader.update(class_type=OLD, inputs=dict(precision=precision))
        graphs.forget(current)
        (path,) = [path for path in current.outputs(current.run(graph)) if path.suffix == ".mp4"]
        videos.append(graphs.pixels(path))
    ours, theirs, other = videos
    assert theirs == ours and other != ours


def test_the_wrapper_s_own_files_are_found(tmp_path):
    """Two of the files lie in the folder of the pack itself."""
    folder = tmp_path / "custom_nodes" / "ComfyUI-FollowYourEmojiWrapper" / "models"
    folder.mkdir(parents=True)
    (folder / "FYE_lmk_guider.safetensors").touch()
    show = "import folder_paths; print('found', folder_paths.get_filename_list('followemoji'))"
    found = in_comfy(comfy_tree("server"), OWN_MODULES + REGISTER + show, argv=("--base-directory", str(tmp_path)))
    assert "FYE_lmk_guider.safetensors" in found.rsplit("found", 1)[1]
