"""Damage of every kind, drawn from a seeded generator: to bytes, and to what is written in them."""

from __future__ import annotations

import io
import json
import pickletools
import random
import re
import struct
import zipfile
import zlib

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    127,
    128,
    255,
    256,
    65535,
    65536,
    60000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**53,
    2**63,
    2**64 - 1,
)
WORDS = (
    "NaN", "Infinity", "-1", "1e999", "1e-9", "1e9", "0", "-0.0", "null", "true", '""', "[]", "{}", '"F8"', '"F4"',
    '"F64"', '"BF16"', '"I8"', '"\\u0000"', "[" * 20_000, '{"a":' * 3000, "9" * 30, "9" * 5000, "inf", "nan",
    '"' + "x" * 300 + '"',
)  # fmt: skip
_BOMB = zlib.compress(bytes(64 << 20))
_NOT_FINITE = [struct.pack(f"<{kind}", value) for kind in "fed" for value in (float("nan"), float("inf"))]
_OPCODES = [
    code.encode("latin1")
    for code in (
        *"2\x9401()]}\x85\x86\x87tldsuaebRQ\x8f\x90\x91N\x88\x81\x92\x93.",
        *("h\x00", "h\x01", "h\x05", "q\x00", "q\x01", "r\xff\xff\xff\x7f", "p99999999\n", "K\x01", "M\xff\xff"),
        *("J\xff\xff\xff\x7f", "G\x7f\xf8\x00\x00\x00\x00\x00\x00", "X\x01\x00\x00\x00a", "\x8c\x01a"),
        *("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "\x96\xff\xff\xff\xff\xff\xff\xff\x00", "\x8b\xff\xff\xff\x7f"),
        *("X\xff\xff\xff\x7f", "B\xff\xff\xff\x7f", "cos\nsystem\n", "cnumpy\nndarray\n", "ctorch\nSize\n"),
        *("cbuiltins\nset\n", "ccollections\nCounter\n", "F1e999\n", "I" + "9" * 5000 + "\n", "\x80\x05"),
    )
]


def mutated(data: bytes, rng: random.Random, others: list[bytes], inner) -> bytes:
    """One to four wounds; half of them to what is written (`inner`), where there is such a thing."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        if inner is not None and rng.random() < 0.6:
            try:
                data = inner(data, rng)
                continue
            except Exception:  # noqa: S110 - too damaged by now to be understood
                pass
        data = bytes_of(data, rng, others)
    return data


def bytes_of(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    if not data:
        return rng.randbytes(rng.randrange(64))
    # Heads, and what stands at the end of zip and mp4 files, are where a byte matters most.
    near = rng.choice((64, 512, len(data)))
    at = (
        rng.randrange(min(near, len(data)))
        if rng.random() < 0.7
        else len(data) - 1 - rng.randrange(min(near, len(data)))
    )
    way = rng.randrange(9)
    out = bytearray(data)
    if way == 0:
        out[at] ^= 1 << rng.randrange(8)
    elif way == 1:
        out[at] = rng.randrange(256)
    elif way == 2:
        return data[:at]
    elif way == 3:
        size = rng.choice((1, 2, 4, 8))
        number = rng.choice(NUMBERS) % (1 << 8 * size)
        out[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
    elif way == 4:
        other = rng.choice(others)
        start = rng.randrange(len(other))
        out[at : at + rng.choice((0, 8, 200))] = other[start : start + rng.choice((8, 100, 4000))]
    elif way == 5:
        del out[at : at + rng.choice((1, 4, 100, 3000))]
    elif way == 6:
        out[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
    elif way == 7:
        length = rng.choice((4, 32, 500))
        out[at:at] = data[at : at + length] * rng.choice((1, 3, 40))
    else:
        value = rng.choice(_NOT_FINITE)
        out[at : at + len(value)] = value
    return bytes(out)


def text(data: bytes, rng: random.Random) -> bytes:
    """A number, word or bracket of a text becomes another, or a heap of them."""
    found = list(re.finditer(rb'-?\d+(?:\.\d+)?|"[^"]*"|[\[\]{}:,=.]|\w+', data))
    if not found:
        return data
    hit = rng.choice(found)
    way = rng.randrange(4)
    new = (
        rng.choice(WORDS).encode()
        if way < 2
        else hit[0] * rng.choice((0, 2, 50, 5000))
        if way == 2
        else rng.choice(found)[0]
    )
    return data[: hit.start()] + new + data[hit.end() :]


def values(data: bytes, rng: random.Random) -> bytes:
    """One value of a JSON text, wherever it lies, becomes another one of it, a strange one, or several; keys too."""
    root = [json.loads(data)]
    places = [(root, 0)]
    for inside, key in places:
        below = inside[key]
        if isinstance(below, dict | list):
            places += [(below, inner) for inner in (below if isinstance(below, dict) else range(len(below)))]
    inside, key = rng.choice(places[:50] if rng.random() < 0.5 else places)
    others, other = rng.choice(places)
    way = rng.randrange(6)
    if way < 2:
        inside[key] = rng.choice((*NUMBERS, -1, -0.5, 0.1, 1.5, 1e5, 1e308, None, True, "", "x" * 300, [], {}))
    elif way == 2:
        inside[key] = json.loads(json.dumps(others[other]))
    elif way == 3 and isinstance(inside, list):
        inside[key:key] = [inside[key]] * rng.choice((1, 40, 3000))
    elif way == 4 and isinstance(inside, dict):
        inside[rng.choice((*map(str, places[0][0][0]), "x", "jawOpen", "a" * 300))] = inside[key]
    elif isinstance(inside[key], int | float):
        inside[key] = inside[key] * rng.choice((-1, 0.5, 1.1, 10, 1e4))
    elif len(inside) > 1:
        del inside[key]
    return json.dumps(root[0]).encode()


def settings(data: bytes, rng: random.Random) -> bytes:
    """A line of a TOML file with another value, doubled, left out, or a key of keys."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    key, equals, value = lines[at].partition(b" = ")
    way = rng.randrange(8)
    if way < 5 and equals:
        lines[at] = key + equals + rng.choice((*(word.encode() for word in WORDS), b"[" + value + b"]", b"'x'", b"-3"))
    elif way == 5:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif way == 6:
        del lines[at]
    else:
        lines[at] = b".".join([b"a"] * rng.choice((2, 50, 7000))) + b" = 1"
    return b"\n".join(lines)


def safetensors(data: bytes, rng: random.Random) -> bytes:
    """The header rewritten: other shapes, types, places, words, or its text damaged; or numbers that are none."""
    length = int.from_bytes(data[:8], "little")
    head, rest = data[8 : 8 + length], bytearray(data[8 + length :])
    way = rng.randrange(5)
    if way == 0:
        head = text(head, rng)
    elif way == 1 and rest:
        value = rng.choice(_NOT_FINITE)
        at = rng.randrange(max(len(rest) // len(value), 1)) * len(value)
        rest[at : at + len(value)] = value
    else:
        table = json.loads(head)
        key = rng.choice(list(table))
        entry = table[key]
        if key == "__metadata__":
            word = rng.choice(list(entry))
            entry[word] = rng.choice((*WORDS, "", entry[word] + "0", rng.choice(list(entry.values()))))
        elif way == 2 and rng.random() < 0.3:  # nothing, of large sides
            entry["shape"] = rng.choice(([rng.choice((8192, 1 << 20)), 0], [1, 4096, 0], [0] * len(entry["shape"])))
            entry["data_offsets"] = [entry["data_offsets"][0]] * 2
        elif way == 2:
            entry["shape"] = [rng.choice(NUMBERS) for _ in range(rng.randrange(5))] or entry["shape"][::-1]
        elif way == 3:
            entry["dtype"] = rng.choice(
                ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E8M0", "F4", "I64", "U8", "BOOL", "X")
            )
        else:
            what = rng.randrange(4)
            if what == 0:
                del table[key]
            elif what == 1:
                table[rng.choice(("x", "", "a" * 300, "\x00"))] = table.pop(key)
            elif what == 2:
                entry["data_offsets"] = [rng.choice(NUMBERS), rng.choice(NUMBERS)]
            else:
                other = rng.choice([name for name in table if name != "__metadata__"])
                table[key] = table[other]
        head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + bytes(rest)


def opcodes(data: bytes, rng: random.Random) -> bytes:
    """A pickle's opcodes left out, doubled, exchanged, or strange ones put between."""
    places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    pieces = [data[start:end] for start, end in zip(places, places[1:], strict=False)]
    at = rng.randrange(len(pieces))
    way = rng.randrange(6)
    if way == 0:
        del pieces[at : at + rng.choice((1, 1, 3, 20))]
    elif way == 1:
        pieces[at:at] = pieces[at : at + rng.choice((1, 5, 60))] * rng.choice((1, 2, 30))
    elif way == 2:
        other = rng.randrange(len(pieces))
        pieces[at], pieces[other] = pieces[other], pieces[at]
    elif way == 3:  # the bomb: pairs of pairs of pairs, as a key
        again = b"c_codecs\nencode\nh%c\x8c\x06latin1\x86R" % rng.randrange(9)
        level = rng.choice((b"2\x86", b"\x94h%c\x86" % rng.randrange(256), b")\x86", b"\x85", again))
        pieces[at:at] = [
            b"}",
            b")",
            level * rng.choice((5, 60, 2000, 70_000)),
            rng.choice((b"K\x01s", b"", b"a", b"R")),
        ]
    else:
        pieces[at:at] = [rng.choice(_OPCODES) for _ in range(rng.choice((1, 2, 6)))]
    return b"".join(pieces)


def npy(data: bytes, rng: random.Random) -> bytes:
    start = 10 + int.from_bytes(data[8:10], "little")
    if rng.random() < 0.15:
        head = text(data[10:start], rng)[:65_000]
        return data[:8] + len(head).to_bytes(2, "little") + head + data[start:]
    return data[:start] + opcodes(data[start:], rng)


def zipped(data: bytes, rng: random.Random) -> bytes:
    """An archive packed again: a member damaged, doubled, left out, or compressed; a bomb; a false size."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    packing = zipfile.ZIP_STORED
    way = rng.randrange(8)
    if way < 3 and any(name.endswith("data.pkl") for name, _ in members):
        at = next(index for index, (name, _) in enumerate(members) if name.endswith("data.pkl"))
        members[at] = members[at][0], opcodes(members[at][1], rng)
    elif way < 3:
        members[at] = name, bytes_of(content, rng, [content])
    elif way == 3:
        packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    elif way == 4:
        members.append((rng.choice((name, name.upper(), name.title(), "../up", "x" * 1000)), content))
        if rng.random() < 0.3:
            members.insert(0, members.pop())
    elif way == 5:
        del members[at]
    elif way == 6:
        members[at], packing = (name, bytes(rng.choice((1, 1 << 16, 2 << 20)))), zipfile.ZIP_DEFLATED
    else:
        members[at] = name, rng.randbytes(rng.choice((0, 1, 64)))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members:
            archive.writestr(name, content, compresslevel=1)
    whole = bytearray(out.getvalue())
    if way == 7:  # a size in the table of contents that is not true
        at = whole.rindex(b"PK\x01\x02") + rng.choice((20, 24, 42))
        whole[at : at + 4] = (rng.choice(NUMBERS) % 2**32).to_bytes(4, "little")
    return bytes(whole)


def chunks(data: bytes, rng: random.Random) -> bytes:
    """A PNG's sides, depth or other chunks, with checksums that are right."""
    if not data.startswith(b"\x89PNG"):
        return numbers(data, rng)
    pieces, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        pieces.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    index = rng.randrange(len(pieces))
    kind, content = pieces[index]
    way = rng.randrange(4)
    if way == 0:
        index, (kind, content) = 0, pieces[0]
        sides = [rng.choice((0, 1, 8, 9, 40000, 60000, 2**31 - 1)).to_bytes(4, "big") for _ in range(2)]
        content = b"".join(sides) + content[8:]
    elif way == 1:
        content = bytes_of(content, rng, [content])
    elif way == 2:
        pieces.insert(1, (rng.choice((b"zTXt", b"iCCP", b"iTXt")), b"a\x00\x00" + _BOMB))
        index = 0
        kind, content = pieces[0]
    else:
        kind = rng.choice((b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"IEND", kind))
    pieces[index] = kind, content
    out = [data[:8]]
    for kind, content in pieces:
        out.append(len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big"))
    return b"".join(out)


def numbers(data: bytes, rng: random.Random) -> bytes:
    """A number in the first kilobytes, at a place where one may stand."""
    out = bytearray(data)
    size = rng.choice((2, 4))
    at = rng.randrange(max(min(len(data), 4096) // size, 1)) * size
    out[at : at + size] = (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, rng.choice(("little", "big")))
    return bytes(out)


def atoms(data: bytes, rng: random.Random) -> bytes:
    """A number in an mp4's table of contents, where rates, sizes, times and places stand."""
    start = data.find(b"moov")
    if start < 0:
        return numbers(data, rng)
    names = [
        match.start() for match in re.finditer(rb"(?:mvhd|tkhd|mdhd|stts|stsd|stsz|stco|ctts|elst|avc1|mp4a)", data)
    ]
    at = rng.choice(names) + 4 + 4 * rng.randrange(8)
    out = bytearray(data)
    out[at : at + 4] = (rng.choice(NUMBERS) % 2**32).to_bytes(4, "big")
    return bytes(out)
