"""What the ablations found, as tables: every row against the first, person by person; and what it says of the paper."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..files import write_whole
from .ablation_tables import TABLES
from .ablations import Found
from .bootstrap import paired_difference, paired_ratio


@dataclass(frozen=True)
class Compared:
    """One cell. value: mean over people and seeds. against: of the first row's, a ratio, or a difference where higher
    is better; low, high: its 95 % interval over people, seeds averaged; seeds: the same for each seed. verdict:
    "worse", "better", or "" where that is not separated."""

    value: float
    against: float
    low: float
    high: float
    seeds: tuple[float, ...]
    verdict: str


def compare(values: np.ndarray, reference: np.ndarray, difference: bool = False) -> Compared | None:
    """values, reference (seeds, people), of the same people and seeds; people with a nan anywhere are left out, None
    where nobody is left.

    Separated is what the interval and every single seed say: more people cannot make up for a chance of training.
    """
    known = np.isfinite(values).all(0) & np.isfinite(reference).all(0)
    if not known.any():
        return None
    values, reference = values[:, known], reference[:, known]
    paired, same = (paired_difference, 0.0) if difference else (paired_ratio, 1.0)
    against, low, high = paired(values.mean(0), reference.mean(0))
    each = tuple(paired(*pair)[0] for pair in zip(values, reference, strict=True))
    higher, lower = low > same and min(each) > same, high < same and max(each) < same
    verdict = "" if not (higher or lower) else "worse" if higher != difference else "better"
    return Compared(float(values.mean()), against, low, high, each, verdict)


Cells = dict[str, dict[str, "Compared | None"]]  # row -> measure


def compare_all(found: Found) -> dict[str, Cells]:
    """By table; the first row of each with itself."""
    result: dict[str, Cells] = {}
    for name, rows in found.rows.items():
        table = TABLES[name]
        first = rows[table.rows[0].name]
        result[name] = {}
        for row, seeds in rows.items():
            result[name][row] = {
                what: compare(*(np.array([seed[what] for seed in part]) for part in (seeds, first)),
                              what in table.differences)
                for what in seeds[0]
            }  # fmt: skip
    return result


def write_report(found: Found, out: Path, settings: dict) -> str:
    """OUT/ablations.json and OUT/ablations.md; returns the latter. settings: what it was made with, for both.

    Raises OutputError where the disk is full.
    """
    compared = compare_all(found)
    minutes = {what: seconds / 60 for what, seconds in found.seconds.items()}
    spent = ", ".join(f"{what} {time:.0f}" for what, time in minutes.items())
    made = ", ".join(f"{name} {value}" for name, value in settings.items())
    lines = [
        f"Made with: {made}. The base's box error is {found.base:.3f} of the untouched portrait's. Minutes of "
        f"processor time: {spent}.",
        "",
        "First rows: mean errors in 8-bit levels, and correlations of gaze. Other rows: ratio of errors, or difference "
        "of correlations, to the first row, with the 95 % interval of a paired bootstrap over people. *Worse* and "
        "*better*: the interval and every seed agree.",
    ]
    for name, rows in compared.items():
        lines += ["", f"### {TABLES[name].title}", "", *_table(name, rows), "", *_says(name, rows)]
    text = "\n".join(lines)
    out.mkdir(parents=True, exist_ok=True)
    plain = {
        name: {row: {what: cell and asdict(cell) for what, cell in cells.items()} for row, cells in rows.items()}
        for name, rows in compared.items()
    }
    about = {"made_with": settings, "base": found.base, "core_minutes": minutes, "tables": plain}
    write_whole(out / "ablations.json", json.dumps(about, indent=1))
    write_whole(out / "ablations.md", text + "\n")
    return text


def _table(name: str, rows: Cells) -> list[str]:
    first = TABLES[name].rows[0].name
    measures = list(rows[first])
    lines = ["| | " + " | ".join(measures) + " |", "| --- |" + " --- |" * len(measures)]
    for row, cells in rows.items():
        shown = [_cell(cells[what], row == first, what in TABLES[name].differences) for what in measures]
        lines.append(f"| {row} | " + " | ".join(shown) + " |")
    return lines


def _cell(cell: Compared | None, first: bool, difference: bool) -> str:
    if cell is None:
        return "nobody shows it"
    if first:
        return f"{cell.value:.2f}"
    numbers = (cell.against, cell.low, cell.high)
    against, low, high = (f"{number:+.3f}" if difference else f"{number:.3f}" for number in numbers)
    return f"{against} [{low}, {high}] {cell.verdict}".rstrip()


def _says(name: str, rows: Cells) -> list[str]:
    """Of the rows that the paper calls worse: where it is so, where nothing separates, where it is the other way."""
    said: dict[str, list[str]] = {"worse": [], "": [], "better": []}
    for row in TABLES[name].rows[1:]:
        for verdict in said if row.worse else ():
            which = [what for what, cell in rows[row.name].items() if cell and cell.verdict == verdict]
            said[verdict] += [f"{row.name} ({', '.join(which)})"] if which else []
    words = {"worse": "As the paper says, worse", "": "Not separated", "better": "Against the paper, better"}
    return [f"- {words[verdict]}: {'; '.join(which) or 'nothing'}." for verdict, which in said.items()]
