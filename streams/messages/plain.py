"""The short way in: claims that are surely without a fault, told by looking at all of one together.

Nearly all are. Of the others ``streams.messages.faults`` says what is wrong, if anything.
"""

from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter

from msgspec.structs import astuple

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import LONGEST_SUPPLY
from streams.messages.faults import FIRST_YEAR, LAST_YEAR
from streams.messages.identifiers import are_trimmed
from streams.messages.numbers import are_plain

_ESCAPE, _ESCAPED_NUL = b"\\", rb"\u0000"
_NAMES_OF_LINE = attrgetter("line_id", "item_code", "practitioner", "order_id", "refund_of", "sent_to")
_EARLY = datetime(FIRST_YEAR, 1, 2, tzinfo=UTC)
_LATE = datetime(LAST_YEAR, 12, 30, tzinfo=UTC)
"""Between these every time zone is in the years that may be."""


def is_plain(claim: Claim, body: bytes) -> bool:
    """Whether a claim is surely without the faults that types cannot tell. ``body`` is what it was decoded from."""
    has_nul = _ESCAPE in body and _ESCAPED_NUL in body
    return not has_nul and claim.area != "" and are_trimmed(_identifiers_of(claim)) and _is_faultless(claim)


def _identifiers_of(claim: Claim) -> list[str]:
    """The area, the identifiers and the references of a claim, as ``streams.messages.identifiers`` finds them."""
    own = (claim.area, claim.event_id, claim.sender, claim.claim_id, claim.encounter_id)
    head = (*own, claim.patient, claim.institution)
    of_lines = chain.from_iterable(map(_NAMES_OF_LINE, claim.lines))
    traces = chain.from_iterable([line.trace_codes for line in claim.lines if line.trace_codes])
    operators = [operation.practitioner for operation in claim.operations or ()]
    others = (claim.practitioner, claim.reverses, claim.corrects)
    return [*head, *filter(None, chain(of_lines, traces, operators, others))]


def _is_faultless(claim: Claim) -> bool:
    """Whether its numbers are plain, its days in bounds, and what it refers to may be so."""
    lines = claim.lines
    moments = _moments_of(claim)
    return (
        are_plain(set(numbers_of(claim)))  # of the many most are spelled alike
        and min(moments) > _EARLY
        and max(moments) < _LATE
        and len({line.line_id for line in lines}) == len(lines)
        and not [line for line in lines if line.days and not 0 < line.days <= LONGEST_SUPPLY]
        and not [line for line in lines if line.refund_of == line.line_id]
        and claim.claim_id not in (claim.reverses, claim.corrects)
        and (claim.reverses is None or claim.corrects is None)
    )


def _moments_of(claim: Claim) -> list[datetime]:
    moments = [line.at for line in claim.lines]
    moments += [claim.happened_at, claim.settled_at]
    moments += [moment for moment in (claim.admitted_at, claim.discharged_at) if moment is not None]
    moments += [part.at for part in claim.diagnoses or () if part.at is not None]
    moments += [part.at for part in claim.operations or () if part.at is not None]
    return moments


def numbers_of(claim: Claim) -> list[str]:
    """Every number of a claim, as it is spelled."""
    lines = claim.lines
    numbers = [line.quantity for line in lines]
    numbers += [line.amount for line in lines]
    numbers += [line.unit_price for line in lines if line.unit_price is not None]
    numbers += [line.in_fund_scope for line in lines if line.in_fund_scope is not None]
    numbers += [line.own_pay for line in lines if line.own_pay is not None]
    return numbers + list(astuple(claim.paid)) if claim.paid else numbers
