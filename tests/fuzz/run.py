"""Damaged files of every kind against their readers: python tests/fuzz/run.py --count 100000

A reader gives a right result or a FollowEmojiError within 2 s (of its process) and 512 MB more than it has to begin
with; anything else is a finding. Each kind runs in a process of its own, in which memory is limited and a clock ticks.
A case depends on its kind, the seed and its number alone: --kind K --first N --count 1 makes it again, --keep FOLDER
writes it down.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS, BYTES = 2.0, 512 << 20
_STUCK = 60  # seconds by the wall, after which a process that does not even take signals is ended


class _Late(BaseException):
    """The 2 s are over."""


def _raise_late(*_) -> None:
    raise _Late


def fuzz(kind: str, count: int, seed: int = 0, first: int = 0, until: float = 0.0, keep: Path | None = None) -> dict:
    """Run `count` cases of a kind, or as many as fit until that time, in processes of their own.

    Returns {"cases", "read", "refused", "findings": [{"case", "what"}]}.
    """
    total = {"cases": 0, "read": 0, "refused": 0, "findings": []}
    end = first + count
    while first < end and not (until and time.time() > until) and len(total["findings"]) < 50:
        with tempfile.TemporaryDirectory() as folder:
            words = [kind, str(first), str(end - first), str(seed), str(until), folder, str(keep or "")]
            # One thread each, and allocators that give back.
            env = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(ROOT)}
            command = [sys.executable, __file__, "--worker", *words]
            done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
            lines = (Path(folder) / "log").read_text().splitlines() if (Path(folder) / "log").exists() else []
        if not lines:
            raise RuntimeError(f"the process of {kind} did not begin: {done.stderr[-2000:]}")
        facts = json.loads(lines[-1])
        for name in ("cases", "read", "refused"):
            total[name] += facts[name]
        total["findings"] += facts["findings"]
        first = facts["next"]
        if done.returncode:  # the process itself died, of the case that it was at
            total["cases"] += 1
            total["findings"].append({"case": first, "what": f"exit {done.returncode}: {done.stderr[-1500:]}"})
            first += 1
    return total


def _work(kind_name: str, first: int, count: int, seed: int, until: float, folder: Path, keep: Path | None) -> None:
    from followemoji_core.errors import FollowEmojiError
    from tests.fuzz.kinds import KINDS
    from tests.fuzz.mutate import mutated

    logging.disable(logging.CRITICAL)
    kind = KINDS[kind_name]
    with tempfile.TemporaryDirectory(dir=folder) as making:
        seeds = kind.seeds(Path(making))
    target = folder / f"files/case{kind.suffix}"
    target.parent.mkdir()
    for data in seeds:  # whole ones are read; and what is imported on use is imported before memory is measured
        target.write_bytes(data)
        kind.read(target)
    import torch

    torch.set_num_threads(1)
    with open("/proc/self/statm") as facts:
        held = int(facts.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + BYTES, resource.RLIM_INFINITY))
    signal.signal(signal.SIGPROF, _raise_late)
    result = {"cases": 0, "read": 0, "refused": 0, "findings": [], "next": first}
    log = open(folder / "log", "w")  # noqa: SIM115

    def note() -> None:
        log.seek(0)
        log.write(json.dumps(result) + "\n")
        log.truncate()
        log.flush()

    note()
    for case in range(first, first + count):
        rng = random.Random(f"{kind_name}/{seed}/{case}")  # noqa: S311
        data = mutated(rng.choice(seeds), rng, seeds, kind.inner)
        target.write_bytes(data)
        faulthandler.dump_traceback_later(_STUCK, exit=True)
        what = None
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            kind.read(target)
            signal.setitimer(signal.ITIMER_PROF, 0)
            result["read"] += 1
        except FollowEmojiError as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            result["refused"] += 1
            if isinstance(error.__cause__, MemoryError) or "allocate memory" in str(error):
                # What is asked for and never touched costs nothing: without the limit, what does it take?
                if (taken := _taken(kind, target)) > BYTES:
                    what = f"takes {taken >> 20} MB: {error}"
            elif target.stem not in str(error):
                what = f"does not name the file: {error}"
        except BaseException as error:
            signal.setitimer(signal.ITIMER_PROF, 0)
            import traceback

            what = "".join(traceback.format_exception(error)[-6:])[-1500:]
        faulthandler.cancel_dump_traceback_later()
        result["cases"] += 1
        result["next"] = case + 1
        if what is not None:
            result["findings"].append({"case": case, "what": what})
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{kind_name}-{seed}-{case}{kind.suffix}").write_bytes(data)
        if what is not None or case % 50 == 0 or kind_name in ("video", "sound", "picture"):
            note()
        if len(result["findings"]) >= 50 or (until and time.time() > until):
            break
    note()


def _taken(kind, target: Path) -> int:
    """Bytes of memory that reading takes at its peak, in a process of its own without the limit."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.setitimer(signal.ITIMER_PROF, 4 * SECONDS)
        try:
            kind.read(target)
        except BaseException:  # noqa: S110 - only its size is asked for
            pass
        os.write(writer, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.set_blocking(reader, False)
    try:
        return int(os.read(reader, 100) or 0) << 10
    except BlockingIOError:  # it died
        return sys.maxsize
    finally:
        os.close(reader)
        os.close(writer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="cases of each kind")
    parser.add_argument("--seconds", type=float, default=0.0, help="in all; 0: no limit")
    parser.add_argument("--kind", action="append", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    parser.add_argument("--worker", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, first, count, seed, until, folder, keep = options.worker
        _work(kind, int(first), int(count), int(seed), float(until), Path(folder), Path(keep) if keep else None)
        return 0
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.kinds import KINDS

    names = options.kind or list(KINDS)
    findings = Counter()
    for name in names:
        begun = time.time()
        share = options.seconds / len(names)
        found = fuzz(name, options.count, options.seed, options.first, begun + share if share else 0.0, options.keep)
        findings[name] = len(found["findings"])
        print(
            f"{name:14s} {found['cases']:7d} cases: {found['read']} read, {found['refused']} refused, "
            f"{len(found['findings'])} findings, {time.time() - begun:.1f} s",
            flush=True,
        )
        for finding in found["findings"][:5]:
            print(f"  case {finding['case']}: {finding['what']}", flush=True)
    return 1 if sum(findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
