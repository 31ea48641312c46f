"""Checks on the settlement details themselves."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

from knowledge_base.codes import is_item_code
from knowledge_base.days import Day
from knowledge_base.digests import ClaimDigest, LineDigest, span_of
from knowledge_base.events import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.findings import LineKey
from rules_lib.history import Encounter, History
from rules_lib.measures import ZERO, Measure, Question, Undecided

# Nearly every line names one of a few thousand items.
_is_item_code = lru_cache(maxsize=100_000)(is_item_code)


def odd_details(question: Question) -> Iterator[Measure | Undecided]:
    """Settlement details that cannot be right as they stand. What-counts rule 9."""
    for encounter, claims in question.history.by_encounter.items():
        # Hardly any encounter is odd, so its days are only found where it is.
        odd = list(_oddities(question.history, encounter, claims))
        if odd:
            first, last = _days_of(claims)
            if question.meets(first, last):
                yield from (_odd(question, encounter, kind, count, first, last, lines) for kind, count, lines in odd)


def _oddities(
    history: History, encounter: Encounter, claims: list[ClaimDigest]
) -> Iterator[tuple[str, int, tuple[LineKey, ...]]]:
    """Each kind of oddity in an encounter, with how many lines or claims show it, and the lines."""
    odd_lines: dict[str, set[LineKey]] = defaultdict(set)
    odd_claims: dict[str, int] = defaultdict(int)
    for claim in claims:
        for kind in _odd_in_claim(claim):
            odd_claims[kind] += 1
        for kind, line in _odd_in_lines(claim):
            odd_lines[kind].add((*encounter, line.line_id))
    if len(claims) > 1:
        twice = {key for key in history.lines_twice if key[:2] == encounter}
        if twice:
            odd_lines["line_twice"] = twice
    yield from ((kind, len(keys), tuple(sorted(keys))) for kind, keys in odd_lines.items())
    yield from ((kind, count, ()) for kind, count in odd_claims.items())


def _odd(
    question: Question,
    encounter: Encounter,
    kind: str,
    count: int,
    first: Day,
    last: Day,
    lines: tuple[LineKey, ...],
) -> Measure:
    return Measure(
        (question.person, *encounter, kind),
        Decimal(count),
        ZERO,
        first,
        last,
        encounter[0],
        guilty_keys=lines,
        evidence={"kind": kind},
    )


def _odd_in_claim(claim: ClaimDigest) -> Iterator[str]:
    if claim.visit_type not in VISIT_TYPES:
        yield "unknown_visit_type"
    if claim.sex is not None and claim.sex not in SEXES:
        yield "unknown_sex_code"
    if claim.admitted is not None and claim.discharged is not None and claim.discharged < claim.admitted:
        yield "discharged_before_admitted"


def _odd_in_lines(claim: ClaimDigest) -> Iterator[tuple[str, LineDigest]]:
    for line in claim.lines:
        if line.refund_of is not None:
            continue
        if line.day > claim.settled_day:
            yield "line_after_settlement", line
        if claim.born is not None and claim.born > line.day:
            yield "born_after_line", line
        if line.item_code is not None and not _is_item_code(line.item_code):
            yield "unknown_item_code", line
        if line.item_kind is not None and line.item_kind not in ITEM_KINDS:
            yield "unknown_item_kind", line


def _days_of(claims: list[ClaimDigest]) -> tuple[Day, Day]:
    spans = [span_of(claim) for claim in claims]
    return min(first for first, _ in spans), max(last for _, last in spans)
