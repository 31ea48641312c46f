"""The embedded Kafka: acknowledged messages outlive a kill, it ends with its owner, errors say what to install."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from deploy.embedded import kafka_programs
from deploy.embedded.kafka import EmbeddedKafka, _find_running, answers, start_kafka
from deploy.embedded.kafka_programs import fetch_jars, find_java
from deploy.embedded.postgres_programs import EmbeddedError
from tests.deploy.names import ODD_NAMES
from tests.patience import PATIENCE

TOPIC = "trial"

# Starts the broker of folder argv[1] with jars of argv[2], says its process id, and waits for its input to end.
STARTER = """
import sys
from pathlib import Path
from deploy.embedded.kafka import start_kafka

kafka = start_kafka(Path(sys.argv[1]), Path(sys.argv[2]))
print(kafka.pid, kafka.port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fundwatch-kafka-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def kafka(kafka_jars: Path) -> Iterator[EmbeddedKafka]:
    """A broker for the tests of this page alone."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-kafka-") as name, start_kafka(Path(name), kafka_jars) as kafka:
        yield kafka


def test_a_second_run_listens_where_the_first_did(folder: Path, kafka_jars: Path) -> None:
    """So that a worker that outlived its broker finds the next one; unless somebody has taken the port."""
    with start_kafka(folder, kafka_jars) as kafka:
        port = kafka.port
    with start_kafka(folder, kafka_jars) as kafka:
        assert kafka.port == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with start_kafka(folder, kafka_jars) as kafka:
            assert kafka.port != port


async def test_a_folder_of_any_name_works_at_every_start(folder: Path, lend_jars: Callable[[Path], None]) -> None:
    """All odd signs are in one name, since each start takes seconds; nothing is left beside the folder."""
    name = folder / " ".join(ODD_NAMES)
    lend_jars(name / "kafka")
    with start_kafka(name / "kafka") as kafka:
        _make_topic(kafka)
        await _send(kafka.brokers, b"before")
    with start_kafka(name / "kafka") as kafka:
        assert await _read(kafka.brokers, 1) == [b"before"]
    assert list(folder.iterdir()) == [name]
    assert [path.name for path in name.iterdir()] == ["kafka"]


def _make_topic(kafka: EmbeddedKafka) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.brokers)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])
    admin.close()


async def _send(brokers: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        await producer.send_and_wait(TOPIC, value, partition=0)


async def _read(brokers: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_was_acknowledged_is_there_after_a_kill_on_the_same_port(kafka: EmbeddedKafka) -> None:
    _make_topic(kafka)
    await _send(kafka.brokers, b"before")
    brokers, pid = kafka.brokers, kafka.pid
    kafka.kill()
    assert not answers(kafka.port)
    kafka.restart()
    assert (kafka.brokers, kafka.pid != pid) == (brokers, True)
    await _send(brokers, b"after")
    assert await _read(brokers, 2) == [b"before", b"after"]


def test_a_second_starter_is_a_guest_of_the_running_broker(kafka: EmbeddedKafka) -> None:
    guest = start_kafka(kafka.folder, kafka_jars_of(kafka))
    assert (guest.is_owner, guest.brokers) == (False, kafka.brokers)
    guest.stop()
    assert answers(kafka.port)


def test_a_broker_of_another_folder_is_never_taken_for_this_ones(folder: Path, kafka_jars: Path) -> None:
    """A loss of power leaves an address behind, where another broker may listen by now."""
    one, other = folder / "one", folder / "other"
    with start_kafka(one, kafka_jars) as mine:
        left = (one / "address").read_text()
        mine.kill()
        other.mkdir()
        shutil.copy(one / "server.properties", other)
        with start_kafka(other, kafka_jars) as running:
            assert running.brokers == mine.brokers
            for stale in (left, (other / "address").read_text(), running.brokers):
                (one / "address").write_text(stale)
                assert _find_running(one) is None
            with pytest.raises(EmbeddedError, match="Kafka did not start"):
                mine.restart()
            assert not (one / "address").exists()
            assert answers(running.port)


def test_a_process_that_has_the_brokers_id_by_now_is_not_killed(kafka: EmbeddedKafka) -> None:
    with subprocess.Popen(["sleep", "1000"], cwd=kafka.folder) as other:
        try:
            kafka.pid, pid = other.pid, kafka.pid
            kafka._born -= 3600
            kafka.kill()
            assert other.poll() is None
            assert pid is not None
            assert not psutil.pid_exists(pid)
        finally:
            other.kill()
            kafka.restart()


def kafka_jars_of(kafka: EmbeddedKafka) -> Path:
    assert kafka._jars is not None
    return kafka._jars.parent


@pytest.mark.parametrize("how", [None, signal.SIGTERM, signal.SIGKILL], ids=["at its end", "SIGTERM", "SIGKILL"])
def test_the_broker_ends_with_its_owner_and_the_next_finds_the_data(
    folder: Path, kafka_jars: Path, how: signal.Signals | None
) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder), str(kafka_jars)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    pid, port = map(int, owner.stdout.readline().split())
    assert answers(port)
    if how is not None:
        owner.send_signal(how)
    owner.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the broker outlives its owner"
        time.sleep(0.1)
    assert (folder / "data" / "meta.properties").exists()


def test_a_broker_that_cannot_start_says_why(folder: Path, kafka_jars: Path) -> None:
    with start_kafka(folder, kafka_jars):
        pass
    meta = folder / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))
    with pytest.raises(EmbeddedError, match=r"Kafka did not start: .*node"):
        start_kafka(folder, kafka_jars)


def test_without_maven_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmbeddedError, match="install the package maven"):
        fetch_jars(folder)


def test_jars_that_are_not_the_pinned_ones_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("mvn") is None:
        pytest.skip("no Maven: install the package maven")
    monkeypatch.setattr(kafka_programs, "JARS_DIGEST", "0" * 64)
    with pytest.raises(EmbeddedError, match="not the pinned ones"):
        fetch_jars(folder)
    assert list(folder.iterdir()) == []


def test_a_java_that_is_too_old_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = folder / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    monkeypatch.setattr(kafka_programs, "JAVA_REQUIREMENTS", folder / "none.txt")
    monkeypatch.setattr(kafka_programs, "find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match="failed"):
        find_java()
