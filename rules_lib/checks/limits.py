"""Checks on how often an item may be billed."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from knowledge_base.catalogues.rows import DailyCap, Period
from knowledge_base.days import Day, as_date
from rules_lib.histories.history import Encounter, Line
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import (
    UNDECIDED_LINES,
    Measure,
    Question,
    Undecided,
    beyond,
    decided,
    gives,
    on_days,
    reads,
    sum_is_open,
    units,
)

POSTED_AT_DISCHARGE = "posted at discharge"


@reads(DailyCap)
def over_daily_cap(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More units of an item on one day at one institution than its daily cap. What-counts rule 2."""
    for code, lines in question.items.items():
        for institution, day, together in question.by_place_and_day(lines):
            point = question.point(code, day)
            if point is None:
                continue
            cap: Decimal = point.row.limit
            if units(together) <= cap:
                yield Measure((question.name, institution, code, day), units(decided(together)), cap, day, day)
                continue
            for encounter, days, posted in _posted_at_discharge(question, lines, together, day, cap):
                together = [line for line in together if line not in posted]
                yield _over_stay(question, code, encounter, days, posted, cap)
            yield from _over_day(question, code, institution, day, together, cap)


def _over_day(
    question: Question[PatientHistory], code: str, institution: str, day: Day, lines: list[Line], cap: Decimal
) -> Iterator[Measure | Undecided]:
    occurrence = (question.name, institution, code, day)
    counting = decided(lines)
    value = units(counting)
    if sum_is_open(lines, value, cap):
        yield Undecided(occurrence, UNDECIDED_LINES, day, day)
    elif value > cap and any(question.history.lacks_stay(line.encounter) for line in counting):
        yield Undecided(occurrence, "stay open or unclear", day, day)
    elif counting:
        guilty, involved = beyond(counting, cap)
        yield Measure(occurrence, value, cap, day, day, institution, guilty=guilty, involved=involved)


def _over_stay(
    question: Question[PatientHistory],
    code: str,
    encounter: Encounter,
    days: tuple[Day, Day],
    lines: list[Line],
    cap: Decimal,
) -> Measure | Undecided:
    (institution, encounter_id), (admitted, discharged) = encounter, days
    occurrence = (question.name, institution, code, encounter_id)
    limit = cap * (discharged - admitted + 1)
    counting = decided(lines)
    value = units(counting)
    if value <= limit:
        reason = UNDECIDED_LINES if sum_is_open(lines, value, limit) else POSTED_AT_DISCHARGE
        return Undecided(occurrence, reason, discharged, discharged)
    guilty, involved = beyond(counting, limit)
    evidence = {"admitted": as_date(admitted), "discharged": as_date(discharged), "posted_at_discharge": True}
    return Measure(
        occurrence,
        value,
        limit,
        discharged,
        discharged,
        institution,
        guilty=guilty,
        involved=involved,
        evidence=evidence,
    )


def _posted_at_discharge(
    question: Question[PatientHistory], lines: list[Line], of_the_day: list[Line], day: Day, cap: Decimal
) -> list[tuple[Encounter, tuple[Day, Day], list[Line]]]:
    """Stays, with their days, that end on the day and have all their lines of the item on it, beyond a day's worth."""
    found = []
    for encounter in dict.fromkeys(line.encounter for line in of_the_day):
        stay = question.history.stays.get(encounter)
        if stay is not None and stay.days is not None and stay.discharged == day:
            posted = [line for line in lines if line.encounter == encounter]
            if all(line.day == day for line in posted) and units(posted) > cap:
                found.append((encounter, stay.days, posted))
    return found


@reads(Period)
@gives("days")
def over_period_limit(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """More units of an item within a period than allowed, across visits and institutions. What-counts rule 6."""
    for code, lines in question.items.items():
        for day in dict.fromkeys(line.day for line in question.on_judged_days(lines)):
            point = question.point(code, day)
            if point is not None:
                window = on_days(lines, max(day - point.row.days + 1, point.valid_from), day)
                yield from _over_period(question, code, day, window, point.row)


def _over_period(
    question: Question[PatientHistory], code: str, day: Day, window: Sequence[Line], period: Period
) -> Iterator[Measure | Undecided]:
    occurrence = (question.name, code, day)
    counting = decided(window)
    value = units(counting)
    guilty, involved = beyond(counting, period.count)
    of_the_day = [share for share in guilty if share[0].day == day]
    if of_the_day:
        earlier = [line for line, _, _ in guilty if line.day != day]
        yield Measure(
            occurrence,
            value,
            period.count,
            day,
            day,
            of_the_day[-1][0].institution,
            guilty=of_the_day,
            involved=[*involved, *earlier],
            evidence={"days": period.days},
        )
    elif units(window) > period.count:
        yield Undecided(occurrence, UNDECIDED_LINES, day, day)
    else:
        yield Measure(occurrence, value, period.count, day, day, window[-1].institution)
