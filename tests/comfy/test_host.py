"""What no graph of a test can show: the pack inside ComfyUI's own process, loaded as ComfyUI loads it."""

from __future__ import annotations

import pytest

from tests.comfy.in_process import in_comfy
from tests.conftest import comfy_tree

LATENTS_OF_A_PICTURE = """
    import importlib.util, sys, torch

    spec = importlib.util.spec_from_file_location("pack", f"{PACK}/__init__.py", submodule_search_locations=[PACK])
    pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)

    # Latents that a VAE of each family would make of a picture, as far as the family's RGB table knows them.
    import comfy.latent_formats as formats
    from pack.nodes.host.encoders import looks_like_sdxl

    torch.manual_seed(0)
    picture = torch.rand(1, 4, 4, 3).repeat_interleave(32, 1).repeat_interleave(32, 2)
    small = torch.nn.functional.interpolate(picture.movedim(-1, 1), (16, 16), mode="area").movedim(1, -1) * 2 - 1

    def latents(latent_format):
        factors = torch.tensor(latent_format.latent_rgb_factors)
        bias = torch.tensor(latent_format.latent_rgb_factors_bias or [0.0, 0.0, 0.0])
        return latent_format.process_out(((small - bias) @ torch.linalg.pinv(factors)).movedim(-1, 1))

    assert looks_like_sdxl(latents(formats.SDXL()), picture)
    assert not looks_like_sdxl(latents(formats.SD15()), picture)
    assert not looks_like_sdxl(torch.randn(1, 4, 16, 16) * 6, picture)
    assert not looks_like_sdxl(torch.randn(1, 16, 16, 16), picture)
"""


def test_an_sdxl_vae_is_told_by_its_latents():
    """It has the keys and shapes of an SD 1.5 VAE; real ones are not at hand, their RGB tables are."""
    in_comfy(comfy_tree("server"), LATENTS_OF_A_PICTURE)


PACK_LOADED = """
    import importlib.util, os, sys, tempfile, torch
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("pack", f"{PACK}/__init__.py", submodule_search_locations=[PACK])
    pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pack)
    import folder_paths

    def refused(kind, call, *words):
        try:
            call()
        except kind as error:
            assert all(word in str(error) for word in words), error
            return str(error)
        raise AssertionError(f"not refused: {words}")
"""

WIDENED = (
    PACK_LOADED
    + """
    import comfy.ops
    from comfy.ldm.modules.attention import optimized_attention
    from pack.followemoji_core.model.config import UNetConfig
    from pack.followemoji_core.model.conditioning import unconditional
    from pack.followemoji_core.model.denoiser import Denoiser
    from pack.followemoji_core.model.ops import Ops
    from pack.nodes.host.run import widened

    layers = comfy.ops.pick_operations(torch.float16, torch.float16, load_device=torch.device("cpu"))
    ops = Ops(layers.Linear, layers.Conv2d, layers.GroupNorm, layers.LayerNorm,
              lambda q, k, v, heads: optimized_attention(q, k, v, heads))
    torch.manual_seed(0)
    denoiser = Denoiser(UNetConfig((32, 32), (True, False), 1, 4, 4, 12, 16), ops).eval()
    with torch.no_grad():
        for value in denoiser.parameters():
            value.normal_(0, 0.05)
        denoiser.conv_in.weight.normal_(0, 20_000)
        denoiser.half()

        def answer(dtype):
            half = unconditional(denoiser, torch.zeros(1, 3, 12, dtype=dtype))
            latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
            return denoiser(latents.to(dtype), torch.tensor(500), torch.zeros(2, 32, 8, 8, dtype=dtype), [half])

        assert not answer(torch.float16).isfinite().all()
        with widened(denoiser):
            wide = answer(torch.float32)
        assert wide.dtype == torch.float32 and wide.isfinite().all()
        assert not answer(torch.float16).isfinite().all()  # as it was
        assert not any("comfy_cast_weights" in vars(layer) for layer in denoiser.modules())
        denoiser.float()
        assert torch.allclose(wide, answer(torch.float32), atol=1e-4)
    """
)

