"""Digesting: the part of an event that rules may look at, and how it is stored."""

from datetime import datetime
from typing import Any

import msgspec

from knowledge_base.days import Day, day_at, day_of, microseconds
from knowledge_base.digests import ClaimDigest, Digest, LineDigest, StatusDigest, span_of_claim
from knowledge_base.events import Claim, ClaimLine, Event, PatientStatus

_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    "claim": msgspec.msgpack.Decoder(ClaimDigest),
    "patient_status": msgspec.msgpack.Decoder(StatusDigest),
}


def digest_of(event: Event) -> Digest:
    """The part of an event that rules may look at."""
    return _claim_digest(event) if isinstance(event, Claim) else _status_digest(event)


def _claim_digest(claim: Claim) -> ClaimDigest:
    paid = claim.paid
    lines = tuple(map(_line_digest, claim.lines))
    admitted, discharged, settled = _day(claim.admitted_at), _day(claim.discharged_at), day_of(claim.settled_at)
    first_day, last_day = span_of_claim(lines, admitted, discharged, settled)
    return ClaimDigest(
        event_id=claim.event_id,
        happened_at=microseconds(claim.happened_at),
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
        fund_paid=None if paid is None else paid.pooled_fund + paid.serious_illness + paid.aid,
        reverses=claim.reverses,
        corrects=claim.corrects,
        first_day=first_day,
        last_day=last_day,
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
    return _encode(digest)


def decode_digest(kind: str, body: bytes) -> Digest:
    """A stored digest of an event of some kind."""
    digest: Digest = _decoders[kind].decode(body)
    return digest
