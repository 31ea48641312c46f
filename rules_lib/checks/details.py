"""Checks on the settlement details themselves."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from knowledge_base.codes import is_item_code
from knowledge_base.days import FIRST_LIKELY, LAST_DAY, LAST_LIKELY, Day, is_likely
from knowledge_base.dictionaries import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.digests.claims import LONGEST_STAY, ClaimDigest, LineDigest
from knowledge_base.numbers import number
from knowledge_base.signs import are_clear
from rules_lib.histories.history import ZERO, Encounter
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import Measure, Question, Undecided, gives

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


@gives("kind")
def odd_details(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """Settlement details that cannot be right as they stand. What-counts rule 9."""
    history = question.history
    concerned = _beside(history)
    for encounter in history.by_encounter if not concerned else {**history.by_encounter, **concerned}:
        claims, beside = history.by_encounter.get(encounter, []), concerned.get(encounter, [])
        spans = [claim.span for claim in claims] + [claim.span for _, claim in beside]
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        if question.meets(first, last):
            odd = [found for claim in claims for found in _odd_in(history, claim)] + [
                (kind, None) for kind, _ in beside
            ]
            if len(claims) > 1:
                odd += [("line_twice", key[2]) for key in history.lines_twice if key[:2] == encounter]
            if encounter in history.used_again:
                odd += [("encounter_used_again", None)] * len(claims)
            if history.takers:
                odd += _odd_returns(history, encounter)
            for kind in dict.fromkeys(kind for kind, _ in odd) if odd else ():
                evidence = {"kind": kind, **(_named_odd(claims) if kind == "odd_identifier" else {})}
                yield _odd(question, encounter, evidence, [line_id for of, line_id in odd if of == kind], first, last)


def _beside(history: PatientHistory) -> dict[Encounter, list[tuple[str, ClaimDigest]]]:
    """What is odd about claims that need not stand, by encounter."""
    found: dict[Encounter, list[tuple[str, ClaimDigest]]] = {}
    for kind, claims in (("wrong_clock", history.wrong_clocks), ("corrects_reversed", history.taken_along)):
        for claim in claims:
            if kind == "wrong_clock" or (claim.fund_paid is not None and claim.fund_paid > ZERO):
                found.setdefault((claim.institution, claim.encounter_id), []).append((kind, claim))
    return found


def _odd_returns(history: PatientHistory, encounter: Encounter) -> Iterator[Odd]:
    """What is odd about lines of an encounter that take back, and about those that they take back."""
    lines = {line.line_id: line for _, line in history.own_lines(encounter)}
    for claim, line in history.takers:
        if (claim.institution, claim.encounter_id) == encounter and line.refund_of not in (None, *lines):
            yield ("refund_elsewhere" if _lies_elsewhere(history, claim, line) else "return_without_line"), line.line_id
    for claim, line in history.back.unfound:
        if (claim.institution, claim.encounter_id) == encounter:
            yield "return_without_line", line.line_id
    for line in lines.values():
        back = history.back.refunds.get((*encounter, line.line_id))
        if back is not None and (back.quantity > number(line.quantity) or back.amount > max(ZERO, number(line.amount))):
            yield "over_refund", line.line_id


def _lies_elsewhere(history: PatientHistory, claim: ClaimDigest, refund: LineDigest) -> bool:
    """Whether the line that a refund names lies in another encounter of the institution."""
    others = [encounter for encounter in history.by_encounter if encounter[0] == claim.institution]
    return any(line.line_id == refund.refund_of for of in others for _, line in history.own_lines(of))


def _odd_in(history: PatientHistory, claim: ClaimDigest) -> list[Odd]:
    settled = claim.settled_day if is_likely(claim.settled_day) else LAST_DAY
    born = claim.birth or FIRST_LIKELY
    latest = min(settled, LAST_LIKELY)
    # One pass over all lines: nearly none is odd.
    lines = [
        line
        for line in claim.lines
        if line.item_kind not in _ITEM_KINDS
        or not born <= line.day <= latest
        or line.quantity[0] in "-0"
        or line.amount[0] == "-"
        or _is_odd_code(line.item_code)
    ]
    odd: list[Odd] = []
    if lines:
        lines = [line for line in lines if not history.is_superseded(claim, line)]
        odd += [("unlikely_line_day", line.line_id) for line in lines if not is_likely(line.day)]
        lines = [line for line in lines if line.refund_of is None]
        odd += [("unknown_item_code", line.line_id) for line in lines if _is_odd_code(line.item_code)]
        odd += [("unknown_item_kind", line.line_id) for line in lines if line.item_kind not in _ITEM_KINDS]
        odd += [("line_after_settlement", line.line_id) for line in lines if settled < line.day <= LAST_LIKELY]
        odd += [("born_after_line", line.line_id) for line in lines if FIRST_LIKELY <= line.day < born]
        odd += [(kind, line.line_id) for line in lines if (kind := _odd_signs(line)) is not None]
    if claim.born is not None and claim.birth is None:
        odd.append(("unlikely_birth_date", None))
    if not are_clear(_names_in(claim)):
        odd.append(("odd_identifier", None))
    if claim.visit_type not in VISIT_TYPES:
        odd.append(("unknown_visit_type", None))
    if claim.sex is not None and claim.sex not in SEXES:
        odd.append(("unknown_sex_code", None))
    return odd + [(kind, None) for kind in _odd_dates(claim)]


def _odd_signs(line: LineDigest) -> str | None:
    """What is odd about the signs of a line's quantity and amount."""
    quantity, amount = number(line.quantity), number(line.amount)
    if quantity == ZERO:
        return "no_units" if amount != ZERO else None
    return "opposite_signs" if quantity * amount < ZERO else None


def _odd_dates(claim: ClaimDigest) -> Iterator[str]:
    """What is odd about a claim's admission, discharge and settlement."""
    told = [day for day in (claim.admitted, claim.discharged, claim.settled_day) if day is not None]
    likely = all(map(is_likely, told))
    stay = 0 if claim.admitted is None or claim.discharged is None else claim.discharged - claim.admitted
    if likely and stay < 0:
        yield "discharged_before_admitted"
    if not likely or stay > LONGEST_STAY:
        yield "unlikely_date"


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
