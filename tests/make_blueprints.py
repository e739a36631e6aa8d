"""Writes subgraphs/*.json, the blueprints of the node library: python tests/make_blueprints.py

Each is one node in place of a template. Its inner nodes are those of the templates, with their values and their lists
of models; what an artist changes is led out to inputs and widgets of the one node.
"""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CATEGORY = "Follow-Your-Emoji"
Json = dict[str, Any]
Slot = tuple[str, str]  # key of an inner node, name of its input or output


@dataclass(frozen=True)
class Inner:
    """A node as a template has it: (template, its id there), where it stands, inputs it takes from (key, output),
    and widgets that differ."""

    source: tuple[str, int]
    at: tuple[int, int]
    wires: dict[str, Slot] = field(default_factory=dict)
    values: Json = field(default_factory=dict)
    title: str = ""


@dataclass(frozen=True)
class Blueprint:
    """inputs: name -> (type, inner inputs). widgets: label -> inner widget. outputs: name -> inner output."""

    name: str
    description: str
    aliases: tuple[str, ...]
    nodes: dict[str, Inner]
    inputs: dict[str, tuple[str, list[Slot]]]
    widgets: dict[str, Slot]
    outputs: dict[str, Slot]


MODELS = {
    "denoiser": ("model", "denoiser"),
    "appearance_net": ("model", "appearance_net"),
    "landmark_encoder": ("model", "landmark_encoder"),
    "vae": ("vae", "vae_name"),
    "clip_vision": ("clip", "clip_name"),
}
SAMPLING = {
    "expression": ("align", "expression"),
    "smoothing": ("align", "smoothing"),
    "seed": ("sampler", "seed"),
    "steps": ("sampler", "steps"),
    "guidance": ("sampler", "guidance"),
}


def animation(frame: Json, faces: str = "motion", driving: Slot | None = None) -> dict[str, Inner]:
    """The nodes from a picture and a driving video to the video of its crop.

    frame: values of Frame Portrait. faces: the output of Extract Face Landmarks that it takes.
    """
    return {
        "find": Inner(("paste_back", 5), (0, 0)),
        "frame": Inner(("paste_back", 6), (280, 0), {"face": ("find", faces)}, frame),
        "follow": Inner(("paste_back", 9), (280, 340), {"source": driving} if driving else {}),
        "vae": Inner(("paste_back", 2), (0, 740)),
        "clip": Inner(("paste_back", 3), (0, 860)),
        "model": Inner(("paste_back", 7), (280, 740)),
        "encode": Inner(
            ("paste_back", 11),
            (580, 0),
            {
                "vae": ("vae", "VAE"),
                "clip_vision": ("clip", "CLIP_VISION"),
                "image": ("frame", "portrait"),
                "model": ("model", "model"),
            },
        ),
        "align": Inner(
            ("paste_back", 10), (580, 340), {"portrait": ("frame", "face"), "driving": ("follow", "motion")}
        ),
        "sampler": Inner(
            ("folder_batch", 12),
            (860, 0),
            {
                "appearance": ("encode", "appearance"),
                "model": ("model", "model"),
                "vae": ("vae", "VAE"),
                "landmarks": ("align", "aligned"),
                "audio": ("follow", "audio"),
                "fps": ("follow", "fps"),
            },
        ),
    }


FOUND: Slot = ("find", "motion")

