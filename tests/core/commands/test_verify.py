"""verify: seeded files in the published layout are whole; whatever is wrong with one is named, with the way out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from followemoji_core.commands import main
from followemoji_core.drawn import Acting, Person
from followemoji_core.evaluation.verify.found import Files, announced
from followemoji_core.face.motion_file import save_motion
from followemoji_core.small import SMALL_MODEL, SMALL_VAE
from followemoji_core.walk.places import CLIP_FILE, VAE_FILE
from tests import weights
from tests.drawn_portrait import write_portrait

DENOISER, APPEARANCE, LANDMARKS = (f"followemoji/{name}.pth" for name in ("unet", "referencenet", "lmk_guider"))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A models folder as `download` leaves it, with small seeded networks."""
    models = tmp_path_factory.mktemp("someone") / "private models"
    weights.published_files(models / "followemoji")
    weights.tiny_vae(models / VAE_FILE)
    narrow_clip(models / CLIP_FILE)
    return models


def narrow_clip(path: Path) -> None:
    """One layer of CLIP that gives tokens as wide as the released one's."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    sizes = dict(hidden_size=1024, intermediate_size=64, num_attention_heads=16, image_size=56, patch_size=14)
    state = CLIPVisionModelWithProjection(CLIPVisionConfig(num_hidden_layers=1, **sizes)).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.half().contiguous() for key, value in state.items()}, path)


@pytest.fixture(scope="module")
def green(published, tmp_path_factory) -> Path:
    """Where the report of the published files lies."""
    out = tmp_path_factory.mktemp("green")
    assert verify(published, out)[0] == 0
    return out


@pytest.fixture
def copy(published, tmp_path) -> Path:
    """The same, to damage: links to the files, each of which is replaced and never written to."""
    for file in published.rglob("*.*"):
        (tmp_path / "models" / file.relative_to(published)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / file.relative_to(published)).symlink_to(file)
    return tmp_path / "models"


def verify(models: Path, out: Path, *more: str) -> tuple[int, dict, str]:
    """Exit code, facts and the Markdown."""
    line = ["verify", f"--models={models}", f"--out={out}", "--device=cpu", "--size=64", "--steps=1", *more]
    code = main([*line, "--untrained"])
    return code, json.loads((out / "verify.json").read_text()), (out / "verify.md").read_text()


def change(path: Path, how) -> None:
    """A state dict on disk, changed by `how`, in a file of its own."""
    small = path.suffix == ".safetensors"
    state = load_file(path) if small else torch.load(path, weights_only=True)
    how(state)
    path.unlink()
    (save_file if small else torch.save)(state, path)


def lines(facts: dict, part: str, outcome: str = "failed") -> str:
    return " / ".join(line["said"] for line in facts["checks"] if (line["part"], line["outcome"]) == (part, outcome))


@pytest.mark.parametrize("folder", ["follow_emoji/ckpts", ""])
def test_animate_finds_the_networks_where_verify_does(published, tmp_path, folder, capsys):
    """In the folders of older packs too, though a part lies in our own; a folder of the networks themselves."""
    (tmp_path / "models" / "followemoji").mkdir(parents=True)
    for file in (published / "followemoji").iterdir():
        (tmp_path / "models" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / folder / file.name).symlink_to(file)
    (tmp_path / "models" / "followemoji" / "lmk_guider.safetensors").touch()
    for other in ("vae", "clip_vision"):
        (tmp_path / "models" / other).symlink_to(published / other)
    write_portrait(tmp_path, 7, 64)
    save_motion(tmp_path / "driving.safetensors", Person.of(1).act(Acting.random(1, 2), (64, 64)))
    wanted = dict(portrait="portrait.png", face="face.safetensors", driving="driving.safetensors", models="models")
    options = [f"--{name}={tmp_path / path}" for name, path in (wanted | dict(out="out.mp4")).items()]
    assert main(["animate", *options, "--size=64", "--steps=1", "--device=cpu"]) == 0, capsys.readouterr().err
    assert Files.of(tmp_path / "models").networks == tmp_path / "models" / folder


def test_published_files_are_all_green(published, green):
    facts, text = json.loads((green / "verify.json").read_text()), (green / "verify.md").read_text()
    assert facts["failed"] == [] and facts["passed"] >= 30 and "0 failed" in text
    assert {row["name"] for row in facts["found"]} == {DENOISER, APPEARANCE, LANDMARKS, VAE_FILE, CLIP_FILE}
    assert all(len(row["sha256"]) == 64 for row in facts["found"])
    tensors = {name: row["tensors"] for name, row in facts["networks"].items()}
    assert tensors | {"image encoder": 0} == {
        "denoiser": 1276, "appearance net": 666, "landmark encoder": 16, "VAE": 134, "image encoder": 0,
    }  # fmt: skip
    checked = {line["what"] for line in facts["checks"] if line["outcome"] == "passed"}
    assert checked >= {
        "a guided pass is two plain calls", "cross-attention without a portrait is constant",
        "windows together or one by one", "DDIM as published, windows in any order", "30 trailing steps",
        "alphas_cumprod[999] is 0", "positions are the published sines", "frames differ", "not grey",
    }  # fmt: skip
    window = facts["samples"]["window"]
    assert window["frames"] == 16 and window["seconds"] > 0 and window["peak_gib"] > 0
    # Nothing in it says where the files lie, or whose they are.
    for private in (str(published), "private models", "someone", str(green), str(Path.home())):
        assert private not in text and private not in json.dumps(facts["checks"])
    assert not re.search(r"(?<![\w:/.])/\w+/", text)


def test_an_earlier_report_is_compared_with(green, copy, tmp_path):
    """Numbers of another machine or version: alike within the tolerance, or named with whether it is the same file."""
    change(copy / LANDMARKS, lambda state: state["conv_out.weight"].mul_(1.02))
    code, facts, _ = verify(copy, tmp_path / "out", f"--against={green / 'verify.json'}")
    assert code == 1 and facts["failed"] == ["comparison: landmark encoder"]
    assert lines(facts, "comparison", "passed").count("the same file") == len(facts["digests"]) - 1
    assert "another file. The files differ by their SHA-256" in lines(facts, "comparison")


def zero(state, key):
    state[key] = torch.zeros_like(state[key])


@pytest.mark.parametrize(
    "damages",
    [
        {
            DENOISER: (
                "denoiser",
                lambda state: state.pop("conv_in.bias"),
                "1 of 1276 missing: conv_in.bias. Download",
            ),
            APPEARANCE: (
                "appearance net",
                lambda state: zero(state, "conv_in.weight"),
                "zero .*: conv_in.weight. .*early",
            ),
            LANDMARKS: (
                "landmark encoder",
                lambda state: state["conv_in.bias"].fill_(torch.nan),
                "NaN .*: conv_in.bias",
            ),
            VAE_FILE: ("VAE", lambda state: state.pop("taesd_encoder.14.bias"), "missing: taesd_encoder.14.bias"),
            CLIP_FILE: (
                "image encoder",
                lambda state: state.pop("vision_model.pre_layrnorm.bias"),
                "missing: .*pre_layr",
            ),
        },
        {
            DENOISER: ("denoiser", lambda state: zero(state, "conv_out.bias"), ""),
            APPEARANCE: (
                "appearance net",
                lambda state: [state.pop(key) for key in [*state] if key.startswith("mid_block.")],
                "46 of 666 missing: mid_block.* and 42 more. Download the file again",
            ),
            LANDMARKS: (
                "landmark encoder",
                lambda state: state.update({"blocks.0.bias": torch.zeros(7)}),
                r"1 of 16 misshapen: blocks.0.bias \(7,\), expected \(16,\). .*mixes two models",
            ),
        },
    ],
)
def test_what_is_wrong_with_a_file_is_named(copy, tmp_path, damages):
    """Each part by itself; the others are computed, and nothing is sampled."""
    for file, (_, how, _) in damages.items():
        change(copy / file, how)
    code, facts, text = verify(copy, tmp_path / "out")
    broken = {part for part, _, words in damages.values() if words}
    assert code == 1 and {name.partition(":")[0] for name in facts["failed"]} == broken
    for part, _, words in damages.values():
        assert re.search(words, lines(facts, part)), lines(facts, part)
        assert not words or f"**{part}, " in text
    others = {"denoiser", "appearance net", "landmark encoder", "VAE", "image encoder"} - broken
    assert {name for name in facts["digests"] if "," not in name} == others if others else "digests" not in facts
    assert all(part in lines(facts, "window", "left out") for part in broken)


def test_swapped_cut_and_missing_files(copy, tmp_path):
    (copy / DENOISER).rename(copy / "x")
    (copy / APPEARANCE).rename(copy / DENOISER)
    (copy / "x").rename(copy / APPEARANCE)
    cut = copy / CLIP_FILE
    data = cut.read_bytes()
    cut.unlink()
    cut.write_bytes(data[: len(data) // 2])
    (copy / LANDMARKS).unlink()
    code, facts, text = verify(copy, tmp_path / "out")
    assert code == 1
    assert "chosen as the denoiser, but it is the appearance net" in lines(facts, "denoiser")
    assert "chosen as the appearance net, but it is the denoiser" in lines(facts, "appearance net")
    assert "lmk_guider.pth" in lines(facts, "landmark encoder") and "download" in lines(facts, "landmark encoder")
    assert "damaged or incomplete" in lines(facts, "image encoder")
    assert "VAE" in facts["digests"] and str(copy) not in text


def test_the_split_in_circulation(tmp_path):
    """Without positions in the UNet's file, and with the projection beside it; alone, without VAE and image encoder."""
    weights.safetensors_split(tmp_path)
    (tmp_path / "FYE_lmk_guider.safetensors").unlink()
    torch.save({"conv_in.weight": torch.nn.Flatten()}, tmp_path / "lmk_guider.pth")
    code, facts, _ = verify(tmp_path, tmp_path / "out")
    assert code == 1 and not lines(facts, "denoiser") and not lines(facts, "appearance net")
    assert "computed" in lines(facts, "denoiser", "noted")
    assert "NEWOBJ, which plain tables of numbers do not need" in lines(facts, "landmark encoder")
    assert "sd-vae-ft-mse" in lines(facts, "VAE") and "sd-image-variations" in lines(facts, "image encoder")


