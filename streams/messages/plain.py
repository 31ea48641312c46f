"""The short way in: claims that are surely without a fault, told by looking at all of one together.

Nearly all are. Of the others ``streams.messages.faults`` says what is wrong, if anything.
"""

from typing import cast

from msgspec.structs import astuple

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import LONGEST_SUPPLY
from streams.messages.identifiers import are_trimmed
from streams.messages.numbers import are_plain

_ESCAPE, _ESCAPED_NUL = b"\\", rb"\u0000"


def is_plain(claim: Claim, body: bytes) -> bool:
    """Whether a claim is surely without the faults that types cannot tell. ``body`` is what it was decoded from."""
    has_nul = _ESCAPE in body and _ESCAPED_NUL in body
    return not has_nul and claim.area != "" and are_trimmed(_identifiers_of(claim)) and _is_faultless(claim)


def _identifiers_of(claim: Claim) -> list[str]:
    """The area, the identifiers and the references of a claim, as ``streams.messages.identifiers`` finds them."""
    names: list[str | None] = [claim.area, claim.event_id, claim.sender, claim.claim_id, claim.encounter_id]
    names += (claim.patient, claim.institution, claim.practitioner, claim.reverses, claim.corrects)
    names += [operation.practitioner for operation in claim.operations or ()]
    for line in claim.lines:
        names += (line.line_id, line.item_code, line.practitioner, line.order_id, line.refund_of, line.sent_to)
        names += line.trace_codes
    return list(filter(None, names))


def _is_faultless(claim: Claim) -> bool:
    """Whether its numbers are plain, and what it refers to may be so."""
    lines = claim.lines
    return (
        are_plain(numbers_of(claim))
        and len({line.line_id for line in lines}) == len(lines)
        and not [
            line
            for line in lines
            if line.refund_of == line.line_id or (line.days and not 0 < line.days <= LONGEST_SUPPLY)
        ]
        and claim.claim_id not in (claim.reverses, claim.corrects)
        and (claim.reverses is None or claim.corrects is None)
    )


def numbers_of(claim: Claim) -> set[str]:
    """The numbers of a claim as they are spelled; of the many most are spelled alike."""
    numbers: list[str | None] = list(astuple(claim.paid)) if claim.paid else []
    for line in claim.lines:
        numbers += (line.quantity, line.amount, line.unit_price, line.in_fund_scope, line.own_pay)
    spelled = set(numbers)
    spelled.discard(None)
    return cast(set[str], spelled)
