"""Reconciliation: what was received against what became of it, counted apart, in messages and money."""

from datetime import date
from decimal import Decimal

import msgspec

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


class PartitionRow(msgspec.Struct, frozen=True):
    """Offsets that a group consumed on a partition beside the outcomes that were counted, and what still waits."""

    topic: str
    partition: int
    consumed: int
    outcomes: int
    waiting: int


class StoreRow(msgspec.Struct, frozen=True):
    """What the ledger says of a source beside what lies in the tables of events and dead letters.

    ``sent`` is how many messages an import sent (``None`` for other senders), ``waiting`` how many of the source's
    messages the log holds that were not consumed yet.
    """

    source: str
    sent: int | None
    waiting: int
    accepted: int
    duplicate: int
    refused: int
    events: int
    letters: int
    accepted_money: Decimal
    events_money: Decimal

    @property
    def lost(self) -> int:
        rows = abs(self.accepted - self.events) + abs(self.refused - self.letters)
        arrived = self.accepted + self.duplicate + self.refused + self.waiting
        return rows + (abs(self.sent - arrived) if self.sent is not None else 0)


class Reconciliation(msgspec.Struct, frozen=True):
    """The whole account. ``lost`` counts messages that are missing somewhere; 0 is what must be."""

    sources: list[SourceRow]
    partitions: list[PartitionRow]
    store: list[StoreRow]
    waiting_links: int

    @property
    def received(self) -> int:
        """Messages consumed from the bus, by its offsets."""
        return sum(row.consumed for row in self.partitions)

    @property
    def lost(self) -> int:
        """Messages consumed without an outcome, or sent or counted without being anywhere."""
        unaccounted = sum(abs(row.consumed - row.outcomes) for row in self.partitions)
        return unaccounted + sum(row.lost for row in self.store)

    @property
    def money_differs(self) -> Decimal:
        """Accepted money by the ledger less that of the stored events, in yuan; 0 is what must be."""
        return sum((abs(row.accepted_money - row.events_money) for row in self.store), Decimal(0))


async def reconcile(connection: Connection, group: str) -> Reconciliation:
    """Counts every side anew, in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        sources = await connection.fetch(_SOURCES)
        partitions = await connection.fetch(_PARTITIONS, group)
        store = await connection.fetch(_STORE, group)
        waiting_links = await connection.fetchval(_WAITING_LINKS)
    return Reconciliation(
        sources=[SourceRow(**row) for row in sources],
        partitions=[PartitionRow(**row) for row in partitions],
        store=[StoreRow(**row) for row in store],
        waiting_links=waiting_links,
    )


_SOURCES = """
    select source, day, sum(accepted)::bigint as accepted, sum(duplicate)::bigint as duplicate,
        sum(conflict)::bigint as conflict, sum(dead)::bigint as dead, sum(accepted_money) as accepted_money,
        sum(duplicate_money) as duplicate_money, sum(conflict_money) as conflict_money, sum(dead_money) as dead_money,
        sum(dead_money_unknown)::bigint as dead_money_unknown, sum(unknown_fields)::bigint as unknown_fields
    from ledger group by source, day order by source, day
"""

_PARTITIONS = """
    select g.topic, g.partition, g.next as consumed,
        coalesce((
            select sum(accepted + duplicate + conflict + dead) from ledger l
            where l.topic = g.topic and l.partition = g.partition), 0)::bigint as outcomes,
        coalesce(h.next - g.next, 0)::bigint as waiting
    from group_offsets g left join log_heads h using (topic, partition)
    where g."group" = $1 order by 1, 2
"""

_STORE = """
    with counted as (
        select source, sum(accepted)::bigint as accepted, sum(accepted_money) as accepted_money,
            sum(duplicate)::bigint as duplicate, sum(conflict + dead)::bigint as refused
        from ledger group by source),
    stored as (select source, count(*) as events, sum(money) as events_money from events group by source),
    letters as (select source, count(*) as letters from dead_letters group by source),
    sent as (select source, sum(messages)::bigint as sent from imports group by source),
    waiting as (
        select l.source, count(*) as waiting from group_offsets g
        join log l on l.topic = g.topic and l.partition = g.partition and l."offset" >= g.next
        where g."group" = $1 group by l.source)
    select source, sent, coalesce(waiting, 0) as waiting, coalesce(accepted, 0) as accepted,
        coalesce(duplicate, 0) as duplicate, coalesce(refused, 0) as refused, coalesce(events, 0) as events,
        coalesce(letters, 0) as letters, coalesce(accepted_money, 0) as accepted_money,
        coalesce(events_money, 0) as events_money
    from counted full join stored using (source) full join letters using (source) full join sent using (source)
        full join waiting using (source)
    order by source
"""

# Reversals and corrections whose target never came: a query and no state.
_WAITING_LINKS = """
    with linked as (
        select e.area, e.seq, coalesce(e.reverses, e.corrects) as target, coalesce(p.person, e.patient) as person
        from events e left join persons p using (area, patient)
        where coalesce(e.reverses, e.corrects) is not null)
    select count(*) from linked l where not exists (
        select from events t left join persons p using (area, patient)
        where t.area = l.area and t.claim_id = l.target and coalesce(p.person, t.patient) = l.person)
"""
