"""What is usual of senders, and from when on their silence is not."""

from datetime import UTC, date, datetime
from random import Random

import pytest

from casework.silence import (
    LEARNT_DAYS,
    LEAST_ACTIVE,
    LEAST_DAYS,
    MINUTES_A_DAY,
    SHORTEST,
    Hour,
    Norms,
    instant_of,
    is_thin,
    learnt,
    minute_of,
    weekday,
)

from .senders import HABITS, MONDAY, by_the_clock, hours_of

TODAY = MONDAY + LEARNT_DAYS


def learnt_of(name: str, without: range = range(0), first: int = MONDAY) -> Norms | None:
    """What is learnt of a sender who sent nothing on some days."""
    random = Random(name)
    days = {day: HABITS[name](random, weekday(day)) for day in range(MONDAY, TODAY)}
    hours = [
        of for day, minutes in days.items() if day >= first and day not in without for of in hours_of(day, minutes)
    ]
    return learnt(hours, first, TODAY)


def limits_at(norms: Norms | None, hour: int) -> set[int]:
    assert norms is not None
    return {limits[2 * hour] for limits in norms.limits}


def test_a_monday_is_one() -> None:
    assert weekday(MONDAY) == date.fromordinal(MONDAY).weekday() == 0
    assert weekday(TODAY + 3) == date.fromordinal(TODAY + 3).weekday()


def test_minutes_are_those_of_china() -> None:
    instant = datetime(2026, 3, 4, 16, 1, 59, tzinfo=UTC)
    minute = minute_of(instant)
    assert divmod(minute, MINUTES_A_DAY) == (date(2026, 3, 5).toordinal(), 1)
    assert instant_of(minute) == datetime(2026, 3, 4, 16, 1, tzinfo=UTC)


def test_nobody_is_known_after_less_than_three_weeks() -> None:
    assert learnt_of("county hospital", first=TODAY - LEAST_DAYS) is not None
    assert learnt_of("county hospital", first=TODAY - LEAST_DAYS + 1) is None


def test_nobody_is_known_who_sent_on_few_days() -> None:
    days = range(TODAY - LEAST_ACTIVE * 7, TODAY, 7)
    hours = [Hour(day, 9, 3, 0b111) for day in days]
    assert learnt(hours, days[0], TODAY) is not None
    assert learnt(hours[1:], days[0], TODAY) is None


def test_of_a_weekday_of_which_few_are_known_nobody_says_anything() -> None:
    """Four Sundays are less than five, and four Fridays, too, which are followed by a day that is unlike."""
    quiet = learnt(
        [of for day in range(TODAY - 28, TODAY) if weekday(day) == 6 for of in hours_of(day, [600, 700])]
        + [of for day in range(TODAY - 28, TODAY) if weekday(day) < 5 for of in hours_of(day, range(480, 1000))],
        TODAY - 28,
        TODAY,
    )
    assert quiet is not None
    assert [bool(limits) for limits in quiet.limits] == [True] * 4 + [False] * 3
    assert quiet.unusual_from((TODAY + 6) * MINUTES_A_DAY + 600) is None


def test_what_is_expected_is_the_usual_of_the_weekday() -> None:
    days = range(MONDAY, TODAY)
    hours = [of for day in days if weekday(day) != 6 for of in hours_of(day, range(600, 610 + 10 * weekday(day)))]
    norms = learnt(hours, MONDAY, TODAY)
    assert norms is not None
    assert norms.received == (10, 20, 30, 40, 50, 60, 0)


def test_who_sends_every_minute_is_missed_after_five() -> None:
    assert limits_at(learnt_of("county hospital"), 11) == {SHORTEST}


def test_a_week_of_holidays_changes_nothing() -> None:
    """Nobody is expected later because nothing was sent in a week, nor is less expected."""
    for name in ("clinic", "village room", "county hospital"):
        usual, after = learnt_of(name), learnt_of(name, without=range(TODAY - 21, TODAY - 14))
        assert usual is not None
        assert after is not None
        for hour in (10, 17):
            of_both = zip(usual.limits, after.limits, strict=True)
            assert all(theirs[2 * hour] <= 1.5 * own[2 * hour] + 60 for own, theirs in of_both if own), (name, hour)