def test_hashes_that_hugging_face_announced(tmp_path):
    """What huggingface_hub notes beside a file that `download` fetches: commit, hash, time."""
    note = tmp_path / ".download/.cache/huggingface/download/ckpts/unet.pth.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{'0' * 40}\n{'ab' * 32}\n1700000000.0\n")
    (note.parent / "config.json.metadata").write_text(f"{'0' * 40}\n{'ab' * 20}\n1700000000.0\n")
    assert announced(tmp_path) == {"ab" * 32: "unet.pth as announced by Hugging Face"}


def test_the_small_model_shows_the_drawn_portrait(tmp_path):
    """What ships is judged by what it shows; a portrait and a driver of one's own are taken too."""
    out = tmp_path / "out"
    write_portrait(tmp_path, 7, 128)
    save_motion(tmp_path / "driving.safetensors", Person.of(1).act(Acting.random(1, 20, from_rest=True), (96, 96)))
    given = [f"--{name}={tmp_path / file}" for name, file in (
        ("portrait", "portrait.png"), ("face", "face.safetensors"), ("driving", "driving.safetensors"),
    )]  # fmt: skip
    assert main(["verify", "--small", f"--out={out}", "--device=cpu", *given]) == 0
    facts = json.loads((out / "verify.json").read_text())
    assert "levels from the portrait" in lines(facts, "window", "passed")
    assert facts["samples"]["window"]["frames"] == 16


