"""The short way in: messages that are surely without fault, told by types that are made from the tables.

Nearly all are. Of the others ``api.hospital.checking`` says what is wrong, if anything. Both read the same values, and
note the same.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.hospital.faults import MOST_FAULTS, Fault, path_to
from api.hospital.scalars import REQUIRED, Refused, is_likely, read_date, read_instant, unknown_code
from api.hospital.tables import Field, Node
from knowledge_base.signs import UNSEEN

Values = dict[str, Any]
Limit = tuple[int, int]
"""Digits that a number has at most before the point and behind it."""

_INFNO = re.compile(rb'"infno":\s*"([0-9A-Za-z]+)"').search
_NAME_ENDS = b'":'
_BLANK_COLON = re.compile(b" :").search
_HIDDEN = tuple(sign for sign in UNSEEN if sign.isprintable() and sign != " ")
"""Signs that nobody sees, of those that Python holds for printable: one by one they are found a thousand times sooner
than by a regular expression of all."""
_BLANKS = (b"\t", b"\n", b"\r")
_ESCAPE, _NUL = b"\\", rb"\u0000"


class _Odd(Exception):
    """A message is not surely without fault, or written in a way that is read the long way alone."""


class _Part(msgspec.Struct):
    """A collection: the type that it is decoded to, how many names it has, and its fields by what is done with them.

    ``noted`` are the fields whose absence, or unknown code, is noted; ``noted_of`` gives what they hold.
    """

    name: str
    kind: Any
    is_many: bool
    needs: bool
    names: int
    noted: Sequence[Field]
    noted_of: Callable[[Values], Sequence[Any]]
    noted_codes: Sequence[tuple[str, Mapping[str, str]]]
    meanings: Sequence[tuple[str, Mapping[str, str]]]
    texts: Callable[[Values], Sequence[str]]
    lists: Sequence[str]
    empty_lists: Sequence[str]
    number_names: Sequence[tuple[str, Sequence[Any]]]
    numbers: Sequence[tuple[Limit, Callable[[Values], Sequence[str]]]]
    moments: Sequence[tuple[str, Callable[[str], Any]]]
    optional_texts: Sequence[str]
    optional_numbers: Sequence[tuple[Limit, Sequence[str]]]
    optional: Sequence[Field]
    inside: Sequence["_Part"]


class PlainReader:
    """Reads the plain ones among the messages of one number."""

    def __init__(self, infno: str, request: Node) -> None:
        numbered = msgspec.structs.replace(_field_of(request, "infno"), codes={infno: infno})
        fields = tuple(numbered if field.name == "infno" else field for field in request.fields)
        self._part = _part(msgspec.structs.replace(request, fields=fields))
        self._decode = msgspec.json.Decoder(self._part.kind, float_hook=str).decode

    def read(self, body: bytes) -> tuple[Values, tuple[Fault, ...]] | None:
        """What a message says and what is noted, ``None`` where it may have a fault or be odd."""
        reading = _Reading()
        try:
            values = reading.values_of(self._decode(body), self._part, "")
        except (msgspec.MsgspecError, ValueError, RecursionError, _Odd):
            return None
        return (values, tuple(reading.notes)) if reading.is_plain(body) else None


def read_plain(body: bytes, readers: Mapping[str, PlainReader]) -> tuple[Values, tuple[Fault, ...]] | None:
    """What a message says and what is noted, ``None`` where it may have a fault or be odd.

    ``readers`` are those of a dialect, by the numbers of messages.
    """
    found = _INFNO(body)
    reader = readers.get(found[1].decode("ascii")) if found else None
    return reader.read(body) if reader else None


# --- reading


class _Reading:
    """A message being read: its notes, how many names it gave, and the texts and numbers to be looked at together."""

    def __init__(self) -> None:
        self.notes: list[Fault] = []
        self.names = 0
        self.texts: list[str] = []
        self.numbers: defaultdict[Limit, list[str]] = defaultdict(list)

    def values_of(self, read: msgspec.Struct, part: _Part, path: str) -> Values:
        """What a collection says."""
        values = msgspec.structs.asdict(read)
        self.names += part.names
        for name, blanks in part.number_names:
            value = values[name]
            if value.__class__ is int:  # without a point; with one it is a text by now
                values[name] = str(value)
            elif value.__class__ is not str and value not in blanks:
                raise _Odd
        is_whole = all(part.noted_of(values))
        for name, codes in part.noted_codes:
            if values[name] not in codes:
                is_whole = False
        if is_whole:
            self.texts += part.texts(values)
            for limit, numbers in part.numbers:
                self.numbers[limit] += numbers(values)
        else:
            self._note(values, part, path)
        for name, means in part.meanings:
            values[name] = means.get(values[name], values[name])
        for name in part.lists:
            values[name] = [values[name]]
        for name, moment in part.moments:
            values[name] = values[name] and moment(values[name])
        self._read_optional(values, part)
        for inside in part.inside:
            values[inside.name] = self._inside(values[inside.name], inside, path_to(path, inside.name))
        return values

    def _note(self, values: Values, part: _Part, path: str) -> None:
        """Notes what is absent, and codes that nobody knows; the rest is looked at with all others."""
        for field in part.noted:
            value = values[field.name]
            if not value:
                self.names -= value is UNSET
                values[field.name] = None
                self._tell(field, path, REQUIRED)
            elif field.codes is not None and value not in field.codes:
                self.texts.append(value)
                self._tell(field, path, unknown_code(value, field.codes))
        self.texts += filter(None, part.texts(values))
        for limit, numbers in part.numbers:
            self.numbers[limit] += (number for number in numbers(values) if number is not None)

    def _tell(self, field: Field, path: str, rule: str) -> None:
        if len(self.notes) < MOST_FAULTS:
            self.notes.append(Fault(path_to(path, field.name), field.name, field.label, rule))

    def _read_optional(self, values: Values, part: _Part) -> None:
        for name in part.optional_texts:
            if values[name]:
                self.texts.append(values[name])
            else:
                self.names -= values[name] is UNSET
                values[name] = None
        for limit, names in part.optional_numbers:
            for name in names:
                number = values[name]
                if number is UNSET or number is None or number == "":
                    self.names -= number is UNSET
                    values[name] = None
                else:
                    values[name] = number = str(number)
                    self.numbers[limit].append(number)
        for field in part.optional:
            values[field.name] = self._optional(values[field.name], field)
        for name in part.empty_lists:
            values[name] = []

    def _optional(self, value: Any, field: Field) -> Any:
        self.names -= value is UNSET
        if not value:
            return None
        return field.codes[value] if field.codes else _moment_of(field)(value)

    def _inside(self, given: Any, part: _Part, path: str) -> Any:
        if not given:
            self.names -= given is UNSET
            return [] if part.is_many else None
        if not part.is_many:
            return self.values_of(given, part, path)
        items = given if given.__class__ is list else [given]
        return [self.values_of(item, part, f"{path}[{index}]") for index, item in enumerate(items)]

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
            and _are_seen("".join(self.texts))
            and all(_are_plain(numbers, limit) for limit, numbers in self.numbers.items())
        )


def _are_seen(text: str) -> bool:
    """Whether every sign is one that eyes see: a text of none is empty, the long way."""
    return text.isprintable() and (text.isascii() or not any(sign in text for sign in _HIDDEN))


@cache
def _plain(limit: Limit) -> re.Pattern[str]:
    digits, places = limit
    behind = rf"(?:\.[0-9]{{1,{places}}}+)?+" if places else ""
    return re.compile(rf"(?:-?(?:0|[1-9][0-9]{{0,{digits - 1}}}+){behind}\n)*+")


def _are_plain(numbers: list[str], limit: Limit) -> bool:
    """Whether all are spelled as ``read_number`` gives them, and none is longer. Zero has no sign there."""
    spelled = set(numbers)
    closed = "\n".join([*spelled, ""])
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
    needed = [field for field in node.fields if field.required != "never"]
    noted = [field for field in node.fields if field.required == "noted"]
    optional = [field for field in node.fields if field.required == "never"]
    return _Part(
        name=node.name,
        kind=_kind_of_node(node, inside),
        is_many=node.many,
        needs=any(map(_is_due, node.fields)) or any(of.is_required for of in node.nodes),
        names=len(node.fields) + len(inside),
        noted=noted,
        noted_of=_getter([field.name for field in noted]),
        noted_codes=[(field.name, field.codes) for field in noted if field.codes],
        meanings=[(field.name, field.codes) for field in needed if field.codes and _translates(field.codes)],
        texts=_getter([field.name for field in needed if _is_free(field)]),
        lists=[field.name for field in needed if field.several],
        empty_lists=[field.name for field in node.fields if field.several and not _is_due(field)],
        number_names=[(of.name, () if _is_due(of) else (None, UNSET)) for of in needed if of.kind == "number"],
        numbers=[(limit, _getter(names)) for limit, names in _numbers(needed)],
        moments=[(field.name, _moment_of(field)) for field in needed if field.kind in ("date", "datetime")],
        optional_texts=[field.name for field in optional if _is_free(field)],
        optional_numbers=_numbers(optional),
        optional=[field for field in optional if not _is_free(field) and field.kind != "number"],
        inside=inside,
    )


def _kind_of_node(node: Node, inside: list[_Part]) -> Any:
    """The type of one object of a collection; names are those of the dialect."""
    needed = {of.name for of in node.nodes if of.is_required} | {of.name for of in node.fields if _is_due(of)}
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
    if _is_due(field):
        return Literal[tuple(field.codes)] if field.codes else _text(field, 1)
    if field.several or (field.codes and field.unknown == "refused"):
        return Literal[(*(() if field.several else field.codes or ()), "")] | None | UnsetType
    return _text(field, 0) | None | UnsetType


def _text(field: Field, least: int) -> Any:
    return Annotated[str, Meta(min_length=least, max_length=field.length or None)]


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


def _is_due(field: Field) -> bool:
    return field.required == "always"


def _field_of(node: Node, name: str) -> Field:
    return next(field for field in node.fields if field.name == name)
