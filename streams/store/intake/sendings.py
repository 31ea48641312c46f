"""What each institution sent in each hour, as stored."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from knowledge_base.days import as_date
from streams.pipeline.sendings import SendingHour, Sent
from streams.store.sessions import Connection

EVERY_AREA = "*"
"""The area of whoever sends for all of them."""

KEPT = timedelta(weeks=10)
"""Eight weeks are learnt from."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE = 5_000


async def save_sendings(connection: Connection, sent: Mapping[SendingHour, Sent], area: str = EVERY_AREA) -> None:
    """Adds what was sent, in the transaction in which it is accepted.

    Rows are locked in the order of their key until that ends: to be the last that is written.
    """
    if not sent:
        return
    await connection.execute(
        """
        insert into sendings as s (area, institution, kind, day, hour, received, refused, late, minutes, last_at)
        select $1, * from unnest(
            $2::text[], $3::text[], $4::date[], $5::smallint[], $6::int[], $7::int[], $8::int[], $9::bigint[],
            $10::timestamptz[]) as new (institution, kind, day, hour, received, refused, late, minutes, last_at)
        order by institution, kind, day, hour
        on conflict (area, institution, kind, day, hour) do update set
            received = s.received + excluded.received, refused = s.refused + excluded.refused,
            late = s.late + excluded.late, minutes = s.minutes | excluded.minutes,
            last_at = greatest(s.last_at, excluded.last_at)
        """,
        area,
        [at.institution for at in sent],
        [at.kind for at in sent],
        [as_date(at.day) for at in sent],
        [at.hour for at in sent],
        [of.received for of in sent.values()],
        [of.refused for of in sent.values()],
        [of.late for of in sent.values()],
        [of.minutes for of in sent.values()],
        [None if of.last is None else _EPOCH + timedelta(microseconds=of.last) for of in sent.values()],
    )


async def drop_sendings(connection: Connection, before: date) -> int:
    """Drops a piece of the hours of days before one, and says how many; 0 where none is left."""
    done: str = await connection.execute(
        "delete from sendings where ctid = any(array(select ctid from sendings where day < $1 limit $2))",
        before,
        _PIECE,
    )
    return int(done.rpartition(" ")[2])
