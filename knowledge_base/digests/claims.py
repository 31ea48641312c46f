"""The digest of a claim: what windows over a patient's history are made of."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from knowledge_base.days import (
    A_DAY,
    FIRST_DAY,
    FIRST_LIKELY,
    LAST_DAY,
    LAST_LIKELY,
    Day,
    day_at,
    day_of,
    is_likely,
    microseconds,
    moments,
)
from knowledge_base.digests.head import BEFORE_ALL, Digest, Links
from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.numbers import number


class LineDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One billed line; fields as in ``events.ClaimLine``, numbers as texts too, ``day`` the civil day of ``at``."""

    line_id: str
    item_code: str | None
    quantity: str
    amount: str
    in_fund_scope: str | None
    at: int
    day: Day
    days: int | None = None
    refund_of: str | None = None
    sent_out: bool = False
    sent_to: str | None = None
    item_kind: str | None = None

    @property
    def is_negative(self) -> bool:
        """Whether its quantity is below 0."""
        return number(self.quantity) < 0

    @property
    def takes_back(self) -> bool:
        """Whether it is no line of its own, but takes back others."""
        return self.refund_of is not None or (self.quantity[0] == "-" and self.is_negative)


class ClaimDigest(Digest, array_like=True, frozen=True, gc=False):
    """One claim; ``born``, ``admitted`` and ``discharged`` are as they are told, however unlikely; ``fund_paid`` is
    what pooled fund, serious illness and aid paid together, ``None`` where not told. ``happened_at`` is what it ranks
    by: the settlement where the clock was wrong (``wrong_clock``). ``off_prices`` holds the line_ids of lines whose
    amount is not quantity times unit price to half a cent, with that price.

    ``first_day`` and ``last_day`` are its ``span``, kept so that claims that lie elsewhere are passed over
    without a look at their lines. A new field comes last and has a default, so that stored digests stay readable.
    """

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
    wrong_clock: bool = False
    operation_codes: tuple[str, ...] = ()
    off_prices: tuple[tuple[str, str], ...] = ()

    @property
    def span(self) -> tuple[Day, Day]:
        """First and last day, as ``span_of_claim`` says."""
        if self.first_day is not None and self.last_day is not None:
            return self.first_day, self.last_day
        return span_of_claim(self.lines, self.admitted, self.discharged, self.settled_day)

    @property
    def birth(self) -> Day | None:
        """The day of birth, where it is told and likely."""
        return self.born if self.born is not None and is_likely(self.born) else None

    @property
    def told_stay(self) -> tuple[Day | None, Day | None]:
        """Admission and discharge as far as they are believed (``told_stay``)."""
        return told_stay(self.admitted, self.discharged)

    @property
    def links(self) -> Links:
        return Links(self.claim_id, (self.institution, self.encounter_id), self.reverses, self.corrects)

    @property
    def item_codes(self) -> Iterable[str | None]:
        return [line.item_code for line in self.lines]


LONGEST_STAY = 1_100
"""Days from an admission to its discharge; one that lies farther back is a placeholder."""


def told_stay(admitted: Day | None, discharged: Day | None) -> tuple[Day | None, Day | None]:
    """Admission and discharge of a claim, ``None`` for what stands for nothing. What-counts section 1."""
    if admitted is not None and not is_likely(admitted):
        admitted = None
    if discharged is not None and not is_likely(discharged):
        discharged = None
    if admitted is None or discharged is None:
        return admitted, discharged
    if discharged < admitted:
        return None, None
    return (admitted if discharged - admitted <= LONGEST_STAY else None), discharged


