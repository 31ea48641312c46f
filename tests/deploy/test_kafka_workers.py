"""Worker processes on real Kafka: partitions are shared out, taken over after a death, given back to who joins."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from deploy.county import CountyPlan, write_county
from deploy.embedded.kafka import start_kafka
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import BusAway
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.hosts.kafka import KafkaService
from streams.hosts.service import open_service
from streams.importers.sending import send_messages
from streams.jobs.reconciling import find_under_way
from streams.messages.vault import Vault
from streams.store.sessions import Connection, Pool, borrowed
from streams.topics import CLAIMS, FINDINGS, JUDGES, LEADS
from tests.patience import PATIENCE

SHARED = 4
"""Partitions of claims."""


@dataclass
class Workers:
    """Processes of ``fundwatch worker`` on one database and one cluster."""

    bus: KafkaBus
    environment: dict[str, str]
    folder: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> asyncio.subprocess.Process:
        with (self.folder / f"worker-{len(self.running)}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "deploy.commands", "worker", env=self.environment, stderr=log
            )
        self.running.append(process)
        return process

    async def held(self) -> Counter[int]:
        """Partitions of claims by the process that holds them."""
        owners = [lag.owner for lag in await self.bus.lags(JUDGES) if lag.owner is not None]
        return Counter(int(owner.rsplit("-", 2)[1]) for owner in owners)

    async def members(self) -> int:
        """How many processes the broker knows to read claims."""
        group = self.bus.own(JUDGES)
        described = await self.bus.ask(lambda admin: admin.describe_groups([group]))
        return len(described[group]["members"])

    async def until_held(self, shares: dict[int, int]) -> None:
        """Waits until processes hold so many partitions each, and returns the seconds that it took."""
        began = time.monotonic()
        while (seen := await self.held()) != shares:
            assert time.monotonic() - began < PATIENCE, f"{dict(seen)}, not {shares}; {self.said()}"
            await asyncio.sleep(0.05)

    async def until_read(self, group: str) -> asyncio.subprocess.Process:
        """Waits until somebody reads the one partition of a group, and returns which process it is."""
        began = time.monotonic()
        while not (owners := [lag.owner for lag in await self.bus.lags(group) if lag.owner is not None]):
            assert time.monotonic() - began < PATIENCE, self.said()
            await asyncio.sleep(0.05)
        (owner,) = owners
        return next(process for process in self.running if f"-{process.pid}-" in owner)

    def said(self) -> str:
        return "\n".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("worker-*.log")))


@asynccontextmanager
async def open_workers(dsn: str, brokers: str, folder: Path) -> AsyncIterator[Workers]:
    prefix = f"workers-{os.getpid()}-{time.monotonic_ns()}-"

    def make_bus(pool: Pool) -> KafkaBus:
        return KafkaBus(pool, KafkaAddress(brokers, prefix))

    environment = {
        **os.environ,
        "FUNDWATCH_HOME": str(folder),
        "FUNDWATCH_DATABASE_URL": dsn,
        "FUNDWATCH_BUS": "kafka",
        "FUNDWATCH_BROKERS": brokers,
        "FUNDWATCH_KAFKA_PREFIX": prefix,
    }
    async with open_service(dsn, load_rule_set(load_facts()), Vault(b"tests"), make_bus) as service:
        assert isinstance(service.bus, KafkaBus)
        workers = Workers(service.bus, environment, folder)
        try:
            yield workers
        finally:
            for process in workers.running:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@pytest.fixture
async def workers(postgres_url: str, kafka_brokers: str, tmp_path: Path) -> AsyncIterator[Workers]:
    async with open_workers(postgres_url, kafka_brokers, tmp_path) as workers:
        yield workers


async def test_workers_share_take_over_and_give_back(workers: Workers) -> None:
    one = await workers.start()
    await workers.until_held({one.pid: SHARED})
    two = await workers.start()
    await workers.until_held({one.pid: SHARED // 2, two.pid: SHARED // 2})

    two.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(two.wait(), PATIENCE) == 0, workers.said()
    assert await workers.members() == 1, "it is to say that it leaves, and not to be missed after a session"
    await workers.until_held({one.pid: SHARED})

    three = await workers.start()
    await workers.until_held({one.pid: SHARED // 2, three.pid: SHARED // 2})
    one.kill()
    await workers.until_held({three.pid: SHARED})


async def test_what_is_sent_while_the_writer_of_leads_dies_is_judged_once(workers: Workers, tmp_path: Path) -> None:
    one, two = await workers.start(), await workers.start()
    await workers.until_held({one.pid: SHARED // 2, two.pid: SHARED // 2})
    doomed = await workers.until_read(LEADS)
    async for share in _send_county(workers, tmp_path):
        if share > 0.5 and doomed.returncode is None:
            doomed.kill()
            await doomed.wait()
    await _assert_judged_once(workers)


async def test_work_goes_on_when_the_broker_is_back_and_ends_while_it_is_away(
    postgres_url: str, kafka_jars: Path, tmp_path: Path
) -> None:
    with start_kafka(tmp_path / "kafka", kafka_jars) as kafka:
        async with open_workers(postgres_url, kafka.brokers, tmp_path) as workers:
            one = await workers.start()
            await workers.until_held({one.pid: SHARED})
            await workers.until_read(LEADS)
            struck = False
            async for share in _send_county(workers, tmp_path):
                if share > 0.5 and not struck:
                    struck = True
                    kafka.kill()
                    await asyncio.sleep(4)
                    kafka.restart()
            await _assert_judged_once(workers)
            assert one.returncode is None, workers.said()
            kafka.kill()
            await asyncio.sleep(2)
            one.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(one.wait(), PATIENCE) == 0, workers.said()


@pytest.mark.filterwarnings("ignore:Exception in thread:pytest.PytestUnhandledThreadExceptionWarning")  # of Faust's
async def test_a_broker_that_goes_away_while_workers_start_is_said_to_be_away(
    postgres_url: str, kafka_jars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own consumers are up by then, and Faust's is not; whoever restarts the process has it begin anew."""
    begin = AIOKafkaConsumerThread.on_start
    with start_kafka(tmp_path / "kafka", kafka_jars) as kafka:

        async def strike(thread: AIOKafkaConsumerThread) -> None:
            kafka.kill()
            await begin(thread)

        def make_bus(pool: Pool) -> KafkaBus:
            return KafkaBus(pool, KafkaAddress(kafka.brokers, "struck-"))

        monkeypatch.setattr(AIOKafkaConsumerThread, "on_start", strike)
        rule_set = load_rule_set(load_facts())
        async with open_service(postgres_url, rule_set, Vault(b"tests"), make_bus, host=KafkaService) as service:
            with pytest.raises(BusAway, match=kafka.brokers):
                await service.start()


