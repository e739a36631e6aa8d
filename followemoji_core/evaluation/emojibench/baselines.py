"""Cases for the baselines' own demo scripts: files as each script takes them, and a run.sh that calls it on every one.

OUT/BASELINE/ID/source.png    the portrait; in self reenactment the frame before the clip's first
OUT/BASELINE/ID/driving.mp4   T frames, H.264, yuv420p
OUT/BASELINE/ID/result.mp4    what run.sh makes of them
OUT/BASELINE/run.sh, cases.json
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from ...errors import InputError
from ...face.crop import resize
from ...files import check_place, write_whole, written_whole
from ...gate import loading, parse_json, read_bytes
from ...media import write_video
from ...pictures import write_picture
from .adopting import Collected, adopt, collect_outputs
from .cases import Bench, BenchCase
from .demo_scripts import BASELINES, Baseline, named_baseline

__all__ = [
    "BASELINES",
    "Baseline",
    "Collected",
    "adopt",
    "collect_outputs",
    "export_cases",
    "named_baseline",
    "run_script",
]
VERSION = 1
_LARGEST = 1 << 30  # bytes of a benchmark's own clip
_SAME = ("kind", "portrait", "driving", "side", "made_of")  # what a case that was exported before must agree in
_ROOM = "Make room, or choose another folder."


def export_cases(
    bench: Bench, baseline: str | Baseline, out: Path, say: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Write a benchmark's cases as a baseline's demo script takes them into OUT/BASELINE; returns all its files.

    Pictures and clips are squares of the script's own size. What is there already, of the same portrait and clip,
    stays: an interrupted export goes on. Clips that cases share are one file with several names where the disk can.
    Raises InputError for an unknown name, and where the folder holds cases of another benchmark.
    """
    baseline = baseline if isinstance(baseline, Baseline) else named_baseline(baseline)
    folder = out / baseline.name
    check_place(folder / "cases.json")
    digests: dict[Path, str] = {}
    entries = [_entry(case, baseline, digests) for case in bench.cases]
    _check_same(folder / "cases.json", entries)
    about = {"version": VERSION, "baseline": baseline.name, "label": baseline.label, "repository": baseline.url}
    about |= {"commit": baseline.commit, "frames": bench.frames, "cases": entries}
    # First, so that what an interrupted export wrote is known by what it was made of.
    write_whole(folder / "cases.json", json.dumps(about, indent=1))
    files, written = [], {}
    for number, (case, entry) in enumerate(zip(bench.cases, entries, strict=True), 1):
        files += _write_case(case, entry["side"], folder / case.id, written)
        if number % 100 == 0 or number == len(entries):
            say(f"{baseline.label}: {number} of {len(entries)} cases")
    write_whole(folder / "run.sh", run_script(baseline, bench.cases))
    return [*files, folder / "run.sh", folder / "cases.json"]