def test_one_mishap_is_no_habit_and_two_are() -> None:
    """Two hours without a message in the middle of a day."""
    random = Random(1)

    def sent(mishaps: set[int]) -> Norms:
        found = []
        for day in range(MONDAY, TODAY):
            minutes = [
                of
                for of in HABITS["county hospital"](random, weekday(day))
                if day not in mishaps or not 600 <= of < 720
            ]
            found += hours_of(day, minutes)
        norms = learnt(found, MONDAY, TODAY)
        assert norms is not None
        return norms

    at = (TODAY + 1) * MINUTES_A_DAY + 595
    after_one, after_two = sent({TODAY - 6}).unusual_from(at), sent({TODAY - 6, TODAY - 12}).unusual_from(at)
    assert after_one is not None
    assert after_two is not None
    assert after_one - at <= 10 < after_two - at


def test_a_silence_over_a_weekend_is_as_long_as_weekends_are() -> None:
    norms = learnt_of("clinic")
    assert norms is not None
    friday, saturday = ((TODAY + day) * MINUTES_A_DAY + 17 * 60 + 55 for day in (4, 5))
    from_friday, from_saturday = norms.unusual_from(friday), norms.unusual_from(saturday)
    assert from_friday is not None
    assert from_saturday is not None
    assert from_friday // MINUTES_A_DAY == TODAY + 5
    assert from_saturday // MINUTES_A_DAY == TODAY + 7


def test_a_holiday_of_all_is_nobodys_silence() -> None:
    """Who is closed overnight is so over the holiday; who never is, is judged as on the quietest day."""
    clinic, hospital = learnt_of("clinic"), learnt_of("county hospital")
    assert clinic is not None
    assert hospital is not None
    evening, thin = (TODAY + 1) * MINUTES_A_DAY + 17 * 60 + 55, {TODAY + 2, TODAY + 3, TODAY + 4}
    usual, then = clinic.unusual_from(evening), clinic.unusual_from(evening, thin)
    assert usual is not None
    assert then is not None
    assert usual // MINUTES_A_DAY == TODAY + 2
    assert then // MINUTES_A_DAY >= TODAY + 5
    assert clinic.unusual_from(evening, {TODAY - 9}) == usual
    at = (TODAY + 2) * MINUTES_A_DAY + 660
    assert hospital.unusual_from(at, thin) == at + 1 + max(limits[22] for limits in hospital.limits)


@pytest.mark.parametrize(
    ("little", "of", "thin"), [(4, 10, True), (3, 10, False), (9, 9, False), (40, 100, True), (39, 100, False)]
)
def test_a_day_is_odd_where_four_in_ten_of_ten_or_more_send_little(little: int, of: int, thin: bool) -> None:
    senders = [(4, [10, 9, 11])] * little + [(5, [10, 9, 11])] * (of - little)
    assert is_thin(senders) == thin
    assert is_thin([*senders, *[(0, [2, 2, 2])] * 50]) == thin, "who sends hardly anything tells nothing"


def test_who_keeps_to_the_clock_is_told_from_who_sends_by_chance() -> None:
    by_clock, by_chance = learnt_of("village room"), learnt_of("few a day")
    assert by_clock is not None
    assert by_chance is not None
    assert by_clock.rates == ()
    assert by_chance.rates
    assert by_chance.enough > 5


def test_what_came_before_or_today_teaches_nothing() -> None:
    random = Random(5)
    habit = by_the_clock(1050, 10, 5, dict.fromkeys(range(7), 1.0))
    days = {day: habit(random, 0) for day in range(MONDAY - 30, TODAY + 1)}
    hours = [of for day, minutes in days.items() for of in hours_of(day, minutes)]
    window = [of for of in hours if MONDAY <= of.day < TODAY]
    assert learnt(hours, MONDAY - 30, TODAY) == learnt(window, MONDAY - 30, TODAY)
