"""How often and how soon silence is noticed: thousands of weeks of simulated senders, beside a rule that knows little.

What is said of rates and delays in docs/decisions/0055-silence.md is held here.
"""

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from statistics import median
from typing import NamedTuple

import pytest

from casework.silence import LEARNT_DAYS, MINUTES_A_DAY, learnt

from .senders import HABITS, MONDAY, Habit, hours_of

pytestmark = pytest.mark.reach

SENDERS = 50
WEEKS = 4
FIRST = MONDAY + LEARNT_DAYS
A_DAY = MINUTES_A_DAY


class Watched(NamedTuple):
    """What became of one kind of senders: weeks that were watched, alarms though the sender had not stopped, the same
    of the rule that knows little, and after how many minutes from the first message that did not come a stop was
    noticed (those that were not, apart)."""

    weeks: int
    false: int
    naive: int
    delays: list[int]
    missed: int


def naive(last: int) -> int:
    """The rule that knows little: a day without a message."""
    return last + A_DAY


def watch(name: str, habit: Habit) -> Watched:
    weeks = false = floor = missed = 0
    delays: list[int] = []
    for number in range(SENDERS):
        random = Random(f"{name} {number}")
        days = {day: habit(random, (day - MONDAY) % 7) for day in range(MONDAY, FIRST + 7 * (WEEKS + 2))}
        hours = [hour for day, minutes in days.items() for hour in hours_of(day, minutes)]
        norms = learnt(hours, MONDAY, FIRST)
        assert norms is not None
        times = sorted({day * A_DAY + minute for day, minutes in days.items() for minute in minutes})
        begin, end = FIRST * A_DAY, (FIRST + 7 * WEEKS) * A_DAY
        weeks += WEEKS
        for last, following in pairwise(times):
            if begin <= following and last < end:
                unusual = norms.unusual_from(last)
                false += unusual is not None and begin <= unusual < following
                floor += begin <= naive(last) < following
        stop = random.randrange(begin, end)  # from here on nothing comes any more
        last, expected = max(t for t in times if t < stop), min(t for t in times if t >= stop)
        unusual = norms.unusual_from(last)
        if unusual is None:
            missed += 1
        else:
            delays.append(max(0, unusual - expected))
    return Watched(weeks, false, floor, sorted(delays), missed)


@pytest.fixture(scope="module")
def watched() -> Mapping[str, Watched]:
    return {name: watch(name, habit) for name, habit in HABITS.items()}


def test_false_alarms_are_as_rare_as_is_said(watched: Mapping[str, Watched]) -> None:
    """One in a hundred weeks and senders at most over all kinds, one in twenty-five of any; the rule that knows little
    has nearly one a week."""
    weeks, false = (sum(getattr(of, name) for of in watched.values()) for name in ("weeks", "false"))
    assert weeks >= 2_000
    assert false <= weeks / 100, {name: of.false for name, of in watched.items()}
    assert all(of.false <= of.weeks / 25 for of in watched.values()), {n: of.false for n, of in watched.items()}
    assert sum(of.naive for of in watched.values()) > 20 * weeks / 25


SOON = {
    "county hospital": 60,
    "town hospital": 6 * 60,
    "clinic": 4 * 60,
    "pharmacy": 6 * 60,
    "mornings": 4 * 60,
    "few a day": 4 * A_DAY,
    "village room": 3 * 60,
    "village room on weekdays": 8 * 60,
    "file at night": 2 * 60,
    "file on Mondays": A_DAY,
}
"""Minutes after the first message that does not come, in which half of all stops are noticed. Of whoever sends once in
two days it takes weeks."""


@pytest.mark.parametrize("name", SOON)
def test_a_stop_is_noticed_soon(watched: Mapping[str, Watched], name: str) -> None:
    assert median(watched[name].delays) <= SOON[name]
    assert watched[name].missed <= SENDERS / 10
    assert watched[name].delays[9 * len(watched[name].delays) // 10] <= 8 * SOON[name]


def test_by_day_a_county_hospital_is_noticed_within_minutes(watched: Mapping[str, Watched]) -> None:
    """Of stops at ten in the morning every one; the rule that knows little needs a day."""
    delays = []
    for number in range(SENDERS):
        random = Random(f"by day {number}")
        habit = HABITS["county hospital"]
        days = {day: habit(random, (day - MONDAY) % 7) for day in range(MONDAY, FIRST + 3)}
        norms = learnt([hour for day, minutes in days.items() for hour in hours_of(day, minutes)], MONDAY, FIRST)
        assert norms is not None
        stop = (FIRST + random.randrange(3)) * A_DAY + 600
        last = max(
            day * A_DAY + minute for day, minutes in days.items() for minute in minutes if day * A_DAY + minute < stop
        )
        unusual = norms.unusual_from(last)
        assert unusual is not None
        delays.append(unusual - last)
    assert max(delays) <= 15
    assert median(delays) <= 10


def test_a_village_room_is_noticed_the_same_evening(watched: Mapping[str, Watched]) -> None:
    for number in range(SENDERS):
        random = Random(f"evening {number}")
        habit = HABITS["village room"]
        days = {day: habit(random, (day - MONDAY) % 7) for day in range(MONDAY, FIRST + 1)}
        norms = learnt([hour for day, minutes in days.items() for hour in hours_of(day, minutes)], MONDAY, FIRST)
        assert norms is not None
        unusual = norms.unusual_from(FIRST * A_DAY + max(days[FIRST]))
        assert unusual is not None
        assert (FIRST + 1) * A_DAY + 18 * 60 < unusual < (FIRST + 2) * A_DAY