def span_of_claim(
    lines: Sequence[LineDigest], admitted: Day | None, discharged: Day | None, settled_day: Day
) -> tuple[Day, Day]:
    """First and last day of a claim over its lines, the days that they cover, and its stay, as far as they are told.

    The day of settlement counts only where there is nothing else: it may lie months later. No anchor may reach
    beyond the spans of its own events, or their windows would miss it.
    """
    firsts = [line.day for line in lines]
    if firsts and not (min(firsts) >= FIRST_LIKELY and max(firsts) <= LAST_LIKELY):
        lines = [line for line in lines if is_likely(line.day)]
        firsts = [line.day for line in lines]
    lasts = [line.day + (line.days - 1 if line.days else 0) for line in lines]
    stay = [day for day in told_stay(admitted, discharged) if day is not None]
    if not firsts and not stay:
        settled_day = min(max(settled_day, FIRST_DAY), LAST_DAY)
        return settled_day, settled_day
    return min(firsts + stay), min(max(lasts + stay), LAST_DAY)


def claim_digest(claim: Claim) -> ClaimDigest:
    lines = _line_digests(claim.lines)
    settled_at = microseconds(claim.settled_at)
    admitted, discharged, settled = _day(claim.admitted_at), _day(claim.discharged_at), day_at(settled_at)
    first_day, last_day = span_of_claim(lines, admitted, discharged, settled)
    ranked_at = ranked(happened_at := microseconds(claim.happened_at), settled_at)
    return ClaimDigest(
        event_id=claim.event_id,
        happened_at=ranked_at,
        patient=claim.patient,
        claim_id=claim.claim_id,
        encounter_id=claim.encounter_id,
        institution=claim.institution,
        visit_type=claim.visit_type,
        settled_day=settled,
        lines=lines,
        sex=claim.sex,
        born=claim.birth_date.toordinal() if claim.birth_date else None,
        payment_method=claim.payment_method,
        admitted=admitted,
        discharged=discharged,
        mid_stay=claim.mid_stay,
        diagnoses=None if claim.diagnoses is None else tuple((d.code, d.name) for d in claim.diagnoses),
        operation_days=None if claim.operations is None else tuple(_day(o.at) for o in claim.operations),
        fund_paid=None if claim.paid is None else _fund_paid(claim.paid),
        reverses=claim.reverses,
        corrects=claim.corrects,
        first_day=first_day,
        last_day=last_day,
        wrong_clock=ranked_at != happened_at,
        operation_codes=() if claim.operations is None else tuple([o.code for o in claim.operations]),
        off_prices=off_prices(claim.lines),
    )


_HALF_A_CENT = 0.005


def off_prices(lines: Iterable[ClaimLine]) -> tuple[tuple[str, str], ...]:
    """``ClaimDigest.off_prices``, by floats, most lines being one unit: rules reckon the few that are left exactly."""
    return tuple(
        [
            (line.line_id, line.unit_price)
            for line in lines
            if line.unit_price is not None
            and (line.unit_price != line.amount or line.quantity != "1")
            and not -_HALF_A_CENT < float(line.quantity) * float(line.unit_price) - float(line.amount) < _HALF_A_CENT
        ]
    )


def ranked(happened_at: int, settled_at: int) -> int:
    """By which instant a claim ranks, of those at which it happened and was settled: the latter for a wrong clock.

    All in microseconds since 1970-01-01T00:00Z. A settlement that stands for nothing tells no clock wrong, and where
    it is needed ranks first. What-counts section 1.
    """
    late = day_at(happened_at) > LAST_LIKELY
    if not is_likely(day_at(settled_at)):
        return BEFORE_ALL if late else happened_at
    return settled_at if late or settled_at - happened_at > A_DAY else happened_at


def _fund_paid(paid: Paid) -> Decimal:
    return number(paid.pooled_fund) + number(paid.serious_illness) + number(paid.aid)


def _line_digests(lines: Sequence[ClaimLine]) -> tuple[LineDigest, ...]:
    return tuple(
        [
            LineDigest(
                line.line_id,
                line.item_code,
                line.quantity,
                line.amount,
                line.in_fund_scope,
                at,
                day,
                line.days,
                line.refund_of,
                line.sent_out,
                line.sent_to,
                line.item_kind,
            )
            for line, (at, day) in zip(lines, moments([line.at for line in lines]), strict=True)
        ]
    )


def _day(instant: datetime | None) -> Day | None:
    return None if instant is None else day_of(instant)
