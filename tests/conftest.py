"""What tests share: an embedded PostgreSQL, a fresh migrated database for each test, an embedded Kafka, data sets of
others, Chromium.

``make test`` runs three processes of tests beside each other (pytest-xdist), file by file: on two cores, for a third of
the time a test waits (for a lease to end, for a broker to start). What is said of a session is so for each of them, so
they share no server, no broker and no port.

With ``CI=true`` a skipped test fails, because a missing part is a failure there; only the data sets beside the
checkout, which cannot be part of it, may be absent.
"""

import asyncio
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from deploy.embedded.kafka import EmbeddedKafka, start_kafka
from deploy.embedded.kafka_programs import fetch_jars
from deploy.embedded.postgres import EmbeddedPostgres, start_postgres
from deploy.embedded.postgres_programs import EmbeddedError
from tests.administration import Administration

pytest_plugins = ["tests.counting"]

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "fundwatch_template"
KAFKA_CACHE = ROOT / "var" / "kafka"
IN_CI = os.environ.get("CI") == "true"

# A busy machine makes no example wrong: none is judged by how long it took. In CI Hypothesis does so by itself.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not IN_CI:
    settings.load_profile("unhurried")


MEMORY = Path("/dev/shm")
ROOM = 8 * 2**30
"""Bytes that have to be free there: some servers live beside each other, each with its log."""


def pytest_configure() -> None:
    """Puts what tests write into memory where there is room: a database is hundreds of small files.

    On a disk, making one took four times as long and more. Nothing here survives a power cut.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def _name_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One server a test session, in a short folder of its own; it need not survive a power cut."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-tests-") as folder, start_postgres(Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def run_sql(postgres_server: EmbeddedPostgres) -> Iterator[Callable[[str], None]]:
    """Runs one statement on whole databases; starting psql for each took longer than what it was started for."""
    with Administration(postgres_server.dsn) as administration:
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off", "max_wal_size = '512MB'"):
            administration.run(f"alter system set {setting}")
        administration.run("select pg_reload_conf()")
        yield administration.run


@pytest.fixture(scope="session")
def postgres_template(postgres_server: EmbeddedPostgres, run_sql: Callable[[str], None]) -> str:
    """The name of a database with all migrations, which others are copied from."""
    from streams.store.migrations import migrate

    run_sql(f"create database {TEMPLATE}")
    asyncio.run(migrate(postgres_server.dsn_of(TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def copied_database(postgres_server: EmbeddedPostgres, run_sql: Callable[[str], None]) -> Callable[[str], str]:
    """Copies a database that nobody is connected to, and gives the address of the copy.

    Its files are copied as they are, which is quicker than page by page through the log.
    """
    numbers = itertools.count(1)

    def copy(url: str) -> str:
        copied = f"test_{next(numbers)}"
        run_sql(f"create database {copied} template {_name_of(url)} strategy file_copy")
        return postgres_server.dsn_of(copied)

    return copy


@pytest.fixture(scope="session")
def new_database(
    copied_database: Callable[[str], str], postgres_server: EmbeddedPostgres, postgres_template: str
) -> Callable[[], str]:
    """Makes a migrated database and gives its address; for fixtures of wider scope than one test."""
    return lambda: copied_database(postgres_server.dsn_of(postgres_template))


@pytest.fixture(scope="session")
def drop_database(run_sql: Callable[[str], None]) -> Callable[[str], None]:
    """Drops a database: hundreds that lie about make each new one several times slower."""
    return lambda url: run_sql(f"drop database {_name_of(url)} with (force)")


@pytest.fixture
def postgres_url(new_database: Callable[[], str], drop_database: Callable[[str], None]) -> Iterator[str]:
    """The address of a migrated database that no other test has used."""
    url = new_database()
    yield url
    drop_database(url)


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder that keeps Kafka's jars, fetched where they are absent."""
    try:
        fetch_jars(KAFKA_CACHE)
    except EmbeddedError as error:
        pytest.skip(f"no Kafka: {error}")
    return KAFKA_CACHE


@pytest.fixture(scope="session")
def lend_jars(kafka_jars: Path) -> Callable[[Path], None]:
    """Lays Kafka's jars into the folder of a broker that would fetch them, as that of a command does."""
    jars = fetch_jars(kafka_jars).resolve()

    def lend(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / jars.name).symlink_to(jars)

    return lend


@pytest.fixture(scope="session")
def kafka_server(kafka_jars: Path) -> Iterator[EmbeddedKafka]:
    """One broker a test session. A test that kills it starts one of its own."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-kafka-") as name, start_kafka(Path(name), kafka_jars) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_brokers(kafka_server: EmbeddedKafka) -> str:
    """The address of the session's broker, host:port; topics are to be named so that tests do not meet."""
    return kafka_server.brokers


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of data sets that others made; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("FUNDWATCH_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("no data sets: FUNDWATCH_SHARED names no folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium for Playwright."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium: install the package chromium")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process ends long before another: short files are left to the end."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    slow = ("faults", "deploy", "streams", "api", "outside", "bench")
    folder = item.path.parent.name
    return slow.index(folder) if folder in slow else len(slow)


def _fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = str(report.longrepr)
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and "FUNDWATCH_SHARED" not in reason:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure with CI=true: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_in_ci(report)
    return report


@pytest.fixture
def free_port() -> int:
    """A port of the loopback that nobody listens on at this moment."""
    return find_free_port()


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session", autouse=True)
def gateway_port() -> Iterator[None]:
    """Whatever this process starts answers hospitals on a port of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FUNDWATCH_GATEWAY_PORT", str(find_free_port()))
        yield
