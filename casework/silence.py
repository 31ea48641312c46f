"""Silence (无消息): what is usual of a sender, learnt from the weeks before, and whether their silence is not.

A sender is an institution with a kind of message. Pauses are compared with those that began at about the same time of
day, half an hour sooner or later, on weekdays that are alike: as much is sent on them, as surely, and on the day after.
Of each such day the longest pause counts. How long one may become is the prediction limit of an exponential tail over
the median of these: of n days the k in the upper half exceed the median by y on average, and a further day does by more
than

    k y ((1 / 2 a) ** (1 / k) - 1)

with the chance ``a``, whatever y is (the ratio of the two has an F distribution with 2 and 2k degrees of freedom:
Lawless, Statistical Models and Methods for Lifetime Data, 2003, chapter 4; Hahn and Meeker, Statistical Intervals,
1991; that excesses of the longest are exponential, or nearly: Pickands, Annals of Statistics 3, 1975). So few days make
the limit long by themselves, and a sender who keeps to the clock has a short one. ``a`` is a budget of false alarms in
a week, shared out among the times of the week at which that sender sends.

Of a sender who does not keep to the clock it is asked besides that as many chances to send have passed as make a pause
of a Poisson process with that sender's rates as rare as ``a``: otherwise whoever sends nothing in the last hour of a
day were silent all night.

Minutes are counted from the beginning of day 0 in China, so ``minute // 1440`` is a ``Day``. Knows no clock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil, exp, log
from statistics import median
from typing import Literal

import msgspec

from knowledge_base.days import MICROSECONDS_AN_HOUR, Day, day_of, microseconds

Minute = int

MINUTES_A_DAY = 1440
SLOT = 30
"""Minutes: pauses that began in one slot, in the one before or after, are alike."""
SLOTS = MINUTES_A_DAY // SLOT
WEEK = 7

LEARNT_DAYS = 8 * WEEK
"""Days from which it is learnt what is usual, those that are over."""
LEAST_DAYS = 3 * WEEK
LEAST_ACTIVE = 6
"""Whoever was first heard of less than so many days ago, or sent on fewer days, is still learnt."""
LEAST_ALIKE = 5
"""Days with pauses that are alike, of which at least a limit is made."""
SHORTEST = 5
"""Minutes: no pause is unusual before."""
FALSE_ALARMS = 1 / 500
"""A week and sender, where excesses are exponential."""
BY_CHANCE = 0.15
"""Variance by mean of the pauses of half an hour in a day, from which on a sender does not keep to the clock."""

_ODD_SHARE = 0.25
_NEARLY_ALWAYS = 0.8
_MOST_ODD = 1 / 3
_SENDS_ALIKE = 0.35
_MUCH_ALIKE = 1.6
_FORGIVES = 10
"""Days in the upper half from which on the longest pause counts as the one before it: one mishap is no habit."""
_LITTLE = 0.5
_MANY = 0.4
_LEAST_EXPECTED = 3
_LEAST_TOGETHER = 10
_OVER_A_NIGHT = MINUTES_A_DAY // 2
_FIRST_HALF = (1 << SLOT) - 1
_NEVER_EMPTY = 0.97
_LOOKS_AHEAD = 5 * WEEK * SLOTS
_MICROSECONDS = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TO_CHINA = day_of(_EPOCH) * MINUTES_A_DAY * _MICROSECONDS + 8 * MICROSECONDS_AN_HOUR

State = Literal["quiet", "usual", "learning", "muted"]
STATES: tuple[State, ...] = ("quiet", "usual", "learning", "muted")
"""Unusually quiet; not so; not known well enough to say; somebody said that nobody is to be told, quiet or not."""


Pauses = Mapping[int, int]
"""The longest pause in minutes that began in each half hour of a day, where any did."""


class Hour(msgspec.Struct, frozen=True):
    """What was taken in of a sender in one hour of one day: how many messages, and in which minutes any (bit 0 is the
    first)."""

    day: Day
    hour: int
    received: int
    minutes: int


class Norms(msgspec.Struct, frozen=True):
    """What is usual of a sender, by weekday (Monday first).

    ``received`` is how many messages a day has. ``limits`` are the minutes that a pause may last that begins in each
    half hour; of a weekday that is not known well enough there are none. ``rates`` are how many chances to send a
    minute of each half hour holds, of somebody who does not keep to the clock, and ``enough`` how many have to have
    passed.
    """

    received: tuple[int, ...]
    limits: tuple[tuple[int, ...], ...]
    rates: tuple[tuple[float, ...], ...] = ()
    enough: float = 0.0

    @property
    def shortest(self) -> int | None:
        """The shortest pause in minutes that is ever unusual; ``None`` where none is."""
        return min((limit for day in self.limits for limit in day), default=None)

    def unusual_from(self, last: Minute, thin_days: Collection[Day] = ()) -> Minute | None:
        """From when on a silence since a minute is unusual; ``None`` where that is not known.

        ``thin_days`` are odd for all together. A silence that lasts into one is measured as on the quietest weekday,
        and one that lasts over a night as if these days had not been.
        """
        day, slot = divmod(last // SLOT, SLOTS)
        limits = self.limits[weekday(day)]
        if not limits:
            return None
        limit = limits[slot]
        for thin in sorted(thin_days):
            if day <= thin <= (last + limit + 1) // MINUTES_A_DAY:
                limit = max(limit, *(of[slot] for of in self.limits if of))
                limit += MINUTES_A_DAY if thin > day and limit >= _OVER_A_NIGHT else 0
        passed = self._enough_from(last) if self.rates else last
        return None if passed is None else max(last + limit + 1, passed)

    def _enough_from(self, last: Minute) -> Minute | None:
        """By when enough chances to send have passed."""
        left, begin = self.enough, last + 1
        for at in range(begin // SLOT, begin // SLOT + _LOOKS_AHEAD):
            day, slot = divmod(at, SLOTS)
            rate, begin, end = self.rates[weekday(day)][slot], max(begin, at * SLOT), (at + 1) * SLOT
            if rate * (end - begin) >= left:
                return begin + ceil(left / rate)
            left -= rate * (end - begin)
        return None


def weekday(day: Day) -> int:
    """0 is Monday: day 1 of the calendar was one."""
    return (day - 1) % WEEK


def learnt(hours: Iterable[Hour], first_day: Day, today: Day) -> Norms | None:
    """What is usual, from the days before today, of which ``first_day`` is the first on which anything came; ``None``
    of somebody who is not known well enough yet."""
    begin = max(first_day, today - LEARNT_DAYS)
    by_day: dict[Day, dict[int, Hour]] = {day: {} for day in range(begin, today)}
    for hour in hours:
        if hour.day in by_day:
            by_day[hour.day][hour.hour] = hour
    if today - first_day < LEAST_DAYS or sum(map(bool, by_day.values())) < LEAST_ACTIVE:
        return None
    sums = {day: sum(hour.received for hour in of.values()) for day, of in by_day.items()}
    alike = [_alike(at, sums) for at in range(WEEK)]
    odd = frozenset(day for weekdays in alike for day in _odd([day for day in sums if weekday(day) in weekdays], sums))
    days = [day for day in sums if day not in odd]
    pauses = _pauses(by_day, odd)
    chance = FALSE_ALARMS / max(1.0, _times(pauses) * WEEK / len(sums))
    of_weekdays: list[list[Day]] = [[day for day in days if weekday(day) == at] for at in range(WEEK)]

    @cache
    def rates(weekdays: frozenset[int]) -> tuple[float, ...]:
        return _rates([by_day[day] for at in weekdays for day in of_weekdays[at]])

    @cache
    def limits(weekdays: frozenset[int]) -> tuple[int, ...]:
        return _limits([pauses[day] for at in weekdays for day in of_weekdays[at]], chance)

    begun = [frozenset(of for of in alike[at] if (of + 1) % WEEK in alike[(at + 1) % WEEK]) for at in range(WEEK)]
    by_chance = _is_by_chance([[pauses[day] for day in of] for of in of_weekdays])
    return Norms(
        received=tuple(round(median([sums[day] for day in of])) if of else 0 for of in of_weekdays),
        limits=tuple(map(limits, begun)),
        rates=tuple(map(rates, alike)) if by_chance else (),
        enough=-log(chance) if by_chance else 0.0,
    )


def is_thin(senders: Iterable[tuple[int, Sequence[int]]]) -> bool:
    """Whether so many senders sent so little that the day itself is odd: a public holiday, a flood.

    Of each it is told what was sent on the day, and until the same hour on some others that should be like it.
    """
    usual = [(received, median(before)) for received, before in senders]
    judged = [received < _LITTLE * expected for received, expected in usual if expected >= _LEAST_EXPECTED]
    return len(judged) >= _LEAST_TOGETHER and sum(judged) >= _MANY * len(judged)


def minute_of(instant: datetime) -> Minute:
    """The minute of an instant, counted in China from the beginning of day 0."""
    return (microseconds(instant) + _TO_CHINA) // _MICROSECONDS


def instant_of(minute: Minute) -> datetime:
    """The instant at which a minute begins."""
    return _EPOCH + timedelta(microseconds=minute * _MICROSECONDS - _TO_CHINA)


def _alike(at: int, sums: Mapping[Day, int]) -> frozenset[int]:
    """The weekdays on which as much is sent, and as surely, as on one."""
    of_weekdays: dict[int, list[int]] = {}
    for day, received in sums.items():
        of_weekdays.setdefault(weekday(day), []).append(received)
    sends = {of: sum(map(bool, days)) / len(days) for of, days in of_weekdays.items()}
    much = {of: median(days) for of, days in of_weekdays.items()}

    def is_alike(other: int) -> bool:
        low, high = sorted((much[at], much[other]))
        return abs(sends[at] - sends[other]) <= _SENDS_ALIKE and (1 + high) / (1 + low) <= _MUCH_ALIKE

    return frozenset(filter(is_alike, of_weekdays))


def _odd(days: Sequence[Day], sums: Mapping[Day, int]) -> list[Day]:
    """Those of some days on which hardly anything came, unless these are many: then it is no mishap."""
    usual = median(sums[day] for day in days)
    always = sum(sums[day] > 0 for day in days) >= _NEARLY_ALWAYS * len(days)
    odd = [day for day in days if sums[day] < _ODD_SHARE * usual or (always and not sums[day])]
    return odd if len(odd) <= _MOST_ODD * len(days) else []


def _rates(days: Sequence[Mapping[int, Hour]]) -> tuple[float, ...]:
    """How many chances to send a minute of each half hour of some days holds."""
    rates = []
    for hour in range(24):
        minutes = [of[hour].minutes for of in days if hour in of]
        for half in (minutes_of & _FIRST_HALF for minutes_of in minutes), (of >> SLOT for of in minutes):
            rates.append(_rate([*map(int.bit_count, half), *[0] * (len(days) - len(minutes))]))
    return tuple(rates)


def _rate(minutes: Sequence[int]) -> float:
    """The same of one half hour in so many minutes of which anything came: as in a Poisson process, fewer where one
    message brings others."""
    usual = _mean(minutes)
    if not usual:
        return 0.0
    empty = 1 - min(_NEVER_EMPTY, usual / SLOT)
    return -log(empty) / max(1.0, _variance(minutes) / usual)


def _is_by_chance(of_weekdays: Sequence[Sequence[Pauses]]) -> bool:
    """Whether the number of pauses of half an hour or more varies from one day to that of the week after."""
    counts = [[sum(pause >= SLOT for pause in of.values()) for of in days] for days in of_weekdays]
    usual = sum(map(sum, counts))
    return usual > 0 and sum(_variance(of) * len(of) for of in counts) >= BY_CHANCE * usual


def _pauses(by_day: Mapping[Day, Mapping[int, Hour]], odd: frozenset[Day]) -> dict[Day, Pauses]:
    """Pauses by the day on which they began; those that lasted into an odd day, and the one that lasts, are none."""
    found: dict[Day, dict[int, int]] = {day: {} for day in by_day}
    last: Minute | None = None
    for day, hours in by_day.items():
        for hour in sorted(hours):
            bits, begin = hours[hour].minutes, day * MINUTES_A_DAY + hour * 60
            while bits:
                at = begin + (bits & -bits).bit_length() - 1
                bits &= bits - 1
                if last is not None:
                    on, slot = divmod(last // SLOT, SLOTS)
                    pause = at - 1 - last
                    is_longer = pause > found[on].get(slot, -1)
                    if is_longer and odd.isdisjoint(range(on, day + 1)):
                        found[on][slot] = pause
                last = at
    return dict(found)


def _times(pauses: Mapping[Day, Pauses]) -> float:
    """In how many stretches of time, of which each is compared with others as a whole, any pause began."""
    return sum(map(len, pauses.values())) / 3


def _limits(days: Sequence[Pauses], chance: float) -> tuple[int, ...]:
    """How long a pause may last by the half hour in which it begins; one that hardly ever begins at that time, longer
    than any other by a day. None where nothing is known at all."""
    limits: list[int | None] = []
    for slot in range(SLOTS):
        around = (slot - 1, slot, slot + 1)
        longest = [pause for of in days if (pause := max([of.get(at, -1) for at in around])) >= 0]
        limits.append(_limit(longest, chance) if len(longest) >= LEAST_ALIKE else None)
    known = [limit for limit in limits if limit is not None]
    if not known:
        return ()
    otherwise = max(known) + MINUTES_A_DAY
    return tuple(otherwise if limit is None else limit for limit in limits)


def _limit(pauses: Sequence[int], chance: float) -> int:
    """How long a pause may last where on days that are alike the longest lasted so many minutes."""
    usual = median(pauses)
    upper = sorted(pauses)[len(pauses) - len(pauses) // 2 :]
    if len(upper) >= _FORGIVES:
        upper[-1] = upper[-2]
    count = len(upper)
    factor = count * (exp(-log(2 * chance) / count) - 1)
    limit = usual + factor * _mean([pause - usual for pause in upper])
    return max(SHORTEST, round(min(limit, 2 * upper[-1] + MINUTES_A_DAY)))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _variance(values: Sequence[float]) -> float:
    usual = _mean(values)
    return _mean([(value - usual) ** 2 for value in values])
