"""The store's condition, for metrics and the doctor: who holds what, what waits, which server it is.

Each reading is bounded, so that it may be repeated every few seconds beside full work.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from streams.bus import Lease

MOST_COUNTED = 100_000
"""Waiting messages of the outbox are counted up to this many."""

_ORDERED = ["A", "B", "_", "a", "é", "中", "𠀀"]
"""In the order of code points, as Python sorts; other collations sort otherwise."""


class Condition(msgspec.Struct, frozen=True):
    """What changes by the second. ``leases`` hold how often each partition was taken (``epoch``).

    ``touched`` counts subjects wider than a patient that wait to be judged, ``orders`` patients and institutions whose
    ledger of orders is to be written anew. ``rule_set`` is the hash of the set in
    force; ``outstanding`` counts areas that a switch of rules left to be judged again. ``unreadable`` counts batches of
    the bus that could not be read so far, ``standing`` those before which a group stands now.
    """

    leases: list[Lease]
    outbox: int
    outbox_oldest_seconds: float
    segments: int
    oldest_segment_seconds: float
    touched: int
    touched_oldest_seconds: float
    orders: int
    orders_oldest_seconds: float
    rule_set: str | None
    outstanding: int
    outstanding_oldest_seconds: float
    unreadable: int
    standing: int


class Unsettled(msgspec.Struct, frozen=True):
    """Dead letters that nobody replayed, by outcome; messages consumed without an outcome, or the reverse."""

    letters: dict[str, int]
    unaccounted: int


class Server(msgspec.Struct, frozen=True):
    """The database server: version as 180004, its clock, and whether it keeps text as Fundwatch needs it."""

    version: int
    now: datetime
    encoding: str
    sorts_by_code_point: bool
    has_migrations: bool

    @property
    def major(self) -> int:
        return self.version // 10_000


async def find_condition(connection: asyncpg.Connection) -> Condition:
    leases = await connection.fetch('select "group", topic, partition, epoch from group_offsets order by 1, 2, 3')
    row = await connection.fetchrow(
        """
        select (select count(*) from (select from outbox limit $1) waiting) as outbox,
            coalesce((select extract(epoch from clock_timestamp() - recorded_at) from outbox order by id limit 1), 0)
                ::float8 as outbox_oldest_seconds,
            (select count(*) from log_segments) as segments,
            coalesce((select extract(epoch from clock_timestamp() - min(opened_at)) from log_segments), 0)
                ::float8 as oldest_segment_seconds,
            (select count(*) from (select from touched_subjects limit $1) waiting) as touched,
            coalesce((select extract(epoch from clock_timestamp() - touched_at) from touched_subjects
                order by number limit 1), 0)::float8 as touched_oldest_seconds,
            (select count(*) from (select from touched_orders limit $1) waiting) as orders,
            coalesce((select extract(epoch from clock_timestamp() - touched_at) from touched_orders
                order by number limit 1), 0)::float8 as orders_oldest_seconds,
            (select rule_set from rule_set_switches order by number desc limit 1) as rule_set,
            (select count(*) from outstanding) as outstanding,
            coalesce((select extract(epoch from clock_timestamp() - min(since)) from outstanding), 0)
                ::float8 as outstanding_oldest_seconds,
            (select count(*) from unreadable_batches) as unreadable,
            (select count(*) from unreadable_batches u join group_offsets g using ("group", topic, partition)
                where g.next <= u.first) as standing
        """,
        MOST_COUNTED,
    )
    assert row is not None
    return Condition(leases=[Lease(*lease) for lease in leases], **row)


async def find_unsettled(connection: asyncpg.Connection, places: Sequence[tuple[str, str]]) -> Unsettled:
    """Offsets that groups consumed of the topics of events, ``(group, topic)``, beside the outcomes that were counted.

    The whole account, with the rows of events and money, is ``streams.store.intake.reconciliation``.
    """
    rows = await connection.fetch(
        "select outcome, count(*) as n from dead_letters where replayed_at is null group by 1"
    )
    unaccounted = await connection.fetchval(
        """
        with counted as (
            select topic, partition, sum(accepted + duplicate + conflict + dead)::bigint as outcomes
            from ledger group by 1, 2)
        select coalesce(sum(abs(g.next - coalesce(c.outcomes, 0))), 0)::bigint
        from group_offsets g
        join unnest($1::text[], $2::text[]) as place ("group", topic) using ("group", topic)
        left join counted c using (topic, partition)
        """,
        [group for group, _ in places],
        [topic for _, topic in places],
    )
    letters = {"conflict": 0, "dead": 0} | {row["outcome"]: row["n"] for row in rows}
    return Unsettled(letters, unaccounted)


async def find_server(connection: asyncpg.Connection) -> Server:
    """Reads nothing of ours, so that it answers for an empty database too."""
    row = await connection.fetchrow(
        """
        select current_setting('server_version_num')::int as version, clock_timestamp() as now,
            current_setting('server_encoding') as encoding,
            (select array_agg(word order by word) from unnest($1::text[]) word) = $1::text[] as sorts_by_code_point,
            to_regclass('migrations') is not null as has_migrations
        """,
        _ORDERED,
    )
    assert row is not None
    return Server(**row)


async def find_newest_sealed(connection: asyncpg.Connection) -> bytes | None:
    """The sealed bytes of the newest dead letter, for trying a key on them; ``None`` where there is no letter."""
    sealed: bytes | None = await connection.fetchval("select body from dead_letters order by seq desc limit 1")
    return sealed
