"""Identifiers and references (``Id``, ``Reference``) without white space and invisible signs at their ends.

Senders pad them: columns of fixed width, copied cells, scanners. "P-24" and "P-24 " are one patient. What stands inside
one is kept as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from msgspec.structs import replace

from knowledge_base.events.head import Event, Id, Reference
from knowledge_base.signs import UNSEEN
from streams.messages.numbers import has_fields, typed_fields

P = TypeVar("P")
E = TypeVar("E", bound=Event)

_SIGNS = frozenset(UNSEEN)


def trimmed(text: str) -> str:
    """An identifier without what nobody sees at its ends; one that shows nothing at all stays as it is."""
    return text.strip(UNSEEN) or text


def least(names: Iterable[str]) -> str:
    """The least of several names of one thing, of those that are not padded where any is not."""
    return min(names, key=lambda name: (trimmed(name) != name, name))


def are_trimmed(names: Sequence[str]) -> bool:
    """Whether each of some identifiers begins and ends in a visible sign. Nearly always every sign is one of ASCII."""
    together = "".join(names)
    if together.isascii() and together.isprintable() and " " not in together:
        return True
    # Stripping takes a look at each of the many signs first, name by name.
    return _SIGNS.isdisjoint([name[:1] for name in names]) and _SIGNS.isdisjoint([name[-1:] for name in names])


def with_trimmed(part: P) -> P:
    """An event, or a part of one, with its identifiers trimmed."""
    event: P = _trimmed(part, type(part))
    return event


def in_trimmed_area(event: E) -> E:
    """A new event in its area without what nobody sees at the ends. Stored ones stay where they are."""
    if event.area == trimmed(event.area):
        return event
    struct: Any = event
    moved: E = replace(struct, area=trimmed(event.area))
    return moved


def _trimmed(value: Any, kind: Any) -> Any:
    if isinstance(value, str):
        return trimmed(value) if kind in (Id, Reference) else value
    if isinstance(value, tuple):
        return tuple([_trimmed(item, get_args(kind)[0]) for item in value])
    if value is None or not has_fields(kind):
        return value
    return replace(value, **{name: _trimmed(getattr(value, name), of) for name, of in _holding(kind)})


@cache
def _holding(kind: Any) -> list[tuple[str, Any]]:
    """The fields of an event's type, or of a part of one, that are identifiers or may hold some."""
    return [(name, of) for name, of in typed_fields(kind) if _names(of)]


def _names(kind: Any) -> bool:
    if get_origin(kind) is tuple:
        return _names(get_args(kind)[0])
    return kind in (Id, Reference) or has_fields(kind)


def unseen_faults(event: Event) -> Iterator[str]:
    """The fault of every ``Id`` of an event, and of its area, whose signs show nothing: it names nothing."""
    if not event.area.strip(UNSEEN):
        yield "area: expected a visible sign"
    yield from _unseen_in(event, "")


def _unseen_in(part: Any, where: str) -> Iterator[str]:
    kind: Any = type(part)
    for name, of in _holding(kind):
        value = getattr(part, name)
        if of is Id and value and not value.strip(UNSEEN):
            yield f"{where}{name}: expected a visible sign"
        elif isinstance(value, tuple) and has_fields(get_args(of)[0]):
            for index, item in enumerate(value):
                yield from _unseen_in(item, f"{where}{name}[{index}].")
