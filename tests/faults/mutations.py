"""Mutations: messages of hospitals with something wrong in what they say, in their bytes, or in how they come.

All of it follows from one seed. Nothing of the server is used here.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from .hospitals import AREA, asking, body_of, envelope, replying

OVERSIZE = 2 * 1024 * 1024 + 1
"""Bytes of a message that is too long."""

_NOW = datetime(2026, 3, 12, 2, tzinfo=UTC)
_DEEP = 10_000

_VALUES: tuple[Any, ...] = (
    None, "", "  ", [], {}, [[]], [{}], {"a": 1}, True, False, 0, -0.0, -1, 10**30, 10**400, 1e308, 1e-320, 0.1 + 0.2,
    "NaN", "Infinity", "1e5", "0x10", "１２", "\ud800", "\udfff\ud800", "\0", "\x1b[31m", "\u200b", "\u3164",
    "\u202e甲", "a" * 10_000, "某" * 300, "2026-02-30", "9999-12-31 23:59:59",
    "0001-01-01", "2026-03-12T10:00:00+23:59",
    "1773000000000", 1773000000000, "{}", "[]", "null", '{"a":',
    "'; drop table claims; --", "{{7*7}}", "../../etc", [None], ["1", 2, None], [[["1"]]], "1,2,,3",
    "\r\n\r\n", "%00", "💊" * 20,
)  # fmt: skip


class Attempt(NamedTuple):
    """A request that is sent as one. ``kind`` is what is wrong with it."""

    kind: str
    infno: str
    body: bytes


def attempts(seed: int, count: int) -> Iterator[Attempt]:
    """So many requests; each twentieth is good, and comes again later now and then."""
    chance = Random(seed)
    for number in range(count):
        infno, message = _base(chance, f"F{seed}-{number}")
        if number % 20 == 0:
            yield Attempt("good", infno, body_of(message))
        elif chance.random() < 0.5:
            kind, mutate = chance.choice(_OF_VALUES)
            for _ in range(chance.choice((1, 1, 1, 3))):
                mutate(chance, message)
            yield Attempt(kind, infno, json.dumps(message, ensure_ascii=True).encode())
        else:
            kind, spoil = chance.choice(_OF_BYTES)
            yield Attempt(kind, infno, spoil(chance, body_of(message)))


def _base(chance: Random, msgid: str) -> tuple[str, dict[str, Any]]:
    infno = chance.choice(("3101", "3101", "3102", "3103", "9001"))
    code = f"H4202810{chance.randrange(50):04}"
    if infno == "3103":
        return infno, replying(msgid, code, _NOW, f"{AREA}-NONE-{msgid}")
    if infno == "9001":
        told = {"signIn": {"opter_no": "0001", "mac": "00-00-5E-00-53-01", "ip": "192.0.2.7"}}
        return infno, envelope("9001", msgid, code, _NOW, input=told)
    return infno, asking(infno, msgid, code, _NOW, f"P-{chance.randrange(5_000)}")


# --- what a message says


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a message with each name or number in it."""
    if isinstance(value, dict | list):
        for step in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, step
            yield from _places(value[step])


def _replace(chance: Random, message: Any) -> None:
    holder, step = chance.choice(list(_places(message)))
    holder[step] = deepcopy(chance.choice(_VALUES))


def _remove(chance: Random, message: Any) -> None:
    holder, step = chance.choice(list(_places(message)))
    del holder[step]


def _rename(chance: Random, message: Any) -> None:
    holder, step = chance.choice([of for of in _places(message) if isinstance(of[0], dict)])
    holder[chance.choice((step.upper(), step + " ", "", "__proto__", "infno", "input", "某"))] = holder.pop(step)


def _wrap(chance: Random, message: Any) -> None:
    """A list for an object, an object for a list, either as the text of it."""
    holder, step = chance.choice(list(_places(message)))
    value = holder[step]
    opened = value[0] if isinstance(value, list) and value else {"value": value}
    holder[step] = chance.choice(([value], opened, json.dumps(value), [value, deepcopy(value)], {"a": value}))


def _repeat(chance: Random, message: Any) -> None:
    lists = [(holder, step) for holder, step in _places(message) if isinstance(holder[step], list) and holder[step]]
    if lists:
        holder, step = chance.choice(lists)
        holder[step] = [deepcopy(of) for of in holder[step] * chance.choice((2, 30))]


def _swap(chance: Random, message: Any) -> None:
    (one, at), (other, there) = chance.choices(list(_places(message)), k=2)
    if _contains(one[at], other) or _contains(other[there], one):
        return
    one[at], other[there] = other[there], one[at]


def _contains(value: Any, holder: Any) -> bool:
    return value is holder or any(of is holder for of, _ in _places(value))


_OF_VALUES: tuple[tuple[str, Callable[[Random, Any], None]], ...] = (
    ("value replaced", _replace),
    ("value replaced", _replace),
    ("name removed", _remove),
    ("name changed", _rename),
    ("list for object", _wrap),
    ("repeated", _repeat),
    ("swapped", _swap),
)


# --- its bytes


