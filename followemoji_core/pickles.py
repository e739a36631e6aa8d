"""A pickle replayed: its opcodes build boxes that only say what they would be. Nothing in it is called or imported,
nothing but strings and whole numbers is ever hashed, and Python's own unpickler has no part in it."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from typing import IO, Any

from .gate import Refused

TUPLES = 2  # of tuples in tuples
LONGEST = 4096  # entries of a tuple
MOST_OPCODES = 5_000_000  # about 10 seconds
FEWEST_OPCODES = 100_000  # of any file, and one for so many bytes more:
BYTES_AN_OPCODE = 32  # a published template takes about 250 for the 11,000 bytes of a frame or more
MOST_BOXES = 1_500_000  # about 250 MB


class Box:
    """A tuple, list, dict, function or call of a pickle. It is filled while it lies alone, never once it lies in
    another: so nothing lies in itself, and `depth` is what it says.

    kind: "tuple", "list", "dict", "function", "call", "storage" (a persistent id). content: list, of a dict a dict.
    name: "module.name" of a function, or of what a call calls. state: what was set on a call's result.
    """

    __slots__ = ("kind", "content", "name", "state", "depth", "tuples", "held")

    def __init__(self, kind: str, content: Any = (), name: str = ""):
        self.kind, self.content, self.name, self.state = kind, content, name, None
        self.depth, self.tuples, self.held = 1, kind == "tuple", False


class Replay:
    """Opcodes to boxes. allowed: names of functions that may be asked for; None: all, as nothing is called anyway.

    depth: of boxes in boxes, where a call with its arguments and its state is one. size: bytes of the whole file.
    whole_keys: whether keys of a dict may be whole numbers too.
    """

    def __init__(self, allowed: Collection[str] | None, depth: int, size: int, whole_keys: bool = False):
        self.allowed, self.depth, self.keys = allowed, depth, (str, int) if whole_keys else (str,)
        self.most = min(FEWEST_OPCODES + size // BYTES_AN_OPCODE, MOST_OPCODES)
        self.opcodes = self.boxes = 0
        self.encoded: dict[str, bytes] = {}
        self.calls: list[Box] = []
        self.storages: list[Box] = []

    def read(self, stream: IO[bytes]) -> Any:
        """What the pickle that begins here stands for: numbers, strings, bytes and boxes of them; the stream is left
        behind it. Raises Refused and, where it is damaged, ValueError, IndexError, TypeError."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        for opcode, argument, _ in pickletools.genops(stream):
            self.opcodes += 1
            if self.opcodes > self.most or self.boxes > MOST_BOXES:
                raise Refused("it is made of more pieces than any such file")
            name = opcode.name
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _HANDLERS:
                _HANDLERS[name](self, argument)
            elif name == "STOP":
                return self._pop()
            else:
                raise Refused(f"it uses {name}, which plain tables of numbers do not need")
        raise ValueError("it ends too early")

    # --- the stack

    def _pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise ValueError("its opcodes do not fit together")
        return self.stack.pop()

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _box(self, kind: str, name: str = "") -> Box:
        self.boxes += 1
        return Box(kind, name=name)

    def _hold(self, box: Box, items: Collection[Any], level: int = 1) -> None:
        """`items` come to lie in `box`, which lies alone."""
        if box.held:
            raise Refused("something in it is changed after it was used")
        for item in items:
            if type(item) is Box:
                if item is box:
                    raise Refused("something in it holds itself")
                item.held = True
                box.depth = max(box.depth, item.depth + level)
                if box.kind == "tuple" and item.kind == "tuple":
                    box.tuples = max(box.tuples, item.tuples + 1)
        if box.depth > self.depth or box.tuples > TUPLES:
            raise Refused("it nests deeper than any such file")

    # --- boxes

    def _push(self, kind: str) -> Box:
        box = self._box(kind)
        self.stack.append(box)
        return box

    def _tuple(self, items: list[Any]) -> None:
        if len(items) > LONGEST:
            raise Refused("it holds a tuple longer than any such file")
        box = self._push("tuple")
        self._hold(box, items)
        box.content = tuple(items)

    def _list(self, items: list[Any]) -> None:
        self._push("list")
        self._append(items)

    def _append(self, items: list[Any]) -> None:
        box = self._top("list")
        self._hold(box, items)
        if items:
            box.content = box.content or []
            box.content.extend(items)

    def _dict(self, pairs: list[Any]) -> None:
        self._push("dict")
        self._set(pairs)

    def _set(self, pairs: list[Any]) -> None:
        box = self._top("dict", "call")  # an OrderedDict is a call that is filled
        keys, values = pairs[::2], pairs[1::2]
        if len(keys) != len(values):
            raise ValueError("a key without a value")
        if not all(type(key) in self.keys for key in keys):
            raise Refused("a key in it is no string")
        self._hold(box, values)
        if box.kind == "dict":
            box.content = box.content or {}
            box.content.update(zip(keys, values, strict=True))
        elif keys:
            box.state = box.state if isinstance(box.state, dict) else {}
            box.state.update(zip(keys, values, strict=True))

    def _top(self, *kinds: str) -> Box:
        box = self.stack[-1]
        if type(box) is not Box or box.kind not in kinds or (self.marks and len(self.stack) <= self.marks[-1]):
            raise ValueError(f"no {kinds[0]} where one is needed")
        return box

    # --- functions

    def _function(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("a function without a name")
        if self.allowed is not None and f"{module}.{name}" not in self.allowed:
            raise Refused(f"it asks for {module}.{name}")
        self.boxes += 1
        self.stack.append(Box("function", name=f"{module}.{name}"))

    def _stack_function(self) -> None:
        name, module = self._pop(), self._pop()
        self._function(module, name)

    def _call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not (type(function) is Box and function.kind == "function"):
            raise Refused("it calls something that is no function")
        if not (type(arguments) is Box and arguments.kind == "tuple"):
            raise ValueError("a call without arguments")
        if function.name == "_codecs.encode":  # how protocol 2 writes bytes
            text, coding = arguments.content
            if type(text) is not str or coding != "latin1":
                raise Refused("it uses _codecs.encode in an unusual way")
            if text not in self.encoded:  # once, however often it is asked for
                self.encoded[text] = text.encode("latin1")
            self.stack.append(self.encoded[text])
            return
        box = self._box("call", function.name)
        self._hold(box, (arguments,), level=0)
        box.content = arguments.content
        self.calls.append(box)
        self.stack.append(box)

    def _build(self) -> None:
        state = self._pop()
        box = self._top("call")
        self._hold(box, (state,), level=0)
        box.state = state

    def _storage(self) -> None:
        key = self._pop()
        if not (type(key) is Box and key.kind == "tuple" and all(
            type(part) in (str, int, type(None)) or (type(part) is Box and part.kind == "function")
            for part in key.content
        )):  # fmt: skip
            raise Refused("it names a storage in an unusual way")
        box = self._box("storage")
        box.content = key.content
        self.storages.append(box)
        self.stack.append(box)

    # --- the memo

    def _put(self, slot: int) -> None:
        if not 0 <= slot <= 2 * MOST_OPCODES:
            raise Refused("its memo is larger than the file")
        self.memo[slot] = self.stack[-1]

    def _get(self, slot: int) -> None:
        self.stack.append(self.memo[slot])


_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_HANDLERS: dict[str, Callable[[Replay, Any], Any]] = {
    "PROTO": lambda run, argument: None,
    "FRAME": lambda run, argument: None,
    "MARK": lambda run, argument: run.marks.append(len(run.stack)),
    "POP": lambda run, argument: run._pop(),
    "POP_MARK": lambda run, argument: run._since_mark(),
    "EMPTY_TUPLE": lambda run, argument: run._tuple([]),
    "TUPLE": lambda run, argument: run._tuple(run._since_mark()),
    "TUPLE1": lambda run, argument: run._tuple([run._pop()]),
    "TUPLE2": lambda run, argument: run._tuple([run._pop(), run._pop()][::-1]),
    "TUPLE3": lambda run, argument: run._tuple([run._pop(), run._pop(), run._pop()][::-1]),
    "EMPTY_LIST": lambda run, argument: run._push("list"),
    "LIST": lambda run, argument: run._list(run._since_mark()),
    "APPEND": lambda run, argument: run._append([run._pop()]),
    "APPENDS": lambda run, argument: run._append(run._since_mark()),
    "EMPTY_DICT": lambda run, argument: run._push("dict"),
    "DICT": lambda run, argument: run._dict(run._since_mark()),
    "SETITEM": lambda run, argument: run._set([run._pop(), run._pop()][::-1]),
    "SETITEMS": lambda run, argument: run._set(run._since_mark()),
    "GLOBAL": lambda run, argument: run._function(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda run, argument: run._stack_function(),
    "REDUCE": lambda run, argument: run._call(),
    "BUILD": lambda run, argument: run._build(),
    "BINPERSID": lambda run, argument: run._storage(),
    "PUT": lambda run, argument: run._put(argument),
    "BINPUT": lambda run, argument: run._put(argument),
    "LONG_BINPUT": lambda run, argument: run._put(argument),
    "MEMOIZE": lambda run, argument: run._put(len(run.memo)),
    "GET": lambda run, argument: run._get(argument),
    "BINGET": lambda run, argument: run._get(argument),
    "LONG_BINGET": lambda run, argument: run._get(argument),
}
