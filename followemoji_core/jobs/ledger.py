"""The ledger: a file of JSON lines, one for each job that came to an end, which says what is done, what failed and why.

Lines are only appended, each in one write that reaches the disk before the next job is counted. The last line of a job
is the one that counts. A line that a power cut tore is the last one and lacks its end: it is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..gate import Refused, loading, parse_json

DONE, FAILED = "done", "failed"
_LARGEST = 1 << 30  # bytes: about a million jobs
LONGEST = 1 << 20  # bytes of a line


@dataclass(frozen=True)
class Line:
    """How a job came to its end. job: hash of its arguments. kind: of the error that made it fail, by its class."""

    key: str
    state: str
    job: str
    reason: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    kind: str = ""


def hash_of(arguments: Mapping[str, Any]) -> str:
    """32 letters that arguments (JSON) are known by. Raises TypeError or ValueError for what is no JSON."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, allow_nan=False).encode()).hexdigest()[:32]


def read_ledger(path: Path) -> dict[str, Line]:
    """The last line of each job; nothing where there is no ledger yet. Raises InputError for one that is damaged."""
    lines: dict[str, Line] = {}
    if not path.exists():
        return lines
    advice = "Delete the line, and its job is done again; or name another folder."
    with loading(path, "Ledger", InputError, advice):
        if not path.is_file():
            raise Refused("it is no plain file")
        if path.stat().st_size > _LARGEST:
            raise Refused(f"it has {path.stat().st_size:,} bytes; at most {_LARGEST:,} are read")
        with open(path, "rb") as file:
            number = 0
            while text := file.readline(LONGEST + 1):
                number += 1
                if not text.endswith(b"\n"):
                    if len(text) > LONGEST:
                        raise Refused(f"line {number} is too long")
                    break  # torn: the job was not yet counted
                try:
                    line = _line(parse_json(text))
                except (Refused, ValueError) as error:
                    raise Refused(f"line {number} is none of a job's ({error})") from error
                lines[line.key] = line
    return lines


def _line(found: Any) -> Line:
    if not isinstance(found, dict):
        raise Refused("it is no object")
    known = {name: found[name] for name in Line.__dataclass_fields__ if name in found}
    wanted = {"key": str, "state": str, "job": str, "reason": str, "seconds": (int, float), "facts": dict, "kind": str}
    for name, value in known.items():
        if not isinstance(value, wanted[name]):
            raise Refused(f"its {name} is {type(value).__name__}")
    if not {"key", "state", "job"} <= set(known) or known["state"] not in (DONE, FAILED):
        raise Refused("it lacks key, state or job")
    return Line(**known)


class Ledger:
    """The open file, for one process at a time: see `lock.only_one`. Raises OutputError where it cannot be written."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._file = open(path, "ab")  # noqa: SIM115, closed in `close`
            self._drop_torn()
        except OSError as error:
            raise self._error(error) from error

    def _drop_torn(self) -> None:
        size = self._file.tell()
        with open(self.path, "rb") as file:
            file.seek(max(size - LONGEST - 1, 0))
            tail = file.read()
        torn = len(tail) - tail.rfind(b"\n") - 1
        if torn:
            self._file.truncate(size - torn)
            self._file.seek(0, os.SEEK_END)

    def append(self, line: Line) -> None:
        """That line, whole and on the disk."""
        text = json.dumps(asdict(line), allow_nan=False).encode() + b"\n"
        try:
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"The ledger {self.path} cannot be written ({error.strerror}). Make room or choose another folder, and run "
            f"the same command again: what it says is done is kept."
        )
