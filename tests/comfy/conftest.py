import pytest

from tests.comfy import graphs
from tests.comfy.server import ComfyServer


@pytest.fixture
def comfy(both_servers: ComfyServer, comfy_models) -> ComfyServer:
    """Each ComfyUI in turn, with models, the Mona Lisa and eight frames of the temple clip."""
    return _furnish(both_servers, comfy_models)


@pytest.fixture
def current(server: ComfyServer, comfy_models) -> ComfyServer:
    """The current ComfyUI alone, furnished the same."""
    return _furnish(server, comfy_models)


def _furnish(server: ComfyServer, models) -> ComfyServer:
    graphs.write_models(models)
    if not (server.input / "portrait.jpg").exists():
        server.upload(graphs.media() / "portrait_mona_lisa.jpg", "portrait.jpg")
        graphs.cut(graphs.media() / "driving_temple.mp4", server.input / "temple.mp4", 8)
    return server
