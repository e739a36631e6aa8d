"""Answers of a user study, from files that raters sent, and the paper's table of them with intervals and agreement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files import write_whole
from ...gate import Refused, loading, parse_json, read_bytes, short
from ..bootstrap import crossed_mean, mean_interval
from .agreement import kendalls_w
from .study import ANSWERS, KEY, QUESTIONS, VERSION

_LARGEST = 8 << 20  # bytes of a file: 410 cases of 8 methods take 0.4 MB
_NAMED = 20  # things that a report of a file lists
_FEW = 3  # answers below which nothing is told apart
_SIMULATED = "simulated, no person"


@dataclass(frozen=True)
class AnswerFile:
    """What became of a file. rater: as they call themselves; counted: orders that are in the table, of `asked`;
    problems: why others are not."""

    file: str
    rater: str
    simulated: bool
    counted: int
    asked: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class StudyResult:
    """ranks: question -> (raters, cases, methods), 1 the best, nan where there is no answer. raters: of the first axis;
    simulated: whether they are no people. files: every file that was given."""

    methods: dict[str, str]
    cases: tuple[str, ...]
    raters: tuple[str, ...]
    simulated: bool
    ranks: dict[str, np.ndarray]
    files: tuple[AnswerFile, ...]

    def mean_rank(self, question: str, method: str) -> tuple[float, float, float] | None:
        """And its 95 % interval over raters and cases, within what ranks there are; None without an answer."""
        return _crossed(self._of(question, method), (1, len(self.methods)))

    def preferred(self, question: str, method: str) -> tuple[float, float, float] | None:
        """Share of answers that put it first, and its interval."""
        ranks = self._of(question, method)
        return _crossed(np.where(np.isnan(ranks), np.nan, ranks == 1), (0, 1))

    def against(self, question: str, method: str, reference: str) -> tuple[float, float, float] | None:
        """Mean rank less that of another method, and its interval: below 0 it is preferred."""
        return _crossed(self._of(question, method) - self._of(question, reference))

    def agreement(self, question: str) -> tuple[float, float, float, float, int] | None:
        """Kendall's W, mean over cases that two or more answered; its interval over cases; what chance gives on
        average; how many cases. None where no case has two raters."""
        found, chance = [], []
        for case in np.moveaxis(self.ranks[question], 1, 0):
            ranks = case[np.isfinite(case).all(axis=1)]
            if len(ranks) > 1:
                found.append(kendalls_w(ranks))
                chance.append(1 / len(ranks))
        return (*mean_interval(np.array(found)), float(np.mean(chance)), len(found)) if found else None

    def _of(self, question: str, method: str) -> np.ndarray:
        return self.ranks[question][..., list(self.methods).index(method)]


def read_study(key: Path, answers: Sequence[Path]) -> StudyResult:
    """The answers in files to the study of a key.

    Every file is told of in the result, also one that is malformed, of another study, or that lacks cases. Of several
    files of one rater, who may have saved in between, the one with the most answers counts. Answers of simulated raters
    count only where there are no others.
    Raises InputError for a key that is damaged.
    """
    about = _read_key(key)
    read = [_read_answers(Path(path), about) for path in answers]
    best: dict[str, int] = {}
    for index, (_, rater, ranks) in enumerate(read):
        if ranks and (rater not in best or len(ranks) > len(read[best[rater]][2])):
            best[rater] = index
    files = [
        _not_counted(file, f"its rater is in {read[best[rater]][0].file} already")
        if ranks and best[rater] != index
        else file
        for index, (file, rater, ranks) in enumerate(read)
    ]
    taken = {rater: (read[index][0], read[index][2]) for rater, index in best.items()}
    people = {rater: found for rater, found in taken.items() if not found[0].simulated}
    counted = people or taken
    if people and len(people) < len(taken):
        why = "a simulated rater is not counted beside people"
        files = [_not_counted(file, why) if file.simulated and file.counted else file for file in files]
    methods, cases = about["methods"], tuple(about["cases"])
    table = {name: np.full((len(counted), len(cases), len(methods)), np.nan) for name in QUESTIONS}
    for row, (_, ranks) in enumerate(counted.values()):
        for (case, question), order in ranks.items():
            table[question][row, cases.index(case)] = [order[method] for method in methods]
    names = tuple(file.rater for file, _ in counted.values())
    originals = tuple(about["cases"][case]["case"] for case in cases)
    return StudyResult(methods, originals, names, bool(counted) and not people, table, tuple(files))


def write_result(result: StudyResult, out: Path) -> str:
    """OUT/study.md and OUT/study.json; returns the former. Raises OutputError where the disk is full."""
    text = markdown(result)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "study.md", text + "\n")
    write_whole(out / "study.json", json.dumps(numbers(result), indent=1))
    return text


def numbers(result: StudyResult) -> dict[str, Any]:
    """All of it as JSON."""
    reference = next(iter(result.methods))
    rows = {
        method: {
            question: {
                "mean_rank": result.mean_rank(question, method),
                "preferred": result.preferred(question, method),
                f"rank_less_{reference}": result.against(question, method, reference),
            }
            for question in QUESTIONS
        }
        for method in result.methods
    }
    return {
        "raters": list(result.raters),
        "simulated": result.simulated,
        "cases": len(result.cases),
        "methods": result.methods,
        "rows": rows,
        "agreement": {question: result.agreement(question) for question in QUESTIONS},
        "files": [asdict(file) for file in result.files],
    }


def markdown(result: StudyResult) -> str:
    """The paper's table: mean rank by expression, identity and overall, 1 the best; who answered, and each file."""
    who = f"{len(result.raters)} {'SIMULATED ' if result.simulated else ''}rater{'s' * (len(result.raters) != 1)}"
    lines = [f"{who}, {len(result.cases)} cases: mean rank, 1 the best of {len(result.methods)}, 95 % interval over "
             "raters and cases."]  # fmt: skip
    if result.simulated:
        lines += ["", "**Simulated raters: made up to try the page. This is no opinion of people.**"]
    if len(result.raters) == 1:
        lines += ["", "One rater: intervals are over cases, and say nothing of other raters."]
    elif 1 < len(result.raters) < 5:
        lines += ["", "Few raters: intervals are widened for it, as far as can be known from so few."]
    heads = [*(f"{name}, rank" for name in QUESTIONS), "put first overall"]
    lines += ["", "| | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    reference = next(iter(result.methods))
    for method, label in result.methods.items():
        cells = [_cell(result, question, method, reference) for question in QUESTIONS]
        first = result.preferred("overall", method)
        cells.append("no answer" if first is None else "{:.0%} ({:.0%} to {:.0%})".format(*first))
        lines.append(f"| {_plain(label)} | " + " | ".join(cells) + " |")
    lines += ["", f"Behind a rank: whether it is told apart from that of {_plain(result.methods[reference])}.", ""]
    for question in QUESTIONS:
        found = result.agreement(question)
        said = "no case has two raters." if found is None else (
            "Kendall's W {:.2f} ({:.2f} to {:.2f}), by chance {:.2f}, over {} cases.".format(*found)
        )  # fmt: skip
        lines.append(f"- Agreement on {question}: {said}")
    lines += ["", "| file | rater | counted | not counted, and why |", "| --- | --- | --- | --- |"]
    for file in result.files:
        rater = f"{_plain(file.rater)}{f' ({_SIMULATED})' if file.simulated else ''}"
        why = "; ".join(map(_plain, file.problems)) or "nothing"
        lines.append(f"| {_plain(file.file)} | {rater} | {file.counted} of {file.asked} | {why} |")
    return "\n".join(lines)


def _cell(result: StudyResult, question: str, method: str, reference: str) -> str:
    found = result.mean_rank(question, method)
    if found is None:
        return "no answer"
    text = "{:.2f} ({:.2f} to {:.2f})".format(*found)
    if method == reference:
        return text
    _, low, high = result.against(question, method, reference)
    few = np.isfinite(result.ranks[question]).any(axis=2).sum() < _FEW
    return f"{text}, {'not told apart' if few or low <= 0 <= high else 'better' if high < 0 else 'worse'}"


def _plain(text: str) -> str:
    """What a stranger wrote, as text in a table of Markdown."""
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>|#!" else letter for letter in short(text, 120))


# --- files


def _read_key(path: Path) -> dict[str, Any]:
    with loading(path, "Key of a study", InputError, "It lies beside the study's folder; choose that file."):
        about = parse_json(read_bytes(path, _LARGEST))
        if not isinstance(about, dict) or (about.get("format"), about.get("version")) != (KEY, VERSION):
            raise Refused(f"it is no key of a study of version {VERSION}")
        methods = about["methods"]
        for case in about["cases"].values():
            if sorted(case["candidates"].values()) != sorted(methods) or not isinstance(case["case"], str):
                raise Refused("a case of it has other methods than the study")
        words = (about["study"], *methods.values())
        if len(methods) < 2 or not about["cases"] or not all(isinstance(word, str) for word in words):
            raise Refused("it has no methods or no cases")
        return about


Ranks = dict[tuple[str, str], dict[str, int]]  # (case, question) -> method -> rank


def _read_answers(path: Path, about: Mapping[str, Any]) -> tuple[AnswerFile, str, Ranks]:
    asked = len(about["cases"]) * len(QUESTIONS)

    def refused(why: str, rater: str = "unknown", simulated: bool = False) -> tuple[AnswerFile, str, Ranks]:
        return AnswerFile(path.name, rater, simulated, 0, asked, (why,)), "", {}

    try:
        with loading(path, "Answers", InputError, "Ask the rater to save and send them again."):
            found = parse_json(read_bytes(path, _LARGEST))
            if not isinstance(found, dict) or (found.get("format"), found.get("version")) != (ANSWERS, VERSION):
                raise Refused(f"it is no file of answers of version {VERSION}")
            rater, name, simulated = found["rater"], short(found["name"], 60) or "unnamed", found["simulated"]
            if not isinstance(rater, str) or type(simulated) is not bool or not isinstance(found["answers"], dict):
                raise Refused("it does not say who answered, or holds no answers")
            study, given = short(found["study"], 40), found["answers"]
    except InputError as error:
        return refused(str(error))
    if study != about["study"]:
        return refused(f"it answers another study ({study}), not {about['study']}", name, simulated)
    ranks, problems = _ranks(given, about)
    if not ranks:
        problems.append("it holds no answer that counts")
    return AnswerFile(path.name, name, simulated, len(ranks), asked, tuple(problems)), rater, ranks


def _ranks(given: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[Ranks, list[str]]:
    ranks: Ranks = {}
    problems, missing = [], []
    for case in given:
        if case not in about["cases"]:
            problems.append(f"case {short(case, 20)} is not in the study")
    for case, entry in about["cases"].items():
        candidates, answer = entry["candidates"], given.get(case)
        if answer is not None and not isinstance(answer, dict):
            problems.append(f"case {entry['case']}: its answer is no table")
            answer = {}
        problems += [
            f"case {entry['case']}: {short(name, 20)} was not asked" for name in set(answer or ()) - set(QUESTIONS)
        ]
        lacking = []
        for question in QUESTIONS:
            order = (answer or {}).get(question)
            if order is None:
                lacking.append(question)
            elif _whole(order, candidates):
                ranks[case, question] = {candidates[name]: order[name] for name in candidates}
            else:
                problems.append(f"case {entry['case']}, {question}: no order of 1 to {len(candidates)}")
        if lacking:
            missing.append(
                entry["case"] if len(lacking) == len(QUESTIONS) else f"{entry['case']} ({', '.join(lacking)})"
            )
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        problems.append(f"{len(missing)} cases are not or not wholly answered: {', '.join(missing[:_NAMED])}{more}")
    if len(problems) > _NAMED:
        problems = [*problems[:_NAMED], f"and {len(problems) - _NAMED} more of such"]
    return ranks, problems


def _whole(order: Any, candidates: Mapping[str, str]) -> bool:
    if not isinstance(order, dict) or set(order) != set(candidates):
        return False
    return all(type(rank) is int for rank in order.values()) and sorted(order.values()) == [
        *range(1, len(candidates) + 1)
    ]


def _not_counted(file: AnswerFile, why: str) -> AnswerFile:
    return replace(file, counted=0, problems=(*file.problems, why))


def _crossed(values: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> tuple[float, float, float] | None:
    return tuple(np.clip(crossed_mean(values), *bounds).tolist()) if np.isfinite(values).any() else None
