"""evaluate: EmojiBench, from portraits and clips to a table of methods."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import Command, Facts, bar, detector_file, device_and_dtype, say, where, where_arguments

if TYPE_CHECKING:
    from ..evaluation.emojibench.cases import Bench
    from ..evaluation.emojibench.methods import Model

METHODS = ("model", "warp", "untouched", "truth", "noise")  # those of evaluation.emojibench.methods; a test compares
KINDS = ("self", "cross")
_TOLD = 40  # lines about files that are not taken


def add_commands(command: Command) -> None:
    """Add evaluate and its steps."""
    evaluate = command("evaluate", _steps, "EmojiBench: measure methods of portrait animation as the paper does.")
    steps = evaluate.add_subparsers(required=True, metavar="STEP", dest="step")

    def step(name: str, run, about: str) -> argparse.ArgumentParser:
        added = steps.add_parser(name, help=about, description=about, formatter_class=evaluate.formatter_class)
        added.add_argument("--json", action="store_true", help="report as one JSON object, the last line of stdout")
        added.set_defaults(run=run)
        return added

    _add_cases(step("cases", _cases, "Make a benchmark: of drawn people, or of your portraits and clips; resumable."))
    _add_run(step("run", _run, "Make a method's videos of all cases, or take those that it has made; resumable."))
    _add_export(step("export", _export, "Write the cases as a baseline's own demo script takes them; resumable."))
    _add_score(step("score", _score, "Measure what the methods made: scores.csv, .json and .md; resumable."))
    _add_report(step("report", _report, "The scores as one page for a browser: tables, plots, players."))
    _add_study(step("study", _study, "A user study as a folder for any browser; and its answers as a table."))
    _add_networks(step("networks", _networks, "Networks that some metrics need: which are there; --fetch gets one."))


def _steps(options: argparse.Namespace) -> Facts:
    raise InputError("evaluate needs a step; see --help.")


# --- cases


def _add_cases(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, help="folder of the benchmark")
    add("--manifest", type=Path, help="table of pairs (.csv or .json): portrait, driving, kind")
    add("--clips", type=Path, help="folder of driving clips, all of them by themselves and with all of --portraits")
    add("--portraits", type=Path, help="folder of portraits")
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="with --clips: which reenactment")
    add("--people", type=int, default=20, help="without manifest and clips: drawn people")
    add(
        "--motions", type=int, default=5, help="of other drawn people, each put on all of them; 0: no cross reenactment"
    )
    add("--own", type=int, default=1, help="motions of their own, for self reenactment; 0: none of it")
    add("--frames", type=int, default=64, help="that are measured; a clip needs one more")
    add("--side", type=int, default=512, help="of the framed pictures; drawn ones are as large as what is measured")
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    add("--detector", type=Path, help="face_landmarker.task, if not in MODELS/followemoji")


def _cases(options: argparse.Namespace) -> Facts:
    if options.portraits and not options.clips:
        raise InputError("--portraits needs --clips: the motions that they are to take over.")
    if options.manifest and (options.portraits or options.clips):
        raise InputError("--manifest names portraits and clips itself. Leave out --portraits and --clips.")
    if options.manifest is None and options.clips is None:
        from ..evaluation.emojibench.drawn_cases import draw_bench

        bench = draw_bench(options.bench, options.people, options.motions, options.own, options.frames, say=say)
    else:
        from ..evaluation.emojibench.manifest import all_pairs, read_manifest
        from ..evaluation.emojibench.real_cases import make_bench

        task = detector_file(options)
        if options.manifest is not None:
            manifest = read_manifest(options.manifest)
        else:
            manifest = all_pairs(options.portraits, options.clips, options.kinds)
        bench = make_bench(options.bench, manifest, task, options.frames, options.side, say=say)
    for row in bench.refused:
        say(f"left out: {row.get('row', '')}: {row.get('reason', '')}")
    for note in bench.notes:
        say(note)
    by_kind = {kind: sum(case.kind == kind for case in bench.cases) for kind in KINDS}
    say(f"{options.bench}: {by_kind['self']} cases of self and {by_kind['cross']} of cross reenactment")
    facts = {"files": [options.bench / "benchmark.json"], "cases": by_kind}
    return facts | {"refused": len(bench.refused), "notes": list(bench.notes)}


# --- run


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, help="folder of the benchmark")
    add(
        "--method",
        required=True,
        help=f"built in: {', '.join(METHODS)}; or NAME=FOLDER of videos that another method has made",
    )
    add("--name", help="of the row, instead of the method's: two rows may be one method with other settings")
    add("--weights", type=Path, help="with model: folder or file; without it and --models: the small one that ships")
    add("--models", type=Path, help="with model: ComfyUI's models folder, for the released weights")
    add("--vae", type=Path, help="with model: its autoencoder, if not in MODELS")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add("--precision", choices=["auto", "fp16", "bf16", "fp32"], default="auto", help="of the networks")
    add("--steps", type=int, help="denoising steps [30; the small model: its own]")
    add("--guidance", type=float, help="classifier-free guidance scale [3.5; the small model: 1]")
    add("--seed", type=int, default=0, help="of the noise")
    add("--side", type=int, help="of the pictures that the networks get [512; the small model: 128]")
    where_arguments(parser)


def _run(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.cases import open_bench
    from ..evaluation.emojibench.running import run_method

    bench = open_bench(options.bench)
    name, equals, folder = options.method.partition("=")
    if equals and not folder:
        raise InputError(f"--method {name}= names no folder. Write --method {name or 'NAME'}=FOLDER of videos.")
    if equals:
        return _taken(bench, options.name or name, Path(folder))
    if name not in METHODS:
        raise InputError(f"{name!r} is not built in: {', '.join(METHODS)}. A folder of videos: --method {name}=FOLDER")
    model = _model(options) if name == "model" else None
    outcome = run_method(bench, name, options.name, model, where(options), say)
    for reason, count in Counter(outcome.failed.values()).items():
        say(f"{count} cases not made: {reason}")
    made = bench.folder / "outputs" / (options.name or name)
    say(f"{made}: {outcome.summary}")
    facts = {"files": [made / "method.json"], "done": len(outcome.done), "skipped": len(outcome.skipped)}
    return facts | {"failed": outcome.failed}


def _taken(bench: Bench, name: str, folder: Path) -> Facts:
    from ..evaluation.emojibench.baselines import adopt

    taken = adopt(bench, name, folder, say)
    cases = {case.id for case in bench.cases}
    files = [(what, reason) for what, reason in taken.problems if what not in cases]
    failed = {what: reason for what, reason in taken.problems if what in cases}
    for what, reason in files[:_TOLD]:
        say(f"not taken: {what}: {reason}")
    if len(files) > _TOLD:
        say(f"and {len(files) - _TOLD} more files; --json lists them all")
    for reason, count in Counter(failed.values()).most_common(_TOLD):
        say(f"{count} cases without a video: {reason}")
    made = bench.folder / "outputs" / name
    return {"files": [made / "method.json"], "done": len(taken.found), "not_taken": files, "failed": failed}


def _model(options: argparse.Namespace) -> Model:
    from ..evaluation.emojibench.methods import Model
    from ..walk.settings import Settings
    from ..walk.studio import SMALL_SETTINGS, check_files

    small = options.weights is None and options.models is None
    settings = SMALL_SETTINGS if small else Settings()
    given = {name: value for name in ("steps", "guidance") if (value := getattr(options, name)) is not None}
    settings = replace(settings, seed=options.seed, **given)
    if not small:
        check_files(options.models or Path("models"), options.weights)
    if options.ray is None:
        device_and_dtype(options.device, options.precision)  # what is wrong with it is said before the work
    side = options.side or (128 if small else 512)
    files = {
        name: path and path.resolve() for name in ("models", "weights", "vae") for path in [getattr(options, name)]
    }
    return Model(side, settings, **files, device=options.device, precision=options.precision)


# --- other methods


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, help="folder of the benchmark")
    add("baselines", nargs="+", metavar="BASELINE", help="names as in evaluation/emojibench/BASELINES.md")
    add("--out", type=Path, help="folder to write to [BENCH/export]")


def _export(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.baselines import export_cases, named_baseline
    from ..evaluation.emojibench.cases import open_bench

    bench, out = open_bench(options.bench), options.out or options.bench / "export"
    chosen = [named_baseline(name) for name in options.baselines]
    for baseline in chosen:
        export_cases(bench, baseline, out, say)
        made, script = out / baseline.name, out / baseline.name / "run.sh"
        say(f"{made}: bash {script} CHECKOUT, then evaluate run {options.bench} --method {baseline.name}={made}")
    return {"files": [out / baseline.name / name for baseline in chosen for name in ("run.sh", "cases.json")]}


# --- measuring


def _add_score(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, help="folder of the benchmark")
    add("--methods", nargs="+", help="[all that have made something]; the table has these alone")
    add("--metrics", nargs="+", help="[all]; the table has these alone, what others gave is kept for the next time")
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    add("--detector", type=Path, help="face_landmarker.task, if not in MODELS/followemoji")
    add("--network", action="append", default=[], metavar="NAME=FILE", help="a network of `networks` from elsewhere")
    add(
        "--plug",
        action="append",
        default=[],
        help="a package that you have installed yourself and want asked: pyiqa, for HyperIQA (non-commercial)",
    )
    add("--device", default="cpu", help="of the metrics' networks: cpu, cuda")


def _score(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.cases import open_bench
    from ..evaluation.emojibench.demo_scripts import BASELINES
    from ..evaluation.emojibench.metrics import Tools
    from ..evaluation.emojibench.networks import folder_of
    from ..evaluation.emojibench.rows import MethodNote
    from ..evaluation.emojibench.scoring import score
    from ..evaluation.emojibench.table import write_table

    bench = open_bench(options.bench)
    files = {name: Path(file) for name, _, file in (text.partition("=") for text in options.network)}
    task = options.detector or options.models / "followemoji" / "face_landmarker.task"
    tools = Tools(task, folder_of(options.models), files, options.plug, options.device)
    others = {name: MethodNote(baseline.label, baseline.url, baseline.not_run) for name, baseline in BASELINES.items()}
    found = score(bench, options.methods, options.metrics, tools, others, say)
    say(write_table(options.bench))
    files = [options.bench / name for name in ("scores.csv", "scores.json", "scores.md")]
    return {"files": files, "measured": found.measured, "kept": found.kept, "bad": found.bad}


def _add_networks(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--models", type=Path, default=Path("models"), help="ComfyUI's models folder, or one like it")
    add("--fetch", nargs="+", default=[], metavar="NAME", help="those to fetch, checked by their hashes")


def _networks(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.networks import fetch_network, folder_of, listed

    folder = folder_of(options.models)
    for name in options.fetch:
        fetch_network(name, folder, say)
    lines = listed(folder)
    for line in lines:
        say(line)
    return {"folder": folder, "networks": lines}


# --- what is looked at


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, help="folder of the benchmark, with its scores")
    add("--out", type=Path, help="the page, or a folder for it [BENCH/report.html]")
    add("--reference", help="method that others are compared with [this pack's]")
    add("--metrics", nargs="+", help="those whose best, middle and worst cases are shown")
    add("--megabytes", type=float, default=24.0, help="of videos in the page")


def _report(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.cases import open_bench
    from ..evaluation.emojibench.report import write_report

    bench = open_bench(options.bench)
    with bar("report", "case") as show:
        page = write_report(
            bench, options.out or options.bench, options.reference, options.metrics, options.megabytes, show
        )
    say(f"{page}: {page.stat().st_size / 1e6:.1f} MB, opens in any browser")
    return {"files": [page]}


def _add_study(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("bench", type=Path, nargs="?", help="folder of the benchmark; not for --answers")
    add("--out", type=Path, required=True, help="folder for the page, or for the table")
    add("--methods", nargs="+", help="2 to 8 of them [all but truth and noise]")
    add("--cases", type=int, default=45, help="at most so many")
    add("--seed", type=int, help="of orders and names [one that nobody can guess]")
    add("--answers", type=Path, nargs="+", metavar="FILE", help="files that raters sent back: makes the table")
    add("--key", type=Path, help="with --answers: OUT_key.json of the page")


def _study(options: argparse.Namespace) -> Facts:
    from ..evaluation.emojibench.cases import open_bench
    from ..evaluation.emojibench.study import write_study
    from ..evaluation.emojibench.study_answers import read_study, write_result

    if options.answers:
        if options.key is None:
            raise InputError("--answers needs --key: the file that was written beside the page's folder.")
        result = read_study(options.key, options.answers)
        say(write_result(result, options.out))
        return {"files": [options.out / name for name in ("study.md", "study.json")], "raters": len(result.raters)}
    if options.bench is None:
        raise InputError("Name the benchmark's folder, or --answers with --key.")
    bench = open_bench(options.bench)
    methods = options.methods or [name for name in bench.methods() if name not in ("truth", "noise")]
    with bar("study", "case") as show:
        made = write_study(bench, options.out, methods, options.cases, options.seed, on_case=show)
    for case, reason in list(made.left_out.items())[:_TOLD]:
        say(f"left out: {case}: {reason}")
    few = f" of the {options.cases} asked for" if made.cases < options.cases else ""
    say(f"{made.page}: {made.cases} cases{few}; hand out the folder, keep {made.key}")
    return {"files": [made.page, made.key], "cases": made.cases, "left_out": made.left_out}