BLUEPRINTS = [
    Blueprint(
        "Animate Portrait",
        "A portrait moves as the face in a video does, with its sound and at its rate; of any length. The released "
        "models and the face detector are needed.",
        ("talking head", "portrait animation", "face reenactment", "live portrait", "lip sync"),
        animation({"framing": "face", "upright": False}),
        {"portrait": ("IMAGE", [("find", "source"), ("frame", "image")]), "driving": ("VIDEO", [("follow", "source")])},
        {"width": ("frame", "width"), "height": ("frame", "height"), **SAMPLING, **MODELS},
        {"video": ("sampler", "video")},
    ),
    Blueprint(
        "Animate Group",
        "Every face of a picture moves as the face in a driving video does, the largest as in the first; with fewer "
        "videos than faces the others follow the last; more videos than faces are refused. The faces are put back, "
        "nothing else changes. The released models and the face detector are needed.",
        ("several faces", "group photo", "multiple faces", "paste back"),
        animation({}, "faces", ("drivings", "list"))
        | {
            "drivings": Inner(("", 0), (0, 400)),
            "paste": Inner(
                ("paste_back", 14),
                (1160, 0),
                {"frames": ("sampler", "video"), "crop": ("frame", "crop"), "aligned": ("align", "aligned")},
            ),
        },
        {
            "picture": ("IMAGE", [("find", "source"), ("frame", "image"), ("paste", "original")]),
            "driving": ("VIDEO", [("drivings", "inputs.input0")]),
            "driving_2": ("VIDEO", [("drivings", "inputs.input1")]),
            "driving_3": ("VIDEO", [("drivings", "inputs.input2")]),
        },
        {
            "crop_width": ("frame", "width"),
            "crop_height": ("frame", "height"),
            **SAMPLING,
            "feather": ("paste", "feather"),
            **MODELS,
        },
        {"video": ("paste", "video")},
    ),
    Blueprint(
        "Express",
        "A portrait smiles, winks, laughs: one named expression, or a row of them. Drawn without any network, in "
        "seconds; only the face detector is needed.",
        ("emotion", "smile", "wink", "warp", "expression", "emoji"),
        {
            "find": Inner(("paste_back", 5), (0, 0)),
            "named": Inner(("expressions", 3), (280, 0), {"motion": FOUND}, {"sequence": ""}, "Expression"),
            "align": Inner(("expressions", 6), (580, 0), {"portrait": FOUND, "driving": ("named", "motion")}),
            "warp": Inner(("expressions", 12), (860, 0), {"face": FOUND, "aligned": ("align", "aligned")}),
        },
        {"portrait": ("IMAGE", [("find", "source"), ("named", "picture"), ("warp", "portrait")])},
        {
            "expression": ("named", "expression"),
            "strength": ("named", "strength"),
            "sequence": ("named", "sequence"),
            "frames": ("named", "frames"),
            "fps": ("named", "fps"),
            "face": ("find", "face"),
        },
        {"video": ("warp", "video"), "frames": ("warp", "images")},
    ),
]  # fmt: skip


def create_list() -> Json:
    """ComfyUI's own node that makes one list of up to three videos; no template has it."""
    inputs = [{"label": f"input{at}", "name": f"inputs.input{at}", "type": "VIDEO", "link": None} for at in range(3)]
    return dict(type="CreateList", size=[215, 110], flags={}, mode=0, inputs=inputs,
                outputs=[{"localized_name": "list", "name": "list", "shape": 6, "type": "VIDEO", "links": None}],
                properties={"Node name for S&R": "CreateList"}, title="Driving videos")  # fmt: skip


def template_node(template: str, number: int) -> Json:
    if not template:
        return create_list()
    graph = json.loads((ROOT / "workflows" / f"{template}.json").read_text("utf-8"))
    (node,) = [copy.deepcopy(node) for node in graph["nodes"] if node["id"] == number]
    for slot in node["inputs"]:
        slot["link"] = None
    for slot in node["outputs"]:
        slot["links"] = None
    return node


def named(slots: list[Json], name: str) -> int:
    """The place of an input or output."""
    (index,) = [index for index, slot in enumerate(slots) if slot["name"] == name]
    return index


def inner_node(inner: Inner, number: int) -> Json:
    node = template_node(*inner.source) | dict(id=number, order=number - 1, pos=list(inner.at))
    values = node.get("widgets_values_named", {}) | inner.values
    if values:
        assert set(inner.values) <= set(values), inner
        # The button behind a seed has a value, and no input.
        node["widgets_values"] = list(values.values())
        node["widgets_values_named"] = values
    if inner.title:
        node["title"] = inner.title
    return node


