"""Making the digest of a claim."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from knowledge_base.days import A_DAY, LAST_LIKELY, Day, day_at, day_of, is_likely, microseconds, moments
from knowledge_base.digests.claims import ClaimDigest, LineDigest, span_of_claim
from knowledge_base.digests.head import BEFORE_ALL
from knowledge_base.digests.regular import with_regular
from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.numbers import number


def claim_digest(claim: Claim) -> ClaimDigest:
    lines = _line_digests(claim.lines)
    settled_at = microseconds(claim.settled_at)
    admitted, discharged, settled = _day(claim.admitted_at), _day(claim.discharged_at), day_at(settled_at)
    first_day, last_day = span_of_claim(lines, admitted, discharged, settled)
    ranked_at = ranked(happened_at := microseconds(claim.happened_at), settled_at)
    digest = ClaimDigest(
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
    return with_regular(digest)


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
