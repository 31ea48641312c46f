"""Reconciliation: what was received against what became of it, counted apart, in messages and money."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import get_type_hints

import asyncpg
import msgspec

from streams.bus import Lag
from streams.pipeline.account import Tally
from streams.store.intake.crossings import Crossings, find_crossings
from streams.store.sessions import Connection


class SourceRow(msgspec.Struct, frozen=True):
    """What became of one source's messages on one day (China), in messages and yuan."""

    source: str
    day: date
    accepted: int
    duplicate: int
    conflict: int
    dead: int
    accepted_money: Decimal
    duplicate_money: Decimal
    conflict_money: Decimal
    dead_money: Decimal
    dead_money_unknown: int
    unknown_fields: int

    @property
    def received(self) -> int:
        return self.accepted + self.duplicate + self.conflict + self.dead

    @property
    def other_money(self) -> Decimal:
        """What the messages come to that were not accepted, as far as it is known."""
        return self.duplicate_money + self.conflict_money + self.dead_money


class Trouble(msgspec.Struct, frozen=True):
    """Two figures that should be one. ``where`` is a partition (``claims/0``) or a source.

    Kinds: ``outcomes`` (consumed from a partition, and outcomes counted), ``events`` (accepted, and events stored),
    ``letters`` (refused, and dead letters kept or purged), ``sent`` (sent by an import or replay, and arrived),
    ``money`` (accepted by the ledger, and by the events stored, in yuan).
    """

    kind: str
    where: str
    expected: Decimal
    found: Decimal


class PartitionRow(msgspec.Struct, frozen=True):
    """Offsets that a group consumed on a partition beside the outcomes that were counted, and what still waits.

    ``waiting`` is ``None`` where the log lies outside the store and was not asked.
    """

    topic: str
    partition: int
    consumed: int
    outcomes: int
    waiting: int | None

    @property
    def troubles(self) -> Iterator[Trouble]:
        if self.consumed != self.outcomes:
            yield _trouble("outcomes", f"{self.topic}/{self.partition}", self.consumed, self.outcomes)


class StoreRow(msgspec.Struct, frozen=True):
    """What the ledger says of a source beside what lies in the tables of events and dead letters.

    ``sent`` is how many messages an import or replay sent (``None`` for other senders), ``waiting`` how many of the
    source's messages the log in the store holds that were not consumed yet, ``purged`` how many dead letters somebody
    took away.
    """

    source: str
    sent: int | None
    waiting: int
    accepted: int
    duplicate: int
    refused: int
    events: int
    letters: int
    purged: int
    accepted_money: Decimal
    events_money: Decimal

    @property
    def lost(self) -> int:
        """Messages that were counted and are not where they should be."""
        return abs(self.accepted - self.events) + abs(self.refused - self.letters - self.purged)

    @property
    def missing(self) -> int:
        """Messages that were sent and did not arrive. More than were sent may arrive, on a bus that sends twice."""
        return max(0, (self.sent or 0) - self.arrived)

    @property
    def arrived(self) -> int:
        return self.accepted + self.duplicate + self.refused + self.waiting

    @property
    def troubles(self) -> Iterator[Trouble]:
        if self.accepted != self.events:
            yield _trouble("events", self.source, self.accepted, self.events)
        if self.refused != self.letters + self.purged:
            yield _trouble("letters", self.source, self.refused, self.letters + self.purged)
        if self.accepted_money != self.events_money:
            yield Trouble("money", self.source, self.accepted_money, self.events_money)


