"""Real ComfyUI servers for tests: `server` (current), `old_server` (0.3.64, the oldest supported), `both_servers`.

Trees are found in COMFYUI_PATH and COMFYUI_OLD_PATH, else ~/comfy/ComfyUI and ~/comfy/ComfyUI-0.3.64. The interpreter
is COMFYUI_PYTHON, else the one that runs pytest. A missing tree skips its tests and says which folder it looked in.
The old one shows its own frontend where tests/get_comfyui.py has put that beside it, else the interpreter's.
The fixtures live here, not in tests/comfy, because the browser tests use the same running server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.get_comfyui import own_frontend

if TYPE_CHECKING:
    from tests.comfy.server import ComfyServer

# Whoever starts pytest in a shell's background hands down that Ctrl-C is ignored; tests of it need Python's own answer.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

try:
    import fcntl
except ImportError:  # Windows: tests that measure may meet others there
    fcntl = None

# Two workers with as many threads each as there are cores wait for each other more than they work.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

TREES = {
    "server": ("COMFYUI_PATH", "~/comfy/ComfyUI"),
    "old_server": ("COMFYUI_OLD_PATH", "~/comfy/ComfyUI-0.3.64"),
}
SERVER_MODULES = ("torch", "torchsde", "aiohttp", "psutil", "sqlalchemy", "comfyui_frontend_package")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Of the workers of `pytest -n`, one alone runs while a test marked `alone` does: it bounds a time."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    with contextlib.ExitStack() as stack:
        if run and fcntl:
            gate, room = (
                stack.enter_context((Path(tempfile.gettempdir()) / f"pytest-{run}-{name}").open("a"))
                for name in ("gate", "room")
            )
            fcntl.flock(gate, fcntl.LOCK_EX)  # whoever waits for an empty room lets nobody pass
            fcntl.flock(room, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
            fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


def comfy_tree(fixture: str) -> Path:
    """The ComfyUI checkout behind a server fixture; skips the test when it cannot be run here."""
    variable, default = TREES[fixture]
    tree = Path(os.environ.get(variable) or default).expanduser()
    if not (tree / "main.py").is_file():
        pytest.skip(f"no ComfyUI for `{fixture}`: {tree} has no main.py (set {variable})")
    if not os.environ.get("COMFYUI_PYTHON"):
        missing = [name for name in SERVER_MODULES if importlib.util.find_spec(name) is None]
        if missing:
            pytest.skip(f"{sys.executable} lacks {', '.join(missing)}: install {tree / 'requirements.txt'}")
    return tree


def frontend_of(tree: Path) -> Path | None:
    """What a server of that tree shows: its own frontend, from a folder beside it; None where there is none."""
    asked = own_frontend(tree)
    folder = asked[1] / "comfyui_frontend_package" / "static" if asked else None
    return folder if folder and folder.is_dir() else None


def run_server(fixture: str, root: Path, models: Path) -> Iterator[ComfyServer]:
    tree = comfy_tree(fixture)
    from tests.comfy.server import ComfyServer  # after the check: aiohttp may be what is missing

    frontend = frontend_of(tree)
    argv = ("--front-end-root", str(frontend)) if frontend else ()
    with ComfyServer(tree, root, models=models, argv=argv) as server:
        yield server


@pytest.fixture(scope="session")
def comfy_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models folder of both servers. A file that is written before a run can be named in it: lists refresh."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, comfy_models: Path) -> Iterator[ComfyServer]:
    """The current ComfyUI with this pack, for the whole session. Leave its queue empty."""
    yield from run_server("server", tmp_path_factory.mktemp("comfy"), comfy_models)


@pytest.fixture(scope="session")
def old_server(tmp_path_factory: pytest.TempPathFactory, comfy_models: Path) -> Iterator[ComfyServer]:
    """The oldest supported ComfyUI, 0.3.64, with this pack."""
    yield from run_server("old_server", tmp_path_factory.mktemp("comfy_old"), comfy_models)


@pytest.fixture(scope="session", params=list(TREES))
def both_servers(request: pytest.FixtureRequest) -> ComfyServer:
    """Each of the two in turn. Session scope: pytest groups the tests by server."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run of 200 steps on drawn people."""
    from tests.training_run import draw, train

    folder = draw(tmp_path_factory.mktemp("training"))
    assert train(folder, "steps=200", "log_every=10", "save_every=100", "keep=1") == 0
    return folder / "run" / "checkpoint-0000200.safetensors"
