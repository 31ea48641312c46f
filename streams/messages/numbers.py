"""Numbers in messages: texts in events, nearly always spelled plainly.

The published schema takes a text as ``DECIMAL`` says, or a number of JSON without quotes. It is kept as ``str`` writes
its decimal, which of plain numbers is what came. What doors of before took is read in every spelling that they took.
"""

import re
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec

from knowledge_base.events.head import Code, Event, Id, Money, Quantity, Reference, Text

E = TypeVar("E", bound=Event)

_TEXTS = (Id, Reference, Code, Text)

DECIMAL = r"-?[0-9]{1,14}(?:\.[0-9]{1,6})?"
"""How money, prices and quantities are to be written."""

_WRITTEN = re.compile(DECIMAL)

DIGITS, PLACES = 14, 6
"""Digits that decimals have at most before the point and after."""

# Possessive: nothing is tried again, so a long list that is faulty at its end is refused as fast as a good one is read.
_SPELLED_ALIKE = re.compile(rf"(?:-?(?:0|[1-9][0-9]{{0,{DIGITS - 1}}}+)(?:\.[0-9]{{1,{PLACES}}}+)?+ )*+")


def are_plain(numbers: Collection[str]) -> bool:
    """Whether all are spelled as ``DECIMAL`` says, without a zero too many before: as ``str`` of a ``Decimal`` does.

    Looked at together, each closed by one space; a number that holds a space itself shows in their count.
    """
    closed = " ".join(numbers) + " " if numbers else ""
    return _SPELLED_ALIKE.fullmatch(closed) is not None and closed.count(" ") == len(numbers)


def is_written(number: str) -> bool:
    """Whether a text is a number as the published schema has it."""
    return _WRITTEN.fullmatch(number) is not None


def is_number(kind: Any) -> bool:
    """Whether a field of this type holds a number as text."""
    return kind in (Money, Quantity)


def has_fields(kind: Any) -> bool:
    """Whether a type is an event or a part of one, and not a value."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def reckoned(kind: Any) -> Any:
    """The same type with decimals for its numbers, which JSON fills from any spelling, and texts without bounds."""
    if is_number(kind):
        return Decimal
    if get_origin(kind) is tuple:
        item: Any = reckoned(get_args(kind)[0])
        return tuple[item, ...]
    if type(None) in get_args(kind):
        return reckoned(get_args(kind)[0]) | None
    if not has_fields(kind):
        return str if kind in _TEXTS else kind
    fields = [
        (of.name, reckoned(of.type)) if of.required else (of.name, reckoned(of.type), of.default)
        for of in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(kind.__name__, fields, frozen=True, gc=False)


def read_any_spelling(body: bytes, kind: type[E]) -> E:
    """An event of a type from its JSON, however its numbers are spelled and however long its texts are.

    Nothing is checked beyond its types: so every message is read that a door of any release took.
    Raises ``msgspec.ValidationError``, ``ValueError``, ``OverflowError``.
    """
    wide: Any = reckoned(cast(Any, kind))
    event: E = _with_texts(msgspec.json.decode(body, type=wide), kind)
    return event


def with_decimals(event: Event) -> Any:
    """An event with its numbers as decimals, to be compared by what it means."""
    return msgspec.convert(msgspec.to_builtins(event, builtin_types=(datetime, date)), reckoned(type(event)))


def _with_texts(part: Any, kind: Any) -> Any:
    """A part of an event with decimals as one of its own type, whose numbers are texts."""
    if isinstance(part, Decimal):
        return str(_kept(part))
    if isinstance(part, tuple):
        return tuple([_with_texts(item, get_args(kind)[0]) for item in part])
    if part is None or not has_fields(kind):
        return part
    return kind(*[_with_texts(getattr(part, name), of) for name, of in typed_fields(kind)])


def _kept(number: Decimal) -> Decimal:
    """A number as it was kept: of one without quotes a door of before cut off the digits that no double holds."""
    exponent = number.as_tuple().exponent
    is_longer = isinstance(exponent, int) and exponent < -PLACES
    return Decimal(str(float(number))) if is_longer else number


@cache
def typed_fields(kind: Any) -> list[tuple[str, Any]]:
    """The fields of an event's type, or of a part of one, each with its type where it is told."""
    return [
        (of.name, get_args(of.type)[0] if type(None) in get_args(of.type) else of.type)
        for of in msgspec.structs.fields(kind)
    ]