class Reconciliation(msgspec.Struct, frozen=True):
    """The whole account. ``lost`` counts messages that are missing somewhere; 0 is what must be."""

    sources: list[SourceRow]
    partitions: list[PartitionRow]
    store: list[StoreRow]
    crossings: Crossings

    @property
    def received(self) -> int:
        """Messages consumed from the bus, by its offsets."""
        return sum(row.consumed for row in self.partitions)

    @property
    def purged(self) -> int:
        """Dead letters that somebody took away."""
        return sum(row.purged for row in self.store)

    @property
    def lost(self) -> int:
        """Messages consumed without an outcome, or sent or counted without being anywhere."""
        unaccounted = sum(abs(row.consumed - row.outcomes) for row in self.partitions)
        return unaccounted + sum(row.lost for row in self.store) + self.lost_on_the_way

    @property
    def lost_on_the_way(self) -> int:
        """Messages sent that did not arrive, beyond those that wait on a bus that does not tell their sources."""
        waiting = sum(row.waiting or 0 for row in self.partitions) - sum(row.waiting for row in self.store)
        return max(0, sum(row.missing for row in self.store) - max(0, waiting))

    @property
    def money_differs(self) -> Decimal:
        """Accepted money by the ledger less that of the stored events, in yuan; 0 is what must be."""
        return sum((abs(row.accepted_money - row.events_money) for row in self.store), Decimal(0))

    @property
    def troubles(self) -> list[Trouble]:
        """Everything that does not add up."""
        rows: Iterable[PartitionRow | StoreRow] = [*self.partitions, *self.store]
        troubles = [trouble for row in rows for trouble in row.troubles]
        if self.lost_on_the_way:
            late = [row for row in self.store if row.missing]
            troubles += [_trouble("sent", row.source, row.sent or 0, row.arrived) for row in late]
        return troubles


class LedgerFilter(msgspec.Struct, frozen=True):
    """Which rows of the ledger, by source and days in China (both included). Nothing given means all."""

    source: str | None = None
    first: date | None = None
    last: date | None = None


Places = Sequence[tuple[str, str]]
"""Groups with the topics of events that they read, ``(group, topic)``."""


def _columns(places: Places) -> tuple[list[str], list[str]]:
    return [group for group, _ in places], [topic for _, topic in places]


async def find_account(connection: Connection, places: Places) -> Reconciliation:
    """Counts every side anew, in one snapshot: a walk over all events.

    What waits on a bus outside the store is not known here (``streams.jobs.reconciling``).
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        sources = await connection.fetch(_SOURCES)
        partitions = await connection.fetch(_PARTITIONS, *_columns(places))
        store = await connection.fetch(_STORE, *_columns(places))
        crossings = await find_crossings(connection)
    return Reconciliation(
        sources=[SourceRow(**row) for row in sources],
        partitions=_partition_rows(partitions),
        store=[StoreRow(**row) for row in store],
        crossings=crossings,
    )


async def find_outcomes(connection: Connection, places: Places) -> list[PartitionRow]:
    """What was consumed from each partition beside its outcomes, from the ledger alone: quick at any size."""
    return _partition_rows(await connection.fetch(_PARTITIONS, *_columns(places)))


def with_ends(rows: Iterable[PartitionRow], lags: Iterable[Lag]) -> list[PartitionRow]:
    """Partitions with what waits on a bus outside the store, whose ends it tells."""
    ends = {(lag.topic, lag.partition): lag.end for lag in lags}
    return [
        msgspec.structs.replace(row, waiting=max(0, ends.get((row.topic, row.partition), row.consumed) - row.consumed))
        if row.waiting is None
        else row
        for row in rows
    ]


def _partition_rows(rows: Iterable[asyncpg.Record]) -> list[PartitionRow]:
    return [PartitionRow(*row) for row in rows]


async def find_ledger(
    connection: Connection, chosen: LedgerFilter, offset: int, most: int
) -> tuple[list[SourceRow], int]:
    """Rows by source and day, the latest day first, and how many there are."""
    arguments = (chosen.source, chosen.first, chosen.last)
    rows = await connection.fetch(_LEDGER, *arguments, offset, most)
    count: int = await connection.fetchval(_LEDGER_COUNT, *arguments)
    return [SourceRow(**row) for row in rows], count


async def find_tally(connection: Connection, source: str) -> Tally:
    """What the ledger says of one source, over all days."""
    sums = ", ".join(
        f"coalesce(sum({name}), 0)::{'numeric' if kind is Decimal else 'bigint'} as {name}"
        for name, kind in get_type_hints(Tally).items()
    )
    row = await connection.fetchrow(f"select {sums} from ledger where source = $1", source)
    assert row is not None
    return msgspec.convert(dict(row), Tally)


async def find_sources(connection: Connection) -> list[str]:
    """Every source in the ledger, by name."""
    return [row["source"] for row in await connection.fetch("select distinct source from ledger order by source")]


def _trouble(kind: str, where: str, expected: int, found: int) -> Trouble:
    return Trouble(kind, where, Decimal(expected), Decimal(found))


_SUMS = """
    select source, day, sum(accepted)::bigint as accepted, sum(duplicate)::bigint as duplicate,
        sum(conflict)::bigint as conflict, sum(dead)::bigint as dead, sum(accepted_money) as accepted_money,
        sum(duplicate_money) as duplicate_money, sum(conflict_money) as conflict_money, sum(dead_money) as dead_money,
        sum(dead_money_unknown)::bigint as dead_money_unknown, sum(unknown_fields)::bigint as unknown_fields
    from ledger
