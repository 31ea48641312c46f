"""Details: what few rules need of a claim, kept beside its digest and read only where an item of such a rule is billed.

``SINCE`` says from which generation of digests on each field is kept.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeVar, get_args

import msgspec

from knowledge_base.days import microseconds
from knowledge_base.digests.head import Details
from knowledge_base.events.claims import Claim, Department, Operation

DetailField = Literal[
    "settled_at",
    "practitioner",
    "department",
    "institution_level",
    "institution_kind",
    "admission_way",
    "discharge_way",
    "operations.code",
    "operations.at",
    "operations.incision",
    "operations.practitioner",
    "lines.unit_price",
    "lines.practitioner",
    "lines.department",
    "lines.order_id",
    "lines.trace_codes",
]
"""The fields that are kept, by the names that rules need them by."""

SINCE: Mapping[str, int] = dict.fromkeys(get_args(DetailField), 2)
"""The first generation of digests beside which a field is kept."""


class OperationDetails(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One operation; fields as in ``events.Operation``, ``at`` in microseconds since 1970-01-01T00:00Z."""

    code: str
    at: int | None = None
    incision: str | None = None
    practitioner: str | None = None


class LineDetails(NamedTuple):
    """One billed line; fields as in ``events.ClaimLine``, ``department`` its code, ``unit_price`` a text."""

    unit_price: str | None = None
    practitioner: str | None = None
    department: str | None = None
    order_id: str | None = None
    trace_codes: tuple[str, ...] = ()


T = TypeVar("T")

Column = tuple[T, ...]
"""A field of every line, in the order of the digest's lines; empty where no line tells it."""


class ClaimDetails(Details, array_like=True, frozen=True, gc=False):
    """One claim; fields as in ``events.Claim``, ``department`` its code, ``settled_at`` as ``at`` of operations.

    What lines tell stands in columns, of which most are empty: ``line`` says it of one. A new field comes last and has
    a default.
    """

    settled_at: int | None = None
    practitioner: str | None = None
    department: str | None = None
    institution_level: str | None = None
    institution_kind: str | None = None
    admission_way: str | None = None
    discharge_way: str | None = None
    operations: tuple[OperationDetails, ...] | None = None
    unit_prices: Column[str | None] = ()
    practitioners: Column[str | None] = ()
    departments: Column[str | None] = ()
    order_ids: Column[str | None] = ()
    trace_codes: Column[tuple[str, ...]] = ()

    def line(self, index: int) -> LineDetails:
        """What is told of a line, by its place among the digest's."""
        return LineDetails(
            self.unit_prices[index] if self.unit_prices else None,
            self.practitioners[index] if self.practitioners else None,
            self.departments[index] if self.departments else None,
            self.order_ids[index] if self.order_ids else None,
            self.trace_codes[index] if self.trace_codes else (),
        )


def claim_details(claim: Claim) -> ClaimDetails:
    return ClaimDetails(
        settled_at=microseconds(claim.settled_at),
        practitioner=claim.practitioner,
        department=_code(claim.department),
        institution_level=claim.institution_level,
        institution_kind=claim.institution_kind,
        admission_way=claim.admission_way,
        discharge_way=claim.discharge_way,
        operations=None if claim.operations is None else tuple(map(_operation, claim.operations)),
        unit_prices=_column([line.unit_price for line in claim.lines], None),
        practitioners=_column([line.practitioner for line in claim.lines], None),
        departments=_column([_code(line.department) for line in claim.lines], None),
        order_ids=_column([line.order_id for line in claim.lines], None),
        trace_codes=_column([line.trace_codes for line in claim.lines], ()),
    )


def _column(told: list[T], nothing: T) -> Column[T]:
    return () if told.count(nothing) == len(told) else tuple(told)


def _operation(operation: Operation) -> OperationDetails:
    at = None if operation.at is None else microseconds(operation.at)
    return OperationDetails(operation.code, at, operation.incision, operation.practitioner)


def _code(department: Department | None) -> str | None:
    return None if department is None else department.code
