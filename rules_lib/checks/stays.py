"""Checks on stays in hospital."""

from collections.abc import Iterator
from decimal import Decimal

from knowledge_base.days import Day, as_date
from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest
from rules_lib.histories.history import ZERO, Encounter, Line, line_order
from rules_lib.histories.patient import PatientHistory, Stay
from rules_lib.questions import (
    UNDECIDED_LINES,
    Measure,
    Question,
    Undecided,
    beyond,
    decided,
    sum_is_open,
    units,
    whole,
)


def bed_days_beyond_stay(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More bed days than the stay has: admission counted, discharge not, at least one. What-counts rule 1."""
    beds: dict[Encounter, list[Line]] = {}
    for code, lines in question.items.items():
        for line in lines:
            in_hospital = line.encounter in question.history.stays or line.claim.visit_type in INPATIENT_VISITS
            if in_hospital and question.point(code, line.day) is not None:
                beds.setdefault(line.encounter, []).append(line)
    for encounter, lines in beds.items():
        if not question.meets(*question.history.span_of(encounter)):
            continue
        stay = question.history.stays.get(encounter)
        first, last = _days_of(question, encounter, stay)
        if not question.meets(first, last):
            continue
        occurrence = (question.name, *encounter)
        if stay is None:
            yield Undecided(occurrence, "admitted_at missing", first, last)
        elif stay.discharged is None:
            yield Undecided(occurrence, stay.unknown or "stay unclear", first, last)
        else:
            yield _bed_days(occurrence, stay, stay.discharged, sorted(lines, key=line_order), first, last)


def _bed_days(
    occurrence: tuple[str, ...], stay: Stay, discharged: Day, lines: list[Line], first: Day, last: Day
) -> Measure | Undecided:
    limit = Decimal(max(1, discharged - stay.admitted))
    counting = decided(lines)
    value = units(counting)
    if sum_is_open(lines, value, limit):
        return Undecided(occurrence, UNDECIDED_LINES, first, last)
    guilty, involved = beyond(counting, limit)
    evidence = {"admitted": as_date(stay.admitted), "discharged": as_date(discharged)}
    return Measure(
        occurrence, value, limit, first, last, stay.institution, guilty=guilty, involved=involved, evidence=evidence
    )


def _days_of(question: Question[PatientHistory], encounter: Encounter, stay: Stay | None) -> tuple[Day, Day]:
    days = [digest.day for _, digest in question.history.digests_of(encounter)]
    if stay is not None:
        days += [stay.admitted, stay.discharged or stay.admitted]
    return min(days), max(days)


def billed_elsewhere_in_hospital(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """Billed at another institution on a day strictly inside a stay in hospital. What-counts rule 7."""
    history = question.history
    elsewhere = [claim for claim in history.claims if claim.fund_paid is None or claim.fund_paid > 0]
    for stay in history.stays.values():
        last = stay.discharged if stay.discharged is not None else _last_known_day(question, stay)
        if stay.in_fund is False or not question.meets(stay.admitted, last):
            continue
        unknown = stay.unknown or ("paid missing" if stay.in_fund is None else None)
        for (institution, day), lines in _lines_inside(question, stay, last, elsewhere).items():
            occurrence = (question.name, stay.institution, stay.encounter_id, institution, day)
            if unknown is not None:
                yield Undecided(occurrence, unknown, stay.admitted, last)
            else:
                yield from _elsewhere(question, stay, last, occurrence, institution, day, lines)


def _elsewhere(
    question: Question[PatientHistory],
    stay: Stay,
    last: Day,
    occurrence: tuple[str | int, ...],
    institution: str,
    day: Day,
    lines: list[Line],
) -> Iterator[Measure | Undecided]:
    sent_to = {
        digest.sent_to
        for _, digest in question.history.digests_of((stay.institution, stay.encounter_id))
        if digest.sent_out and digest.day == day
    }
    if institution in sent_to:
        return
    counting = decided(lines)
    if None in sent_to:
        yield Undecided(occurrence, "sent_to missing", stay.admitted, last)
    elif not counting:
        yield Undecided(occurrence, UNDECIDED_LINES, stay.admitted, last)
    else:
        yield Measure(
            occurrence,
            Decimal(len(counting)),
            ZERO,
            stay.admitted,
            last,
            institution,
            guilty=whole(sorted(counting, key=line_order)),
            evidence={"admitted": as_date(stay.admitted), "discharged": as_date(last), "day": as_date(day)},
        )


def _lines_inside(
    question: Question[PatientHistory], stay: Stay, last: Day, claims: list[ClaimDigest]
) -> dict[tuple[str, Day], list[Line]]:
    """The other institutions' lines on days strictly inside the stay that nothing in their own claim excuses."""
    found: dict[tuple[str, Day], list[Line]] = {}
    for claim in claims:
        if claim.institution == stay.institution or claim.mid_stay:
            continue
        first_of_claim, last_of_claim = claim.span
        if first_of_claim >= last or last_of_claim <= stay.admitted:
            continue
        inside = [line for line in claim.lines if stay.admitted < line.day < last and not line.sent_out]
        if not inside or _holds_dialysis(question, claim):
            continue
        for line in question.history.lines_of(claim, inside):
            found.setdefault((claim.institution, line.day), []).append(line)
    return found


def _holds_dialysis(question: Question[PatientHistory], claim: ClaimDigest) -> bool:
    return any(line.item_code is not None and question.point(line.item_code, line.day) for line in claim.lines)


def _last_known_day(question: Question[PatientHistory], stay: Stay) -> Day:
    days = [digest.day for _, digest in question.history.digests_of((stay.institution, stay.encounter_id))]
    return max([stay.admitted, *days])
