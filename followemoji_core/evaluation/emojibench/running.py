"""Making the outputs of a method, case by case; what is there already stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from ...errors import OutputError
from ...files import check_place, write_whole
from ...jobs import Local, Outcome, Where, run_jobs
from .cases import Bench, safe_name
from .methods import ABOUT, MakeOutputs, Model

Say = Callable[[str], None]


def run_method(
    bench: Bench,
    method: str,
    name: str | None = None,
    model: Model | None = None,
    where: Where = Local(),  # noqa: B008, frozen
    say: Say = lambda line: None,
    on_done: Callable[[], None] = lambda: None,
) -> Outcome:
    """Make BENCH/outputs/NAME by a built-in method, and its method.json: what it is, and the seconds of every case.

    name: None is the method's own. Cases whose videos are there, made in the same way, are not made again. A case that
    cannot be made is in the outcome with its reason, and the others are made. where: workers of a cluster see the
    benchmark's folder under the same path. Raises OutputError where the disk is full.
    """
    name = safe_name(name or method, "Method")
    folder = bench.folder.resolve() / "outputs" / name
    check_place(folder / "method.json")
    cases = {case.id: case for case in bench.cases}
    how = json.loads(json.dumps(asdict(model), default=str)) if model else {}
    outcome = run_jobs(
        MakeOutputs(bench.folder.resolve(), method, name, model),
        {key: {"method": method, **how} for key in cases},
        folder / "jobs.jsonl",
        where,
        say,
        on_done=lambda key, line: on_done(),
        stands=lambda key, facts: bench.output(name, cases[key]).exists(),
        stop_at=(OutputError,),
    )
    seconds = {key: facts["seconds"] for key, facts in outcome.facts.items()}
    about = {"label": name, "about": model.told if model else ABOUT[method], "seconds": seconds}
    about["reasons"] = outcome.failed
    write_whole(folder / "method.json", json.dumps(about, indent=1))
    return outcome
