"""Faults: everything that is wrong with a message, field by field, for whoever sent it. Nothing of its values is told.

This is the long way round: ``streams.messages.codec`` takes it only for messages that the short way refused. First what
types tell, for every kind of event alike; then what they cannot tell, kind by kind.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any, get_args, get_origin

import msgspec

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import LONGEST_SUPPLY, Instant
from knowledge_base.events.persons import PatientStatus
from streams.messages.numbers import DIGITS, PLACES, has_fields, is_number, is_written

MOST = Decimal(10) ** DIGITS
_DECIMAL_FAULT = f"expected a decimal such as 12.50, at most {DIGITS} digits before and {PLACES} after the point"


MOST_FAULTS = 100
"""Faults of a message that are told; how many more there are is said, and counted up to ``_COUNTED``."""
_COUNTED = 100_000

MOST_PARTS = 400_000
"""Objects and lists of one message, which take up to a hundred times the bytes that they are written with. A claim that
is as long as a message can be (16 MB) has about 100,000 lines."""


_LEAP_SECOND = re.compile(r":[0-9]{2}:60")


class Undecodable(ValueError):
    """A message that is no event, with every reason, and what its lines sum to where that is known."""

    def __init__(self, faults: list[str], money: Decimal | None = None):
        super().__init__("; ".join(faults))
        self.faults = faults
        self.money = money


def told_faults(faults: Iterator[str]) -> list[str]:
    """The first faults of a message, and how many more it has: three bytes may hold four of them."""
    told = list(islice(faults, MOST_FAULTS))
    more = sum(1 for _ in islice(faults, _COUNTED))
    if more:
        told.append(f"message: further faults: {more}{'+' if more == _COUNTED else ''}")
    return told


# --- faults that the types tell


class Field(msgspec.Struct, frozen=True):
    kind: Any
    required: bool
    optional: bool


@cache
def fields_of(kind: Any) -> dict[str, Field]:
    """The fields of an event's type, or of a part of one."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        kinds = [part for part in get_args(field.type) if part is not type(None)]
        optional = type(None) in get_args(field.type)
        fields[field.name] = Field(kinds[0] if optional else field.type, field.required, optional)
    return fields


def type_faults(data: Any, kind: Any, where: str = "") -> Iterator[str]:
    """Every fault of a part of a message, found by converting its fields one by one."""
    if has_fields(kind):
        if not isinstance(data, dict):
            yield f"{where or 'message'}: expected an object"
            return
        for name, field in fields_of(kind).items():
            yield from _field_faults(data, name, field, where)
        return
    item = get_args(kind)[0] if get_origin(kind) is tuple else None
    if item is not None and isinstance(data, list):
        for index, value in enumerate(data):
            yield from type_faults(value, item, f"{where}[{index}]")
        return
    fault = _value_fault(data, kind)
    if fault is not None:
        yield f"{where}: {fault}"


def _value_fault(data: Any, kind: Any) -> str | None:
    """What is wrong with a value that has no parts."""
    if isinstance(data, str) and "\0" in data:
        return "NUL character, which the store cannot keep"
    if is_number(kind) and isinstance(data, str):
        return None if is_written(data) else _DECIMAL_FAULT
    wanted = Decimal if is_number(kind) else kind
    try:
        value = msgspec.convert(float(data) if isinstance(data, Decimal) and not is_number(kind) else data, wanted)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        is_leap = kind == Instant and isinstance(data, str) and _LEAP_SECOND.search(data) is not None
        return "leap second, to be written as the second before" if is_leap else without_value(error)
    return _DECIMAL_FAULT if isinstance(value, Decimal) and not _is_plain_decimal(value) else None


def _field_faults(data: dict[str, Any], name: str, field: Field, where: str) -> Iterator[str]:
    path = f"{where}.{name}" if where else name
    if name not in data:
        if field.required:
            yield f"{path}: missing"
    elif not (data[name] is None and field.optional):
        yield from type_faults(data[name], field.kind, path)


def without_value(error: Exception) -> str:
    """What is wrong, without the value: it may be personal data."""
    return str(error).split(" '")[0] if "Invalid enum value" in str(error) else str(error)


def _is_plain_decimal(value: Decimal) -> bool:
    """Whether a number is finite and has no more digits than it may have, before the point and after."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -PLACES and (not value or value.adjusted() < DIGITS)


# --- faults that the types cannot tell


def status_faults(status: PatientStatus) -> Iterator[str]:
    """The faults of a change of a patient's status."""
    if status.change in ("merge", "unmerge") and status.same_as in (None, status.patient):
        yield "same_as: a merge names another patient"


def claim_faults(claim: Claim) -> Iterator[str]:
    """The faults of a claim: ids that name one thing."""
    yield from _head_faults(claim)
    yield from _line_faults(claim)


def _head_faults(claim: Claim) -> Iterator[str]:
    """The faults of a claim beside its lines."""
    if claim.reverses is not None and claim.corrects is not None:
        yield "reverses: a claim reverses or corrects, not both"
    if claim.claim_id in (claim.reverses, claim.corrects):
        yield "corrects: a claim cannot reverse or correct itself"


def _line_faults(claim: Claim) -> Iterator[str]:
    seen: set[str] = set()
    for index, line in enumerate(claim.lines):
        where = f"lines[{index}]."
        if line.line_id in seen:
            yield f"{where}line_id: twice in one claim"
        seen.add(line.line_id)
        if line.refund_of == line.line_id:
            yield f"{where}refund_of: a line cannot refund itself"
        if not 0 <= (line.days or 0) <= LONGEST_SUPPLY:
            yield f"{where}days: expected 0 to {LONGEST_SUPPLY}"
