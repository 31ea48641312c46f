"""What a cluster stands on beside its database: a bus, and a broker where the bus has one."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from deploy.embedded.kafka import EmbeddedKafka
from streams.bus import Bus
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.store.sessions import Pool


class Ground(Protocol):
    """The bus that a cluster stands on; ``session`` is how long it waits for a silent worker, in seconds.

    ``broker`` is the bus's own server where it has one; ``disk`` is a small file system for what the bus keeps, where a
    fault needs one.
    """

    name: str
    session: float
    broker: EmbeddedKafka | None
    disk: Path | None

    def words(self) -> list[str]:
        """What a worker process is told of it."""

    def open_bus(self, pool: Pool) -> Bus:
        """A bus for this process."""


class PostgresGround:
    """The database is the bus and the broker."""

    name = "postgres"
    broker: EmbeddedKafka | None = None

    def __init__(self, session: timedelta, disk: Path | None = None) -> None:
        self.session = session.total_seconds()
        self.disk = disk

    def words(self) -> list[str]:
        return ["--session", str(self.session)]

    def open_bus(self, pool: Pool) -> Bus:
        return PostgresBus(pool, timedelta(seconds=self.session))


class KafkaGround:
    """A broker of Apache Kafka; topics and groups of one scenario begin with a prefix of their own."""

    name = "kafka"

    def __init__(self, broker: EmbeddedKafka, prefix: str, session: timedelta, disk: Path | None = None) -> None:
        self.broker: EmbeddedKafka | None = broker
        self.address = KafkaAddress(broker.brokers, prefix)
        self.session = session.total_seconds()
        self.disk = disk

    def words(self) -> list[str]:
        address = self.address
        return ["--session", str(self.session), "--brokers", address.brokers, "--prefix", address.prefix]

    def open_bus(self, pool: Pool) -> Bus:
        return KafkaBus(pool, self.address, session=timedelta(seconds=self.session))
