"""One job, done and answered for, wherever it is done."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import FollowEmojiError, InputError
from .ledger import LONGEST
from .where import Facts, Job, Made

log = logging.getLogger(__name__)
_LONGEST = 10_000  # letters of a reason
LOST = "WorkerLost"  # the kind of a job whose worker ended under it


@dataclass(frozen=True)
class Answer:
    """What came of a job, or of opening a worker. kind: class of the error where it failed, "" where it is done.
    mistake: whether that was ours, and not in what the job was given."""

    facts: Facts = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0
    kind: str = ""
    reason: str = ""
    mistake: bool = False


def do(job: Job, key: str, arguments: Facts, carried: Mapping[str, bytes] | None = None) -> Answer:
    """That job's answer. Nothing but a request to stop leaves it."""
    started = time.monotonic()
    try:
        made = job(key, arguments) if carried is None else job(key, arguments, carried)
        made = made if isinstance(made, Made) else Made(made or {})
        length = len(json.dumps(made.facts, allow_nan=False))
        if length > LONGEST // 2:
            raise ValueError(f"facts of {length:,} letters; at most {LONGEST // 2:,}")
        return Answer(made.facts, made.files, round(time.monotonic() - started, 3))
    except Exception as error:
        return failed(error, round(time.monotonic() - started, 3))


def close(job: Job) -> None:
    """At the end of a worker that ends in order."""
    getattr(job, "close", lambda: None)()


def failed(error: Exception, seconds: float = 0.0) -> Answer:
    """The answer of what ended in that error: a FollowEmojiError in its own words, another with its place in our
    code."""
    kind = type(error).__name__
    if isinstance(error, FollowEmojiError):
        return Answer(seconds=seconds, kind=kind, reason=str(error)[:_LONGEST])
    log.error("A mistake of ours:\n%s", "".join(traceback.format_exception(error)))
    last = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    place = f" ({last.filename}, line {last.lineno})" if last else ""
    return Answer(seconds=seconds, kind=kind, reason=f"{kind}: {str(error)[:_LONGEST]}{place}", mistake=True)


def error_of(answer: Answer) -> FollowEmojiError | None:
    """The error that an answer tells of, where it is one for the user."""
    if answer.kind == LOST:
        return InputError(answer.reason)
    kinds = {kind.__name__: kind for kind in FollowEmojiError.__subclasses__()} | {"FollowEmojiError": FollowEmojiError}
    return kinds[answer.kind](answer.reason) if answer.kind in kinds else None
