"""How amounts, days and people are written on pages and in sentences; quantities are in rules_lib.wording."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

from knowledge_base.days import Day, as_date, day_of
from knowledge_base.signs import neutral

CHINA = timezone(timedelta(hours=8))
LONGEST_PSEUDONYM = 20

_CENT = Decimal("0.01")


def money(amount: Decimal | str) -> str:
    """Yuan with two decimals and separated thousands: ``12,430.00``. Events hold numbers as texts."""
    return f"{Decimal(amount).quantize(_CENT, ROUND_HALF_UP):,}"


def day(value: Day | date | None) -> str:
    """An ISO date of a day or an instant in China; a dash where there is none."""
    if value is None:
        return "—"
    if isinstance(value, datetime):
        return as_date(day_of(value)).isoformat()
    return (as_date(value) if isinstance(value, int) else value).isoformat()


def instant(value: datetime) -> str:
    """An instant as it reads in China, to the minute: ``2026-03-04 15:20``; at the ends of the calendar as it came."""
    with suppress(OverflowError):
        value = value.astimezone(CHINA)
    return value.strftime("%Y-%m-%d %H:%M")


def waited(seconds: float) -> tuple[int, str]:
    """A span as (number, unit) in the greatest unit that it fills: ``second``, ``minute``, ``hour`` or ``day``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return int(seconds // length), unit
    return max(0, int(seconds)), "second"


def today_in_china() -> Day:
    """The civil day in China now."""
    return datetime.now(UTC).astimezone(CHINA).date().toordinal()


def pseudonym(person: str) -> str:
    """A pseudonym short enough to be read; keyed ones are told apart by their first and last signs."""
    person = neutral(person)
    return person if len(person) <= LONGEST_PSEUDONYM else f"{person[:12]}…{person[-4:]}"


def age(born: Day | None, on: Day) -> int | None:
    """Full years of age on a day; ``None`` where the birth is unknown or later."""
    if born is None or born > on:
        return None
    birth, then = as_date(born), as_date(on)
    return then.year - birth.year - ((then.month, then.day) < (birth.month, birth.day))
