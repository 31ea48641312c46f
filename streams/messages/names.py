"""Names of JSON objects: none may stand twice in one, because readers differ in which of the two counts (RFC 8259, 4).

Decoders keep the last and say nothing. So what is written is counted, and held against what was kept.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

_DEEPEST = 8
"""Steps into a message, more than any schema has."""


def stand_once(body: bytes, kept: dict[str, Any], parts: Iterable[dict[str, Any]]) -> bool:
    """Whether a message gives no name twice. ``kept`` is what decoding made of it, ``parts`` the objects in it, as far
    as its schema knows them.

    Names are counted by their ends: of some texts and spellings too many, and then the answer is no.
    """
    if any(blank in body and blank + b":" in body for blank in (b" ", b"\t", b"\n", b"\r")):
        return False  # the blank may part a name from its colon
    written = body.count(b'":')
    try:
        return written == len(kept) + sum(map(len, parts)) or written == _count(kept)
    except RecursionError:
        return False


def _count(part: Any) -> int:
    """How many names stand in a part of a message, in all depths."""
    items = part.values() if isinstance(part, dict) else part
    own = len(part) if isinstance(part, dict) else 0
    return own + sum([_count(item) for item in items if isinstance(item, (dict, list))])


class _Object(dict[str, Any]):
    """An object with the names that it gives more than once."""

    twice: Sequence[str] = ()


def twice_faults(body: bytes, known: Collection[str]) -> Iterator[str]:
    """The fault of every name that an object of a message, which is JSON, gives twice. Those that are not ``known`` are
    not told: they may be anybody's."""
    try:
        read = json.loads(body, object_pairs_hook=_read_object, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        yield "message: nested too deep"
        return
    unread: list[tuple[str | None, Any]] = [("", read)]
    while unread:
        where, part = unread.pop()
        for name in getattr(part, "twice", ()):
            path = _path(where, name, known)
            yield f"{path}: twice" if path else f"{where or 'message'}: an unknown name: twice"
        inside = part.items() if isinstance(part, dict) else enumerate(part)
        deeper = [(name, item) for name, item in inside if isinstance(item, (list, dict))]
        unread += [(_path(where, name, known), item) for name, item in reversed(deeper)]


def _read_object(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    read = _Object(pairs)
    if len(read) < len(pairs):
        read.twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    return read


def _path(where: str | None, name: str | int, known: Collection[str]) -> str | None:
    """Where a name or an item of a list stands, ``None`` where no schema has such a place."""
    if where is None or where.count("[") + where.count(".") > _DEEPEST:
        return None
    if isinstance(name, int):
        return f"{where}[{name}]"
    if name not in known:
        return None
    return f"{where}.{name}" if where else name
