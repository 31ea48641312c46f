"""Checks on the settlement details themselves."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from knowledge_base.days import FIRST_LIKELY, LAST_DAY, LAST_LIKELY, Day, as_date, is_likely
from knowledge_base.dictionaries import VISIT_TYPES
from knowledge_base.digests.claims import LONGEST_STAY, ClaimDigest, LineDigest
from knowledge_base.digests.regular import (
    KNOWN_KINDS,
    KNOWN_SEXES,
    is_known_diagnosis,
    is_known_item,
    is_known_operation,
)
from knowledge_base.numbers import number
from knowledge_base.signs import are_clear
from rules_lib.histories.history import ZERO, Encounter
from rules_lib.histories.patient import PatientHistory
from rules_lib.histories.stays import Stay
from rules_lib.questions import ONE, Measure, Question, Undecided, gives

Odd = tuple[str, str | None]
"""A kind of oddity, with the line_id where a line shows it and ``None`` where a claim does."""

OWN_NAMES = ("event_id", "patient", "claim_id", "encounter_id", "institution", "corrects")
LINE_NAMES = ("line_id", "refund_of", "sent_to")
"""Identifiers and references of a claim, and of its lines, that the digest holds. Item codes have formats of their own;
what stands in the details is not read for every claim."""

MOST_NAMED = 5
"""Odd identifiers or codes of one field, and lines and settlements with any, that a finding names."""

_CENT = Decimal("0.01")


ODD_CODES: dict[str, tuple[str, Callable[[ClaimDigest], Iterable[str]], Callable[[str], bool]]] = {
    "unknown_diagnosis_code": ("diagnosis", lambda claim: [of for of, _ in claim.diagnoses or ()], is_known_diagnosis),
    "unknown_operation_code": ("operation", lambda claim: claim.operation_codes, is_known_operation),
}
"""Kinds that name codes of a claim: what the field is called, its codes, and whether one is known."""


@gives("kind", "claims")
def odd_details(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """Settlement details that cannot be right as they stand. What-counts rule 9."""
    history, judged = question.history, question.judged
    concerned = _beside(history)
    alone = not (history.stays or history.takers or history.used_again)
    for encounter in history.by_encounter if not concerned else {**history.by_encounter, **concerned}:
        beside = concerned.get(encounter, ())
        claims = history.by_encounter.get(encounter, [])
        first, last = _span(claims, beside) if beside else history.span_of(encounter)
        if judged.meets(first, last):
            odd = [found for claim in claims for found in _odd_in(claim, question)]
            odd += [(kind, None) for kind, _ in beside]
            if len(claims) > 1 or not alone:
                odd += _odd_together(question, encounter, claims, first, last)
            for kind in dict.fromkeys(kind for kind, _ in odd) if odd else ():
                line_ids = [line_id for of, line_id in odd if of == kind]
                holding = [claim for of, claim in beside if of == kind] or _holding(claims, line_ids)
                evidence: dict[str, Any] = {"kind": kind, "claims": _first(claim.claim_id for claim in holding)}
                yield _odd(question, encounter, evidence | _named_in(kind, claims), line_ids, first, last)


def _span(claims: Iterable[ClaimDigest], beside: Iterable[tuple[str, ClaimDigest]]) -> tuple[Day, Day]:
    """First and last day of an encounter's claims and those concerned beside them."""
    spans = [claim.span for claim in (*claims, *(claim for _, claim in beside))]
    return min(first for first, _ in spans), max(last for _, last in spans)


def _holding(claims: Sequence[ClaimDigest], line_ids: Iterable[str | None]) -> Sequence[ClaimDigest]:
    """The claims of an encounter that hold some of these lines; all where an oddity names no line."""
    odd = {line_id for line_id in line_ids if line_id is not None}
    return [claim for claim in claims if not odd or any(line.line_id in odd for line in claim.lines)]


def _odd_together(
    question: Question[PatientHistory], encounter: Encounter, claims: Sequence[ClaimDigest], first: Day, last: Day
) -> Iterator[Odd]:
    """What is odd about an encounter as a whole, whose first day and last these are."""
    history = question.history
    if len(claims) > 1:
        yield from (("line_twice", key[2]) for key in history.lines_twice if key[:2] == encounter)
    if encounter in history.used_again:
        yield from (("encounter_used_again", None) for _ in claims)
    stay = history.stays.get(encounter)
    if stay is not None and stay.admitted is not None:
        outside = _far_outside(question, stay, stay.admitted, (first, last))
        yield from (("line_far_outside_stay", line.line_id) for line in outside)
    if encounter in history.takers:
        yield from _odd_returns(history, encounter)


