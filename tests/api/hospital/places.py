"""Places of a message: every field and collection that its table has, and a message with something else there."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from api.hospital.checking import Checked, check_each_field, check_message
from api.hospital.dialect import Dialect, load_dialects
from api.hospital.tables import Field, Node

from .messages import INFNOS, body_of, good_message

DIALECTS = load_dialects()
EVERY_MESSAGE = [(name, infno) for name in DIALECTS for infno in INFNOS]

MISSING = object()
"""What stands where a name is not given."""


class Place(NamedTuple):
    """Where something stands in a message: as its dialect spells it, as faults say it, and what the table says."""

    steps: tuple[str | int, ...]
    path: str
    part: Field | Node


def places_of(dialect: Dialect, infno: str) -> list[Place]:
    """Every field and collection of a message, in the first object of each collection."""
    return list(_inside(dialect.messages[infno].request, (), ""))


def _inside(node: Node, steps: tuple[str | int, ...], path: str) -> Iterator[Place]:
    for field in node.fields:
        yield Place((*steps, field.spelled[0]), f"{path}{field.name}", field)
    for inside in node.nodes:
        if not inside.unread:
            place = Place((*steps, inside.spelled[0]), f"{path}{inside.name}", inside)
            yield place
            first: tuple[int, ...] = (0,) if inside.many else ()
            yield from _inside(inside, (*place.steps, *first), f"{place.path}{'[0]' if inside.many else ''}.")


def fields_of(dialect: Dialect, infno: str, *kinds: str) -> Iterator[tuple[Place, Field]]:
    """The fields of these kinds, all of them where none is named, but for the number of the message."""
    for place in places_of(dialect, infno):
        if isinstance(place.part, Field) and place.path != "infno" and (not kinds or place.part.kind in kinds):
            yield place, place.part


def nodes_of(dialect: Dialect, infno: str) -> Iterator[tuple[Place, Node]]:
    """The collections."""
    for place in places_of(dialect, infno):
        if isinstance(place.part, Node):
            yield place, place.part


def value_at(values: Any, steps: tuple[str | int, ...]) -> Any:
    """What stands at a place."""
    for step in steps:
        values = values[step]
    return values


def with_value(message: Any, steps: tuple[str | int, ...], value: Any) -> Any:
    """A message with another value at a place, or without the name there."""
    if not steps:
        return value
    step, *rest = steps
    changed = message.copy()
    if value is MISSING and not rest:
        del changed[step]
    else:
        changed[step] = with_value(message[step] if rest else None, tuple(rest), value)
    return changed


def national_steps(path: str) -> tuple[str | int, ...]:
    """The steps of a fault's path."""
    parts = path.replace("[", ".[").split(".")
    return tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)


def check_both_ways(message: Any, dialect: Dialect) -> Checked:
    """A message, checked. The short way in and the long one say the same."""
    body = body_of(message)
    checked = check_message(body, dialect)
    assert checked == check_each_field(body, dialect)
    return checked


class Tried(NamedTuple):
    """A good message of a dialect, what is read of it, and the same with something else in it."""

    dialect: Dialect
    message: dict[str, Any]
    good: Checked

    def check(self, place: Place, value: Any) -> Checked:
        """What is read with another value at a place."""
        return check_both_ways(with_value(self.message, place.steps, value), self.dialect)

    def reads_alike(self, checked: Checked, place: Place) -> bool:
        """Whether all but a place says what it said before."""
        steps = national_steps(place.path)
        there = value_at(checked.values, steps)
        return checked.values == with_value(self.good.values, steps, there)


def tried(name: str, infno: str) -> Tried:
    """A good message with two orders."""
    dialect = DIALECTS[name]
    message = good_message(infno, dialect, orders=2)
    return Tried(dialect, message, check_both_ways(message, dialect))


def as_text(value: Any) -> str:
    """A value as the JSON that some put into a text."""
    return json.dumps(value, ensure_ascii=False)
