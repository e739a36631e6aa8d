"""Nodes' schemas as saved graphs depend on them, by the commit from which on they held; tests/comfy/saved_graphs.

A frontend saves widget values by place and wires by the number of an output; the server takes inputs by name. So a
schema here is what an input is called, where it comes, its type, whether it may be left out and what it then is, and
the outputs in order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAVED = Path(__file__).parent / "saved_graphs"
RECORD = SAVED / "schemas.json"
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def schema(info: dict[str, Any]) -> dict[str, Any]:
    """Of a node as /object_info tells it."""
    inputs = []
    for group in ("required", "optional"):
        for name in info["input_order"].get(group, []):
            kind, details = info["input"][group][name]
            one = dict(name=name, type=kind, optional=group == "optional")
            if one["optional"]:  # elsewhere the graph holds a value
                one["default"] = details.get("default")
            options = details.get("options") or [""]  # but those that are names of files, which differ by machine
            if name != "file" and all(options) and not any(Path(str(option)).suffix for option in options):
                one["options"] = options
            inputs.append(one | (dict(control=True) if details.get("control_after_generate") else {}))
    outputs = zip(info["output_name"], info["output"], strict=True)
    return dict(inputs=inputs, outputs=[list(pair) for pair in outputs])


def record() -> dict[str, list[dict[str, Any]]]:
    """Every schema that each node has had, the oldest first."""
    return json.loads(RECORD.read_text("utf-8"))


def write(record: dict[str, list[dict[str, Any]]]) -> None:
    lines = [
        f" {json.dumps(node)}: [\n" + ",\n".join(f"  {json.dumps(each)}" for each in schemas) + "\n ]"
        for node, schemas in sorted(record.items())
    ]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def widgets(schema: dict[str, Any]) -> list[str]:
    """Names of the inputs whose values are saved by place, in order."""
    return [one["name"] for one in schema["inputs"] if one["type"] in WIDGETS]


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What would go wrong with a graph that was saved under `old`; empty if nothing."""
    wrong = []
    now = {one["name"]: one for one in new["inputs"]}
    if widgets(new)[: len(widgets(old))] != widgets(old):
        wrong.append("widgets come in another order")
    for one in old["inputs"]:
        name, other = one["name"], now.get(one["name"])
        if other is None:
            wrong.append(f"{name} is gone")
            continue
        if not set(one["type"].split(",")) <= set(other["type"].split(",")):
            wrong.append(f"{name} was {one['type']} and is {other['type']}")
        if one["optional"] and not other["optional"]:
            wrong.append(f"{name} must not be left out any more")
        if one["optional"] and one["default"] != other["default"]:
            wrong.append(f"{name} was {one['default']!r} where it is left out, and is {other['default']!r}")
        if lost := set(one.get("options", ())) - set(other.get("options") or one.get("options", ())):
            wrong.append(f"{name} lacks {sorted(lost)}")
        if one.get("control") != other.get("control"):
            wrong.append(f"{name} has another number of widgets")
    names = {one["name"] for one in old["inputs"]}
    wrong += [f"{name} is new and required" for name, one in now.items() if name not in names and not one["optional"]]
    if [kind for _, kind in new["outputs"]][: len(old["outputs"])] != [kind for _, kind in old["outputs"]]:
        wrong.append("outputs come in another order")
    return wrong
