"""Numbers in messages: texts in events, nearly always spelled plainly. Other spellings are read too.

A number counts however it is spelled (12.5 without quotes, "1E+3"): a spelling must not hide spending. It is kept as
``str`` writes its decimal, which of plain numbers is what came.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_origin

import msgspec

from knowledge_base.events.head import Event, Money, Quantity

E = TypeVar("E", bound=Event)

DECIMAL = r"-?[0-9]{1,14}(?:\.[0-9]{1,6})?"
"""How money, prices and quantities are to be written."""

DIGITS, PLACES = 14, 6
"""Digits that decimals have at most before the point and after."""

# Possessive: nothing is tried again, so a long list that is faulty at its end is refused as fast as a good one is read.
_SPELLED_ALIKE = re.compile(rf"(?:-?(?:0|[1-9][0-9]{{0,{DIGITS - 1}}}+)(?:\.[0-9]{{1,{PLACES}}}+)?+ )*+")


def are_plain(numbers: Sequence[str]) -> bool:
    """Whether all are spelled as ``DECIMAL`` says, without a zero too many before: as ``str`` of a ``Decimal`` does.

    Looked at together, each closed by one space; a number that holds a space itself shows in their count.
    """
    closed = " ".join(numbers) + " " if numbers else ""
    return _SPELLED_ALIKE.fullmatch(closed) is not None and closed.count(" ") == len(numbers)


def is_number(kind: Any) -> bool:
    """Whether a field of this type holds a number as text."""
    return kind in (Money, Quantity)


def has_fields(kind: Any) -> bool:
    """Whether a type is an event or a part of one, and not a value."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


@cache
def reckoned(kind: Any) -> Any:
    """The same type with decimals for its numbers, which JSON fills from any spelling."""
    if is_number(kind):
        return Decimal
    if get_origin(kind) is tuple:
        item: Any = reckoned(get_args(kind)[0])
        return tuple[item, ...]
    if type(None) in get_args(kind):
        return reckoned(get_args(kind)[0]) | None
    if not has_fields(kind):
        return kind
    fields = [
        (of.name, reckoned(of.type)) if of.required else (of.name, reckoned(of.type), of.default)
        for of in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(kind.__name__, fields, frozen=True, gc=False)


def read_any_spelling(body: bytes, kind: type[E]) -> E:
    """An event of a type from its JSON, however its numbers are spelled, with no check beyond its types.

    Raises ``msgspec.ValidationError``, ``ValueError``, ``OverflowError``.
    """
    wide: Any = reckoned(cast(Any, kind))
    event: E = _converted(msgspec.json.decode(body, type=wide), kind)
    return event


def with_decimals(event: Event) -> Any:
    """An event with its numbers as decimals, to be compared by what it means."""
    return _converted(event, reckoned(type(event)))


def _converted(event: Any, kind: Any) -> Any:
    return msgspec.convert(msgspec.to_builtins(event, builtin_types=(datetime, date)), kind)
