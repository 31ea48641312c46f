"""Civil days in China, as whole numbers.

A ``Day`` is the proleptic ordinal of a civil day in Asia/Shanghai (``date.toordinal``), so that
"15 days later" is plain addition. China has kept one offset, UTC+8 without daylight saving, since
1991-09-15; the few summers before (1986 to 1991) are read with the same offset.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timezone

Day = int

FIRST_DAY: Day = date(1900, 1, 1).toordinal()
LAST_DAY: Day = date(2199, 12, 31).toordinal()

FIRST_LIKELY, LAST_LIKELY = date(1900, 1, 2).toordinal(), date(2090, 12, 31).toordinal()

_LAST_OF_ALL = date.max.toordinal()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
MICROSECONDS_AN_HOUR = 3_600_000_000
A_DAY = 24 * MICROSECONDS_AN_HOUR
"""Microseconds of a day."""
_EIGHT_HOURS = 8 * MICROSECONDS_AN_HOUR
_MIDNIGHT_IN_UTC = 16 * 3_600
"""Seconds of the UTC day at which the next civil day begins in China."""


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z of an aware instant."""
    since = instant - _EPOCH
    return since.days * A_DAY + since.seconds * 1_000_000 + since.microseconds


def day_at(microseconds_since_epoch: int) -> Day:
    """The civil day in China at an instant given in microseconds since 1970-01-01T00:00Z."""
    return (microseconds_since_epoch + _EIGHT_HOURS) // A_DAY + _EPOCH_DAY


def is_midnight(microseconds_since_epoch: int) -> bool:
    """Whether an instant is the very beginning of a civil day in China, as a date without a time is written."""
    return (microseconds_since_epoch + _EIGHT_HOURS) % A_DAY == 0


def moments(instants: Iterable[datetime]) -> list[tuple[int, Day]]:
    """Microseconds and civil days of the many instants of a claim's lines, as ``microseconds`` and ``day_of`` say.

    Mostly all are told in one zone, and those posted together are equal: their differences to an instant of the same
    zone ask no zone for its offset, and equal ones are reckoned once.
    """
    found: list[tuple[int, Day]] = []
    before: datetime | None = None
    zone, epoch = _EPOCH.tzinfo, _EPOCH
    epoch_day, midnight = _EPOCH_DAY, _MIDNIGHT_IN_UTC
    for instant in instants:
        if instant == before:
            found.append(found[-1])
            continue
        before = instant
        if instant.tzinfo is not zone:
            zone = instant.tzinfo
            epoch = _EPOCH.astimezone(zone) if isinstance(zone, timezone) else _EPOCH
        since = instant - epoch
        days, seconds = since.days, since.seconds
        day = days + epoch_day if seconds < midnight else days + epoch_day + 1
        found.append((days * A_DAY + seconds * 1_000_000 + since.microseconds, day))
    return found


def is_likely(day: Day) -> bool:
    """Whether a day lies in 1900-01-02 to 2090-12-31: others stand for "not told" in other programs."""
    return FIRST_LIKELY <= day <= LAST_LIKELY


def day_of(instant: datetime) -> Day:
    """The civil day in China on which an aware instant falls."""
    return day_at(microseconds(instant))


def as_date(day: Day) -> date:
    """The calendar date of a day; of one beyond the calendar its first or last."""
    return date.fromordinal(min(max(day, 1), _LAST_OF_ALL))


def clamped(day: Day) -> date:
    """The calendar date of a day, the first or the last there is where it lies beyond."""
    return as_date(min(max(day, FIRST_DAY), LAST_DAY))
