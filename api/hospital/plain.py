"""The short way in: messages that are surely without fault and oddity, told by types that are made from the tables.

Nearly all are. Of the others ``api.hospital.checking`` says what is wrong, if anything. Both read the same values.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.hospital.scalars import Refused, is_likely, read_date, read_instant
from api.hospital.tables import Field, Node

Values = dict[str, Any]
Limit = tuple[int, int]
"""Digits that a number has at most before the point and behind it."""

_INFNO = re.compile(rb'"infno":\s*"([0-9A-Za-z]+)"').search
_NAME_ENDS = b'":'
_BLANK_COLON = re.compile(b" :").search
_BLANKS = (b"\t", b"\n", b"\r")
_ESCAPE, _NUL = b"\\", rb"\u0000"


class _Odd(Exception):
    """A message is not surely without fault and oddity."""


class _Part(msgspec.Struct):
    """A collection: the type that it is decoded to, how many names it has, and its fields by what is done with them."""

    name: str
    kind: Any
    is_many: bool
    needs: bool
    names: int
    texts: Callable[[Values], Sequence[str]]
    meanings: Sequence[tuple[str, Mapping[str, str]]]
    lists: Sequence[str]
    empty_lists: Sequence[str]
    numbers: Sequence[tuple[Limit, Sequence[str], Callable[[Values], Sequence[str]]]]
    moments: Sequence[tuple[str, Callable[[str], Any]]]
    optional_texts: Sequence[str]
    optional_numbers: Sequence[tuple[Limit, Sequence[str]]]
    optional: Sequence[tuple[str, Field]]
    inside: Sequence["_Part"]


class PlainReader:
    """Reads the plain ones among the messages of one number."""

    def __init__(self, infno: str, request: Node) -> None:
        numbered = msgspec.structs.replace(_field_of(request, "infno"), codes={infno: infno})
        fields = tuple(numbered if field.name == "infno" else field for field in request.fields)
        self._part = _part(msgspec.structs.replace(request, fields=fields))
        self._decode = msgspec.json.Decoder(self._part.kind, float_hook=str).decode

    def read(self, body: bytes) -> Values | None:
        """What a message says, ``None`` where it may have a fault or be odd."""
        reading = _Reading()
        try:
            values = reading.values_of(self._decode(body), self._part)
        except (msgspec.MsgspecError, ValueError, RecursionError, _Odd):
            return None
        return values if reading.is_plain(body) else None


def read_plain(body: bytes, readers: Mapping[str, PlainReader]) -> Values | None:
    """What a message says, ``None`` where it may have a fault or be odd. ``readers`` by the numbers of messages."""
    found = _INFNO(body)
    reader = readers.get(found[1].decode("ascii")) if found else None
    return reader.read(body) if reader else None


# --- reading


class _Reading:
    """A message being read: how many names it gave, and the texts and numbers to be looked at together."""

    def __init__(self) -> None:
        self.names = 0
        self.texts: list[str] = []
        self.numbers: defaultdict[Limit, list[str]] = defaultdict(list)

    def values_of(self, read: msgspec.Struct, part: _Part) -> Values:
        """What a collection says."""
        values = msgspec.structs.asdict(read)
        self.names += part.names
        self.texts += part.texts(values)
        for name, means in part.meanings:
            values[name] = means[values[name]]
        for name in part.lists:
            values[name] = [values[name]]
        for limit, names, numbers in part.numbers:
            for name in names:
                if values[name].__class__ is not str:  # a number without a point; with one it is a text by now
                    values[name] = str(values[name])
            self.numbers[limit] += numbers(values)
        for name, moment in part.moments:
            values[name] = moment(values[name])
        for name in part.optional_texts:
            if values[name]:
                self.texts.append(values[name])
            else:
                self.names -= values[name] is UNSET
                values[name] = None
        for limit, names in part.optional_numbers:
            for name in names:
                values[name] = self._optional_number(values[name], limit)
        for name, field in part.optional:
            values[name] = self._optional(values[name], field)
        for name in part.empty_lists:
            values[name] = []
        for inside in part.inside:
            values[inside.name] = self._inside(values[inside.name], inside)
        return values

    def _optional_number(self, value: Any, limit: Limit) -> str | None:
        if value is UNSET:
            self.names -= 1
            return None
        if value is None or value == "":
            return None
        number = str(value)
        self.numbers[limit].append(number)
        return number

    def _optional(self, value: Any, field: Field) -> Any:
        if value is UNSET:
            self.names -= 1
            return None
        if value is None or value == "":
            return None
        return field.codes[value] if field.codes else _moment_of(field)(value)

    def _inside(self, given: Any, part: _Part) -> Any:
        if given is UNSET:
            self.names -= 1
            given = None
        if given is None or given == "":
            return [] if part.is_many else None
        if not part.is_many:
            return self.values_of(given, part)
        return [self.values_of(item, part) for item in (given if given.__class__ is list else [given])]

    def is_plain(self, body: bytes) -> bool:
        """Whether what was looked at together is plain too.

        No name stands twice and none is unknown: no more are written than were read. They are counted by their ends,
        from which a blank may part them; a message where that may be, or with a text that holds such an end, is odd.
        """
        return (
            body.count(_NAME_ENDS) == self.names
            and _BLANK_COLON(body) is None
            and not any(blank in body for blank in _BLANKS)
            and not (_ESCAPE in body and _NUL in body)
            and list(map(str.strip, self.texts)) == self.texts
            and all(_are_plain(numbers, limit) for limit, numbers in self.numbers.items())
        )


@cache
def _plain(limit: Limit) -> re.Pattern[str]:
    digits, places = limit
    behind = rf"(?:\.[0-9]{{1,{places}}}+)?+" if places else ""
    return re.compile(rf"(?:-?(?:0|[1-9][0-9]{{0,{digits - 1}}}+){behind}\n)*+")


def _are_plain(numbers: list[str], limit: Limit) -> bool:
    """Whether all are spelled as ``read_number`` gives them, and none is longer. Zero has no sign there."""
    spelled = set(numbers)
    closed = "\n".join(spelled) + "\n"
    return _plain(limit).fullmatch(closed) is not None and closed.count("\n") == len(spelled) and "-0" not in closed


@lru_cache(maxsize=16_384)
def _day(text: str) -> Any:
    return _likely(read_date, text)


@lru_cache(maxsize=16_384)
def _instant(text: str) -> Any:
    return _likely(read_instant, text)


def _likely(read: Callable[[str], Any], text: str) -> Any:
    try:
        moment = read(text)
    except Refused:
        raise _Odd from None
    if moment is None or not is_likely(moment):
        raise _Odd
    return moment


# --- made from the tables


def _part(node: Node) -> _Part:
    inside = [_part(of) for of in node.nodes if not of.unread]
    needed = [field for field in node.fields if _is_needed(field)]
    optional = [field for field in node.fields if not _is_needed(field)]
    return _Part(
        name=node.name,
        kind=_kind_of_node(node, inside),
        is_many=node.many,
        needs=bool(needed),
        names=len(node.fields) + len(inside),
        texts=_getter([field.name for field in needed if _is_free(field)]),
        meanings=[(field.name, field.codes) for field in needed if field.codes and _translates(field.codes)],
        lists=[field.name for field in needed if field.several],
        empty_lists=[field.name for field in optional if field.several],
        numbers=[(limit, names, _getter(names)) for limit, names in _numbers(needed)],
        moments=[(field.name, _moment_of(field)) for field in needed if field.kind in ("date", "datetime")],
        optional_texts=[field.name for field in optional if _is_free(field)],
        optional_numbers=_numbers(optional),
        optional=[(of.name, of) for of in optional if not _is_free(of) and of.kind != "number"],
        inside=inside,
    )


def _kind_of_node(node: Node, inside: list[_Part]) -> Any:
    """The type of one object of a collection; names are those of the dialect."""
    needed = {of.name for of in node.nodes if of.is_required} | {of.name for of in node.fields if _is_needed(of)}
    kinds = {field.name: _kind_of(field) for field in node.fields}
    kinds |= {part.name: _kind_of_part(part, part.name in needed) for part in inside}
    renamed = {field.name: field.spelled[0] for field in node.fields} | {of.name: of.spelled[0] for of in node.nodes}
    first: list[Any] = [(name, kind) for name, kind in kinds.items() if name in needed]
    rest: list[Any] = [(name, kind, UNSET) for name, kind in kinds.items() if name not in needed]
    return msgspec.defstruct(node.name or "envelope", first + rest, rename=renamed, gc=False)


def _kind_of_part(part: _Part, is_needed: bool) -> Any:
    """Of a collection of which nothing is needed an empty object may be an empty list, so lists alone are plain."""
    kind = part.kind
    if part.is_many:
        several: Any = Annotated[list[part.kind], Meta(min_length=1)]  # type: ignore[name-defined]
        kind = several | part.kind if part.needs else several
    return kind if is_needed else kind | Literal[""] | None | UnsetType


def _kind_of(field: Field) -> Any:
    """The type of a field; a number is anything, which is a text where it has a point."""
    if field.kind == "number":
        return Any
    kind: Any = str
    if field.codes is not None:
        kind = Literal[tuple(field.codes)]
    elif field.kind == "text":
        kind = Annotated[str, Meta(min_length=int(_is_needed(field)), max_length=field.length)]
    if _is_needed(field):
        return kind
    return (Literal[(*(field.codes or ()), "")] if field.codes or field.several else kind) | None | UnsetType


def _getter(names: list[str]) -> Callable[[Values], Sequence[str]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def _moment_of(field: Field) -> Callable[[str], Any]:
    return _day if field.kind == "date" else _instant


def _translates(codes: Mapping[str, str]) -> bool:
    return any(code != means for code, means in codes.items())


def _numbers(fields: list[Field]) -> list[tuple[Limit, list[str]]]:
    """The numbers among fields, by how long they may be."""
    numbers: defaultdict[Limit, list[str]] = defaultdict(list)
    for field in fields:
        if field.kind == "number":
            numbers[(field.length, field.places)].append(field.name)
    return list(numbers.items())


def _is_free(field: Field) -> bool:
    """Whether it holds any text."""
    return field.kind == "text" and field.codes is None


def _is_needed(field: Field) -> bool:
    return field.required != "never"


def _field_of(node: Node, name: str) -> Field:
    return next(field for field in node.fields if field.name == name)
