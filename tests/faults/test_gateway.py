"""The gateway under load while what it stands on breaks: every call is answered in form, and accounted for once.

``make test`` breaks all of it once, one after the other, over one broker; ``make faults`` each for as long as it says.
"""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

import pytest

from deploy.embedded.kafka import EmbeddedKafka

from .conftest import TEMPLATE
from .gateway_faults import GatewayFault, broker_away, disk_full, killed, store_away
from .grounds import Ground, KafkaGround
from .hospitals import Sent
from .servers import PostgresServer, mount_small_disk
from .site import Site, assert_all_accounted_for
from .table import Answers

ALLOWANCE = 30.0
"""Seconds that no answer takes on the busiest machine: what hangs takes longer. How long they take the page says."""

CONNECTIONS, PAUSE = 4, 0.02
DISK_MB = 64


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system in memory for the journal."""
    with ExitStack() as mounting:
        try:
            mounting.enter_context(mount_small_disk(tmp_path / "disk", DISK_MB))
        except PermissionError as error:
            pytest.skip(str(error))
        yield tmp_path / "disk"


@asynccontextmanager
async def opened(
    server: PostgresServer,
    ground: Ground,
    journals: Path,
    folder: Path,
    name: str,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Site]:
    """A site on a database of its own, with a gateway at work."""
    database = f"gateway_{name}".replace(" ", "_")
    server.run_sql(f"drop database if exists {database} with (force)")
    server.run_sql(f"create database {database} template {TEMPLATE}")
    site = Site(ground, server.dsn_of(database), folder, journals, settings or {})
    try:
        await site.start_gateway()
        yield site
    finally:
        site.end()
        server.run_sql(f"drop database {database} with (force)")


async def tried(site: Site, *faults: GatewayFault) -> Answers:
    """Faults one after the other under one load, and the verdict."""
    began = time.monotonic()
    async with site.under_load(CONNECTIONS, PAUSE) as hospitals:
        await site.start_worker()
        for fault in faults:
            await fault.happen(site, hospitals)
    book = [sent for hospital in hospitals for sent in hospital.book]
    await site.until_taken_in()
    await site.stop()
    assert all(sent.is_settled for sent in book)
    assert set(site.seen.live) == {200}
    assert site.seen.ready[200]
    assert site.kills or not any(sent.broken for sent in book)
    assert max(seconds for sent in book for seconds in sent.seconds) < ALLOWANCE
    await assert_all_accounted_for(site.dsn, book, site.kills)
    return answers_of(", ".join(fault.text for fault in faults), book, time.monotonic() - began)


def answers_of(text: str, book: list[Sent], whole: float) -> Answers:
    milliseconds = [1000 * seconds for sent in book for seconds in sent.seconds]
    cuts = quantiles(milliseconds, n=100)
    return Answers(
        text=text,
        messages=len(book),
        not_judged=sum(bool(sent.not_asked) for sent in book if sent.is_taken),
        put_off=sum(len(sent.answers) > 1 for sent in book),
        broken=sum(sent.broken for sent in book),
        p50=cuts[49],
        p99=cuts[98],
        longest=max(milliseconds),
        whole=whole,
    )


@pytest.mark.representative
async def test_everything_breaks_once(
    faults_server: PostgresServer, faults_broker: EmbeddedKafka, tmp_path: Path, disk: Path
) -> None:
    ground = KafkaGround(faults_broker, "gateway-small-", timedelta(seconds=6))
    async with opened(faults_server, ground, disk, tmp_path, "small") as site:
        answers = await tried(
            site,
            GatewayFault("postgres away", "", store_away(faults_server, 1)),
            GatewayFault("broker away", "", broker_away(faults_broker, 1)),
            GatewayFault("killed", "", killed(2)),
            GatewayFault("disk full", "", disk_full(disk)),
        )
    assert answers.not_judged
    assert answers.put_off


@pytest.mark.faults
@pytest.mark.parametrize("name", ["killed", "disk full", "postgres away", "broker away"])
async def test_each_at_full_size(
    name: str,
    faults_server: PostgresServer,
    faults_broker: EmbeddedKafka,
    tmp_path: Path,
    disk: Path,
    answered: list[Answers],
) -> None:
    faults = {
        fault.name: fault
        for fault in (
            GatewayFault("postgres away", "PostgreSQL 离开 60 秒 / away for 60 s", store_away(faults_server, 60)),
            GatewayFault("broker away", "Kafka 离开 60 秒 / away for 60 s", broker_away(faults_broker, 60)),
            GatewayFault("killed", "网关 SIGKILL 10 次 / the gateway killed 10 times", killed(10)),
            GatewayFault("disk full", "日志磁盘写满，再腾空 / its disk full, then room again", disk_full(disk)),
        )
    }
    ground = KafkaGround(faults_broker, f"gateway-{name}-".replace(" ", "-"), timedelta(seconds=6))
    async with opened(faults_server, ground, disk, tmp_path, name) as site:
        answered.append(await tried(site, faults[name]))