"""

_SOURCES = f"{_SUMS} group by source, day order by source, day"

_CHOSEN = """
    where ($1::text is null or source = $1) and ($2::date is null or day >= $2) and ($3::date is null or day <= $3)
    group by source, day
"""

_LEDGER = f"{_SUMS} {_CHOSEN} order by day desc, source offset $4 limit $5"

_LEDGER_COUNT = f"select count(*) from (select from ledger {_CHOSEN}) as rows"

_PARTITIONS = """
    with places as (select * from unnest($1::text[], $2::text[]) as places ("group", topic)),
    read as (
        select g.topic, g.partition, g.next from group_offsets g
        join places p on p."group" = g."group" and p.topic = g.topic),
    heads as (select h.* from log_heads h join places p on p.topic = h.topic)
    select topic, partition, coalesce(r.next, 0) as consumed,
        coalesce((
            select sum(accepted + duplicate + conflict + dead) from ledger l
            where l.topic = coalesce(r.topic, h.topic) and l.partition = coalesce(r.partition, h.partition)
        ), 0)::bigint as outcomes,
        h.next - coalesce(r.next, 0) as waiting
    from read r full join heads h using (topic, partition)
    order by 1, 2
"""

# Letters of other topics are our own messages that failed: until they are replayed they are missing.
_STORE = """
    with places as (select * from unnest($1::text[], $2::text[]) as places ("group", topic)),
    counted as (
        select source, sum(accepted)::bigint as accepted, sum(accepted_money) as accepted_money,
            sum(duplicate)::bigint as duplicate, sum(conflict + dead)::bigint as refused
        from ledger group by source),
    stored as (
        select source, count(*) as events, sum(money) as events_money from (
            select source, money from events
            union all select source, 0 from prescriptions
            union all select source, 0 from replies) as every
        group by source),
    letters as (
        select source, count(*) as letters from dead_letters
        where topic in (select topic from places) or replayed_at is null group by source),
    purged as (
        select p.source, sum(g.letters)::bigint as purged
        from purged_letters g join purges p using (purge) group by p.source),
    sent as (
        select source, sum(messages)::bigint as sent from (
            select source, messages from imports
            union all
            select 'replay ' || replay, count(*) from dead_letters
            where topic in (select topic from places) and replay is not null
            group by replay
            union all
            select 'replay ' || replay, sum(letters)::bigint from purged_letters where replay is not null
            group by replay) as sendings
        group by source),
    waiting as (
        select l.source, count(*) as waiting from log_heads h join places p on p.topic = h.topic
        left join group_offsets g on g."group" = p."group" and g.topic = h.topic and g.partition = h.partition
        join log l on l.topic = h.topic and l.partition = h.partition and l."offset" >= coalesce(g.next, 0)
        group by l.source)
    select source, sent, coalesce(waiting, 0) as waiting, coalesce(accepted, 0) as accepted,
        coalesce(duplicate, 0) as duplicate, coalesce(refused, 0) as refused, coalesce(events, 0) as events,
        coalesce(letters, 0) as letters, coalesce(purged, 0) as purged, coalesce(accepted_money, 0) as accepted_money,
        coalesce(events_money, 0) as events_money
    from counted full join stored using (source) full join letters using (source) full join purged using (source)
        full join sent using (source) full join waiting using (source)
    order by source
"""
