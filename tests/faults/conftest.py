"""What faults need: a server that may be killed, the county with the truth about it, and a trial on them."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.store.migrations import migrate

from .cluster import Cluster
from .county import County
from .faults import Fault
from .grounds import Ground
from .servers import PostgresServer, mount_small_disk
from .table import Answers, Row, write_answers, write_table
from .verdict import assert_nothing_lost_or_doubled

TEMPLATE = "migrated"

Trial = Callable[[Fault, Ground, County, int], Awaitable[None]]
"""Runs a fault on a ground with a county and batches of so many records, and judges the end."""


@pytest.fixture(scope="session")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture(scope="session")
def faults_server() -> Iterator[PostgresServer]:
    """A server with a migrated database to copy from."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-faults-") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.run_sql(f"create database {TEMPLATE}")
            asyncio.run(migrate(server.dsn_of(TEMPLATE)))
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def faults_broker(kafka_jars: Path) -> Iterator[EmbeddedKafka]:
    """A broker that may be killed."""
    with (
        tempfile.TemporaryDirectory(prefix="fundwatch-faults-") as folder,
        start_kafka(Path(folder), kafka_jars) as kafka,
    ):
        yield kafka


@pytest.fixture
def small_disk(faults_server: PostgresServer) -> Iterator[Path]:
    """A file system of 160 MB in memory."""
    with ExitStack() as mounting:
        folder = faults_server.folder / "small"
        try:
            mounting.enter_context(mount_small_disk(folder, 160))
        except PermissionError as error:
            pytest.skip(str(error))
        yield folder
        faults_server.run_sql("drop tablespace if exists small")


@pytest.fixture(scope="session")
def tables() -> Iterator[dict[str, list[Row]]]:
    """Rows by bus; written to the page that the environment names, once all is over."""
    tables: dict[str, list[Row]] = {}
    yield tables
    page = os.environ.get("FAULTS_PAGE")
    if page:
        for bus, rows in tables.items():
            write_table(Path(page), bus, rows)


@pytest.fixture(scope="session")
def answered() -> Iterator[list[Answers]]:
    """What hospitals were answered, scenario by scenario; written likewise."""
    answered: list[Answers] = []
    yield answered
    page = os.environ.get("FAULTS_PAGE")
    if page and answered:
        write_answers(Path(page), answered)


@pytest.fixture
def trial(
    faults_server: PostgresServer,
    rule_set: RuleSet,
    tables: dict[str, list[Row]],
    tmp_path: Path,
) -> Trial:
    async def run(fault: Fault, ground: Ground, county: County, batch: int) -> None:
        database = f"{ground.name}_{fault.name}".replace(" ", "_")
        faults_server.run_sql(f"drop database if exists {database} with (force)")
        faults_server.run_sql(f"create database {database} template {TEMPLATE}")
        cluster = Cluster(ground, faults_server, database, county, batch, tmp_path)
        began = time.monotonic()
        try:
            seconds = await fault.happen(cluster)
            await cluster.until_done()
            whole = time.monotonic() - began
            await cluster.stop()
            await assert_nothing_lost_or_doubled(cluster, rule_set)
        finally:
            await cluster.close()
            faults_server.run_sql(f"drop database {database} with (force)")
        print(f"\n{ground.name}, {fault.name}: {seconds}, {whole:.1f} s")
        tables.setdefault(ground.name, []).append(Row(fault.text, seconds, whole))

    return run
