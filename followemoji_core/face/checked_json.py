"""JSON of strangers, key by key: what is there, of which kind, in which range; complaints name the key."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from ..gate import Refused, parse_json, short
from .controls import nearest


class CheckedObject:
    """A JSON object that somebody else wrote, at a `place` of `what` it is; every complaint names the key.

    Raises InputError for what is no object; so do the methods, for keys and values that are not allowed.
    """

    def __init__(self, given: Any, place: str, what: str = "an edit"):
        if not isinstance(given, dict):
            named = place or f"The {what.split(' ', 1)[1]}"
            raise InputError(f"{named} is {shown(given)}; it must be an object in braces.")
        self.given, self.place, self.what = given, place, what

    def name(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def known(self, *keys: str) -> None:
        for key in self.given:
            if key not in keys:
                named = self.name(shown(key, 60, str))
                raise InputError(f"{named} is not a key of {self.what}.{nearest(key[:60], keys)}")

    def of_format(self, name: str, newest: int, advice: str) -> None:
        """Nothing for an object of that format in a version up to `newest`."""
        if self.given.get("format") != name:
            raise InputError(f"format is {shown(self.given.get('format'))}; {self.what} has {name!r}. {advice}")
        version = self.whole("version", 1, 10**9)
        if version > newest:
            raise InputError(f"version is {version}; this pack reads up to {newest}. Update the pack.")

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        if key not in self.given and default is not None:
            return default
        return checked_number(self.given.get(key), self.name(key), low, high)

    def numbers(self, key: str, count: int, low: float, high: float) -> list[float]:
        return checked_numbers(self.given.get(key), self.name(key), count, low, high)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.number(key, low, high, default)
        if value != int(value):
            raise InputError(f"{self.name(key)} is {value}; it must be a whole number.")
        return int(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> Any:
        value = self.given.get(key, default)
        if value not in allowed or not isinstance(value, str):
            raise InputError(f"{self.name(key)} is {shown(value)}; allowed: {', '.join(allowed)}.")
        return value

    def text(self, key: str, most: int, default: str | None = None) -> str:
        """Text of at most so many letters; the default where it is absent or null."""
        value = default if self.given.get(key) is None else self.given[key]
        if not isinstance(value, str) or len(value) > most:
            raise InputError(f"{self.name(key)} is {shown(value)}; it must be text of at most {most:,} letters.")
        return value

    def flag(self, key: str) -> bool:
        """true or false; false where it is absent."""
        value = self.given.get(key, False)
        if not isinstance(value, bool):
            raise InputError(f"{self.name(key)} is {shown(value)}; it must be true or false.")
        return value

    def object(self, key: str) -> CheckedObject | None:
        """An object within; None where it is absent or null."""
        value = self.given.get(key)
        return None if value is None else CheckedObject(value, self.name(key), self.what)

    def objects(self, key: str, most: int) -> list[CheckedObject]:
        value = self.given.get(key, [])
        if not isinstance(value, list) or len(value) > most:
            raise InputError(f"{self.name(key)} must be a list in brackets, of at most {most} entries.")
        return [CheckedObject(entry, f"{self.name(key)}[{index}]", self.what) for index, entry in enumerate(value)]


def checked_object(text: str, what: str, most: int, advice: str) -> CheckedObject:
    """The object of JSON text of at most so many letters. Raises InputError, with `advice`, for another text."""
    named = f"The {what.split(' ', 1)[1]}"
    if len(text) > most:
        raise InputError(f"{named} has {len(text):,} letters; at most {most:,} are read. {advice}")
    try:
        given = parse_json(text.encode("utf-8", "replace"))
    except (ValueError, Refused) as error:
        raise InputError(f"{named} is not JSON ({short(error)}). {advice}") from error
    return CheckedObject(given, "", what)


def checked_number(value: Any, name: str, low: float, high: float) -> float:
    """The value as a number from low to high. Raises InputError, with the name, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} is {shown(value)}; it must be a number.")
    if not low <= value <= high:
        raise InputError(f"{name} is {shown(value)}; allowed: {low:g} to {high:g}.")
    return float(value)


def checked_numbers(value: Any, name: str, count: int, low: float, high: float) -> list[float]:
    """The same of a list of `count` numbers."""
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{name} is {shown(value)}; it must be {count} numbers in brackets.")
    return [checked_number(number, name, low, high) for number in value]


def shown(value: Any, length: int = 40, show=repr) -> str:
    """A stranger's value, cut to what fits into a message."""
    if value is None:
        return "missing"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    text = show(value)
    return text if len(text) <= length else text[:length] + "..."
