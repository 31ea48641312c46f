"""Digests: the part of an event that rules may look at, small enough to be read by the hundred.

A digest is what windows over a person's history are made of. It is a positional array (msgspec
``array_like``), so a claim of ten lines takes some 700 bytes. Instants are microseconds since
1970-01-01T00:00Z, days are ``Day`` numbers; amounts stay decimals.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day


class LineDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One billed line; fields as in ``events.ClaimLine``, ``day`` the civil day of ``at``."""

    line_id: str
    item_code: str | None
    quantity: Decimal
    amount: Decimal
    in_fund_scope: Decimal | None
    at: int
    day: Day
    days: int | None = None
    refund_of: str | None = None
    sent_out: bool = False
    sent_to: str | None = None
    item_kind: str | None = None


class ClaimDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One claim; ``fund_paid`` is what pooled fund, serious illness and aid paid together, ``None`` where not told.

    ``first_day`` and ``last_day`` are its span (``span_of``), kept so that claims that lie elsewhere are passed over
    without a look at their lines. A new field comes last and has a default, so that stored digests stay readable.
    """

    event_id: str
    happened_at: int
    patient: str
    claim_id: str
    encounter_id: str
    institution: str
    visit_type: str
    settled_day: Day
    lines: tuple[LineDigest, ...]
    sex: str | None = None
    born: Day | None = None
    payment_method: str | None = None
    admitted: Day | None = None
    discharged: Day | None = None
    mid_stay: bool = False
    diagnoses: tuple[tuple[str, str | None], ...] | None = None
    operation_days: tuple[Day | None, ...] | None = None
    fund_paid: Decimal | None = None
    reverses: str | None = None
    corrects: str | None = None
    first_day: Day | None = None
    last_day: Day | None = None


class StatusDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One change of a person's status; ``same_as`` is read before histories are, to find who is one person."""

    event_id: str
    happened_at: int
    patient: str
    change: str
    sex: str | None = None
    died_on: Day | None = None
    same_as: str | None = None


Digest = ClaimDigest | StatusDigest


def span_of(digest: Digest) -> tuple[Day, Day]:
    """First and last day of a claim as ``span_of_claim`` says; all days of a status."""
    if isinstance(digest, StatusDigest):
        return FIRST_DAY, LAST_DAY
    if digest.first_day is not None and digest.last_day is not None:
        return digest.first_day, digest.last_day
    return span_of_claim(digest.lines, digest.admitted, digest.discharged, digest.settled_day)


def span_of_claim(
    lines: Sequence[LineDigest], admitted: Day | None, discharged: Day | None, settled_day: Day
) -> tuple[Day, Day]:
    """First and last day of a claim over its lines, the days that they cover, and its stay.

    The day of settlement counts only where there is nothing else: it may lie months later. No anchor may reach
    beyond the spans of its own events, or their windows would miss it.
    """
    firsts = [line.day for line in lines]
    lasts = [line.day + (line.days - 1 if line.days else 0) for line in lines]
    stay = [day for day in (admitted, discharged) if day is not None]
    if not firsts and not stay:
        return settled_day, settled_day
    return min(firsts + stay), min(max(lasts + stay), LAST_DAY)