def _far_outside(
    question: Question[PatientHistory], stay: Stay, admitted: Day, span: tuple[Day, Day]
) -> Iterator[LineDigest]:
    """Lines so many days before a stay or after it that they can hardly belong to it; what takes back comes late.

    All of its encounter's likely lines lie in the ``span``.
    """
    far = question.rule.limit("far_days", admitted)
    first, last = admitted - far, LAST_DAY if stay.discharged is None else stay.discharged + far
    if first <= span[0] and span[1] <= last:
        return
    for claim, line in question.history.digests_of(stay.encounter):
        if not first <= line.day <= last and is_likely(line.day) and question.history.is_own(claim, line):
            yield line


def _beside(history: PatientHistory) -> dict[Encounter, list[tuple[str, ClaimDigest]]]:
    """What is odd about claims that need not stand, by encounter."""
    found: dict[Encounter, list[tuple[str, ClaimDigest]]] = {}
    for kind, claims in (("wrong_clock", history.wrong_clocks), ("corrects_reversed", history.taken_along)):
        for claim in claims:
            if kind == "wrong_clock" or (claim.fund_paid is not None and claim.fund_paid > ZERO):
                found.setdefault((claim.institution, claim.encounter_id), []).append((kind, claim))
    return found


def _odd_returns(history: PatientHistory, encounter: Encounter) -> Iterator[Odd]:
    """What is odd about the lines of an encounter that take back, and about those that they take back."""
    lines = {line.line_id: line for _, line in history.own_lines(encounter)}
    takers = history.takers[encounter]
    lost = [line for _, line in takers if line.refund_of is not None and line.refund_of not in lines]
    elsewhere = _line_ids(history, encounter[0]) if lost else set()
    for line in lost:
        yield ("refund_elsewhere" if line.refund_of in elsewhere else "return_without_line"), line.line_id
    for claim, line in history.back.unfound:
        if (claim.institution, claim.encounter_id) == encounter:
            yield "return_without_line", line.line_id
    for line in lines.values():
        back = history.back.refunds.get((*encounter, line.line_id))
        if back is not None and (back.quantity > number(line.quantity) or back.amount > max(ZERO, number(line.amount))):
            yield "over_refund", line.line_id


def _line_ids(history: PatientHistory, institution: str) -> set[str]:
    """The lines that an institution billed in any encounter."""
    encounters = [encounter for encounter in history.by_encounter if encounter[0] == institution]
    return {line.line_id for encounter in encounters for _, line in history.own_lines(encounter)}


def _odd_in(claim: ClaimDigest, question: Question[PatientHistory]) -> list[Odd]:
    """What is odd about a claim by itself."""
    if claim.regular:
        return []
    settled = claim.settled_day if is_likely(claim.settled_day) else LAST_DAY
    born = claim.birth or FIRST_LIKELY
    lines = [line for line in claim.lines if not question.history.is_superseded(claim, line)]
    odd: list[Odd] = [("unlikely_line_day", line.line_id) for line in lines if not is_likely(line.day)]
    lines = [line for line in lines if line.refund_of is None]
    odd += [("unknown_item_code", line.line_id) for line in lines if _has_odd_code(line)]
    odd += [("unknown_item_kind", line.line_id) for line in lines if line.item_kind not in KNOWN_KINDS]
    odd += [("line_after_settlement", line.line_id) for line in lines if settled < line.day <= LAST_LIKELY]
    odd += [("born_after_line", line.line_id) for line in lines if FIRST_LIKELY <= line.day < born]
    odd += [("scope_above_amount", line.line_id) for line in lines if _has_scope_above_amount(line)]
    odd += [(kind, line.line_id) for line in lines if (kind := _odd_signs(line)) is not None]
    odd += [("amount_not_price_by_quantity", line.line_id) for line in _wrongly_priced(claim, lines, question)]
    odd += [
        (kind, None) for kind, (_, codes_of, is_known) in ODD_CODES.items() if not all(map(is_known, codes_of(claim)))
    ]
    if claim.born is not None and claim.birth is None:
        odd.append(("unlikely_birth_date", None))
    if not are_clear([name.held for name in _identifiers_in(claim)]):
        odd.append(("odd_identifier", None))
    if claim.visit_type not in VISIT_TYPES:
        odd.append(("unknown_visit_type", None))
    if claim.sex not in KNOWN_SEXES:
        odd.append(("unknown_sex_code", None))
    odd += [(kind, None) for kind in _odd_dates(claim)]
    return odd


