"""Details: what few rules need of a claim, kept beside its digest and read only where an item of such a rule is billed.

``SINCE`` says from which generation of digests on each field is kept.
"""

from collections.abc import Mapping, Sequence

import msgspec

from knowledge_base.days import microseconds
from knowledge_base.digests.head import Details
from knowledge_base.events.claims import Claim, ClaimLine, Department, Operation

SINCE: Mapping[str, int] = dict.fromkeys(
    (
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
    ),
    2,
)
"""The first generation of digests beside which a field is kept, by the name that rules need it by."""


class OperationDetails(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One operation; fields as in ``events.Operation``, ``at`` in microseconds since 1970-01-01T00:00Z."""

    code: str
    at: int | None = None
    incision: str | None = None
    practitioner: str | None = None


class LineDetails(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One billed line; fields as in ``events.ClaimLine``, ``department`` its code, ``unit_price`` a text."""

    unit_price: str | None = None
    practitioner: str | None = None
    department: str | None = None
    order_id: str | None = None
    trace_codes: tuple[str, ...] = ()


class ClaimDetails(Details, array_like=True, frozen=True, gc=False):
    """One claim; fields as in ``events.Claim``, ``department`` its code, ``settled_at`` as ``at`` of operations.

    ``lines`` are in the order of the digest's. A new field comes last and has a default.
    """

    settled_at: int | None = None
    practitioner: str | None = None
    department: str | None = None
    institution_level: str | None = None
    institution_kind: str | None = None
    admission_way: str | None = None
    discharge_way: str | None = None
    operations: tuple[OperationDetails, ...] | None = None
    lines: tuple[LineDetails, ...] = ()


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
        lines=_lines(claim.lines),
    )


def _lines(lines: Sequence[ClaimLine]) -> tuple[LineDetails, ...]:
    return tuple(
        [
            LineDetails(
                line.unit_price,
                line.practitioner,
                None if line.department is None else line.department.code,
                line.order_id,
                line.trace_codes,
            )
            for line in lines
        ]
    )


def _operation(operation: Operation) -> OperationDetails:
    at = None if operation.at is None else microseconds(operation.at)
    return OperationDetails(operation.code, at, operation.incision, operation.practitioner)


def _code(department: Department | None) -> str | None:
    return None if department is None else department.code
