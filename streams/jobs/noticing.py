"""Noticing who is unusually silent, minute by minute.

What we have not read yet is nobody's silence: it is judged up to the instant from which on messages wait on the bus,
and not at all where the bus does not tell. Each process does it; while one is at it the others leave it.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime

from casework.silence import (
    LEARNT_DAYS,
    MINUTES_A_DAY,
    WEEK,
    Minute,
    Norms,
    instant_of,
    is_thin,
    learnt,
    minute_of,
)
from knowledge_base.days import Day, as_date, day_of
from streams.bus import Bus, Lag
from streams.jobs.reconciling import find_event_lags
from streams.store.intake import senders
from streams.store.sessions import Connection, Pool, borrowed, passing_errors

logger = logging.getLogger("fundwatch.noticing")

_EVERY = 60.0
_PIECE = 50
"""Senders of whom it is learnt at once."""
_THIN_DAYS = 14
"""Days back over which those that were odd are left out: the longest holidays have nine."""
_WEEKS_BEFORE = (1, 2, 3)
"""Of the same weekday, with which a day is compared."""
_HEARD_DAYS = 2
"""Days before the last judging of which it is looked again who sent: a message counts when a door took it."""


async def notice(pool: Pool, bus: Bus, now: datetime) -> datetime | None:
    """Learns what is usual of whom that is due, and judges all silences. Gives up to when; ``None`` where that cannot
    be told now, or somebody else is at it."""
    as_of = read_until(await find_event_lags(bus), now)
    if as_of is None:
        return None
    async with borrowed(pool) as connection:
        async with connection.transaction():
            if not await senders.begin_judging(connection):
                return None
            await senders.save_heard(connection, await _unheard_from(connection, now))
        await _learn(connection, day_of(now))
        async with connection.transaction():
            if not await senders.begin_judging(connection):
                return None
            await _judge(connection, as_of)
    return as_of


def read_until(lags: Sequence[Lag], now: datetime) -> datetime | None:
    """Up to when everything that was sent is in the store; ``None`` where nobody can tell."""
    behind = [lag.waiting_since for lag in lags if lag.behind > 0]
    if any(since is None for since in behind):
        return None
    return min([now, *(since for since in behind if since is not None)])


async def _unheard_from(connection: Connection, now: datetime) -> date:
    """From which day on it is not known yet who sent."""
    as_of = await senders.find_as_of(connection)
    return as_date(day_of(now) - LEARNT_DAYS if as_of is None else day_of(min(now, as_of)) - _HEARD_DAYS)


async def _learn(connection: Connection, today: Day) -> None:
    while True:
        async with connection.transaction():
            unlearnt = await senders.find_unlearnt(connection, as_date(today), _PIECE)
            since = as_date(today - LEARNT_DAYS)
            hours = await senders.load_hours(connection, [of.sender for of in unlearnt], since, as_date(today))
            found: dict[senders.Sender, Norms | None] = {}
            for of in unlearnt:
                found[of.sender] = learnt(hours[of.sender], of.first_day.toordinal(), today)
                await asyncio.sleep(0)  # others of this process go on
            await senders.save_norms(connection, found, as_date(today))
        if not unlearnt:
            return


async def _judge(connection: Connection, as_of: datetime) -> None:
    today = day_of(as_of)
    await senders.save_thin(connection, as_date(today), await _find_thin_kinds(connection, minute_of(as_of)))
    thin_days = await senders.find_thin(connection, as_date(today - _THIN_DAYS))
    unusual_from = {}
    for silent in await senders.find_silent(connection, as_of):
        unusual = silent.norms.unusual_from(minute_of(silent.last_at), thin_days.get(silent.sender.kind, ()))
        unusual_from[silent.sender] = None if unusual is None else instant_of(unusual)
    await senders.save_silences(connection, unusual_from, as_of)


async def _find_thin_kinds(connection: Connection, now: Minute) -> list[str]:
    """The kinds of which hardly anything came today, until the hour that is running."""
    today, minute = divmod(now, MINUTES_A_DAY)
    before = [as_date(today - weeks * WEEK) for weeks in _WEEKS_BEFORE]
    sent = await senders.find_sent(connection, [as_date(today), *before], minute // 60)
    of_kinds: dict[str, list[tuple[int, list[int]]]] = {}
    for sender, days in sent.items():
        received = (days.get(as_date(today), 0), [days.get(day, 0) for day in before])
        of_kinds.setdefault(sender.kind, []).append(received)
    return [kind for kind, of in of_kinds.items() if is_thin(of)]


async def run_noticing(pool: Pool, bus: Bus, stop: asyncio.Event) -> None:
    """Notices every minute until told to stop."""
    while not stop.is_set():
        with passing_errors(logger, "noticing"):
            await notice(pool, bus, datetime.now(UTC))
        try:
            await asyncio.wait_for(stop.wait(), _EVERY)
        except TimeoutError:
            continue
