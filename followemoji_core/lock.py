"""One process at a time: a lock that ends with whoever holds it, however he ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError, OutputError


@contextlib.contextmanager
def only_one(folder: Path, name: str = "lock") -> Iterator[None]:
    """Within the block no other process is in the same block for that folder and name; the folder is made and, once
    empty, gone.

    The file `name` in it holds the process' number; whoever ended without a word, however he ended, holds no lock.
    Raises InputError, with that number, while another is at work, OutputError where the folder cannot be made.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = open(folder / name, "a+", encoding="ascii")  # noqa: SIM115, closed below
        except FileNotFoundError:  # another job has just ended, and its folder with it
            continue
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written to ({error.strerror}); what is finished is kept there."
            ) from error
        if not _locked(file):
            file.seek(0)
            number = file.read(20).strip()
            file.close()
            raise InputError(
                f"The same job is being done already, by process {number or 'unknown'}. Wait until it has ended, "
                f"and run again: what is finished is kept. Or stop it."
            )
        if _is_there(folder / name, file):
            break
        file.close()  # of a job that has just ended
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
    finally:
        if os.name == "nt":  # there an open file cannot be deleted
            file.close()
            (folder / name).unlink(missing_ok=True)
        elif _is_there(folder / name, file):  # else a job that came after the folder was cleared up has its own
            (folder / name).unlink()
        file.close()
        with contextlib.suppress(OSError):  # what is finished is kept there, for the next time
            folder.rmdir()


def _locked(file) -> bool:
    """Whether the file is now locked by this process; True as well where the file system knows no locks."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(1 << 30)  # far from what is read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _is_there(path: Path, file) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
