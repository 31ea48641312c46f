"""Reconciling: the store's account with what waits on the bus, and what is still under way, station by station."""

import msgspec

from streams.bus import Bus, Lag
from streams.messages.kinds import event_topics
from streams.store.events.wider import count_touched
from streams.store.intake import reconciliation
from streams.store.intake.reconciliation import PartitionRow, Reconciliation
from streams.store.sessions import Connection
from streams.store.transport.outbox import count_outbox
from streams.topics import TOPICS


def event_places() -> list[tuple[str, str]]:
    """The groups with the topics of events that they read, ``(group, topic)``: what they consume has outcomes."""
    return [(group, topic) for topic in event_topics() if (group := TOPICS[topic].group) is not None]


async def reconcile(connection: Connection, bus: Bus | None = None) -> Reconciliation:
    """The whole account: a walk over all events.

    What waits on a bus outside the store is asked of it after the snapshot, so that nothing which was sent before it
    can seem lost; without one nothing waits there.
    """
    account = await reconciliation.find_account(connection, event_places())
    partitions = reconciliation.with_ends(account.partitions, await find_event_lags(bus) if bus is not None else ())
    return msgspec.structs.replace(account, partitions=partitions)


async def find_partitions(connection: Connection, lags: list[Lag] | None) -> list[PartitionRow]:
    """What was consumed from each partition beside its outcomes: quick at any size. ``lags`` where the bus answered."""
    return reconciliation.with_ends(await reconciliation.find_outcomes(connection, event_places()), lags or ())


async def find_event_lags(bus: Bus) -> list[Lag]:
    """How far the groups that read events are behind."""
    places = set(event_places())
    return [lag for lag in await bus.lags() if (lag.group, lag.topic) in places]


class UnderWay(msgspec.Struct, frozen=True):
    """What is still to be done, in the order in which it moves on.

    Messages to be judged, subjects to be judged, rows to be sent on, messages of our own to be read.
    """

    events: int
    subjects: int
    outbox: int
    findings: int

    @property
    def is_done(self) -> bool:
        return not (self.events or self.subjects or self.outbox or self.findings)


async def find_under_way(connection: Connection, bus: Bus) -> UnderWay:
    """What waits behind the groups and in the store. Partitions that a group never read count from their beginning."""
    places = event_places()
    events = await _count_behind(bus, places)
    subjects = await count_touched(connection)
    outbox = await count_outbox(connection)
    ours = [(topic.group, topic.name) for topic in TOPICS.values() if topic.group is not None]
    return UnderWay(
        events, subjects, outbox, await _count_behind(bus, [place for place in ours if place not in places])
    )


async def _count_behind(bus: Bus, places: list[tuple[str, str]]) -> int:
    read = sum(lag.next for lag in await bus.lags() if (lag.group, lag.topic) in places)
    topics = {topic for _, topic in places}
    return sum(end for (name, _), end in (await bus.ends()).items() if name in topics) - read
