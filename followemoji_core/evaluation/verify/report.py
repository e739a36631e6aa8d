"""The report: one line a check, facts beside them, and the Markdown that goes into an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import FollowEmojiError
from ...gate import LEAKS, short

PASSED, FAILED, LEFT_OUT, NOTED = "passed", "failed", "left out", "noted"
MOST_NAMED = 4  # keys of a list that are shown; the rest are counted
OURS = "This is a mistake of the pack or of a package: paste this report into an issue."
# An absolute path of any system, up to its last folder; names with spaces are caught by `_Places`.
_FOLDERS = re.compile(r"(?<![\w.:/\\-])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\"`|<>]+[/\\])+")


@dataclass(frozen=True)
class Line:
    """part: of the model; what: was looked at; outcome: PASSED, FAILED, LEFT_OUT or NOTED; said: what was seen, of a
    failure with the way out."""

    part: str
    what: str
    outcome: str
    said: str


class Report:
    """Lines and facts. private: folders whose names are nobody's business; the first is called MODELS."""

    def __init__(self, private: Sequence[Path] = ()):
        self.lines: list[Line] = []
        self.facts: dict[str, Any] = {}
        self._private = _Places(private)

    def passed(self, part: str, what: str, said: str = "") -> None:
        self._add(part, what, PASSED, said)

    def noted(self, part: str, what: str, said: str) -> None:
        self._add(part, what, NOTED, said)

    def left_out(self, part: str, what: str, why: str) -> None:
        self._add(part, what, LEFT_OUT, why)

    def failed(self, part: str, what: str, said: str, way_out: str) -> None:
        self._add(part, what, FAILED, f"{said.rstrip('.')}. {way_out}")

    def judge(self, part: str, what: str, good: bool, said: str, way_out: str) -> None:
        """Passed or failed; way_out: of the failure."""
        if good:
            self.passed(part, what, said)
        else:
            self.failed(part, what, said, way_out)

    @contextmanager
    def isolated(self, part: str, what: str) -> Iterator[None]:
        """Whatever goes wrong in the block is a failed line, and the rest goes on."""
        try:
            yield
        except FollowEmojiError as error:
            self._add(part, what, FAILED, str(error))  # such a text ends in a way out
        except ImportError as error:
            self.failed(part, what, f"a package cannot be imported: {short(error)}", "Install the pack's requirements.")
        except LEAKS as error:
            if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
                advice = "Close other programs, or try a smaller --size, or --device cpu."
                self.failed(part, what, "the memory does not suffice", advice)
            else:
                self.failed(part, what, f"{type(error).__name__}: {short(error)}", OURS)

    def ok(self, part: str) -> bool:
        """Whether nothing of the part has failed."""
        return not any(line.part == part and line.outcome == FAILED for line in self.lines)

    @property
    def failures(self) -> list[Line]:
        return [line for line in self.lines if line.outcome == FAILED]

    def count(self, outcome: str) -> int:
        return sum(line.outcome == outcome for line in self.lines)

    def as_facts(self) -> dict[str, Any]:
        """Everything, for JSON. failed: what failed, by part."""
        return {
            **self.facts,
            "passed": self.count(PASSED),
            "left_out": self.count(LEFT_OUT),
            "failed": [f"{line.part}: {line.what}" for line in self.failures],
            "checks": [vars(line) for line in self.lines],
        }

    def _add(self, part: str, what: str, outcome: str, said: str) -> None:
        self.lines.append(Line(part, what, outcome, self._private.hidden(said)))


class _Places:
    """Texts without the names of folders."""

    def __init__(self, private: Sequence[Path]):
        self._names: list[tuple[str, str]] = []
        for number, folder in enumerate(private):
            forms = {str(folder.absolute()), str(folder.resolve())}
            if len(folder.parts) > 1:
                forms |= {str(folder), folder.as_posix()}
            self._names += [(form, "MODELS" if number == 0 else "..") for form in forms if len(form) > 1]

    def hidden(self, text: str) -> str:
        for name, instead in self._names:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", lambda _, instead=instead: instead, text)
        return _FOLDERS.sub("", text)


def named(keys: Sequence[str]) -> str:
    """`a, b and 3 more`; at most MOST_NAMED of them by name."""
    more = len(keys) - MOST_NAMED
    shown = ", ".join(short(key, 160) for key in keys[:MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def markdown(report: Report) -> str:
    """The report as it is pasted into an issue."""
    facts = report.facts
    summary = f"{report.count(PASSED)} passed, {len(report.failures)} failed, {report.count(LEFT_OUT)} left out"
    lines = [f"### Follow-Your-Emoji, verify: {summary}", ""]
    lines += [f"- **{line.part}, {line.what}**: {_cell(line.said)}" for line in report.failures]
    lines += [""] if report.failures else []
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {_cell(value)} |" for name, value in facts["versions"].items())]
    lines += ["", "| file | bytes | SHA-256 | known as | recognised as |", "| --- | --- | --- | --- | --- |"]
    for file in facts.get("found", []):
        hashed = f"`{file['sha256']}`" if file["sha256"] else "not read"
        lines.append(
            f"| {_cell(file['name'])} | {file['bytes']:,} | {hashed} | {file['known'] or '-'} | {file['kind']} |"
        )
    if networks := facts.get("networks"):
        lines += ["", "| network | parameters | tensors | missing | misshapen | left over | stored as | sizes |"]
        lines += ["| --- " * 8 + "|"]
        for name, row in networks.items():
            counts = " | ".join(str(len(row[kind])) for kind in ("missing", "misshapen", "unused"))
            lines.append(
                f"| {name} | {row['parameters']:,} | {row['tensors']} | {counts} | {row['stored_as']} | "
                f"{_cell(row['sizes'])} |"
            )
    lines.append("")
    for outcome in (PASSED, NOTED, LEFT_OUT):
        # What passed of the files is in their table.
        chosen = [
            line for line in report.lines if line.outcome == outcome and (line.part, outcome) != ("files", PASSED)
        ]
        for part in dict.fromkeys(line.part for line in chosen):
            seen = [
                f"{line.what}{f' ({_cell(line.said)})' if line.said else ''}" for line in chosen if line.part == part
            ]
            lines.append(f"- {outcome}: {part}: {'; '.join(seen)}")
    if samples := facts.get("samples"):
        lines += ["", "| sampled | size | steps | precision | seconds | peak memory, GiB |", "| --- " * 6 + "|"]
        for name, row in samples.items():
            peak = "not known" if row["peak_gib"] is None else f"{row['peak_gib']:.2f}"
            lines.append(
                f"| {name} | {row['size']} | {row['steps']} | {row['precision']} | {row['seconds']:.1f} | {peak} |"
            )
    if digests := facts.get("digests"):
        lines += ["", "Digests, float32 (mean, deviation, samples):", "", "```"]
        lines += [f"{name}: {' '.join(f'{value:.6g}' for value in values)}" for name, values in digests.items()]
        lines += ["```"]
    return "\n".join(lines) + "\n"


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "/").split())
