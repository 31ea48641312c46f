"""Senders with weeks behind them, as stored, and a bus of which nobody is behind."""

from random import Random

from casework.silence import LEARNT_DAYS, MINUTES_A_DAY, Minute, instant_of, weekday
from knowledge_base.days import Day
from streams.bus import Lag
from streams.pipeline.sendings import SendingHour, Sent
from streams.store.intake.sendings import save_sendings
from streams.store.sessions import Connection
from tests.casework.senders import HABITS, Minutes, hours_of


class Idle:
    """A bus of which nobody is behind, unless it is told."""

    lag: Lag | None = None

    async def lags(self, group: str | None = None) -> list[Lag]:
        return [] if self.lag is None else [self.lag]


async def fill(
    connection: Connection, institution: str, habit: str, today: Day, until: int = 0, kind: str = "claim", **more: int
) -> None:
    """Keeps eight weeks of a habit, and of the day after them what was sent until a minute of it; ``more`` was late or
    refused on that day."""
    random = Random(institution)
    for day in range(today - LEARNT_DAYS, today + 1):
        minutes = HABITS[habit](random, weekday(day))
        await keep(connection, institution, day, [of for of in minutes if day < today or of < until], kind)
    if more:
        at = SendingHour(institution, kind, today, 0)
        await save_sendings(connection, {at: Sent(late=more.get("late", 0), refused=more.get("refused", 0))})


async def keep(connection: Connection, institution: str, day: Day, minutes: Minutes, kind: str = "claim") -> None:
    """Keeps what was sent in some minutes of a day."""
    sent = {}
    for of in hours_of(day, minutes):
        last = day * MINUTES_A_DAY + of.hour * 60 + of.minutes.bit_length() - 1
        sent[SendingHour(institution, kind, day, of.hour)] = Sent(of.received, 0, 0, of.minutes, microseconds_of(last))
    await save_sendings(connection, sent)


def microseconds_of(minute: Minute) -> int:
    """When a minute begins, in microseconds since 1970 (UTC)."""
    return int(instant_of(minute).timestamp()) * 1_000_000