def build(blueprint: Blueprint) -> Json:
    """The graph of the one node, as the frontend publishes it."""

    def identity(what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"followemoji/{blueprint.name}/{what}"))

    numbers = {key: index for index, key in enumerate(blueprint.nodes, 1)}
    nodes = {key: inner_node(inner, numbers[key]) for key, inner in blueprint.nodes.items()}
    links: list[Json] = []

    def connect(origin: int, slot: int, target: Slot, kind: str) -> int:
        key, name = target
        at = named(nodes[key]["inputs"], name)
        assert nodes[key]["inputs"][at]["link"] is None, target
        number = len(links) + 1
        links.append(
            dict(id=number, origin_id=origin, origin_slot=slot, target_id=numbers[key], target_slot=at, type=kind)
        )
        nodes[key]["inputs"][at]["link"] = number
        return number

    for key, inner in blueprint.nodes.items():
        for name, (origin, output) in inner.wires.items():
            at = named(nodes[origin]["outputs"], output)
            slot = nodes[origin]["outputs"][at]
            slot["links"] = [*(slot["links"] or ()), connect(numbers[origin], at, (key, name), slot["type"])]

    outer, inside, proxies = [], [], []
    for name, (kind, targets) in blueprint.inputs.items():
        outer.append(dict(name=name, type=kind, link=None))
        inside.append(
            dict(name=name, type=kind, linkIds=[connect(-10, len(inside), target, kind) for target in targets])
        )
    for label, (key, name) in blueprint.widgets.items():
        kind = nodes[key]["inputs"][named(nodes[key]["inputs"], name)]["type"]
        outer.append(dict(label=label, name=label, type=kind, widget={"name": label}, link=None))
        number = connect(-10, len(inside), (key, name), kind)
        inside.append(dict(name=label, type=kind, linkIds=[number], label=label))
        proxies.append([str(numbers[key]), name])
    outside, results = [], []
    for name, (key, output) in blueprint.outputs.items():
        at = named(nodes[key]["outputs"], output)
        slot = nodes[key]["outputs"][at]
        number, kind = len(links) + 1, slot["type"]
        ends = dict(origin_id=numbers[key], origin_slot=at, target_id=-20, target_slot=len(results))
        links.append(dict(id=number, type=kind) | ends)
        slot["links"] = [*(slot["links"] or ()), number]
        outside.append(dict(name=name, type=kind, links=[]))
        results.append(dict(name=name, type=kind, linkIds=[number]))
    for slots in (inside, results):
        for index, slot in enumerate(slots):
            slot["id"] = identity(f"{'in' if slots is inside else 'out'} {slot['name']}")
            slot["pos"] = [-280 if slots is inside else 1524, 24 + 20 * index]

    kind = identity("subgraph")
    subgraph = dict(
        id=kind, version=1, state=dict(lastGroupId=0, lastNodeId=len(nodes), lastLinkId=len(links), lastRerouteId=0),
        revision=0, config={}, name=blueprint.name, description=blueprint.description, category=CATEGORY,
        inputNode=dict(id=-10, bounding=[-400, 0, 160, 48 + 20 * len(inside)]),
        outputNode=dict(id=-20, bounding=[1500, 0, 128, 48 + 20 * len(results)]),
        inputs=inside, outputs=results, widgets=[], nodes=list(nodes.values()), groups=[], links=links, extra={},
    )  # fmt: skip
    node = dict(
        id=1, type=kind, pos=[0, 0], size=[340, 60 + 24 * len(outer)], flags={}, order=0, mode=0, inputs=outer,
        outputs=outside, title=blueprint.name, properties={"proxyWidgets": proxies}, widgets_values=[],
    )  # fmt: skip
    return dict(
        revision=0, last_node_id=1, last_link_id=0, nodes=[node], links=[], version=0.4,
        definitions={"subgraphs": [subgraph]},
        extra=dict(BlueprintDescription=blueprint.description, BlueprintSearchAliases=list(blueprint.aliases)),
    )  # fmt: skip


def text(blueprint: Blueprint) -> str:
    return json.dumps(build(blueprint), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    folder = ROOT / "subgraphs"
    folder.mkdir(exist_ok=True)
    for blueprint in BLUEPRINTS:
        (folder / f"{blueprint.name}.json").write_text(text(blueprint), "utf-8")


if __name__ == "__main__":
    main()
