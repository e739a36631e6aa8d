"""What no graph of a test can show: the pack inside ComfyUI's own process, loaded as ComfyUI loads it."""

from __future__ import annotations

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