def _entry(case: BenchCase, baseline: Baseline, digests: dict[Path, str]) -> dict:
    """What cases.json says of one."""
    sources = (case.folder / "portraits" / f"{case.portrait}.png", case.folder / "clips" / f"{case.driving}.mp4")
    for path in sources:
        if path not in digests:
            with loading(path, "File of the benchmark", InputError, "Make the benchmark again."):
                digests[path] = hashlib.blake2b(read_bytes(path, _LARGEST), digest_size=16).hexdigest()
    entry = {name: getattr(case, name) for name in ("id", "kind", "portrait", "driving", "frames", "fps")}
    entry |= {"side": baseline.side or case.side // 2 * 2, "made_of": "-".join(digests[path] for path in sources)}
    entry |= {"source": f"{case.id}/source.png", "clip": f"{case.id}/driving.mp4", "result": f"{case.id}/result.mp4"}
    return entry | {"command": baseline.command(case.kind)}


def _check_same(path: Path, entries: list[dict]) -> None:
    """Raises InputError where the folder holds a case of the same name that was made of something else."""
    if not path.exists():
        return
    with loading(path, "List of exported cases", InputError, "Choose another folder, or delete this one."):
        before = {entry["id"]: entry for entry in parse_json(read_bytes(path, 1 << 28))["cases"]}
        for entry in entries:
            old = before.get(entry["id"], entry)
            if any(old[name] != entry[name] for name in _SAME):
                raise InputError(
                    f"{path.parent} holds a case {entry['id']} of another portrait, clip or size: results there would "
                    f"be taken for this benchmark's. Choose another folder with --out, or delete that one."
                )


def _write_case(case: BenchCase, side: int, folder: Path, written: dict[tuple[str, str], Path]) -> list[Path]:
    """source.png and driving.mp4. written: where a portrait or clip lies already, for the cases that share it."""
    folder.mkdir(parents=True, exist_ok=True)
    source, clip, size = folder / "source.png", folder / "driving.mp4", (side, side)
    if not _is_there(source, ("portrait", case.portrait), written):
        write_picture(source, resize(case.picture(), size))
    if not _is_there(clip, ("clip", case.driving), written):
        write_video(clip, (resize(frame, size) for frame in case.driving_frames()), case.fps)
    return [source, clip]


def _is_there(path: Path, what: tuple[str, str], written: dict[tuple[str, str], Path]) -> bool:
    """Whether a file is there, or can be had from another case's; afterwards it is known where it lies."""
    first = written.setdefault(what, path)
    if path.exists():
        return True
    if first == path:
        return False
    with written_whole(path, _ROOM) as partial:
        try:
            os.link(first, partial)
        except OSError:  # a disk, or a system, without such names
            shutil.copyfile(first, partial)
    return True


def run_script(baseline: Baseline, cases: tuple[BenchCase, ...]) -> str:
    """run.sh: bash that calls the demo script of a checkout on every case that has no result.mp4 yet."""
    lines = [f"animate {shlex.quote(case.id)} {baseline.flags(case.kind)}".rstrip() for case in cases]
    return _SCRIPT.format(
        label=baseline.label,
        count=len(cases),
        url=baseline.url,
        commit=baseline.commit,
        needs=baseline.needs,
        notes="\n".join(f"# {note}" for note in baseline.notes),
        script=baseline.script,
        result=baseline.result,
        checkpoint=_checkpoint(baseline.checkpoint),
        poses=_POSES if baseline.poses else "",
        call=baseline.call,
        finish=f" || return\n  {baseline.finish}" if baseline.finish else "",
        cases="\n".join(lines),
    )


def _checkpoint(default: str | None) -> str:
    if default == "":
        return ""
    if default is None:
        return "checkpoint=${CHECKPOINT:?say where the weights are: CHECKPOINT=FILE bash run.sh CHECKOUT}\n"
    return f"checkpoint=${{CHECKPOINT:-{default}}}\n"


_POSES = """  if [ ! -d "$poses" ]; then
    echo "$id: no pose pictures in $poses (see BASELINES.md)" >&2
    failed=$((failed + 1))
    return
  fi
"""
_SCRIPT = """#!/usr/bin/env bash
# {label} on {count} cases, by its own code: {url}, as it was at commit {commit}.
#
#   bash run.sh CHECKOUT
#
# It needs there: {needs}.
# PYTHON=FILE   the interpreter that has its packages [python]
# CHECKPOINT=FILE   the weights, where the script takes them; these two may be relative to CHECKOUT
{notes}
# A case that has its result.mp4 is skipped: after an interruption, run the same again.
set -u
unset CDPATH
checkout=${{1:?say where its code is: bash run.sh CHECKOUT}}
here=$(cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")" && pwd) || exit 2
cd -- "$checkout" || exit 2
if [ ! -f {script} ]; then
  echo "$checkout holds no {script}: it is no checkout of {url}" >&2
  exit 2
fi
python=${{PYTHON:-python}}
{checkpoint}failed=0
trap 'exit 130' INT TERM

call() {{
  {call} "$@" </dev/null{finish}
}}

animate() {{
  id=$1
  shift
  source=$here/$id/source.png driving=$here/$id/driving.mp4 poses=$here/$id/poses made=$here/$id/making
  if [ -s "$here/$id/result.mp4" ]; then
    return
  fi
{poses}  rm -rf -- "$made"
  mkdir -p -- "$made" || exit 2
  if call "$@" && [ -s "$made/{result}" ]; then
    mv -f -- "$made/{result}" "$here/$id/result.mp4" && rm -rf -- "$made"
  else
    echo "$id: no result" >&2
    failed=$((failed + 1))
  fi
}}

{cases}

echo "$failed of {count} cases without a result"
[ "$failed" -eq 0 ]
"""
