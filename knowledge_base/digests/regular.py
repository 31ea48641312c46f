"""Regular claims: those about which nothing is odd by itself, as nearly all are. Told once, when a digest is made.

What looks for oddities passes over them. So whoever lets it find more makes fewer claims regular here, and digests of
another ``GENERATION``.
"""

from collections.abc import Callable
from functools import lru_cache

from msgspec.structs import replace

from knowledge_base.codes import is_diagnosis_code, is_item_code, is_operation_code
from knowledge_base.days import FIRST_LIKELY, is_likely
from knowledge_base.dictionaries import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.signs import are_clear

KNOWN_KINDS, KNOWN_SEXES = {None, *ITEM_KINDS}, {None, *SEXES}
"""What the kind of an item and the sex of a patient may be told as; they need not be told."""


def _remembered(is_code: Callable[[str], bool]) -> Callable[[str], bool]:
    """Nearly every claim names some of a few thousand codes."""
    return lru_cache(maxsize=100_000)(is_code)


is_known_item, is_known_diagnosis = _remembered(is_item_code), _remembered(is_diagnosis_code)
is_known_operation = _remembered(is_operation_code)


def with_regular(claim: ClaimDigest) -> ClaimDigest:
    """The digest of a claim that says whether it is regular."""
    return replace(claim, regular=True) if is_regular(claim) else claim


def is_regular(claim: ClaimDigest) -> bool:
    """Whether surely nothing about a claim is odd by itself, and each of its lines bills units of an item it names."""
    return (
        not claim.off_prices
        and claim.visit_type in VISIT_TYPES
        and claim.sex in KNOWN_SEXES
        and is_likely(claim.settled_day)
        and (claim.born is None or is_likely(claim.born))
        and claim.told_stay == (claim.admitted, claim.discharged)
        and _has_regular_lines(claim)
        and all(map(is_known_diagnosis, [code for code, _ in claim.diagnoses or ()]))
        and all(map(is_known_operation, claim.operation_codes))
        and are_clear(_names_in(claim))
    )


def _has_regular_lines(claim: ClaimDigest) -> bool:
    first, last = claim.born or FIRST_LIKELY, claim.settled_day
    for line in claim.lines:
        amount, scope = line.amount, line.in_fund_scope
        if (
            line.quantity < "1"  # as a text: led by its sign or by 0
            or amount < "0"
            or (scope != amount and scope is not None and float(scope) >= float(amount))
            or not first <= line.day <= last
            or line.refund_of is not None
            or line.sent_to is not None
            or line.item_code is None
            or line.item_kind not in KNOWN_KINDS
            or not is_known_item(line.item_code)
        ):
            return False
    return True


def _names_in(claim: ClaimDigest) -> list[str]:
    """The identifiers and references that a claim holds whose lines name no other line and no institution."""
    names = [claim.event_id, claim.patient, claim.claim_id, claim.encounter_id, claim.institution, claim.corrects or ""]
    names += [line.line_id for line in claim.lines]
    return names
