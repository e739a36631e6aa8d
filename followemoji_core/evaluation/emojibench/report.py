"""The report of a benchmark: one web page that needs nothing else, with tables, intervals, plots and players.

Whatever comes from a file is escaped; a policy in the page lets it run its own script alone and fetch nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from ...errors import InputError
from ...files import check_place, write_whole
from ...gate import short
from .cases import Bench, BenchCase
from .page import policy, source
from .paper_table import arrow, of_fewer, paper_table
from .players import player, tiles
from .plots import Row, interval_plot, number
from .scoring import method_record
from .summary import SET, Difference, Interval, Key, Metric, Summary, chosen_cases, read_summary

KIND_TITLES = {"self": "Self reenactment", "cross": "Cross reenactment"}
OURS = ("model", "ours", "pack", "follow-your-emoji")  # what this pack's row may be called, the first that is there
_LIMITS = ("truth", "untouched", "noise")  # rows that bound the others: nobody asks for their worst case
_CHOSEN = 3  # metrics of a kind whose cases are shown, where none are named
_MEGABYTES = 24.0
_WHAT = "What it is"  # the head of a column of words
_MOST_GROUPS = 200  # remarks of each sort
_LISTED = 40  # cases named where a number could not be had


def write_report(
    bench: Bench,
    out: Path,
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    most_megabytes: float = _MEGABYTES,
    on_case: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """BENCH's summary as one HTML page, `out` (a file, or a folder for report.html); returns its path.

    reference: the method that others are compared to, and whose best, median and worst cases are shown; else this
    pack's, else the first that is no limit such as truth or noise. metrics: names of those whose cases are shown; else
    up to three of each kind, the paper's first. most_megabytes: of videos in the page; cases beyond are left out, and
    the page says so. on_case: called with cases done and in all.
    Raises InputError where nothing was measured or a name is unknown, OutputError where the page cannot be written.
    """
    summary = read_summary(bench.folder)
    page = out / "report.html" if out.is_dir() or out.suffix.lower() not in (".html", ".htm") else out
    check_place(page)
    reference = _reference(summary, reference)
    for name in metrics or ():
        if name not in summary.metrics:
            raise InputError(f"There is no metric {short(name, 60)!r}; there are {', '.join(summary.metrics)}.")
    kinds = summary.kinds()
    sections = [_about(bench, summary, reference), paper_table(summary, OURS)]
    links = [("table-1", "The paper's table")]
    for kind in kinds:
        links.append((kind, KIND_TITLES[kind]))
        sections.append(_kind(summary, kind, reference))
    links += [("missing", "What could not be had"), ("cases", "Cases side by side")]
    sections.append(_missing(summary))
    sections.append(_cases(bench, summary, reference, metrics, most_megabytes, on_case))
    write_whole(page, _page("EmojiBench report", links, sections))
    return page


def _reference(summary: Summary, wanted: str | None) -> str:
    measured = [
        name for name in summary.methods if any(key[2] == name and found for key, found in summary.values.items())
    ]
    if not measured:
        raise InputError("No method has a number yet. Run and measure: python -m followemoji_core evaluate run, score")
    if wanted is not None:
        if wanted not in measured:
            raise InputError(f"There is no number of {short(wanted, 60)!r}; there are {', '.join(measured)}.")
        return wanted
    ours = [name for name in OURS if name in measured]
    return [*ours, *(name for name in measured if name not in _LIMITS), *measured][0]


# --- sections


def _about(bench: Bench, summary: Summary, reference: str) -> str:
    count = {kind: sum(case.kind == kind for case in bench.cases) for kind in KIND_TITLES}
    lines = ", ".join(f"{number_} of {KIND_TITLES[kind].lower()}" for kind, number_ in count.items() if number_)
    label = escape(summary.methods[reference].label)
    rows = "".join(
        f'<tr{_strong(name == reference)}><th scope="row">{escape(method.label)}</th>'
        f'<td class="words">{escape(short(method.about, 500))}</td>'
        f"<td>{_seconds(bench, name)}</td></tr>"
        for name, method in summary.methods.items()
    )
    said = "".join(f"<li>{escape(short(note, 500))}</li>" for note in (*bench.notes, *summary.notes))
    return f"""<section aria-labelledby="about"><h2 id="about">What was measured</h2>
