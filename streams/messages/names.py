"""Names of JSON objects: none may stand twice in one, because readers differ in which of the two counts (RFC 8259, 4).

Decoders keep the last and say nothing. So what is written is counted, and held against what was kept.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
from msgspec import UNSET

from streams.messages.numbers import has_fields

_DEEPEST = 8
"""Steps into a message, more than any schema has."""
_NAME_ENDS = b'":'
_encode = msgspec.json.Encoder().encode


def fields_stand_once(body: bytes, kind: type[msgspec.Struct]) -> bool:
    """Whether a message that was read as a kind of event surely gives no name twice, nor any that no schema knows.

    What it gives is written out again: each field once, its value as it came. A message as long as that holds nothing
    else, not even a blank.
    """
    try:
        written = _encode(_decoder_as_written(kind)(body))
    except RecursionError:  # nested as deep as could just be read before
        return False
    return len(written) == len(body) or _are_as_many(body, written)


@cache
def _decoder_as_written(kind: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(_as_written(kind)).decode


def _as_written(kind: Any) -> Any:
    """The same type for values as they are written, which are left out again where they were not given."""
    if type(None) in get_args(kind):
        some = _as_written(get_args(kind)[0])
        return some if some is msgspec.Raw else some | None
    if get_origin(kind) is tuple:
        item: Any = _as_written(get_args(kind)[0])
        return list[item]
    if not has_fields(kind):
        return msgspec.Raw
    fields = [(of.name, _as_written(of.type), UNSET) for of in msgspec.structs.fields(kind)]
    return msgspec.defstruct(kind.__name__, fields, gc=False)


def stand_once(body: bytes, kept: dict[str, Any]) -> bool:
    """Whether a message surely gives no name twice. ``kept`` is what decoding made of it."""
    try:
        return _are_as_many(body, _encode(kept))
    except RecursionError:
        return False


def _are_as_many(body: bytes, written: bytes) -> bool:
    """Whether a message gives as many names as what was kept of it, when that is written out again.

    Names are counted by their ends, which texts may hold too: in both alike, unless the message escapes quote or colon.
    """
    if any(blank in body and blank + b":" in body for blank in (b" ", b"\t", b"\n", b"\r")):
        return False  # the blank may part a name from its colon
    return b"\\u00" not in body and body.count(_NAME_ENDS) == written.count(_NAME_ENDS)


class _Object(dict[str, Any]):
    """An object that gives names more than once, or holds one that does."""

    twice: Sequence[str] = ()


def twice_faults(body: bytes, known: Collection[str]) -> Iterator[str]:
    """The fault of every name that an object of a message, which is JSON, gives twice. Those that are not ``known`` are
    not told: they may be anybody's."""
    try:
        yield from _twice_faults(body, known)
    except RecursionError:
        yield "message: nested too deep"


def _twice_faults(body: bytes, known: Collection[str]) -> Iterator[str]:
    read = json.loads(body, object_pairs_hook=_read_object, parse_int=str, parse_float=str, parse_constant=str)
    unread: list[Iterator[tuple[str | None, Any]]] = [iter([("", read)])]
    while unread:
        for where, part in unread[-1]:
            for name in getattr(part, "twice", ()):
                path = _path(where, name, known)
                yield f"{path}: twice" if path else f"{where or 'message'}: an unknown name: twice"
            unread.append(_inside(where, part, known))
            break
        else:
            unread.pop()


def _inside(where: str | None, part: Any, known: Collection[str]) -> Iterator[tuple[str | None, Any]]:
    """The objects and lists that one holds, as far as names were given twice there, with their places."""
    inside = part.items() if isinstance(part, dict) else enumerate(part or ())
    for name, item in inside:
        if _is_of_matter(item):
            yield _path(where, name, known), item


def _is_of_matter(item: Any) -> bool:
    return isinstance(item, _Object) or (isinstance(item, list) and any(map(_is_of_matter, item)))


def _read_object(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any] | None:
    """An object, ``None`` where neither it nor what it holds gives a name twice: of the others nothing is kept."""
    named = {name for name, _ in pairs}
    if len(named) == len(pairs) and not any(_is_of_matter(item) for _, item in pairs):
        return None
    read = _Object(pairs)
    if len(named) < len(pairs):
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
