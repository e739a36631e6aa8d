"""What no graph of a test can show: the pack inside ComfyUI's own process, loaded as ComfyUI loads it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.conftest import comfy_tree

ROOT = Path(__file__).resolve().parents[2]

LATENTS_OF_A_PICTURE = """
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


def in_comfy(code: str) -> None:
    setup = f"""
        import importlib.util, sys
        sys.argv = ["main.py", "--cpu"]
        import comfy.options
        comfy.options.enable_args_parsing()
        import torch
        spec = importlib.util.spec_from_file_location(
            "pack", {str(ROOT / "__init__.py")!r}, submodule_search_locations=[{str(ROOT)!r}]
        )
        pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(pack)
    """
    tree = comfy_tree("server")
    script = textwrap.dedent(setup) + textwrap.dedent(code)
    python = os.environ.get("COMFYUI_PYTHON") or sys.executable
    done = subprocess.run([python, "-c", script], cwd=tree, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]


def test_an_sdxl_vae_is_told_by_its_latents():
    """It has the keys and shapes of an SD 1.5 VAE; real ones are not at hand, their RGB tables are."""
    in_comfy(LATENTS_OF_A_PICTURE)