<p>{len(bench.cases)} cases: {escape(lines)}; {bench.frames} frames of each, at {bench.size} x {bench.size} pixels.</p>
{f"<ul>{said}</ul>" if said else ""}
<p>Behind a mean stands the interval that holds it in 95 % of 4,000 draws of the same cases. Differences are to
<strong>{label}</strong>, case by case on the cases that both have, with the same kind of interval. Where it includes 0
they are <em>not told apart</em>, whatever the means. Of so many intervals one in twenty excludes 0 by chance. Cases
share portraits and drivers, so for other people than these the intervals are rather too narrow.</p>
{_table("Methods", ["Method", _WHAT, "Seconds a case"], rows)}</section>"""


def _seconds(bench: Bench, method: str) -> str:
    """Mean over cases that its record has."""
    if method not in bench.methods():
        return ""
    known = [value for value in method_record(bench, method).get("seconds", {}).values() if type(value) in (int, float)]
    return f"{sum(known) / len(known):.2f}" if known else ""


def _kind(summary: Summary, kind: str, reference: str) -> str:
    metrics = [metric for metric in summary.metrics.values() if kind in metric.kinds]
    had = [
        metric for metric in metrics if any(summary.values.get((kind, metric.name, name)) for name in summary.methods)
    ]
    title = KIND_TITLES[kind]
    overview = _overview(summary, kind, had, reference) if had else "<p>No number yet.</p>"
    cards = "".join(_card(summary, kind, metric, reference) for metric in had)
    return f"""<section aria-labelledby="{kind}"><h2 id="{kind}">{title}</h2>
{overview}<div class="cards">{cards}</div></section>"""


def _overview(summary: Summary, kind: str, metrics: Sequence[Metric], reference: str) -> str:
    rows = []
    for name, method in summary.methods.items():
        cells = [summary.interval(kind, metric.name, name) for metric in metrics]
        if not any(cells):
            continue
        shown = "".join(
            f"<td>{number(cell.mean)}{of_fewer(summary, kind, cell)}</td>" if cell else '<td class="absent">none</td>'
            for cell in cells
        )
        rows.append(f'<tr{_strong(name == reference)}><th scope="row">{escape(method.label)}</th>{shown}</tr>')
    heads = ["Method", *(_head(metric) for metric in metrics)]
    return _table(f"{KIND_TITLES[kind]}: means. Arrows: what is better.", heads, "".join(rows))


def _card(summary: Summary, kind: str, metric: Metric, reference: str) -> str:
    rows, plotted = [], []
    for name, method in summary.methods.items():
        found = summary.interval(kind, metric.name, name)
        if found is None:
            continue
        against = None if name == reference else summary.difference(kind, metric.name, name, reference)
        rows.append(
            f'<tr{_strong(name == reference)}><th scope="row">{escape(method.label)}</th><td>{_cell(found)}</td>'
            f"<td>{_against(found, against, name == reference)}</td></tr>"
        )
        values = [value for case, value in summary.values[kind, metric.name, name].items() if case != SET]
        plotted.append(Row(method.label, found, values, name == reference))
    unit = f", {metric.unit}" if metric.unit else ""
    plot = interval_plot(plotted, f"{metric.label}, {KIND_TITLES[kind].lower()}: cases, means and their intervals")
    reference_label = summary.methods[reference].label
    table = _table(
        f"Mean with its interval, cases; difference to {reference_label}",
        ["Method", "Mean", "Difference"],
        "".join(rows),
    )
    return f"""<article class="card"><h3>{escape(metric.label)}</h3>
