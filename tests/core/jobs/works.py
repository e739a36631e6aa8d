"""Work for tests of the engine: jobs that note that they ran, and that fail, break or are killed as they are told."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from followemoji_core.errors import InputError
from followemoji_core.jobs import Local, Made, run_jobs

Found = TypeVar("Found")


@dataclass(frozen=True)
class Noting:
    """Each job appends a line with its process to FOLDER/KEY.ran when it begins, writes FOLDER/KEY.done at its end,
    and has FOLDER/KEY.half meanwhile."""

    folder: Path

    def open(self):
        with open(self.folder / "opened", "a") as file:
            file.write(f"{os.getpid()}\n")
        return self.job

    def clean(self, key: str, arguments: dict) -> None:
        (self.folder / f"{key}.half").unlink(missing_ok=True)

    def job(self, key: str, arguments: dict) -> dict | Made:
        with open(self.folder / f"{key}.ran", "a") as file:
            file.write(f"{os.getpid()}\n")
        (self.folder / f"{key}.half").touch()
        time.sleep(arguments.get("seconds", 0))
        runs = len((self.folder / f"{key}.ran").read_text().split())
        how = arguments.get("how")
        if how == "killed" or (how == "killed once" and runs == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / f"{key}.half").unlink()
        if how == "fail" or (how == "fail once" and runs == 1):
            raise InputError(f"{key} has no face")
        if how == "break":
            raise ZeroDivisionError("seven by nothing")
        if how == "bytes":
            return Made({"by": os.getpid()}, {f"made/{key}.bin": b"whole"})
        if how == "outside":
            return Made({}, {"../outside": b""})
        with open(self.folder / f"{key}.done", "a") as file:
            file.write(f"{os.getpid()}\n")
        return {"by": os.getpid()}


def wait_for(condition: Callable[[], Found], seconds: float = 120) -> Found:
    """What the condition is, once it is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def main(folder: str, workers: str) -> None:
    """A run with jobs of a minute, as a command does it."""
    signal.signal(signal.SIGTERM, lambda number, frame: signal.default_int_handler(number, frame))
    jobs = {"quick": {}, **{f"slow{number}": {"seconds": 60} for number in range(4)}}
    run_jobs(Noting(Path(folder)), jobs, Path(folder) / "jobs.jsonl", Local(int(workers)))


if __name__ == "__main__":
    from tests.core.jobs.works import main  # so that workers find the class under its own name

    main(*sys.argv[1:])
