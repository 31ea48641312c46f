"""From bytes to events and back: decoding with every fault named, content hashes, digests.

A message that breaks the schema raises ``Undecodable`` with all its faults, each naming its field and never its
value (values may be personal data).
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from knowledge_base.days import Day, day_at, microseconds
from knowledge_base.digests import ClaimDigest, Digest, LineDigest, StatusDigest
from knowledge_base.events import Claim, ClaimLine, Event, Paid, PatientStatus

KINDS: dict[str, type[Claim] | type[PatientStatus]] = {"claim": Claim, "patient_status": PatientStatus}

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode
_digest_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "claim": msgspec.msgpack.Decoder(ClaimDigest),
    "patient_status": msgspec.msgpack.Decoder(StatusDigest),
}

DECIMAL = r"-?[0-9]{1,14}(?:\.[0-9]{1,6})?"
"""How money, prices and quantities are written."""

_ONE_DECIMAL = re.compile(DECIMAL)
_PLAIN_DECIMALS = re.compile(rf"{DECIMAL}(?:,{DECIMAL})*")
_LINE_DECIMALS = ("quantity", "amount", "unit_price", "in_fund_scope", "own_pay")
_PAID_DECIMALS = tuple(field.name for field in dataclasses.fields(Paid))
_LINE_FIELDS = frozenset(field.name for field in dataclasses.fields(ClaimLine))
_LONGEST_SUPPLY = 3660
_ESCAPED_NUL = rb"\u0000"


class Undecodable(ValueError):
    """A message that is no event, with every reason, and what its lines sum to where that is known."""

    def __init__(self, faults: list[str], money: Decimal | None = None):
        super().__init__("; ".join(faults))
        self.faults = faults
        self.money = money


class Decoded(msgspec.Struct, frozen=True):
    """An event with the number of fields that our schema does not know."""

    event: Event
    unknown_fields: int


def decode_event(body: bytes) -> Decoded:
    """One event from its JSON. Raises ``Undecodable`` with every fault of the message."""
    data = _decode_data(body)
    kind = KINDS.get(data.get("kind", "")) if isinstance(data.get("kind"), str) else None
    if kind is None:
        raise Undecodable([f"kind: expected one of {', '.join(KINDS)}"], _money(data))
    try:
        event: Event = msgspec.convert(data, kind)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise Undecodable(_faults(data, kind) or [_without_value(error)], _money(data)) from None
    faults = list(_beyond_types(event, data))
    if _ESCAPED_NUL in body:
        faults += _faults(data, kind)
    if faults:
        raise Undecodable(faults, _money(data))
    return Decoded(event, _unknown_fields(data, kind))


def _decode_data(body: bytes) -> dict[str, Any]:
    try:
        data = _decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable([f"not JSON: {error}"]) from None
    if not isinstance(data, dict):
        raise Undecodable(["not a JSON object"])
    return data


def _faults(data: Any, kind: Any, where: str = "") -> list[str]:
    """Every fault of a part of a message, found by converting its fields one by one."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(data, dict):
            return [f"{where or 'message'}: expected an object"]
        return [fault for name, field in _fields(kind).items() for fault in _field_faults(data, name, field, where)]
    item = _item_type(kind)
    if item is not None and isinstance(data, list):
        return [fault for index, value in enumerate(data) for fault in _faults(value, item, f"{where}[{index}]")]
    if isinstance(data, str) and "\0" in data:
        return [f"{where}: NUL character, which the store cannot keep"]
    try:
        msgspec.convert(data, kind)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        return [f"{where}: {_without_value(error)}"]
    return []


def _field_faults(data: dict[str, Any], name: str, field: "_Field", where: str) -> list[str]:
    path = f"{where}.{name}" if where else name
    if name not in data:
        return [f"{path}: missing"] if field.required else []
    if data[name] is None and field.optional:
        return []
    return _faults(data[name], field.kind, path)


class _Field(msgspec.Struct, frozen=True):
    kind: Any
    required: bool
    optional: bool


def _without_value(error: Exception) -> str:
    """What is wrong, without the value: it may be personal data."""
    return str(error).split(" '")[0] if "Invalid enum value" in str(error) else str(error)


