"""Every text of the pack that ComfyUI can show in another language, in English, in the shape of its locale files.

    python -m tests.list_words FOLDER          write main.json, nodeDefs.json and settings.json there
    python -m tests.list_words --check FOLDER  say what is wrong with a language's folder, as locales/ja; with a second
                                               folder, beside the English files there, without starting ComfyUI

What frontends 1.27 to 1.49 read: `nodeDefs.<node>.display_name`, `description`, `inputs.<id>.name` and `tooltip`,
`outputs.<number>.name` and `tooltip`; `settings.<id>.name` and `tooltip`; `settingsCategories.<label>` and
`nodeCategories.<part>` of main.json. Dots in their keys are underscores. Values of lists have no place there. Our own
`followEmoji` of main.json is read by nodes/web/words.js.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from followemoji_core.face.handles import HANDLES
from followemoji_core.face.placement import POINTS
from tests.comfy.in_process import OWN_MODULES, REGISTER, in_comfy
from tests.conftest import comfy_tree

ROOT = Path(__file__).resolve().parents[1]
WEB, LOCALES = ROOT / "nodes" / "web", ROOT / "locales"
LANGUAGES = ("zh", "zh-TW", "ja", "ko", "de")
FILES = ("main", "nodeDefs", "settings")
PACK = "Follow-Your-Emoji"  # a name, in every language
# What may stay as it is in every language, and in one: names, units, keys, words that the languages share.
SAME = {"fps", "Ctrl+Z", "Ctrl+Shift+Z"}
SAME_IN: dict[str, set[str]] = {"de": {"Sampling", "linear"}}

_TEXT = r'"(?:[^"\\]|\\.)*"'
_SAID = re.compile(rf"(?<![.\w])say\(\s*({_TEXT}),\s*({_TEXT}(?:\s*\+\s*{_TEXT})*)")
_OF_PYTHON = re.compile(r"(?<![.\w])say\(`(?:handle|point)\.")  # whose names Python has
_CALL = re.compile(r"(?<![.\w])say\((?![^)]*\) \{)")  # no definition
_SETTING = re.compile(r'\bid: "(FollowEmoji\.[\w.]+)",(.*?)\btype: "(\w+)"', re.DOTALL)
_FRONTENDS_OWN = re.compile(r"[{}@|]")  # vue-i18n's syntax: frontends differ in what they make of it
_DUMP = """
import json
ours = [name for name in nodes.NODE_CLASS_MAPPINGS if name.startswith("FollowEmoji")]
print("nodes:" + json.dumps({name: nodes.NODE_CLASS_MAPPINGS[name].GET_NODE_INFO_V1() for name in ours}))
"""


def english() -> dict[str, Any]:
    """The contents of the files in FILES, by name. Takes a process of ComfyUI's."""
    printed = in_comfy(comfy_tree("server"), OWN_MODULES + REGISTER + _DUMP)
    nodes = json.loads(printed.rsplit("nodes:", 1)[1])
    settings, labels = _settings()
    categories = {part for node in nodes.values() for part in node["category"].split("/")} - {PACK}
    main = {
        "nodeCategories": {part: part for part in sorted(categories)},
        "settingsCategories": {_key(label): label for label in labels if label != PACK},
        "followEmoji": _said(),
    }
    definitions = {_key(name): _definition(node) for name, node in sorted(nodes.items())}
    return {"main": {key: texts for key, texts in main.items() if texts}, "nodeDefs": definitions, "settings": settings}


def _key(name: str) -> str:
    return name.replace(".", "_")


def _definition(node: dict[str, Any]) -> dict[str, Any]:
    """One node of object_info."""
    inputs, outputs = {}, {}
    for group in ("required", "optional"):
        for name, (_, details) in node["input"].get(group, {}).items():
            inputs[_key(name)] = {"name": details.get("display_name") or name, "tooltip": details["tooltip"]}
    for number, (name, tooltip) in enumerate(zip(node["output_name"], node["output_tooltips"], strict=True)):
        outputs[str(number)] = {"name": name, "tooltip": tooltip}
    told = {"display_name": node["display_name"], "description": node["description"]}
    return told | {name: slots for name, slots in (("inputs", inputs), ("outputs", outputs)) if slots}


