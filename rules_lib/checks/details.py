"""Checks on the settlement details themselves."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from knowledge_base.codes import is_item_code
from knowledge_base.days import FIRST_DAY, Day
from knowledge_base.dictionaries import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.signs import are_clear
from rules_lib.histories.history import ZERO, Encounter
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import Measure, Question, Undecided

Odd = tuple[str, str | None]
"""A kind of oddity, with the line_id where a line shows it and ``None`` where a claim does."""

_ITEM_KINDS = {None, *ITEM_KINDS}

OWN_NAMES = ("event_id", "patient", "claim_id", "encounter_id", "institution", "corrects")
LINE_NAMES = ("line_id", "refund_of", "sent_to")
"""Identifiers and references of a claim, and of its lines, that the digest holds. Item codes have formats of their own;
what stands in the details is not read for every claim."""

MOST_NAMED = 5
"""Odd identifiers of one field, and lines with any, that a finding names."""


@lru_cache(maxsize=100_000)  # nearly every line names one of a few thousand items
def _is_odd_code(code: str | None) -> bool:
    return code is not None and not is_item_code(code)


def odd_details(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """Settlement details that cannot be right as they stand. What-counts rule 9."""
    history = question.history
    for encounter, claims in history.by_encounter.items():
        first, last = history.span_of(encounter)
        if question.meets(first, last):
            odd = [found for claim in claims for found in _odd_in(claim)]
            if len(claims) > 1:
                odd += [("line_twice", key[2]) for key in history.lines_twice if key[:2] == encounter]
            for kind in dict.fromkeys(kind for kind, _ in odd) if odd else ():
                evidence = {"kind": kind, **(_named_odd(claims) if kind == "odd_identifier" else {})}
                yield _odd(question, encounter, evidence, [line_id for of, line_id in odd if of == kind], first, last)


def _odd_in(claim: ClaimDigest) -> list[Odd]:
    settled, born = claim.settled_day, claim.birth or FIRST_DAY
    # One pass over all lines: nearly none is odd.
    lines = [
        line
        for line in claim.lines
        if line.item_kind not in _ITEM_KINDS or not born <= line.day <= settled or _is_odd_code(line.item_code)
    ]
    odd: list[Odd] = []
    if lines:
        lines = [line for line in lines if line.refund_of is None]
        odd += [("unknown_item_code", line.line_id) for line in lines if _is_odd_code(line.item_code)]
        odd += [("unknown_item_kind", line.line_id) for line in lines if line.item_kind not in _ITEM_KINDS]
        odd += [("line_after_settlement", line.line_id) for line in lines if line.day > settled]
        odd += [("born_after_line", line.line_id) for line in lines if line.day < born]
    if claim.born is not None and claim.birth is None:
        odd.append(("unlikely_birth_date", None))
    if not are_clear(_names_in(claim)):
        odd.append(("odd_identifier", None))
    if claim.visit_type not in VISIT_TYPES:
        odd.append(("unknown_visit_type", None))
    if claim.sex is not None and claim.sex not in SEXES:
        odd.append(("unknown_sex_code", None))
    if claim.admitted is not None and claim.discharged is not None and claim.discharged < claim.admitted:
        odd.append(("discharged_before_admitted", None))
    return odd


def _names_in(claim: ClaimDigest) -> list[str]:
    """What ``OWN_NAMES`` and ``LINE_NAMES`` hold, "" for what is not told: written out, since nearly none is odd."""
    names = [claim.event_id, claim.patient, claim.claim_id, claim.encounter_id, claim.institution, claim.corrects or ""]
    for line in claim.lines:
        names.append(line.line_id)
        if line.refund_of or line.sent_to:
            names += (line.refund_of or "", line.sent_to or "")
    return names


def _named_odd(claims: Iterable[ClaimDigest]) -> dict[str, Any]:
    """Which fields of some claims hold odd identifiers, by field, and the ids of lines with any; no pseudonym."""
    of_claims = [(field, getattr(claim, field), None) for claim in claims for field in OWN_NAMES]
    of_lines = [
        (field, getattr(line, field), line.line_id) for claim in claims for line in claim.lines for field in LINE_NAMES
    ]
    odd = [(field, name, line_id) for field, name, line_id in of_claims + of_lines if name and not are_clear([name])]
    fields = {
        field: _first({name for of, name, _ in odd if of == field}) for field in dict.fromkeys(of for of, *_ in odd)
    }
    if "patient" in fields:
        fields["patient"] = []
    return {"fields": fields, "lines": _first({line_id for *_, line_id in odd if line_id is not None})}


def _first(names: set[str]) -> list[str]:
    """The first few of some names, in the order of signs; a last one says that there are more."""
    return [*sorted(names)[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])]


def _odd(
    question: Question[PatientHistory],
    encounter: Encounter,
    evidence: dict[str, Any],
    line_ids: list[str | None],
    first: Day,
    last: Day,
) -> Measure:
    """One kind of oddity, with the lines or claims that show it: a line counts once, a claim each time."""
    lines = {(*encounter, line_id) for line_id in line_ids if line_id is not None}
    return Measure(
        (question.name, *encounter, evidence["kind"]),
        Decimal(len(lines) or len(line_ids)),
        ZERO,
        first,
        last,
        encounter[0],
        guilty_parts=sorted(lines),
        evidence=evidence,
    )