async def _send_county(workers: Workers, folder: Path) -> AsyncIterator[float]:
    """Sends a small county through the bus and says what share of it is sent; waits while the broker is away."""
    claims = folder / "claims.jsonl"
    count = write_county(CountyPlan(scale=0.0005, seed=3), claims, folder / "truth.jsonl")
    bodies = claims.read_bytes().splitlines()
    sent = 0
    deadline = time.monotonic() + PATIENCE
    while sent < count:
        assert time.monotonic() < deadline
        try:
            async for sent in send_messages(workers.bus.pool, workers.bus, "county", "county", iter(bodies)):
                yield sent / count
        except BusAway:
            await asyncio.sleep(0.5)


async def _assert_judged_once(workers: Workers) -> None:
    """Waits until nothing is under way: each record had one outcome, and each finding is in its lead as it stands.

    One withdrawn on the way, which depends on how the batches fell, stays in its lead as closed.
    """
    deadline = time.monotonic() + PATIENCE
    async with borrowed(workers.bus.pool) as connection:
        while not await _is_done(connection, workers.bus):
            assert time.monotonic() < deadline, workers.said()
            await asyncio.sleep(0.2)
        row = await connection.fetchrow(
            """
            select (select sum(accepted + duplicate + conflict + dead) from ledger)::int as outcomes,
                (select sum(messages) from imports)::int as sent,
                (select count(*) from finding_versions)::int as versions,
                (select count(*) from findings where is_open)::int as findings,
                (select count(*) from findings f full join lead_findings l using (area, finding_id)
                where (f.version, f.is_open) is distinct from (l.version, l.is_open))::int as otherwise_in_leads
            """
        )
    assert row is not None
    ends = await workers.bus.ends()
    consumed = sum(ends[CLAIMS, partition] for partition in range(SHARED))
    assert row["outcomes"] == consumed >= row["sent"] > 0
    assert row["findings"] > 0
    assert ends[FINDINGS, 0] >= row["versions"]
    assert row["otherwise_in_leads"] == 0


async def _is_done(connection: Connection, bus: KafkaBus) -> bool:
    """Whether nothing is under way; false while the broker does not say."""
    try:
        return (await find_under_way(connection, bus)).is_done
    except BusAway:
        return False
