"""Simulated senders of many kinds, each with weeks of messages: written without what learns from them."""

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random

from casework.silence import Hour

Minutes = Sequence[int]
"""The minutes of a day, 0 to 1439, in which something was sent; one that stands twice has two messages."""
Habit = Callable[[Random, int], Minutes]
"""What somebody sends on a day of the week (0 is Monday)."""

MONDAY = 739_586
"""The ordinal of 2025-12-01."""

EVERY_DAY = dict.fromkeys(range(7), 1.0)
ON_WEEKDAYS = dict.fromkeys(range(5), 1.0)


def by_chance(rates: Mapping[int, float], days: Mapping[int, float], varies: float) -> Habit:
    """Messages by chance at so many an hour, on some days; whole days have more or less (a gamma variable)."""

    def send(random: Random, weekday: int) -> Minutes:
        if weekday not in days:
            return []
        much = days[weekday] * random.gammavariate(1 / varies**2, varies**2)
        found = []
        for hour, rate in rates.items():
            none = math.exp(-rate * much / 60)
            found += [hour * 60 + minute for minute in range(60) if random.random() > none]
        return found

    return send


def by_the_clock(at: int, spread: float, messages: int, days: Mapping[int, float], missed: float = 0.0) -> Habit:
    """So many messages within three minutes once a day, at about a time; forgotten on a share of the days."""

    def send(random: Random, weekday: int) -> Minutes:
        if weekday not in days or random.random() < missed:
            return []
        begin = min(1430, max(0, int(random.gauss(at, spread))))
        return sorted(begin + random.randrange(3) for _ in range(messages))

    return send


def _hours(first: int, last: int, rate: float) -> dict[int, float]:
    return dict.fromkeys(range(first, last), rate)


HABITS: Mapping[str, Habit] = {
    "county hospital": by_chance(_hours(0, 24, 40) | _hours(8, 17, 300), {**ON_WEEKDAYS, 5: 0.6, 6: 0.5}, 0.1),
    "town hospital": by_chance(_hours(0, 24, 6) | _hours(8, 17, 60), {**ON_WEEKDAYS, 5: 0.6, 6: 0.5}, 0.15),
    "clinic": by_chance(_hours(8, 12, 10) | _hours(14, 18, 10), {**ON_WEEKDAYS, 5: 0.7}, 0.2),
    "pharmacy": by_chance(_hours(8, 21, 5), EVERY_DAY, 0.2),
    "mornings": by_chance(_hours(8, 12, 12), ON_WEEKDAYS, 0.2),
    "few a day": by_chance(_hours(8, 18, 0.5), ON_WEEKDAYS, 0.2),
    "now and then": by_chance(_hours(8, 18, 0.05), EVERY_DAY, 0.2),
    "village room": by_the_clock(17 * 60 + 30, 15, 12, EVERY_DAY),
    "village room on weekdays": by_the_clock(17 * 60 + 30, 25, 8, ON_WEEKDAYS),
    "file at night": by_the_clock(120, 5, 400, EVERY_DAY),
    "file on Mondays": by_the_clock(600, 30, 30, {0: 1.0}),
}


def hours_of(day: int, minutes: Minutes) -> list[Hour]:
    """A day as it is stored, counted here by itself."""
    found = []
    for hour in range(24):
        own = [minute % 60 for minute in minutes if minute // 60 == hour]
        if own:
            found.append(Hour(day, hour, len(own), sum(1 << minute for minute in set(own))))
    return found