<p class="soft">{metric.better.capitalize()} is better{escape(unit)}. {escape(short(metric.about, 600))}</p>
{plot}{table}</article>"""


def _cell(found: Interval) -> str:
    if found.low is None:
        return f"{number(found.mean)}<small>one number of all cases, no interval</small>"
    ends = f"{number(found.low)} to {number(found.high)}"
    return f"{number(found.mean)}<small>{ends}; n = {found.count}</small>"


def _against(found: Interval, against: Difference | None, itself: bool) -> str:
    if itself:
        return "<small>compared to</small>"
    if against is None:
        return f"<small>{'no interval' if found.low is None else 'no case in common'}</small>"
    ends = f"{number(against.low)} to {number(against.high)}"
    kind = f' class="{against.verdict}"' if against.verdict in ("better", "worse") else ""
    sign = "+" if against.mean > 0 else ""
    return (
        f"{sign}{number(against.mean)} <span{kind}>{against.verdict}</span><small>{ends}; n = {against.count}</small>"
    )


def _missing(summary: Summary) -> str:
    items = []
    for metric in summary.metrics.values():
        if metric.missing:
            items.append(f"<li><strong>{escape(metric.label)}</strong>: {escape(short(metric.missing, 600))}</li>")
    for method in summary.methods.values():
        if method.reason:
            items.append(f"<li><strong>{escape(method.label)}</strong>: {escape(short(method.reason, 600))}</li>")
    there = {key: found for key, found in summary.reasons.items() if not summary.metrics[key[1]].missing}
    items += _grouped(summary, there)
    remarks = _grouped(summary, summary.remarks)
    found = f"<ul>{''.join(items)}</ul>" if items else "<p>Nothing: every method has every number.</p>"
    head = "<summary>Numbers that are there, with a remark</summary>"
    said = f"<details>{head}<ul>{''.join(remarks)}</ul></details>" if remarks else ""
    return f'<section aria-labelledby="missing"><h2 id="missing">What could not be had</h2>{found}{said}</section>'


def _grouped(summary: Summary, told: Mapping[Key, Mapping[str, str]]) -> list[str]:
    """List items: what was said, with the method, metrics and cases it was said of; what differs in numbers alone is
    said once, as it was said first."""
    groups: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    said: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (_, metric, method), reasons in told.items():
        for case, reason in reasons.items():
            key = method, re.sub(r"\d+", "0", reason)
            groups[key][metric].add(case)
            if reason not in said[key]:
                said[key].append(reason)
    items = []
    for key, metrics in list(groups.items())[:_MOST_GROUPS]:
        method, reason = key[0], said[key][0] + ("; others alike" if len(said[key]) > 1 else "")
        cases = sorted(set().union(*metrics.values()))
        labels = ", ".join(summary.metrics[metric].label for metric in metrics)
        named = ", ".join("all together" if case == SET else case for case in cases[:_LISTED])
        more = f" and {len(cases) - _LISTED} more" if len(cases) > _LISTED else ""
        items.append(
            f"<li><strong>{escape(summary.methods[method].label)}</strong>, {escape(labels)}: "
            f"{escape(short(reason, 600))}<details><summary>{len(cases)} case{'s' * (len(cases) != 1)}</summary>"
            f"{escape(named + more)}</details></li>"
        )
    if len(groups) > _MOST_GROUPS:
        items.append(f"<li>And {len(groups) - _MOST_GROUPS} more of such; scores.csv has them all.</li>")
    return items


def _cases(
    bench: Bench,
    summary: Summary,
    reference: str,
    wanted: Sequence[str] | None,
    most_megabytes: float,
    on_case: Callable[[int, int], None],
) -> str:
    by_id = {case.id: case for case in bench.cases}
    reasons: dict[str, list[str]] = defaultdict(list)
    for kind in summary.kinds():
        for metric in _shown_metrics(summary, kind, reference, wanted):
            for place, case in chosen_cases(summary, kind, metric.name, reference).items():
                if case in by_id:
                    value = summary.values[kind, metric.name, reference][case]
                    reasons[case].append(f"{place} by {metric.label} of {summary.methods[reference].label}: "
                                         f"{number(value)}")  # fmt: skip
    made = bench.methods()  # in the tables' order, then those that were not measured
    methods = [(name, method.label) for name, method in summary.methods.items() if name in made]
    methods += [(name, name) for name in made if name not in summary.methods]
    shown, left_out, size = [], [], 0
    for index, (case, why) in enumerate(reasons.items(), 1):
        html = _player(bench, by_id[case], methods, reference, why, index) if size < most_megabytes * 1e6 else ""
        if not html or size + len(html) > most_megabytes * 1e6:
            left_out.append(case)
        else:
            shown.append(html)
            size += len(html)
        on_case(index, len(reasons))
    said = f"{len(shown)} of {len(bench.cases)} cases are in this page: the best, median and worst of "
    said += f"{escape(summary.methods[reference].label)} by a few metrics. The others lie in the benchmark's folder."
    if left_out:
        said += f" Left out, because all videos together may take {most_megabytes:g} MB: {escape(', '.join(left_out))}."
    return f"""<section aria-labelledby="cases"><h2 id="cases">Cases side by side</h2><p>{said}</p>
<p>Keys, wherever the focus is in a case: <kbd>space</kbd> or <kbd>k</kbd> plays and pauses, <kbd>&larr;</kbd>
<kbd>&rarr;</kbd> or <kbd>,</kbd> <kbd>.</kbd> go a frame back and forward, <kbd>Home</kbd> and <kbd>End</kbd> to the
first and last one. The clips have no sound.</p>
<noscript><p>Scripts are switched off in this browser: the videos are not shown.</p></noscript>
{"".join(shown)}</section>"""


def _player(
    bench: Bench, case: BenchCase, methods: Sequence[tuple[str, str]], reference: str, why: Sequence[str], index: int
) -> str:
    return player(case, tiles(bench, case, methods, reference), why, index)


def _shown_metrics(summary: Summary, kind: str, reference: str, wanted: Sequence[str] | None) -> list[Metric]:
    """With a number for each case, of the reference; the paper's first."""
    had = [
        metric
        for metric in summary.metrics.values()
        if set(summary.values.get((kind, metric.name, reference), ())) - {SET} and (not wanted or metric.name in wanted)
    ]
    return had if wanted else sorted(had, key=lambda metric: not metric.paper)[:_CHOSEN]


# --- parts of the page


def _strong(yes: bool) -> str:
    return ' class="strong"' if yes else ""


def _head(metric: Metric) -> str:
    return f"{metric.label}\u00a0{arrow(metric)}"


def _table(caption: str, heads: Sequence[str], rows: str) -> str:
    cells = "".join(f'<th scope="col"{_words(head)}>{escape(head)}</th>' for head in heads)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _words(head: str) -> str:
    return ' class="words"' if head == _WHAT else ""


def _page(title: str, links: Sequence[tuple[str, str]], sections: Sequence[str]) -> str:
    style, script = source("report.css"), source("player.js") + source("report.js")
    nav = "".join(f'<li><a href="#{place}">{escape(text)}</a></li>' for place, text in links)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta http-equiv="Content-Security-Policy" content="{policy(style, script, "data:")}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{style}</style></head>
<body><header><h1>{escape(title)}</h1><nav aria-label="Parts of this page"><ul>{nav}</ul></nav></header>
<main>{"".join(sections)}</main><footer><p class="soft">This page needs no network and sends nothing.</p></footer>
<script>{script}</script></body></html>
"""
