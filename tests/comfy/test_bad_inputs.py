"""What users get wrong. Each gets its message in the history, and the server lives on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from followemoji_core.media import Clip, read_frames, write_video
from tests import weights
from tests.comfy import graphs
from tests.comfy.server import ComfyServer, PromptFailed

LOADER, FRAME, SAMPLER = "FollowEmojiLoadModel", "FollowEmojiPreparePortrait", "FollowEmojiSampler"


def picture(server: ComfyServer, name: str, mode: str = "RGB") -> Image.Image:
    return Image.open(server.input / name).convert(mode)


def failure(server: ComfyServer, graph: graphs.Graph) -> str:
    with pytest.raises(PromptFailed) as caught:
        server.run(graph)
    assert "Traceback" not in caught.value.message
    return f"{caught.value.message} {caught.value.details}"


def landmarks_only(portrait: str, driving: str, **extract) -> graphs.Graph:
    """The look_at_landmarks graph without its pictures: faces and alignment."""
    graph = graphs.load("look_at_landmarks")
    graphs.change(graph, "LoadImage", image=portrait)
    graphs.change(graph, "LoadVideo", file=driving)
    return graphs.change(graph, "FollowEmojiExtractLandmarks", **extract)


def film(server: ComfyServer, name: str, pictures: list[np.ndarray]) -> str:
    write_video(server.input / name, pictures, 25.0)
    return name


def test_no_face(comfy):
    comfy.upload(graphs.media() / "portrait_cat.jpg", "cat.jpg")
    assert "No face in the portrait" in failure(comfy, graphs.animate("cat.jpg"))
    grey = np.full((256, 256, 3), 90, np.uint8)
    film(comfy, "empty.mp4", [grey] * 5)
    assert "no face" in failure(comfy, graphs.animate(driving="empty.mp4")).lower()
    faces = list(read_frames(Clip(comfy.input / "temple.mp4")))
    blank = np.zeros_like(faces[0])
    film(comfy, "gaps.mp4", [*faces[:2], blank, blank, *faces[2:4], blank])
    message = failure(comfy, landmarks_only("portrait.jpg", "gaps.mp4", missing="error"))
    assert "2" in message and "3" in message and "6" in message and "interpolate" in message
    for missing in ("interpolate", "hold"):
        graph = landmarks_only("portrait.jpg", "gaps.mp4", missing=missing)
        (video,) = comfy.outputs(comfy.run(graph))
        assert graphs.describe(video)["frames"] == 7


def test_two_faces(current):
    """The largest is taken unless asked; it is never an error."""
    face = picture(current, "portrait.jpg").crop((100, 100, 620, 800))
    both = Image.new("RGB", (1040, 700))
    both.paste(face, (0, 0))
    both.paste(face.resize((416, 560)), (600, 100))
    both.save(current.input / "two.png")
    drawn = {}
    for which in ("largest", "leftmost", "rightmost"):
        graph = landmarks_only("two.png", "temple.mp4", face=which)
        (video,) = current.outputs(current.run(graph))
        drawn[which] = graphs.pixels(video)
    assert drawn["largest"] == drawn["leftmost"] != drawn["rightmost"]


@pytest.mark.parametrize("mode", ["RGBA", "L"])
def test_other_pictures_work(current, mode):
    picture(current, "portrait.jpg", mode).save(current.input / f"{mode}.png")
    (video,) = current.outputs(current.run(graphs.animate(f"{mode}.png")))
    assert graphs.describe(video)["frames"] == 8


def test_tiny_picture(current):
    picture(current, "portrait.jpg").resize((7, 5)).save(current.input / "tiny.png")
    assert "No face in the portrait (7 x 5 pixels)" in failure(current, graphs.animate("tiny.png"))


def test_one_frame(comfy):
    film(comfy, "one.mp4", [next(read_frames(Clip(comfy.input / "temple.mp4")))])
    (video,) = comfy.outputs(comfy.run(graphs.animate(driving="one.mp4")))
    assert graphs.describe(video)["frames"] == 1


def test_a_thousand_frames_stay_out_of_memory(current):
    """1000 frames of 256 x 256 are 790 MB as an IMAGE; the landmark extraction holds one at a time."""
    frames = [frame[::2, ::2] for frame in read_frames(Clip(current.input / "temple.mp4"))]
    film(current, "long.mp4", [frames[index % 8] for index in range(1000)])
    graph = landmarks_only("portrait.jpg", "long.mp4")
    graph = {
        key: node for key, node in graph.items() if node["class_type"] in ("LoadVideo", "FollowEmojiExtractLandmarks")
    }
    graph = {
        key: node
        for key, node in graph.items()
        if "source" not in node["inputs"] or node["inputs"]["source"][0] in graph
    }
    (extract,) = [key for key, node in graph.items() if node["class_type"] != "LoadVideo"]
    graph["save"] = dict(class_type="FollowEmojiSaveMotion", inputs=dict(motion=[extract, 0], filename_prefix="long/m"))
    before = current.rss_mb()
    prompt_id, peak = current.queue(graph), 0.0
    while prompt_id not in (history := current.get(f"/history/{prompt_id}")):
        peak = max(peak, current.rss_mb())
    assert history[prompt_id]["status"]["status_str"] == "success"
    assert peak - before < 300
    (saved,) = (current.output / "long").glob("*.safetensors")
    saved.unlink()


def test_sizes(current):
    graph = graphs.animate()
    graphs.change(graph, FRAME, width=136, height=200)  # multiples of 8, not of 64
    (video,) = current.outputs(current.run(graph))
    assert graphs.describe(video)["size"] == (136, 200)
    graph = graphs.animate()
    encode = next(node for node in graph.values() if node["class_type"] == "FollowEmojiEncodePortrait")
    encode["inputs"]["image"] = [next(key for key, node in graph.items() if node["class_type"] == "LoadImage"), 0]
    picture(current, "portrait.jpg").crop((0, 0, 515, 770)).save(current.input / "odd.png")
    graphs.change(graph, "LoadImage", image="odd.png")
    framed = graphs.animate()
    graphs.change(framed, FRAME, width=100)
    assert "The width is 100; it must be a multiple of 8. Set 96 or 104" in failure(current, framed)
    assert "515x770 pixels; both sides must be multiples of 8. Put Frame Portrait" in failure(current, graph)


def test_background_of_another_length(current):
    graph = landmarks_only("portrait.jpg", "temple.mp4")
    film(current, "short.mp4", list(read_frames(Clip(current.input / "temple.mp4")))[:5])
    graph["other"] = dict(class_type="LoadVideo", inputs=dict(file="short.mp4"))
    (video,) = [node for node in graph.values() if node["class_type"] == "FollowEmojiLandmarksVideo"]
    video["inputs"]["background"] = ["other", 0]
    assert "The background has 5 pictures, the motion has 8 frames" in failure(current, graph)


def test_a_portrait_of_another_checkpoint(current):
    """Landmark images of another size than the portrait are refused before anything is loaded."""
    graph = graphs.animate()
    graph["big"] = dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=["10", 0], height=256))
    sampler = next(node for node in graph.values() if node["class_type"] == SAMPLER)
    assert graph[sampler["inputs"]["landmarks"][0]]["class_type"] == "FollowEmojiAlignMotion"
    graph["big"]["inputs"]["motion"] = sampler["inputs"]["landmarks"]
    sampler["inputs"]["landmarks"] = ["big", 0]
    assert "for a picture of 256x256 pixels, the portrait was encoded at 128x128. Use one picture" in failure(
        current, graph
    )


def test_settings(current):
    graph = graphs.animate()
    graphs.change(graph, SAMPLER, steps=0)
    assert "steps" in failure(current, graph) and "smaller than min" in failure(current, graph)
    graph = graphs.animate()
    graphs.change(graph, SAMPLER, window_length=4, overlap=4)
    assert "would never move on" in failure(current, graph)


@pytest.mark.parametrize(
    "slot, name, words",
    [
        ("denoiser", "referencenet.pth", "it is the appearance net"),
        ("appearance_net", "unet.pth", "it is the denoiser"),
        ("landmark_encoder", "unet.pth", "it is the denoiser"),
        ("denoiser", "sd15.safetensors", "SD 1.5 checkpoint"),
        ("denoiser", "half.safetensors", "damaged or incomplete"),
        ("denoiser", "bomb.pth", "asks for code to be run, which is refused"),
    ],
)
def test_wrong_checkpoints(current, slot, name, words):
    folder = current.models / "followemoji"
    if name == "sd15.safetensors":
        weights.save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, folder / name)
    if name == "half.safetensors":
        whole = (folder / graphs.SPLIT["denoiser"]).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    if name == "bomb.pth":
        torch.save({"conv_in.weight": Bomb(current.root / "crater")}, folder / name)
    graph = graphs.animate()
    graphs.change(graph, LOADER, **{slot: name})
    assert words in failure(current, graph)
    assert not (current.root / "crater").exists()


def test_absent_checkpoint_says_where_to_get_it(comfy):
    graph = graphs.load("animate_portrait")
    graphs.change(graph, "LoadImage", image="portrait.jpg")
    graphs.change(graph, "LoadVideo", file="temple.mp4")
    graphs.change(graph, LOADER, denoiser="mm_unknown.pth")
    message = failure(comfy, graph)
    assert "mm_unknown.pth" in message


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        import os

        return os.mkdir, (self.path,)


def test_a_bomb_in_a_motion_file_does_not_go_off(current):
    array = np.array([{"lmks": Bomb(current.root / "crater")}], dtype=object)
    np.save(current.input / "bomb.npy", array, allow_pickle=True)
    (current.input / "bare.npy").write_bytes(pickle.dumps(Bomb(current.root / "crater")))
    for name in ("bomb.npy", "bare.npy"):
        graph = {
            "1": dict(class_type="FollowEmojiLoadMotion", inputs=dict(file=name, template_fps=30.0)),
            "2": dict(class_type="FollowEmojiDrawLandmarks", inputs=dict(motion=["1", 0])),
            "3": dict(class_type="PreviewImage", inputs=dict(images=["2", 0])),
        }
        assert name in failure(current, graph)
    assert not (current.root / "crater").exists()


@pytest.mark.parametrize("make, words", [(weights.sdxl_vae, "SDXL VAE"), (weights.wide_vae, "16 channels")])
def test_wrong_vae(current, make, words):
    file = make(current.models / "vae" / f"{make.__name__}.safetensors")
    graph = graphs.animate()
    graphs.change(graph, "VAELoader", vae_name=file.name)
    assert words in failure(current, graph)


def test_clip_vision_of_another_width(current):
    weights.wrong_clip_vision(current.models / "clip_vision" / "siglip.safetensors")
    graph = graphs.animate()
    graphs.change(graph, "CLIPVisionLoader", clip_name="siglip.safetensors")
    assert "tokens of width 1152, this checkpoint reads 1024" in failure(current, graph)


def test_the_servers_live_on(comfy):
    (video,) = comfy.outputs(comfy.run(graphs.animate(seed=99)))
    assert graphs.describe(video)["frames"] == 8
