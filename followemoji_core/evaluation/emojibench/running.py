"""Making the outputs of a method, case by case; what is there already stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import OutputError
from ...fetching import digest_of
from ...files import check_place, clear_partial, stamp, write_whole
from ...jobs import Local, Outcome, Where, run_jobs
from ...small import SMALL_MODEL, SMALL_VAE
from .cases import LEDGER, Bench
from .methods import ABOUT, MakeOutputs, Model

Say = Callable[[str], None]


def run_method(
    bench: Bench,
    method: str,
    name: str | None = None,
    model: Model | None = None,
    where: Where = Local(),  # noqa: B008, frozen
    say: Say = lambda line: None,
) -> Outcome:
    """Make BENCH/outputs/NAME by a built-in method, and its method.json: what it is, and the seconds of every case.

    name: None is the method's own. Cases whose videos are there, made in the same way of the same files, are not made
    again; other videos of that name are taken away. A case that cannot be made is in the outcome with its reason, and
    the others are made. where: workers of a cluster see the benchmark's folder under the same path. say: gets a line a
    case, and what is said of workers. Raises InputError while somebody else makes outputs of that name, OutputError
    where the disk is full.
    """
    name = name or method
    with bench.written(name) as folder:
        return _run(bench, method, name, folder.resolve(), model, where, say)


def _run(bench: Bench, method: str, name: str, folder: Path, model: Model | None, where: Where, say: Say) -> Outcome:
    check_place(folder / "method.json")
    cases = {case.id: case for case in bench.cases}

    def tell(seconds: dict[str, float], reasons: dict[str, str]) -> None:
        about = {"label": name, "about": model.told if model else ABOUT[method]}
        write_whole(folder / "method.json", json.dumps(about | {"seconds": seconds, "reasons": reasons}, indent=1))

    def forget(key: str) -> None:
        path = bench.output(name, cases[key])
        path.unlink(missing_ok=True)
        clear_partial(path)

    tell({}, {})  # first: what is there, should the run be broken off, is of this making
    made_of = _made_of(model) if model else {}
    digests = {
        path: digest_of(path) for path in {path for case in bench.cases for path in case.files} if path.is_file()
    }
    outcome = run_jobs(
        MakeOutputs(bench.folder.resolve(), method, name, model),
        {
            key: {"method": method, **made_of, "case": [digests.get(path, "") for path in case.files]}
            for key, case in cases.items()
        },
        folder / LEDGER,
        where,
        say,
        stands=lambda key, facts: bench.output(name, cases[key]).exists(),
        stop_at=(OutputError,),
        forget=forget,
    )
    tell({key: facts["seconds"] for key, facts in outcome.facts.items()}, outcome.failed)
    return outcome


def _made_of(model: Model) -> dict[str, Any]:
    """What a video depends on beside its case; not where it is computed."""
    about = {key: value for key, value in asdict(model).items() if key != "device"}
    about["files"] = []
    for path in (model.models and model.models / "followemoji", model.weights, model.vae):
        inside = sorted(path.iterdir()) if path and path.is_dir() else [path] if path else []
        about["files"] += [stamp(file) for file in inside if file.is_file()]
    if model.is_small:
        about["files"] = {"small": [digest_of(SMALL_MODEL), digest_of(SMALL_VAE)]}
    return json.loads(json.dumps(about, default=str))
