"""What a command runs on: the database (embedded or yours) with a service on it, orderly ends, child processes."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from subprocess import Popen, TimeoutExpired

from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from deploy.embedded.postgres_programs import EmbeddedError
from deploy.settings import PREFIX, Settings, load_vault_key
from detectors.detector import DETECTORS
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Bus
from streams.buses.endings import finished
from streams.buses.postgres import PostgresBus
from streams.hosts.service import Service, open_service
from streams.messages.vault import Vault
from streams.store.migrations import migrate
from streams.store.sessions import Pool, Unreachable, passes_by_itself, reach
from streams.topics import CLAIMS

logger = logging.getLogger("fundwatch.runtime")

MOST_STARTS = 3
STARTING_SECONDS = 30.0
"""A child that gives up sooner than that is started again, so often in all."""

_LOOKING_EVERY = 1.0
"""Seconds after which a store that is away is looked for again."""

MOST_REVIVALS = 5
WITHIN_SECONDS = 600.0
"""An embedded server that dies more often than that within so long is given up."""


@asynccontextmanager
async def open_runtime(settings: Settings, may_be_away: bool = False) -> AsyncIterator[tuple[Settings, Service]]:
    """Starts the embedded database and broker where none is set, and opens a service that is not started.

    Where the store ``may_be_away`` the service is opened without it, and prepared once it is there.

    The settings that come with it name the database and the brokers, also those that were started here. Raises
    ``Unreachable``, ``BusAway``, ``EmbeddedError``.
    """
    rule_set = own_rule_set(settings)
    with _database(settings) as (dsn, server), _brokers(settings) as (brokers, kafka):
        settings = replace(settings, database_url=dsn, brokers=brokers)
        is_away = not await _is_reached(dsn, may_be_away)
        if not is_away:
            await migrate(dsn)
        vault = Vault(load_vault_key(settings))
        make_bus, host = choose_bus(settings)
        partitions = {CLAIMS: settings.claims_partitions}
        async with open_service(dsn, rule_set, vault, make_bus, partitions, host, is_away) as service:
            if is_away:
                service.add(prepare_once_there(service, partitions))
            for name, embedded in (("PostgreSQL", server), ("Kafka", kafka)):
                if embedded is not None:
                    service.add(keep_running(name, embedded, service.stop))
            yield settings, service


async def _is_reached(dsn: str, may_be_away: bool) -> bool:
    """Whether a database answers. Raises ``Unreachable`` where it has to, and where waiting mends nothing."""
    try:
        await reach(dsn)
    except Unreachable as unreachable:
        if not (may_be_away and unreachable.is_passing):
            raise
        logger.warning("started without the store, which is taken up once it is there: %s", unreachable)
        return False
    return True


async def prepare_once_there(service: Service, partitions: Mapping[str, int]) -> None:
    """Prepares a store that was away at the start as soon as it is there, or lets go of that when told to stop.

    Why it cannot be used is said whenever that changes. Raises what neither waiting nor the way there explains.
    """
    said: str | None = None
    while not service.stop.is_set():
        try:
            await finished(_prepare(service, partitions), service.stop, 0)
        except Exception as error:
            is_passing = passes_by_itself(error) or (isinstance(error, Unreachable) and error.is_passing)
            if not is_passing and not isinstance(error, Unreachable):
                raise
            if not is_passing and str(error) != said:
                said = str(error)
                logger.error("the store cannot be taken up: %s", said)
        else:
            logger.warning("the store is there and was taken up")
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(service.stop.wait(), _LOOKING_EVERY)


async def _prepare(service: Service, partitions: Mapping[str, int]) -> None:
    await reach(service.dsn)
    await migrate(service.dsn)
    await service.prepare(partitions)


def own_rule_set(settings: Settings) -> RuleSet:
    """The set that came with this program, with the facts imported since: rules, facts, and the detectors' cards."""
    rules = load_rule_set(load_facts(imports=settings.knowledge_folder))
    return replace(rules, detectors=tuple(detector.card for detector in DETECTORS.values()))


