"""Checking a message of a hospital: what it says in national spelling, and which field breaks which rule.

What is unambiguous is accepted, however it is written: a collection as a list, as one object, as their JSON in a
text, empty as ``""``; collections beside ``data`` that belong below it. Everything else is a fault that names field
and rule, never the value, which may be a name; a code that is in no dictionary is named (``scalars.unknown_code``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from api.hospital.dialect import Dialect
from api.hospital.faults import MOST_FAULTS, Fault, path_to
from api.hospital.parsing import Object, read_json
from api.hospital.plain import read_plain
from api.hospital.scalars import (
    NOT_LIKELY,
    REQUIRED,
    Number,
    Refused,
    is_likely,
    read_date,
    read_instant,
    read_number,
    read_text,
    too_long,
    unknown_code,
)
from api.hospital.tables import Field, Node

MESSAGE = "报文"
NO_OBJECT = "应为对象 / an object is due"
NO_COLLECTION = "应为对象或列表 / an object or a list is due"
ONLY_ONE = "只能有一个 / only one is due"
TWICE = "重复出现 / given twice"
NAME_TWICE = "有名称重复出现 / a name is given twice"
NO_MESSAGE = "不支持的交易 / no such message here"
OPEN_PLACE = "不能确定归属 / it is open what it belongs to"


class Checked(msgspec.Struct, frozen=True):
    """A message that was checked: what it says, and what is wrong with it.

    ``values`` holds every field of the tables in national names, ``None`` where it is empty or wrong, and every
    collection as a list. Numbers are texts as ``Decimal`` writes them, dates and instants aware datetimes in China,
    codes texts. It is empty where the message could not be read, or has ``MOST_FAULTS``.

    ``notes`` are departures from the interface that change nothing here. ``infno`` and ``msgid`` are those of
    ``values``, told also where that is empty.
    """

    infno: str | None
    msgid: str | None
    values: Mapping[str, Any]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]


def check_message(body: bytes, dialect: Dialect) -> Checked:
    """What a message of a dialect says. Raises nothing: what cannot be read is a fault."""
    plain = read_plain(body, dialect.plain)
    if plain is None:
        return check_each_field(body, dialect)
    values, notes = plain
    return Checked(values["infno"], values["msgid"], values, (), notes)


def check_each_field(body: bytes, dialect: Dialect) -> Checked:
    """The same, the long way: each field of the tables is looked for and read."""
    try:
        raw = read_json(body)
    except Refused as rule:
        return _unread(str(rule))
    if not isinstance(raw, Object):
        return _unread(NO_OBJECT)
    fields = {field.name: field for field in dialect.envelope.fields}
    infno, msgid = _sure(raw, fields["infno"]), _sure(raw, fields["msgid"])
    message = dialect.messages.get(infno or "")
    reading = _Reading()
    values: dict[str, Any] = {}
    try:
        if infno is not None and message is None:
            reading.faults.append(_fault("", fields["infno"], NO_MESSAGE))
        values = reading.object_of(raw, message.request if message else dialect.envelope, "", True)
    except _Enough:
        pass
    return Checked(infno, msgid, values, tuple(reading.faults), tuple(reading.notes))


def _unread(rule: str) -> Checked:
    return Checked(None, None, {}, (Fault("", "", MESSAGE, rule),), ())


def _sure(raw: Object, field: Field) -> str | None:
    """A text that breaks no rule."""
    try:
        return _text(_given(raw, field.spelled), field)
    except Refused:
        return None


def error_words(faults: Sequence[Fault], most: int = 200) -> str:
    """Faults as an error message of at most ``most`` signs: the first ones, then how many more there are."""
    said = ""
    for told, fault in enumerate(faults):
        words = f"{said}；{_words(fault)}" if said else _words(fault)
        rest = _rest(len(faults) - told - 1)
        if len(words) + len(rest) > most:
            return (said + _rest(len(faults) - told))[:most]
        said = words
    return said


def _words(fault: Fault) -> str:
    """A fault with the last two steps of its path: which order, which field."""
    where = ".".join(fault.path.split(".")[-2:])
    return f"{where} {fault.label}: {fault.rule}".strip()


def _rest(count: int) -> str:
    return f"… 另有{count}处 / {count} more" if count else ""


class _Enough(Exception):
    """A message has as many faults as are told."""


class _Reading:
    """A message being read: its faults and notes so far, and collections whose place was not found yet."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self.loose: dict[str, Any] = {}

    def object_of(self, raw: Object, node: Node, path: str, is_only: bool) -> dict[str, Any]:
        """What an object says. ``is_only``: whether no other of its kind stands in the message."""
        if raw.twice:
            self._tell_twice(raw, node, path)
        values: dict[str, Any] = {field.name: self._field(raw, field, path) for field in node.fields}
        for inside in node.nodes:
            if not inside.unread:
                values[inside.name] = self._node(raw, inside, path, is_only)
        return values

    def _field(self, raw: Object, field: Field, path: str) -> Any:
        try:
            value = _read(raw.get(field.name) if len(field.spelled) == 1 else _given(raw, field.spelled), field)
        except Refused as rule:
            self._tell(path, field, str(rule))
            return None
        if value is None or value == []:
            if field.required != "never" and not (field.unless and not _is_empty(raw.get(field.unless))):
                self._tell_by(field.required, path, field, REQUIRED)
            return value
        if field.codes is not None:
            return self._meant(value, field, field.codes, path)
        if isinstance(value, datetime) and not is_likely(value):
            self._tell_by(field.required, path, field, NOT_LIKELY)
            return None
        return value

    def _meant(self, value: Any, field: Field, codes: Mapping[str, str], path: str) -> Any:
        """Codes as the national dictionary has them; those that nobody knows stay as they are."""
        if value.__class__ is str and value in codes:
            return codes[value]
        given = value if field.several else [value]
        unknown = next((code for code in given if code not in codes), None)
        if unknown is not None:
            self._tell_by(
                "always" if field.unknown == "refused" else "noted", path, field, unknown_code(unknown, codes)
            )
        return [codes.get(code, code) for code in given] if field.several else value

    def _node(self, raw: Object, node: Node, path: str, is_only: bool) -> Any:
        where = path_to(path, node.name)
        try:
            given = self._given_node(raw, node, path, is_only)
            objects = _objects(given, node)
        except Refused as rule:
            self._tell(path, node, str(rule))
            return [] if node.many else None
        if not objects and node.is_required:
            self._tell(path, node, REQUIRED)
        if node.many:
            is_only = is_only and len(objects) == 1
            return [self._item(item, node, f"{where}[{index}]", is_only) for index, item in enumerate(objects)]
        if len(objects) > 1:
            self._tell(path, node, ONLY_ONE)
        value = self._item(objects[0], node, where, is_only) if objects else None
        if path == "":
            self._tell_loose(node, where)
        return value

    def _item(self, raw: object, node: Node, path: str, is_only: bool) -> dict[str, Any] | None:
        if isinstance(raw, Object):
            return self.object_of(raw, node, path, is_only)
        self._add(self.faults, Fault(path, node.name, node.label, NO_OBJECT))
        return None

    def _given_node(self, raw: Object, node: Node, path: str, is_only: bool) -> Any:
        """A collection in its place, or flat under ``input``, where it can belong to one object alone."""
        given = _given(raw, node.spelled)
        if path == "input":
            if _is_empty(given) and any(name in raw for part in _parts(node) for name in part.spelled):
                given = raw
            self.loose = {
                inside.name: flat
                for inside in _below(node, given is not raw)
                if not _is_empty(flat := _given(raw, inside.spelled))
            }
        elif is_only and _is_empty(given) and node.name in self.loose:
            given = self.loose.pop(node.name)
        return given

    def _tell_loose(self, node: Node, path: str) -> None:
        """Tells of collections that lie beside ``data`` and could belong to several objects, or stand there twice."""
        for inside in (inside for data in node.nodes for inside in _below(data, True)):
            if inside.name in self.loose:
                self._tell(path, inside, OPEN_PLACE)

    def _tell_twice(self, raw: Object, node: Node, path: str) -> None:
        known = {name: part for part in _parts(node) for name in part.spelled}
        for name in sorted(raw.twice & known.keys()):
            self._tell(path, known[name], TWICE)
        if raw.twice - known.keys():
            self._add(self.faults, Fault(path, node.name, node.label, NAME_TWICE))

    def _tell_by(self, required: str, path: str, field: Field, rule: str) -> None:
        """A fault of what has to be there, a note of the rest."""
        self._add(self.faults if required == "always" else self.notes, _fault(path, field, rule))

    def _tell(self, path: str, part: Field | Node, rule: str) -> None:
        self._add(self.faults, _fault(path, part, rule))

    def _add(self, told: list[Fault], fault: Fault) -> None:
        if len(told) < MOST_FAULTS:
            told.append(fault)
        elif told is self.faults:
            raise _Enough