def _flip(chance: Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice((1, 1, 4, 50))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(chance: Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


def _put_in(chance: Random, body: bytes) -> bytes:
    at = chance.randrange(len(body))
    pieces = (
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b'"',
        b"}",
        b"[",
        b",",
        b"\\u0000",
        b"\\ud800",
        b"/*",
        b"\r",
    )
    return body[:at] + chance.choice(pieces) + body[at:]


def _take_out(chance: Random, body: bytes) -> bytes:
    at = chance.randrange(len(body))
    return body[:at] + body[at + chance.randrange(1, 60) :]


def _name_twice(chance: Random, body: bytes) -> bytes:
    name = chance.choice((b'"infno"', b'"msgid"', b'"patn_id"', b'"cnt"', b'"input"', b'"x"'))
    value = chance.choice((b"1", b'"3101"', b"null", b"{}", b"[]"))
    return body.replace(b"{", b"{" + name + b":" + value + b",", chance.choice((1, 4)))


def _nest(chance: Random, body: bytes) -> bytes:
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"input":', b"}]")))
    deep = opening * _DEEP + b"1" + chance.choice((closing * _DEEP, b""))
    return deep if chance.random() < 0.5 else body.replace(b'"input": ', b'"input": ' + deep + b', "x": ', 1)


def _number(chance: Random, body: bytes) -> bytes:
    number = chance.choice((b"NaN", b"-Infinity", b"1" * 5_000, b"1e999999", b"-0", b"01", b"1.", b".5", b"+1", b"0x1"))
    return body.replace(chance.choice((b'"cnt": 1', b'"pric": 50', b'"sumamt": 50')), b'"cnt": ' + number, 1)


def _encode(chance: Random, body: bytes) -> bytes:
    text = body.decode()
    encodings = ("utf-16", "utf-16-be", "utf-32", "gb18030", "utf-7", "utf-8-sig", "utf-8-sig")
    return chance.choice((gzip.compress(body, mtime=0), *(text.encode(of) for of in encodings)))


def _other(chance: Random, body: bytes) -> bytes:
    return chance.choice(
        (b"", b" ", b"null", b"1", b'"a"', b"[]", b"{}", b"<x/>", b"a=1&b=2", chance.randbytes(500), body * 2)
    )


def _blow_up(chance: Random, body: bytes) -> bytes:
    """Nearly too long, or too long, which is rare: most of the time goes into it."""
    if chance.random() > 0.05:
        return body.replace(b'"infno"', b'"' + b"x" * 20_000 + b'": 1, "infno"', 1)
    size = chance.choice((OVERSIZE, OVERSIZE - 2_000, 3 * OVERSIZE))
    return body[:-1] + b" " * (size - len(body)) + body[-1:]


_OF_BYTES: tuple[tuple[str, Callable[[Random, bytes], bytes]], ...] = (
    ("bits flipped", _flip),
    ("cut off", _cut),
    ("bytes put in", _put_in),
    ("bytes taken out", _take_out),
    ("name twice", _name_twice),
    ("nested deep", _nest),
    ("number", _number),
    ("encoding", _encode),
    ("something else", _other),
    ("blown up", _blow_up),
)


# --- how it comes


def broken_requests(chance: Random) -> list[tuple[str, bytes]]:
    """Requests as bytes of a connection that is closed after them; none holds a message that is whole."""
    _, message = _base(chance, f"R-{chance.randrange(10**9)}")
    body = body_of(message)
    head = b"POST /3101 HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    return [
        ("chunk without a number", chunked + b"zz\r\n" + body),
        ("chunk longer than told", chunked + b"5\r\n" + body),
        ("chunk of a negative size", chunked + b"-1\r\n" + body),
        ("chunk of endless size", chunked + b"F" * 40 + b"\r\n" + body),
        ("chunks without an end", chunked + b"%x\r\n" % len(body) + body + b"\r\n"),
        ("less than told", head + length + b"\r\n" + body[: len(body) // 2]),
        ("two lengths", head + length + b"Content-Length: 5\r\n\r\n" + body),
        ("a length that is none", head + b"Content-Length: many\r\n\r\n" + body),
        ("a negative length", head + b"Content-Length: -5\r\n\r\n" + body),
        ("length and chunks", head + length + b"Transfer-Encoding: gzip\r\n\r\n" + body),
        ("no host", b"POST /3101 HTTP/1.1\r\n" + length + b"\r\n" + body),
        ("no HTTP", chance.randbytes(200) + b"\r\n\r\n"),
        ("half a line", b"POST /31"),
        ("half a head", head),
        ("a long head", head + b"X: " + b"x" * 200_000 + b"\r\n\r\n"),
        ("a header that is none", head + b"no colon\r\n\r\n"),
        ("a header of other bytes", head + b"X: \xff\xfe\x00\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(100)),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(30)),
    ]


ODD_REQUESTS: tuple[tuple[str, str], ...] = (
    ("GET", "/3101"), ("HEAD", "/3101"), ("PUT", "/3101"), ("DELETE", "/3101"), ("OPTIONS", "*"), ("TRACE", "/3101"),
    ("POST", "/"), ("POST", "/31011"), ("POST", "/3101/"), ("POST", "//3101"), ("POST", "/3101%00"),
    ("POST", "/%ff%fe"), ("POST", "/..%2f3101"), ("POST", "http://g/2201"), ("POST", "/health/live"),
    ("GET", "/receipts/"), ("GET", "/receipts/AAAAAAAAAAAAAAAA"), ("POST", "/receipts/A"), ("GET", "/receipts/%00"),
    ("GET", "/health/nothing"), ("GET", "/health/"), ("GET", "/docs"), ("POST", "/9999"),
    ("POST", f"/{'9' * 5_000}"), ("BREW", "/3101"),
)  # fmt: skip
"""Methods and addresses that no message has."""