def _has_odd_code(line: LineDigest) -> bool:
    return line.item_code is not None and not is_known_item(line.item_code)


def _odd_signs(line: LineDigest) -> str | None:
    """What is odd about the signs of a line's quantity and amount."""
    quantity, amount = number(line.quantity), number(line.amount)
    if quantity == ZERO:
        return "no_units" if amount != ZERO else None
    return "opposite_signs" if quantity * amount < ZERO else None


def _odd_dates(claim: ClaimDigest) -> Iterator[str]:
    """What is odd about a claim's admission, discharge and settlement."""
    told = [day for day in (claim.admitted, claim.discharged) if day is not None]
    likely = all(map(is_likely, told))
    stay = 0 if claim.admitted is None or claim.discharged is None else claim.discharged - claim.admitted
    if likely and stay < 0:
        yield "discharged_before_admitted"
    if not (likely and is_likely(claim.settled_day)) or stay > LONGEST_STAY:
        yield "unlikely_date"


def _has_scope_above_amount(line: LineDigest) -> bool:
    return line.in_fund_scope is not None and number(line.in_fund_scope) > max(ZERO, number(line.amount))


def _wrongly_priced(
    claim: ClaimDigest, lines: Iterable[LineDigest], question: Question[PatientHistory]
) -> Iterator[LineDigest]:
    """Lines whose amount is further off quantity times unit price than rounding explains, by the unit or once."""
    prices = dict(claim.off_prices)
    for line in lines:
        if line.line_id in prices:
            quantity = number(line.quantity)
            allowed = question.rule.limit("cents_a_unit", line.day) * _CENT * max(ONE, abs(quantity))
            if abs(number(line.amount) - quantity * number(prices[line.line_id])) > allowed:
                yield line


class _Named(NamedTuple):
    """What an odd field holds, and whose it is: of a settlement, of its line where it is a line's."""

    field: str
    held: str
    claim_id: str
    line_id: str | None = None


def _named_in(kind: str, claims: Iterable[ClaimDigest]) -> dict[str, Any]:
    """What findings of some kinds name: what is odd by field, its lines and settlements; no pseudonym."""
    if kind == "odd_identifier":
        odd = [name for claim in claims for name in _identifiers_in(claim) if not are_clear([name.held])]
    elif kind in ("unlikely_date", "discharged_before_admitted"):
        return _dates_in(kind, claims)
    elif kind in ODD_CODES:
        field, codes_of, is_known = ODD_CODES[kind]
        codes = [_Named(field, code, claim.claim_id) for claim in claims for code in codes_of(claim)]
        odd = [code for code in codes if not is_known(code.held)]
    else:
        return {}
    fields = {field: _first(name.held for name in odd if name.field == field) for field, *_ in odd}
    if "patient" in fields:
        fields["patient"] = []
    lines = _first(name.line_id for name in odd if name.line_id is not None)
    return {"fields": fields, "lines": lines, "claims": _first(name.claim_id for name in odd)}


def _dates_in(kind: str, claims: Iterable[ClaimDigest]) -> dict[str, Any]:
    """The dates of claims that show a kind, by field, as they are told, and which settlements these are."""
    odd = [claim for claim in claims if kind in _odd_dates(claim)]
    told: dict[str, list[Day | None]] = {
        "admitted_at": [claim.admitted for claim in odd],
        "discharged_at": [claim.discharged for claim in odd],
        "settled_at": [claim.settled_day for claim in odd if not is_likely(claim.settled_day)],
    }
    named = {field: _first(as_date(day).isoformat() for day in days if day is not None) for field, days in told.items()}
    fields = {field: dates for field, dates in named.items() if dates}
    return {"fields": fields, "lines": [], "claims": _first(claim.claim_id for claim in odd)}


def _identifiers_in(claim: ClaimDigest) -> Iterator[_Named]:
    for field in OWN_NAMES:
        yield _Named(field, getattr(claim, field) or "", claim.claim_id)
    for line in claim.lines:
        for field in LINE_NAMES:
            yield _Named(field, getattr(line, field) or "", claim.claim_id, line.line_id)


def _first(names: Iterable[str]) -> list[str]:
    """The first few of some names, each once, in the order of signs; a last one says that there are more."""
    names = sorted(set(names))
    return [*names[:MOST_NAMED], *(["…"] if len(names) > MOST_NAMED else [])]


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
