"""Instants as microseconds and civil days, held against the calendar, in whatever zones they are told."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from knowledge_base.days import day_of, is_likely, microseconds, moments

CHINA = timezone(timedelta(hours=8))
NEWFOUNDLAND = timezone(timedelta(hours=-3, minutes=-30))
ZONES = st.sampled_from([UTC, CHINA, NEWFOUNDLAND, ZoneInfo("America/New_York"), ZoneInfo("Asia/Shanghai")])
FIRST, LAST = datetime(1900, 1, 2), datetime(2199, 12, 30)  # noqa: DTZ001 - bounds are asked for without a zone
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _by_calendar(instant: datetime) -> tuple[int, int]:
    since = (instant.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)
    return since, instant.astimezone(UTC).astimezone(CHINA).toordinal()


@example([datetime(2026, 3, 1, 16, tzinfo=UTC), datetime(2026, 3, 1, 15, 59, 59, 999_999, UTC)])
@given(st.lists(st.datetimes(FIRST, LAST, timezones=ZONES), max_size=6))
def test_days_are_those_of_the_calendar_in_china(instants: list[datetime]) -> None:
    expected = list(map(_by_calendar, instants))
    assert [(microseconds(instant), day_of(instant)) for instant in instants] == expected
    assert moments(instants) == expected


def test_likely_days_are_those_that_no_program_writes_for_not_told() -> None:
    days = [date(1, 1, 1), date(1900, 1, 1), date(1900, 1, 2), date(2090, 12, 31), date(2091, 1, 1)]
    assert [is_likely(day.toordinal()) for day in days] == [False, False, True, True, False]
