"""Names of JSON objects: none may stand twice in one, because readers differ in which of the two counts (RFC 8259, 4).

Decoders keep the last and say nothing. So what is written is counted, and held against what was kept.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any


def stand_once(body: bytes, kept: dict[str, Any], parts: Iterable[dict[str, Any]]) -> bool:
    """Whether a message gives no name twice. ``kept`` is what decoding made of it, ``parts`` the objects in it, as far
    as its schema knows them.

    Names are counted by their ends: of some texts and spellings too many, and then the answer is no.
    """
    if b"\t" in body or b"\n" in body or b"\r" in body or (b" " in body and b'" ' in body):
        return False  # a blank may part a name from its colon
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
    """The fault of every name that an object of a message, which is JSON, gives twice. Of names that are not ``known``
    nothing is told: they may be anybody's."""
    try:
        read = json.loads(body, object_pairs_hook=_read_object, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        yield "message: nested too deep"
        return
    unread: list[tuple[str | None, Any]] = [("", read)]
    while unread:
        where, part = unread.pop()
        if isinstance(part, list):
            inside = [(None if where is None else f"{where}[{index}]", item) for index, item in enumerate(part)]
        elif isinstance(part, _Object):
            yield from [f"{_path(where, name, known) or 'message: an unknown name'}: twice" for name in part.twice]
            inside = [(_path(where, name, known), item) for name, item in part.items()]
        else:
            continue
        unread += reversed([(path, item) for path, item in inside if isinstance(item, (list, _Object))])


def _read_object(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    read = _Object(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        read.twice = [name for name in read if names.count(name) > 1]
    return read


def _path(where: str | None, name: str, known: Collection[str]) -> str | None:
    """Where a name stands, ``None`` where it or what it stands in is unknown."""
    if where is None or name not in known:
        return None
    return f"{where}.{name}" if where else name
