"""What a database that was set back to an earlier point needs, where the bus was not set back with it."""

from collections.abc import AsyncIterator, Sequence

from knowledge_base.findings import FindingVersion
from streams.bus import Lag
from streams.messages.versions import unpack_version
from streams.store.sessions import Connection

_PAGE = 1000


async def skip_to_end(connection: Connection, lags: Sequence[Lag]) -> None:
    """Moves groups to the ends of their partitions and fences whoever reads there, in the caller's transaction."""
    await connection.executemany(
        """
        insert into group_offsets ("group", topic, partition, next, epoch) values ($1, $2, $3, $4, 1)
        on conflict ("group", topic, partition) do update
            set next = excluded.next, epoch = group_offsets.epoch + 1, owner = null, lease_until = null
        """,
        [(lag.group, lag.topic, lag.partition, lag.end) for lag in lags],
    )


async def find_current_versions(connection: Connection) -> AsyncIterator[list[FindingVersion]]:
    """The newest version of every finding, withdrawn ones too, in pages."""
    after = ("", "")
    while True:
        rows = await connection.fetch(
            """
            select f.area, f.finding_id, v.body
            from findings f join finding_versions v using (area, finding_id, version)
            where (f.area, f.finding_id) > ($1, $2) order by f.area, f.finding_id limit $3
            """,
            *after,
            _PAGE,
        )
        if not rows:
            return
        yield [unpack_version(row["body"]) for row in rows]
        after = (rows[-1]["area"], rows[-1]["finding_id"])
