"""Stations: each topic that we read, with the handler of its batches. A service walks them, on either bus.

A new topic is a row of ``streams.topics`` and a row here; lag, metrics, reconciliation, dead letters and the doctor
follow by themselves.
"""

from collections.abc import Callable, Mapping

import msgspec

from streams.bus import Bus
from streams.handlers.events import EventsHandler
from streams.handlers.findings import LeadsHandler
from streams.handlers.orders import OrdersHandler
from streams.handlers.rule_sets import RuleSets
from streams.hosts.worker import Handler
from streams.messages.vault import Vault
from streams.topics import CLAIMS, FINDINGS, PRESCRIPTIONS, REPLIES, TOPICS


class Station(msgspec.Struct, frozen=True):
    """A topic's handler, made for one worker, and how many records it is given at most.

    ``slow``: on Kafka an agent of the host takes it, which costs more for a record than judging does.
    """

    topic: str
    make: Callable[[RuleSets, Vault], Handler]
    batch: int = 1000
    slow: bool = False

    @property
    def group(self) -> str:
        """The group that reads the topic. Raises ``LookupError`` where the topic has none."""
        group = TOPICS[self.topic].group
        if group is None:
            raise LookupError(f"nobody reads {self.topic}")
        return group


STATIONS: list[Station] = [
    Station(CLAIMS, EventsHandler),
    Station(PRESCRIPTIONS, OrdersHandler),
    Station(REPLIES, OrdersHandler),
    Station(FINDINGS, LeadsHandler, slow=True),
]


async def create_topics(bus: Bus, partitions: Mapping[str, int] | None = None) -> None:
    """Makes all topics that do not exist yet; ``partitions`` says for some of them how many they get."""
    for topic in TOPICS.values():
        await bus.create_topic(topic.name, (partitions or {}).get(topic.name, topic.partitions))
