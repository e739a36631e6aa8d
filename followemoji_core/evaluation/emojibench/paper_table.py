"""The layout of the paper's Table 1, filled with what was measured here; what is not comparable is said below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ...gate import short
from .plots import number
from .summary import Interval, Metric, Summary

ROWS = ("Face Vid2vid", "DaGAN", "MCNet", "TPS", "FADM", "MagicDance")
# Kind, the paper's column, and how the metric's name may begin.
COLUMNS = (
    ("self", "L1", ("l1",)),
    ("self", "SSIM", ("ssim",)),
    ("self", "LPIPS", ("lpips",)),
    ("self", "FVD", ("fvd",)),
    ("cross", "Identity similarity", ("identity", "arcface", "id")),
    ("cross", "Image quality", ("hyperiqa", "imagequality", "quality")),
    ("cross", "Landmark accuracy", ("landmark",)),
)
_NOT_MEASURED = "not measured here: python -m followemoji_core evaluate run, then evaluate score"
_NOT_RUN = "not run: export its cases, run its own code, and read the videos back (evaluation/README.md)"


def paper_table(summary: Summary, ours: Sequence[str]) -> str:
    """HTML of the table, rows of methods that the paper does not have below its own. ours: names of this pack's row."""
    columns = [(kind, title, _metric(summary, kind, starts)) for kind, title, starts in COLUMNS]
    taken: set[str] = set()
    body = []
    for title in (*ROWS, "Ours"):
        wanted = ours if title == "Ours" else (title,)
        name = next(
            (name for want in wanted for name in summary.methods if _plain(want) in _names(summary, name)), None
        )
        taken |= {name} if name else set()
        body.append(_row(summary, title, name, columns))
    others = [name for name in summary.methods if name not in taken]
    for name in others:
        body.append(_row(summary, summary.methods[name].label, name, columns))
    span = 'scope="colgroup" colspan'
    heads = "".join(
        f'<th scope="col">{escape(title)}{chr(160) + arrow(metric) if metric else ""}</th>'
        for _, title, metric in columns
    )
    selfs = sum(kind == "self" for kind, *_ in columns)
    absent = [
        f"<li>{escape(title)}: {escape(short(_why(summary, kind, metric), 600))}</li>"
        for kind, title, metric in columns
        if metric is None or not any(summary.values.get((kind, metric.name, name)) for name in summary.methods)
    ]
    own = "".join(
        f"<li>{escape(title)}: here {escape(metric.label)}. {escape(short(metric.about, 400))}</li>"
        for _, title, metric in columns
        if metric and _plain(metric.label) != _plain(title)
    )
    note = f"<p>Rows below <em>Ours</em> are not in the paper's table: {len(others)}.</p>" if others else ""
    return f"""<section aria-labelledby="table-1"><h2 id="table-1">The paper's table</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Layout of the paper's Table 1"><table>
<caption>Layout of the paper's Table 1, every number measured here; arrows: what is better.</caption>
<thead><tr><td></td><th {span}="{selfs}">Self reenactment</th>
<th {span}="{len(columns) - selfs}">Cross reenactment</th></tr>
<tr><th scope="col">Method</th>{heads}</tr></thead><tbody>{"".join(body)}</tbody></table></div>{note}
<h3>What can be compared, and what cannot</h3><ul>
<li>Rows of this table with each other: the same frames and pixels, measured by the same code; the same cases too, but
where <em>n</em> stands below a number: that many, which may be the easier ones.</li>
<li>Not with the numbers that the paper prints: its 410 portraits and 45 clips are other pictures, its code for
measuring was not published, and such numbers move with pictures, cropping and networks more than methods differ.</li>
<li>FVD moves with the number of clips: only sets of one size can be compared.</li>
{own}{"".join(absent)}</ul></section>"""


def _row(summary: Summary, title: str, name: str | None, columns: Sequence[tuple[str, str, Metric | None]]) -> str:
    strong = ' class="strong"' if title == "Ours" else ""
    head = f'<tr{strong}><th scope="row">{escape(title)}</th>'
    found = [name and metric and summary.interval(kind, metric.name, name) for kind, _, metric in columns]
    if not any(found):
        reason = (summary.methods[name].reason if name else "") or (
            _NOT_MEASURED if name or title == "Ours" else _NOT_RUN
        )
        return f'{head}<td class="absent words" colspan="{len(columns)}">{escape(short(reason, 400))}</td></tr>'
    cells = "".join(
        f"<td>{number(cell.mean)}{of_fewer(summary, kind, cell)}</td>" if cell else '<td class="absent">none</td>'
        for cell, (kind, *_) in zip(found, columns, strict=True)
    )
    return f"{head}{cells}</tr>"


def of_fewer(summary: Summary, kind: str, found: Interval) -> str:
    """HTML that says so where a mean is not of all cases of its kind."""
    return f"<small>n = {found.count}</small>" if found.low is not None and found.count < summary.cases(kind) else ""


def _metric(summary: Summary, kind: str, starts: Sequence[str]) -> Metric | None:
    """The paper's metric of that column, if it is described."""
    fits = [metric for metric in summary.metrics.values() if metric.paper and kind in metric.kinds]
    return next(
        (metric for start in starts for metric in fits if _plain(metric.name).startswith(start)),
        None,
    )


def _why(summary: Summary, kind: str, metric: Metric | None) -> str:
    if metric is None:
        return "not measured."
    if metric.missing:
        return metric.missing
    reasons = (reason for (of, name, _), found in summary.reasons.items() if (of, name) == (kind, metric.name)
               for reason in found.values())  # fmt: skip
    return next(reasons, "no case of this kind was measured.")


def arrow(metric: Metric) -> str:
    """Up or down: where better is."""
    return "\u2191" if metric.better == "higher" else "\u2193"


def _names(summary: Summary, name: str) -> set[str]:
    return {_plain(name), _plain(summary.methods[name].label)}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
