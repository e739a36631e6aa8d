"""The nodes: schema, unwrap, one call into the core, wrap."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io

from . import folders, place_route, replacements, routes
from .alignment import AlignMotion
from .appearance import EncodeAppearance, PreparePortrait
from .capture import LoadCapture
from .compare import CompareFrames
from .drawn import DrawnAnimal, DrawnFrames, DrawnMotion, DrawnPortrait
from .drawn_group import DrawnGroup
from .expression_editor import ExpressionEditor
from .expressions import CopyExpression, Expression, NamedExpression
from .host.error_texts import with_relative_texts
from .landmarks import DrawLandmarks, ExtractLandmarks, UseFaceLandmarks
from .landmarks_video import LandmarksVideo
from .loaders import LoadModel
from .long_video import LongVideo
from .motion_files import LoadMotion, SaveMotion
from .motion_tools import EditMotion
from .native import ApplyNative, PublishedSigmas
from .paste_back import PasteBack
from .place_face import PlaceFace
from .sampler import SampleVideo
from .warp_preview import WarpFootage, WarpPreview

NODES = [
    LoadModel,
    ExtractLandmarks,
    UseFaceLandmarks,
    PreparePortrait,
    AlignMotion,
    DrawLandmarks,
    LandmarksVideo,
    EncodeAppearance,
    SampleVideo,
    LongVideo,
    SaveMotion,
    LoadMotion,
    DrawnPortrait,
    DrawnMotion,
    NamedExpression,
    Expression,
    CopyExpression,
    EditMotion,
    ExpressionEditor,
    LoadCapture,
    WarpPreview,
    WarpFootage,
    DrawnFrames,
    PlaceFace,
    DrawnAnimal,
    CompareFrames,
    DrawnGroup,
    PasteBack,
    ApplyNative,
    PublishedSigmas,
]
for _node in NODES:
    with_relative_texts(_node)


class FollowEmojiExtension(ComfyExtension):
    """What the pack's entry point answers."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The nodes' classes; model folders and the editors' routes are registered. Each is asked for its schema."""
        folders.register()  # not in on_load, which ComfyUI 0.3.64 does not call
        routes.register()
        place_route.register()
        await replacements.register()
        return NODES
