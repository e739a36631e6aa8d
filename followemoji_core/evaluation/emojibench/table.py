"""The scores as a table of text, to be read in a terminal and put into a page."""

from __future__ import annotations

from pathlib import Path

from ...files import write_whole
from .plots import number
from .summary import Summary, read_summary

_FEW = 3  # cases below which an interval is none
_TITLES = {"self": "Self reenactment", "cross": "Cross reenactment"}


def write_table(folder: Path) -> str:
    """BENCH/scores.md from its scores: a table a kind, methods in columns, mean and, from 3 cases on, 95 %
    interval; returns it."""
    text = table(read_summary(folder))
    write_whole(folder / "scores.md", text + "\n")
    return text


def table(summary: Summary) -> str:
    """The same of a summary. Metrics and methods without any number stand below, with the reason."""
    parts = []
    for kind in summary.kinds():
        of_kind = [metric for metric in summary.metrics.values() if kind in metric.kinds]
        methods = [name for name in summary.methods if any((kind, m.name, name) in summary.values for m in of_kind)]
        if not methods:
            continue
        lines = [f"{_TITLES[kind]}, {summary.cases(kind)} cases:", ""]
        labels = [summary.methods[name].label for name in methods]
        lines.append("| | " + " | ".join(map(_cell, labels)) + " |")
        lines.append("| --- |" + " --- |" * len(methods))
        empty = []
        for metric in of_kind:
            cells = [_interval(summary, kind, metric.name, name) for name in methods]
            if any(cells):
                better = "more" if metric.better == "higher" else "less"
                what = f"{metric.label}{f', {metric.unit}' if metric.unit else ''} ({better} is better)"
                lines.append(f"| {_cell(what)} | " + " | ".join(cells) + " |")
            else:
                why = metric.missing or next(iter(_reasons(summary, kind, metric.name)), "nothing was measured")
                empty.append(f"- {_cell(metric.label)}: {_cell(why)}")
        parts.append("\n".join(lines))
        if empty:
            parts.append("Without a number:\n\n" + "\n".join(empty))
    measured = {key[2] for key, found in summary.values.items() if found}
    absent = [
        f"- {_cell(method.label)}: {_cell(method.reason or 'nothing of it was measured')}"
        for name, method in summary.methods.items()
        if name not in measured
    ]
    if absent:
        parts.append("Methods without a number:\n\n" + "\n".join(absent))
    return "\n\n".join(parts)


def _interval(summary: Summary, kind: str, metric: str, method: str) -> str:
    found = summary.interval(kind, metric, method)
    if found is None:
        return ""
    if found.low is None:
        return number(found.mean)
    if found.count < _FEW:
        return number(found.mean) + (f" (n = {found.count})" if found.count < summary.cases(kind) else "")
    fewer = f", n = {found.count}" if found.count < summary.cases(kind) else ""
    return f"{number(found.mean)} ({number(found.low)} to {number(found.high)}{fewer})"


def _reasons(summary: Summary, kind: str, metric: str):
    for (k, name, _), reasons in summary.reasons.items():
        if (k, name) == (kind, metric):
            yield from reasons.values()


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ").replace("<", "&lt;")