def test_networks_that_show_somebody_else_fail(tmp_path):
    """Whole files of finite numbers that do not work together: here an appearance net that was never trained."""
    models = tmp_path / "models"
    (models / "followemoji").mkdir(parents=True)
    state = load_file(SMALL_MODEL)
    torch.manual_seed(0)
    for key, value in state.items():
        if key.startswith("appearance_net.") and value.ndim > 1:
            state[key] = (torch.randn(value.shape) * 0.3).to(value.dtype)
    save_file(state, models / "followemoji" / "mixed.safetensors")
    shutil.copy(SMALL_VAE, models / "vae.safetensors")
    line = ["verify", f"--models={models}", f"--weights={models / 'followemoji' / 'mixed.safetensors'}", "--steps=1"]
    code = main([*line, f"--vae={models / 'vae.safetensors'}", f"--out={tmp_path / 'out'}", "--device=cpu"])
    facts = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert code == 1 and "window: like the portrait" in facts["failed"]


@pytest.mark.parametrize(
    "more, words",
    [
        (["--portrait=x.png"], "--portrait and --driving belong together"),
        (["--size=64x128"], "not square"),
        (["--steps=0"], "steps is 0"),
        (["--against=nowhere.json"], "nowhere.json"),
        (["--models=nowhere"], "--models nowhere is not there"),
    ],
)
def test_slips_of_the_hand_stop_before_the_work(tmp_path, capsys, more, words):
    assert main(["verify", f"--out={tmp_path}", *more]) == 1
    assert words in capsys.readouterr().err