PLAIN_ERRORS = (
    PACK_LOADED
    + """
    from pack.followemoji_core.errors import FollowEmojiError, InputError, OutputError
    from pack.nodes import LoadMotion, LongVideo, NODES
    from pack.nodes.host.encoders import check_decoder
    from pack.nodes.host.error_texts import relative, with_relative_texts
    from pack.nodes.host.paths import new_file
    from pack.nodes.footage import written_sound as _sound

    temp = Path(tempfile.mkdtemp())
    folder_paths.set_temp_directory(str(temp))
    assert relative(f"{temp}/followemoji/a.mp4 cannot be written.") == "temp/followemoji/a.mp4 cannot be written."
    assert relative(f"{folder_paths.models_dir}/vae/x") == "models/vae/x"
    assert PACK not in relative(f"in {PACK} run {sys.executable} -m followemoji_core")
    assert relative("Frames 1/2: nothing to hide") == "Frames 1/2: nothing to hide"

    # Every node: what the core says of a file is said without the way to it.
    def fails(cls):
        raise OutputError(f"{temp}/x could not be written")

    node = with_relative_texts(type("Node", (), {"execute": classmethod(fails)}))
    assert refused(OutputError, node.execute, "temp/x") == "temp/x could not be written"
    assert all(hasattr(node.execute.__func__, "__wrapped__") for node in NODES)

    # Folders that cannot be written to, names that are too long or lead out.
    (temp / "followemoji").write_text("a file where a folder is needed")
    refused(OutputError, lambda: new_file("followemoji/long", str(temp), "temp", "1.mp4"), "ComfyUI's temp folder")
    refused(OutputError, lambda: new_file("x" * 300, str(temp), "temp", "1.mp4"), "too long", "another folder or name")
    refused(InputError, lambda: new_file("../../x", str(temp), "temp", "1.mp4"), "leads out of ComfyUI's temp folder")
    path, below = new_file("motion/%width%", str(temp), "temp", ".safetensors", (64, 32))
    assert (str(path), below) == (str(temp / "motion" / "64_00001_.safetensors"), "motion") and not path.exists()

    # Sound and VAE, before anything is sampled.
    sound = lambda waveform, rate=8000: dict(waveform=waveform, sample_rate=rate)
    assert _sound(None) is _sound(sound(torch.zeros(1, 2, 0))) is _sound(sound(torch.zeros(0, 2, 9))) is None
    samples, rate = _sound(sound(torch.ones(2, 2, 9), 192000))
    assert samples.shape == (2, 9) and rate == 192000
    refused(InputError, lambda: _sound(sound(torch.full((1, 1, 3), torch.nan))), "sound is damaged")
    refused(InputError, lambda: _sound(sound(torch.zeros(1, 1, 3), 0)), "0 samples per second")
    vae = lambda channels, dim=2: type("Vae", (), dict(latent_channels=channels, latent_dim=dim))
    check_decoder(vae(4), 4), check_decoder(object(), 4)
    refused(InputError, lambda: check_decoder(vae(16), 4), "16 channels", "VAE of Encode Portrait")
    refused(InputError, lambda: check_decoder(vae(16, 3), 16), "of videos")
    """
)


@pytest.mark.parametrize("tree", ["server", "old_server"])
def test_comfyuis_layers_compute_in_fp32_what_fp16_cannot_hold(tree):
    in_comfy(comfy_tree(tree), WIDENED)


@pytest.mark.parametrize("tree", ["server", "old_server"])
def test_errors_name_no_path_of_the_server_and_come_before_the_work(tree):
    in_comfy(comfy_tree(tree), PLAIN_ERRORS)


STITCHED = (
    PACK_LOADED
    + """
    import numpy as np, nodes
    from dataclasses import replace
    from pack.followemoji_core.drawn import Acting, Person, paint
    from pack.followemoji_core.face.crop import frame_portrait
    from pack.nodes.host.stitcher import stitcher
    from comfy_execution.graph_utils import ExecutionBlocker

    person = Person.of(20_000_007)
    motion = person.act(Acting.rest(), (400, 300))
    picture = paint(person, motion)[0]
    image = torch.from_numpy(picture).float()[None] / 255
    framed = {name: frame_portrait(picture, motion.frame(0), (128, 128), **how) for name, how in dict(
        inside=dict(framing="face"), beyond=dict(framing="centred", room=5.0)).items()}
    mask = torch.ones(1, 128, 128)
    assert stitcher(image, framed["inside"].crop, mask) is None, "that pack is not installed"
    nodes.NODE_CLASS_MAPPINGS.update(InpaintStitchImproved=object)  # an item set here is a node of ours to the lint
    for name in ("inside", "beyond"):
        crop = framed[name].crop
        given = stitcher(image, crop, mask)
        lists = {key: value[0] for key, value in given.items() if isinstance(value, list) and len(value) == 1}
        assert len(lists) == 10 and lists["cropped_mask_for_blend"].shape == (1, 128, 128)
        # As that pack stitches: the frame onto the canvas, then what of the canvas is the picture.
        x, y, w, h = (lists[f"cropped_to_canvas_{side}"] for side in "xywh")
        canvas = lists["canvas_image"].clone()
        canvas[:, y : y + h, x : x + w] = 0.0
        assert canvas.shape[1] >= y + h and canvas.shape[2] >= x + w, name
        left, top, wide, tall = (lists[f"canvas_to_orig_{side}"] for side in "xywh")
        whole = lists["canvas_image"][:, top : top + tall, left : left + wide]
        assert torch.equal(whole, image), name
        holed = canvas[0, top : top + tall, left : left + wide].numpy()
        corners = crop.picture_from_crop[:, :2] @ np.array([[0, 128], [0, 128]]) + crop.picture_from_crop[:, 2:]
        (x0, x1), (y0, y1) = (np.clip(np.rint(ends).astype(int), 0, most) for ends, most in zip(corners, (400, 300)))
        expected = image[0].numpy().copy()
        expected[y0:y1, x0:x1] = 0.0
        assert np.array_equal(holed, expected), f"{name}: it lies where the crop was cut"
    turned = replace(framed["inside"].crop, picture_from_crop=np.array([[1.0, -0.1, 90.0], [0.1, 1.0, 40.0]]))
    assert isinstance(stitcher(image, turned, mask), ExecutionBlocker)
"""
)


@pytest.mark.parametrize("tree", ["server", "old_server"])
def test_a_crop_as_a_stitcher_lies_where_it_was_cut(tree):
    """The layout of the crop-and-stitch pack, which is not installed here: lists of one entry, a fixed crop."""
    in_comfy(comfy_tree(tree), STITCHED)