def _fault(path: str, part: Field | Node, rule: str) -> Fault:
    return Fault(path_to(path, part.name), part.name, part.label, rule)


def _parts(node: Node) -> list[Field | Node]:
    return [*node.fields, *node.nodes]


def _below(node: Node, with_own: bool) -> list[Node]:
    """The collections that lie somewhere in one; ``with_own``: those that lie directly in it as well."""
    own = [inside for inside in node.nodes if not inside.unread]
    deeper = [below for inside in own for below in _below(inside, True)]
    return [*own, *deeper] if with_own else deeper


def _given(raw: Object, spelled: tuple[str, ...]) -> Any:
    """What stands under one of several names. Raises ``Refused`` where two of them say something different."""
    if len(spelled) == 1:
        return raw.get(spelled[0])
    given = [raw[name] for name in spelled if name in raw]
    filled = [value for value in given if not _is_empty(value)]
    if any(other != filled[0] for other in filled[1:]):
        raise Refused(TWICE)
    return next(iter(filled or given), None)


def _is_empty(raw: object) -> bool:
    return raw is None or raw == [] or raw == {} or (isinstance(raw, str) and not raw.strip())


def _objects(given: Any, node: Node) -> list[Any]:
    """The objects of a collection, from a list, one object, the JSON of either in a text, or nothing."""
    if isinstance(given, str) and not isinstance(given, Number) and given.strip():
        try:
            given = read_json(given.encode("utf-8", "surrogatepass"))
        except Refused:
            raise Refused(NO_COLLECTION) from None
    if isinstance(given, Object):
        return [given] if given or not node.many else []
    if isinstance(given, list):
        return given
    if _is_empty(given):
        return []
    raise Refused(NO_COLLECTION)


def _read(raw: Any, field: Field) -> Any:
    """The value of a field. Raises ``Refused``."""
    if field.several:
        return [_text(text, field) for text in _texts(raw)]
    if field.kind == "text":
        return _text(raw, field)
    if field.kind == "number":
        return read_number(raw, field.length, field.places)
    return read_date(raw) if field.kind == "date" else read_instant(raw)


def _text(raw: Any, field: Field) -> str | None:
    text = read_text(raw)
    if text is not None and len(text) > field.length:
        raise Refused(too_long(field.length))
    return text


def _texts(raw: Any) -> list[Any]:
    """The texts of a list, or of one text that parts them by commas; none that is empty."""
    texts = raw if isinstance(raw, list) else (read_text(raw) or "").split(",")
    return [text for text in texts if not _is_empty(text)]
