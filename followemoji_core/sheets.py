"""Tables as spreadsheet programs write them: CSV of any country, from anybody. Cells are text, whatever they hold."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from .errors import InputError
from .gate import Refused, loading, read_bytes

MOST_ROWS = 100_000
_LARGEST = 64 << 20  # bytes
_MOST_COLUMNS = 200
_DELIMITERS = ",;\t"


def read_sheet(
    path: Path, what: str, notes: list[str], most: int = MOST_ROWS
) -> tuple[list[tuple[int, list[str]]], str]:
    """(number, cells) of every line of a CSV file from its first with text on, and what stands between cells.

    UTF-8, UTF-16, or the Windows code page, which adds a sentence to `notes`; commas, semicolons or tabs. what: it is,
    for errors. Raises InputError for what is no such table, or one of more than `most` rows.
    """
    with loading(path, what, InputError, "Save it as CSV UTF-8.", more=(csv.Error,)):
        return _lines(_text(read_bytes(path, _LARGEST), notes), most)


def _text(content: bytes, notes: list[str]) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
        notes.append("It is not UTF-8; read as Windows writes Western letters. Save it as CSV UTF-8 to be sure.")
    if "\0" in text:
        raise Refused("it holds null characters, as no text does")
    return text


def _lines(text: str, most: int) -> tuple[list[tuple[int, list[str]]], str]:
    first, _, rest = text.partition("\n")
    said = re.fullmatch(r"\s*sep=(.)\s*", first)  # what Excel writes, or is told by
    skipped = 1 if said else 0
    text = rest if said else text
    head = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    delimiter = said[1] if said else max(_DELIMITERS, key=head.count)
    found = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        if len(found) > most:
            raise Refused(f"it has more than {most:,} rows")
        if len(cells) > _MOST_COLUMNS:
            raise Refused(f"line {reader.line_num + skipped} has {len(cells)} cells; {_MOST_COLUMNS} are read")
        if found or any(cell.strip() for cell in cells):
            found.append((reader.line_num + skipped, cells))
    return found, delimiter
