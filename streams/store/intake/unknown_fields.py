"""Fields that no schema knows, by source and name, as spot checks saw them."""

from collections.abc import Mapping

import asyncpg
import msgspec

from streams.bus import Lease
from streams.messages.unknown import MOST_NAMES, likely_meant
from streams.pipeline.account import Unknown

_LOOKED_AT = 5 * MOST_NAMES
"""Fields of which those that are likely misspelt are chosen: what one means takes a millisecond to reckon."""


class UnknownField(msgspec.Struct, frozen=True):
    """A field that no schema of its kind of events knows: how often it was seen, and what may have been meant."""

    source: str
    kind: str
    field: str
    seen: int
    meant: str | None


async def save_unknown(
    connection: asyncpg.Connection, lease: Lease, unknown: Mapping[str, Mapping[Unknown, int]]
) -> None:
    """Adds what a batch showed, by source: of each source a partition keeps the first ``MOST_NAMES`` names."""
    for source, fields in unknown.items():
        place = (lease.topic, lease.partition, source)
        rows = await connection.fetch(
            "select kind, field from unknown_fields where topic = $1 and partition = $2 and source = $3", *place
        )
        known = {(row["kind"], row["field"]) for row in rows}
        new = [name for name in fields if name not in known][: MOST_NAMES - len(known)]
        await connection.executemany(
            """
            insert into unknown_fields (topic, partition, source, kind, field, seen) values ($1, $2, $3, $4, $5, $6)
            on conflict (topic, partition, source, kind, field) do update
            set seen = unknown_fields.seen + excluded.seen
            """,
            [(*place, *name, seen) for name, seen in fields.items() if name in known or name in new],
        )


async def find_unknown_fields(connection: asyncpg.Connection, source: str | None = None) -> list[UnknownField]:
    """Of one source or of all ``MOST_NAMES`` fields at most: likely misspellings first, then those seen most often."""
    rows = await connection.fetch(
        """
        select source, kind, field, sum(seen)::bigint as seen from unknown_fields
        where $1::text is null or source = $1
        group by source, kind, field order by seen desc, source, kind, field limit $2
        """,
        source,
        _LOOKED_AT,
    )
    fields = [UnknownField(**row, meant=likely_meant(row["kind"], row["field"])) for row in rows]
    return sorted(fields, key=lambda field: field.meant is None)[:MOST_NAMES]
