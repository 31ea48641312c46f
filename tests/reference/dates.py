"""Days, and those that stand for nothing: section 1 of docs/what-counts.md. A day is the civil day in China (UTC+8)."""

from datetime import date, datetime, timedelta, timezone

from knowledge_base.events.claims import Claim

CHINA = timezone(timedelta(hours=8))
FIRST_TOLD, LAST_TOLD = date(1900, 1, 2), date(2090, 12, 31)
LONGEST_STAY = 1100
ONE_DAY = timedelta(days=1)


def civil_day(instant: datetime) -> date:
    """“Days that would lie beyond the calendar are its last.”"""
    try:
        return instant.astimezone(CHINA).date()
    except OverflowError:
        return date.min if instant.year == date.min.year else date.max


def told(day: date | None) -> date | None:
    """“A day before 1900-01-02 or after 2090-12-31 is a placeholder ... counted as not told.”"""
    return day if day is not None and FIRST_TOLD <= day <= LAST_TOLD else None


def told_day(instant: datetime | None) -> date | None:
    """The day of an instant; ``None`` where there is none or where it stands for nothing."""
    return None if instant is None else told(civil_day(instant))


def admission_and_discharge(claim: Claim) -> tuple[date | None, date | None]:
    """What a claim tells of its stay: “more than 1,100 days before the same claim's discharge”, the admission is a
    placeholder; “where a claim's discharge is before its admission, both count as not told”."""
    admitted, discharged = told_day(claim.admitted_at), told_day(claim.discharged_at)
    if admitted is None or discharged is None:
        return admitted, discharged
    if discharged < admitted:
        return None, None
    return (None if too_long(admitted, discharged) else admitted), discharged


def leaves_before_it_comes(claim: Claim) -> bool:
    admitted, discharged = told_day(claim.admitted_at), told_day(claim.discharged_at)
    return admitted is not None and discharged is not None and discharged < admitted


def too_long(admitted: date, discharged: date) -> bool:
    return (discharged - admitted).days > LONGEST_STAY


def days_of(claim: Claim) -> list[date]:
    """“those of its lines, its admission and its discharge, as far as they are told; where none is, the day of
    settlement”; none at all where that is a placeholder, too."""
    days = [told_day(line.at) for line in claim.lines] + list(admission_and_discharge(claim))
    found = sorted(day for day in days if day is not None)
    settled = told_day(claim.settled_at)
    return found or ([settled] if settled else [])
