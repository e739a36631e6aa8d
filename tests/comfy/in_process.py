"""Python inside a process of ComfyUI's, without its server."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_SETUP = """
import sys
sys.argv = ["main.py", "--cpu", *ARGV]
import comfy.options
comfy.options.enable_args_parsing()
"""
# ComfyUI's own modules, and with OWN_NODES its many node files, as far as it has come when it starts on custom nodes.
OWN_MODULES = """
import asyncio, time
import utils.extra_config  # first, as main.py does: comfy/ has a `utils` too
import execution, server, nodes
"""
OWN_NODES = """
asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
"""
# Leaves `seconds` on the clock, seconds `worked` by the processor, and the modules loaded `before` and `after`.
REGISTER = """
before, began, worked = set(sys.modules), time.perf_counter(), time.process_time()
assert asyncio.run(nodes.load_custom_node(PACK))
seconds, worked, after = time.perf_counter() - began, time.process_time() - worked, set(sys.modules)
assert "FollowEmojiSampler" in nodes.NODE_CLASS_MAPPINGS
"""


def in_comfy(tree: Path, code: str, pack: Path = ROOT, argv: tuple[str, ...] = (), timeout: float = 300) -> str:
    """Run `code` in the ComfyUI of `tree`, on the CPU, started with `argv`, PACK the folder of the pack; what it
    printed.

    Raises AssertionError with the end of its complaints when it fails.
    """
    script = f"ARGV = {argv!r}\n{_SETUP}PACK = {str(pack)!r}\n" + textwrap.dedent(code)
    python = os.environ.get("COMFYUI_PYTHON") or sys.executable
    done = subprocess.run([python, "-c", script], cwd=tree, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
