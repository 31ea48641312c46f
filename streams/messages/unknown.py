"""Fields that no schema knows. Of good messages they are counted and named, with what was likely meant; in a faulty one
a required field may be among them, misspelt.

Their values are never looked at, and a name is told only where it looks like one of a field: others may be anything.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher, get_close_matches
from functools import cache, lru_cache
from itertools import islice
from typing import Any, get_args, get_origin

from streams.messages.faults import fields_of
from streams.messages.kinds import KINDS
from streams.messages.numbers import has_fields

MOST_NAMES = 20
"""Unknown fields of one source that are named; all are counted."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z_]{0,38}[0-9]{0,2}")
_LIKELY = 0.7
_SAME_PLACE = 0.1

_MISSING = re.compile(r"(.*?)(\w+): missing")
_STEP = re.compile(r"(\w+)(?:\[([0-9]+)\])?\.")
_MOST_LIKENED = 20
"""Unknown fields of one object, whatever their names, among which a missing one is looked for."""


def find_unknown(data: Any, kind: Any, place: str = "") -> Iterator[str]:
    """Every field of a part of a message, in all depths, or of a list of such parts, that its type does not know.

    A field is called as ``lines.amount`` is, and "" where its name is none to be told.
    """
    if isinstance(data, list):
        for item in data:
            yield from find_unknown(item, kind, place)
    elif isinstance(data, dict):
        for name in data.keys() - fields_of(kind).keys():
            yield f"{place}{name}" if _PLAIN.fullmatch(name) else ""
        for name, part in parts_of(kind).items():
            if name in data:
                yield from find_unknown(data[name], part, f"{place}{name}.")


@cache
def parts_of(kind: Any) -> Mapping[str, Any]:
    """The fields of an event's type, or of a part of one, that hold objects or lists of them, with what these are."""
    inside = {
        name: get_args(field.kind)[0] if get_origin(field.kind) is tuple else field.kind
        for name, field in fields_of(kind).items()
    }
    return {name: part for name, part in inside.items() if has_fields(part)}


@lru_cache(maxsize=1_000)  # pages ask it anew each time, of the same few names
def likely_meant(kind: str, field: str) -> str | None:
    """The field of a kind of events whose name is most like an unknown one's, its own part's before others'."""
    place, _, name = field.rpartition(".")

    def likeness(known: str) -> float:
        of, _, other = known.rpartition(".")
        return SequenceMatcher(None, name.lower(), other).ratio() + (_SAME_PLACE if of == place else 0)

    event: Any = KINDS[kind].event
    best = max(_all_fields(event), key=likeness)
    return best if likeness(best) >= _LIKELY else None


def with_misspelt(faults: Iterable[str], data: Any, kind: Any) -> list[str]:
    """The faults of a message of a kind, a missing field's with what it is perhaps called in the same object."""
    return [f"{fault}{_perhaps_called(fault, data, kind)}" for fault in faults]


def _perhaps_called(fault: str, data: Any, kind: Any) -> str:
    missing = _MISSING.fullmatch(fault)
    if missing is None:
        return ""
    for name, index in _STEP.findall(missing[1]):
        data, kind = data[name][int(index)] if index else data[name], parts_of(kind)[name]
    unknown = islice((name for name in data if name not in fields_of(kind)), _MOST_LIKENED)
    told = {name.lower(): name for name in unknown if _PLAIN.fullmatch(name)}
    likely = get_close_matches(missing[2], told, 1, _LIKELY - _SAME_PLACE)
    return f", perhaps called {told[likely[0]]}" if likely else ""


@cache
def _all_fields(kind: Any, place: str = "") -> tuple[str, ...]:
    inside = [_all_fields(part, f"{place}{name}.") for name, part in parts_of(kind).items()]
    return tuple(f"{place}{name}" for name in fields_of(kind)) + tuple(field for fields in inside for field in fields)