def _said() -> dict[str, dict[str, str]]:
    """What the editors say, by group and name. Raises ValueError for a call that cannot be read."""
    groups: dict[str, dict[str, str]] = {}
    for path in sorted(WEB.glob("*.js")):
        script = path.read_text("utf-8")
        found = _SAID.findall(script)
        calls = len(_CALL.findall(script)) - len(_OF_PYTHON.findall(script))
        if len(found) != calls:
            raise ValueError(f"{path.name} has {calls} calls of say(), {len(found)} with a key and a text in quotes")
        for key, parts in found:
            group, name = json.loads(key).split(".")
            text = "".join(json.loads(part) for part in re.findall(_TEXT, parts))
            if groups.setdefault(group, {}).setdefault(name, text) != text:
                raise ValueError(f"{key} has two texts: {text!r} and {groups[group][name]!r}")
    groups["handle"] = {name: handle.label for name, handle in HANDLES.items()}
    groups["point"] = {name: name.replace("_", " ") for name in POINTS}
    return groups


def _settings() -> tuple[dict[str, dict[str, str]], list[str]]:
    """Our settings as in settings.json, and the labels that they stand under, two deep as the panel has them."""
    settings, labels = {}, []
    for path in sorted(WEB.glob("*.js")):
        for name, about, kind in _SETTING.findall(path.read_text("utf-8")):
            if kind == "hidden":
                continue
            texts = dict(re.findall(rf"\b(name|tooltip): ({_TEXT})", about))
            settings[_key(name)] = {field: json.loads(text) for field, text in texts.items()}
            labels += json.loads(re.search(r"category: (\[.*?\])", about)[1])[:2]
    return settings, labels


def read(folder: Path) -> dict[str, Any]:
    """A language's files, by name; empty where one is not there."""
    paths = {name: folder / f"{name}.json" for name in FILES}
    return {name: json.loads(path.read_text("utf-8")) if path.exists() else {} for name, path in paths.items()}


def texts(files: dict[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text with where it is."""
    for name, value in files.items():
        if isinstance(value, dict):
            yield from texts(value, (*place, name))
        else:
            yield (*place, name), value


def complaints(folder: Path, source: dict[str, Any]) -> list[str]:
    """What is wrong with a language's files, beside the English ones."""
    wanted, given = dict(texts(source)), dict(texts(read(folder)))
    same = SAME | SAME_IN.get(folder.name, set())
    found = [f"{_where(place)} is missing: {wanted[place]}" for place in wanted if place not in given]
    found += [f"{_where(place)} is left over" for place in given if place not in wanted]
    for place, text in given.items():
        source_text = wanted.get(place)
        if source_text is None:
            continue
        ours = place[:2] == ("main", "followEmoji")
        if not isinstance(text, str) or not text.strip():
            found.append(f"{_where(place)} is empty")
        elif text == source_text and text not in same:
            found.append(f"{_where(place)} is English: {text}")
        elif ours and _gaps(text) != _gaps(source_text):
            found.append(f"{_where(place)} has {_gaps(text)}, the English {_gaps(source_text)}")
        elif not ours and _FRONTENDS_OWN.search(text):
            found.append(f"{_where(place)} has one of {{ }} @ |, which the frontend reads as its own: {text}")
    return found


def _where(place: tuple[str, ...]) -> str:
    return f"{place[0]}.json: {' > '.join(place[1:])}"


def _gaps(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def main(arguments: list[str]) -> int:
    source = read(Path(arguments[2])) if len(arguments) == 3 else english()
    if arguments[0] == "--check":
        found = complaints(Path(arguments[1]).resolve(), source)
        sys.stdout.write("".join(f"{each}\n" for each in found) or "Complete.\n")
        return 1 if found else 0
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in source.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    every = [text for _, text in texts(source)]
    sys.stdout.write(f"{len(every)} texts, {sum(len(text.split()) for text in every)} words\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
