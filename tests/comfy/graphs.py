"""The shipped API graphs, fitted to the test's files, and the model files that they name."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import av

from followemoji_core.media import Clip, clip_info, read_audio, read_frames, write_video
from tests import weights
from tests.comfy.server import ComfyServer
from tests.detector import detector_file
from tests.parity.conftest import require_reference

WORKFLOWS = Path(__file__).resolve().parents[2] / "workflows"
Graph = dict[str, dict[str, Any]]

PUBLISHED = dict(denoiser="unet.pth", appearance_net="referencenet.pth", landmark_encoder="lmk_guider.pth")
SPLIT = dict(
    denoiser="FYE_unet-fp16.safetensors",
    appearance_net="FYE_referencenet-fp16.safetensors",
    landmark_encoder="FYE_lmk_guider.safetensors",
)


def write_models(models: Path) -> None:
    """Seeded weights in both layouts, VAEs, image encoder and face detector, under the names of the workflows."""
    if (models / "vae").exists():
        return
    write_detector(models)
    weights.published_files(models / "followemoji")
    weights.safetensors_split(models / "followemoji")
    weights.tiny_vae(models / "vae" / "sd-vae-ft-mse.safetensors")
    weights.clip_vision(models / "clip_vision" / "sd-image-variations-encoder-fp16.safetensors")


def write_detector(models: Path) -> None:
    """The face detector alone."""
    task = detector_file()
    (models / "followemoji").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(task, models / "followemoji" / "face_landmarker.task")


def media() -> Path:
    """Photographs, videos and detector of the golden data; skips the test where they are absent."""
    return require_reference() / "media"


def load(name: str) -> Graph:
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text("utf-8"))


def change(graph: Graph, class_type: str, **inputs: Any) -> Graph:
    """Set inputs of every node of a class; a name that the node lacks is a mistake in the test."""
    nodes = [node for node in graph.values() if node["class_type"] == class_type]
    assert nodes, f"no {class_type} in the graph"
    for node in nodes:
        assert set(inputs) <= set(node["inputs"]), f"{class_type} has {sorted(node['inputs'])}"
        node["inputs"].update(inputs)
    return graph


def animate(portrait: str = "portrait.jpg", driving: str = "temple.mp4", **sampler: Any) -> Graph:
    """animate_portrait at 128 px and 3 steps on the published files."""
    graph = load("animate_portrait")
    change(graph, "LoadImage", image=portrait)
    change(graph, "LoadVideo", file=driving)
    change(graph, "FollowEmojiPreparePortrait", width=128, height=128)
    change(graph, "FollowEmojiLoadModel", **PUBLISHED)
    return change(graph, "FollowEmojiSampler", steps=3, **sampler)


def cut(source: Path, target: Path, frames: int) -> Path:
    """The first frames of a clip, with its sound and at its frame rate."""
    fps = clip_info(Clip(source)).fps
    clip = Clip(source, duration=frames / fps)
    assert write_video(target, read_frames(clip), fps, read_audio(clip)) == frames
    return target


def describe(video: Path) -> dict[str, Any]:
    with av.open(str(video)) as clip:
        stream = clip.streams.video[0]
        return dict(
            frames=sum(1 for _ in clip.decode(stream)),
            size=(stream.width, stream.height),
            fps=float(stream.average_rate),
            sound=bool(clip.streams.audio),
        )


def pixels(video: Path) -> bytes:
    with av.open(str(video)) as clip:
        return b"".join(frame.to_ndarray(format="rgb24").tobytes() for frame in clip.decode(video=0))


def forget(server: ComfyServer) -> None:
    """Make the next run compute everything again. Twice: ComfyUI's worker hears it only while it waits, not while it
    tidies up after a run."""
    for _ in range(2):
        server.post("/free", {"free_memory": True, "unload_models": True})
        time.sleep(0.5)
