"""Senders of the county's institutions: one that fell silent, one as usual, one that is learnt, one muted."""

from datetime import date

import asyncpg

from casework.sight import Sight
from casework.silence import MINUTES_A_DAY, instant_of
from streams.acts.silences import mute
from streams.jobs.noticing import notice
from streams.store.intake.senders import Sender
from streams.store.sessions import open_pool
from tests.api.story import COUNTY, PHARMACY, TODAY, TOWN
from tests.streams.silent import Idle, fill, keep

NOON = TODAY.toordinal() * MINUTES_A_DAY + 12 * 60 + 30
"""Up to which minute is judged."""
NEWCOMER = "H42028100007"
CLOSED = "停业装修"


async def fill_senders(dsn: str) -> None:
    """Keeps weeks of messages, and judges who is silent at half past noon."""
    today = TODAY.toordinal()
    async with open_pool(dsn) as pool:
        connection = await asyncpg.connect(dsn)
        await fill(connection, COUNTY, "county hospital", today, 602, refused=37)
        await fill(connection, COUNTY, "town hospital", today, 745, kind="3101")
        await fill(connection, TOWN, "village room", today, late=4)
        await fill(connection, TOWN, "few a day", today, kind="3103")
        await fill(connection, PHARMACY, "pharmacy", today, 480)
        await keep(connection, NEWCOMER, today - 9, range(540, 545))
        await notice(pool, Idle(), instant_of(NOON))  # type: ignore[arg-type]
        until = date.fromordinal(today + 30)
        await mute(connection, Sender("*", PHARMACY, "claim"), until, CLOSED, "inspector", Sight(today))
        await connection.close()