def choose_bus(settings: Settings) -> tuple[Callable[[Pool], Bus], type[Service]]:
    """What makes the bus, and the service that hosts the handlers on it."""
    if settings.bus == "postgres":
        return PostgresBus, Service
    # Its libraries take as long to load as everything else together.
    from streams.buses.kafka import KafkaAddress, KafkaBus, TopicSettings
    from streams.buses.standing import OnDamage
    from streams.hosts.kafka import KafkaService

    address = KafkaAddress(
        brokers=settings.brokers or "",
        prefix=settings.kafka_prefix,
        security_protocol=settings.kafka_security,
        ca_file=settings.kafka_ca_file,
        cert_file=settings.kafka_cert_file,
        key_file=settings.kafka_key_file,
        sasl_mechanism=settings.kafka_sasl,
        user=settings.kafka_user,
        password=settings.kafka_password,
    )
    kept = timedelta(days=settings.kafka_kept_days) if settings.kafka_kept_days else None
    topics = TopicSettings(settings.kafka_replication, kept, settings.kafka_compacted)
    on_damage = OnDamage(settings.kafka_on_damage == "pass", timedelta(minutes=settings.kafka_damage_minutes))
    return partial(KafkaBus, address=address, topics=topics, on_damage=on_damage), KafkaService


@contextmanager
def _brokers(settings: Settings) -> Iterator[tuple[str | None, EmbeddedKafka | None]]:
    if settings.bus == "postgres" or settings.brokers is not None:
        yield settings.brokers, None
        return
    with start_kafka(settings.kafka_folder) as kafka:
        yield kafka.brokers, kafka


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedPostgres | None]]:
    if settings.database_url is not None:
        yield settings.database_url, None
        return
    with start_postgres(settings.postgres_folder) as server:
        yield server.dsn, server


async def keep_running(name: str, server: EmbeddedPostgres | EmbeddedKafka, stop: asyncio.Event) -> None:
    """Starts an embedded server again that dies, and says so. One that keeps dying is given up: ``EmbeddedError``."""
    revivals: deque[float] = deque(maxlen=MOST_REVIVALS)
    while not stop.is_set():
        if await asyncio.to_thread(server.revive):
            now = time.monotonic()
            if len(revivals) == MOST_REVIVALS and now - revivals[0] < WITHIN_SECONDS:
                raise EmbeddedError(
                    f"内置 {name} 反复退出 / the embedded {name} keeps dying: {server.folder}/server.log"
                )
            revivals.append(now)
            logger.error("the embedded %s died and was started again, see %s/server.log", name, server.folder)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)


def run_child(settings: Settings, dsn: str, *words: str) -> "Popen[bytes]":
    """Starts another command of ours as a process of its own, on the same database; ended with ``end_child``."""
    environment: Mapping[str, str] = {
        **os.environ,
        f"{PREFIX}DATABASE_URL": dsn,
        f"{PREFIX}HOME": str(settings.home),
        f"{PREFIX}BUS": settings.bus,
        f"{PREFIX}BROKERS": settings.brokers or "",
    }
    return Popen([sys.executable, "-m", "deploy.commands", *words], env=environment, start_new_session=True)


def end_child(child: "Popen[bytes]") -> None:
    """Asks a child to end, and ends it after 8 seconds."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(TimeoutExpired):
            child.wait(8)
    if child.poll() is None:
        child.kill()
        child.wait()


async def keep_child(start: Callable[[], "Popen[bytes]"], stop: asyncio.Event) -> None:
    """Runs a child until told to stop, and ends it then.

    One that gives up while it starts, because its database is just then away, is started again a few times. Raises
    ``ChildEnded`` where it ends otherwise.
    """
    for _ in range(MOST_STARTS):
        child, began = start(), time.monotonic()
        try:
            while child.poll() is None and not stop.is_set():
                await asyncio.sleep(0.5)
        finally:
            await asyncio.to_thread(end_child, child)
        if stop.is_set():
            return
        if child.returncode < 0 or time.monotonic() - began > STARTING_SECONDS:
            break
        logger.warning("a child gave up while it started, and is started again")
    raise ChildEnded


class ChildEnded(Exception):
    """A process that this command started ended by itself."""


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets an event on Ctrl-C and SIGTERM instead of ending at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def follow_parent(stop: asyncio.Event) -> None:
    """Sets an event when the process that started this one is gone."""
    parent = os.getppid()
    while not stop.is_set():
        if os.getppid() != parent:
            stop.set()
        await asyncio.sleep(0.5)