@cache
def _fields(kind: Any) -> dict[str, _Field]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for field in dataclasses.fields(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        optional = type(None) in get_args(hints[field.name])
        kinds = [part for part in get_args(hints[field.name]) if part is not type(None)] if optional else []
        fields[field.name] = _Field(kinds[0] if optional else hints[field.name], required, optional)
    return fields


def _item_type(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def _beyond_types(event: Event, data: dict[str, Any]) -> Iterator[str]:
    """What types cannot say: decimals in strings and in bounds, days in bounds, ids that name one thing."""
    if isinstance(event, PatientStatus):
        yield from _day_faults("", ("happened_at", event.happened_at), ("died_on", event.died_on))
        if event.change == "merge" and event.same_as in (None, event.patient):
            yield "same_as: a merge names another patient"
        return
    yield from _day_faults(
        "",
        ("happened_at", event.happened_at),
        ("settled_at", event.settled_at),
        ("admitted_at", event.admitted_at),
        ("discharged_at", event.discharged_at),
        ("birth_date", event.birth_date),
    )
    for index, diagnosis in enumerate(event.diagnoses or ()):
        yield from _day_faults(f"diagnoses[{index}].", ("at", diagnosis.at))
    for index, operation in enumerate(event.operations or ()):
        yield from _day_faults(f"operations[{index}].", ("at", operation.at))
    if event.reverses is not None and event.corrects is not None:
        yield "reverses: a claim reverses or corrects, not both"
    if event.claim_id in (event.reverses, event.corrects):
        yield "corrects: a claim cannot reverse or correct itself"
    if not _is_plain(event, data):
        yield from _line_faults(event, data)


def _is_plain(claim: Claim, data: dict[str, Any]) -> bool:
    """Whether the lines are surely without fault: one pass, because nearly all are."""
    lines = claim.lines
    try:
        numbers = ",".join(
            [
                value
                for parts, names in (((data.get("paid") or {},), _PAID_DECIMALS), (data["lines"], _LINE_DECIMALS))
                for part in parts
                for name in names
                if (value := part.get(name)) is not None
            ]
        )
    except TypeError:
        return False
    return (
        (not numbers or _PLAIN_DECIMALS.fullmatch(numbers) is not None)
        and len({line.line_id for line in lines}) == len(lines)
        and all(
            1900 <= line.at.year <= 2199 and line.refund_of != line.line_id and 0 <= (line.days or 0) <= _LONGEST_SUPPLY
            for line in lines
        )
    )


def _line_faults(claim: Claim, data: dict[str, Any]) -> Iterator[str]:
    yield from (f"paid.{fault}" for fault in _decimal_faults(data.get("paid") or {}, _PAID_DECIMALS))
    seen: set[str] = set()
    for index, (line, raw) in enumerate(zip(claim.lines, data["lines"], strict=True)):
        where = f"lines[{index}]."
        if line.line_id in seen:
            yield f"{where}line_id: twice in one claim"
        seen.add(line.line_id)
        if line.refund_of == line.line_id:
            yield f"{where}refund_of: a line cannot refund itself"
        if not 0 <= (line.days or 0) <= _LONGEST_SUPPLY:
            yield f"{where}days: expected 0 to {_LONGEST_SUPPLY}"
        yield from (where + fault for fault in _decimal_faults(raw, _LINE_DECIMALS))
        yield from _day_faults(where, ("at", line.at))


def _decimal_faults(part: dict[str, Any], decimals: Iterable[str]) -> Iterator[str]:
    for name in decimals:
        value = part.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or _ONE_DECIMAL.fullmatch(value) is None:
            yield f"{name}: expected a decimal in a string, at most 14 digits before and 6 after the point"


def _day_faults(where: str, *named: tuple[str, datetime | date | None]) -> Iterator[str]:
    for name, value in named:
        if value is not None and not 1900 <= value.year <= 2199:
            yield f"{where}{name}: expected a day from 1900 to 2199"


def _unknown_fields(data: dict[str, Any], kind: Any) -> int:
    unknown = len(data.keys() - _fields(kind).keys())
    for line in data.get("lines") or ():
        if not _LINE_FIELDS.issuperset(line):
            unknown += len(line.keys() - _LINE_FIELDS)
    return unknown


def readable_money(body: bytes) -> Decimal | None:
    """What the lines of a message sum to, whatever else it holds; ``None`` where that cannot be read."""
    try:
        return _money(_decode_data(body))
    except Undecodable:
        return None


def _money(data: dict[str, Any]) -> Decimal | None:
    """What the lines of a faulty message sum to, where every amount can be read."""
    try:
        total = sum((Decimal(line["amount"]) for line in data["lines"]), Decimal(0))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return total if total.is_finite() and abs(total) < Decimal(10) ** 17 else None


def encode_event(event: Event) -> bytes:
    """An event as JSON: decimals in strings, instants in UTC."""
    return _encode_json(event)


def money_of(event: Event) -> Decimal:
    """What an event's lines sum to, in yuan; 0 for events without lines."""
    return sum((line.amount for line in event.lines), Decimal(0)) if isinstance(event, Claim) else Decimal(0)


def content_hash(event: Event) -> bytes:
    """16 bytes that are equal for events that mean the same: 1.50 is 1.5, 08:00+08:00 is 00:00Z.

    Without received_at and the transport's own ids.
    """
    return hashlib.blake2b(_encode_msgpack(_canonical(event)), digest_size=16).digest()


class _Form(msgspec.Struct, frozen=True):
    """How to bring a type's fields into their one form: where decimals and further parts stand, and the defaults."""

    values: Callable[[Any], tuple[Any, ...]]
    decimals: list[int]
    parts: list[int]
    defaults: list[Any]


@cache
def _form(kind: Any) -> _Form:
    names = [name for name in _fields(kind) if name != "received_at"]
    kinds = [_fields(kind)[name].kind for name in names]
    plain = [get_args(k)[0] if get_origin(k) is Annotated else k for k in kinds]
    return _Form(
        values=attrgetter(*names),
        decimals=[index for index, k in enumerate(plain) if k is Decimal],
        parts=[index for index, k in enumerate(plain) if dataclasses.is_dataclass(_item_type(k) or k)],
        defaults=[_default(field) for field in dataclasses.fields(kind) if field.name in names],
    )


def _default(field: "dataclasses.Field[Any]") -> Any:
    """A field's default in its one form; a value that equals nothing where the field is required."""
    value = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    if value is dataclasses.MISSING:
        return object()
    return 0 if value == 0 and isinstance(value, Decimal) else value


def _canonical(part: Any) -> list[Any]:
    """A part of an event as plain values, each in its one form.

    Texts and days are that already; instants are once msgpack writes them, which has them in UTC alone. Defaults at
    the end are left out, so that a field added to the end of a type, with a default, changes no hash.
    """
    kind: Any = type(part)
    form = _form(kind)
    values = list(form.values(part))
    for index in form.decimals:
        if (number := values[index]) is not None:
            values[index] = number.normalize() if number else 0
    for index in form.parts:
        if (inner := values[index]) is not None:
            values[index] = [_canonical(item) for item in inner] if type(inner) is tuple else _canonical(inner)
    while values and values[-1] == form.defaults[len(values) - 1]:
        values.pop()
    return values


def digest_of(event: Event) -> Digest:
    """The part of an event that rules may look at."""
    return _claim_digest(event) if isinstance(event, Claim) else _status_digest(event)


def _claim_digest(claim: Claim) -> ClaimDigest:
    paid = claim.paid
    return ClaimDigest(
        event_id=claim.event_id,
        happened_at=microseconds(claim.happened_at),
        patient=claim.patient,
        claim_id=claim.claim_id,
        encounter_id=claim.encounter_id,
        institution=claim.institution,
        visit_type=claim.visit_type,
        settled_day=_day(claim.settled_at) or 0,
        lines=tuple(map(_line_digest, claim.lines)),
        sex=claim.sex,
        born=claim.birth_date.toordinal() if claim.birth_date else None,
        payment_method=claim.payment_method,
        admitted=_day(claim.admitted_at),
        discharged=_day(claim.discharged_at),
        mid_stay=claim.mid_stay,
        diagnoses=None if claim.diagnoses is None else tuple((d.code, d.name) for d in claim.diagnoses),
        operation_days=None if claim.operations is None else tuple(_day(o.at) for o in claim.operations),
        fund_paid=None if paid is None else paid.pooled_fund + paid.serious_illness + paid.aid,
        reverses=claim.reverses,
        corrects=claim.corrects,
    )


def _line_digest(line: ClaimLine) -> LineDigest:
    at = microseconds(line.at)
    return LineDigest(
        line.line_id,
        line.item_code,
        line.quantity,
        line.amount,
        line.in_fund_scope,
        at,
        day_at(at),
        line.days,
        line.refund_of,
        line.sent_out,
        line.sent_to,
        line.item_kind,
    )


def _status_digest(status: PatientStatus) -> StatusDigest:
    return StatusDigest(
        event_id=status.event_id,
        happened_at=microseconds(status.happened_at),
        patient=status.patient,
        change=status.change,
        sex=status.sex,
        died_on=status.died_on.toordinal() if status.died_on else None,
        same_as=status.same_as,
    )


def _day(instant: datetime | None) -> Day | None:
    return None if instant is None else day_at(microseconds(instant))


def encode_digest(digest: Digest) -> bytes:
    return _encode_msgpack(digest)


def decode_digest(kind: str, body: bytes) -> Digest:
    """A stored digest of an event of some kind."""
    digest: Digest = _digest_decoders[kind].decode(body)
    return digest
