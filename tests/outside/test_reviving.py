"""An embedded server that dies under its owner is started again, with a bound, and said; so is a child that starts."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import asyncpg
import pytest

from deploy import runtime
from deploy.embedded.folders import is_server
from deploy.embedded.kafka import _free_ports, start_kafka
from deploy.embedded.postgres import EmbeddedPostgres, _is_running, start_postgres
from deploy.embedded.postgres_programs import EmbeddedError
from deploy.runtime import MOST_STARTS, ChildEnded, end_child, keep_child, keep_running
from streams.store.sessions import connect
from tests.deploy.test_serving import until_read, until_ready
from tests.outside.test_environment import fundwatch
from tests.patience import PATIENCE


def _server_pid(server: EmbeddedPostgres) -> int:
    return int((server.folder / "data" / "postmaster.pid").read_text().split()[0])


async def _until_answers(dsn: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                connection = await connect(dsn)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.1)
            else:
                await connection.close()
                return


async def test_a_database_that_is_killed_is_started_again_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "MOST_REVIVALS", 2)
    stop = asyncio.Event()
    with start_postgres(tmp_path / "postgres") as server:
        keeping = asyncio.create_task(keep_running("PostgreSQL", server, stop))
        for number in (1, 2):
            killed = _server_pid(server)
            os.kill(killed, signal.SIGKILL)
            await _until_said(caplog, number)
            assert _server_pid(server) != killed
            await _until_answers(server.dsn)
        os.kill(_server_pid(server), signal.SIGKILL)
        with pytest.raises(EmbeddedError, match="keeps dying"):
            await asyncio.wait_for(keeping, PATIENCE)
        stop.set()


async def _until_said(caplog: pytest.LogCaptureFixture, times: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum("died and was started again" in message for message in caplog.messages) < times:
            await asyncio.sleep(0.05)


async def test_of_two_who_use_a_server_the_one_that_stays_revives_it(tmp_path: Path) -> None:
    owner = start_postgres(tmp_path / "postgres")
    guest = start_postgres(tmp_path / "postgres")
    assert not guest.is_owner
    os.kill(_server_pid(owner), signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while _is_running(owner.folder):
            await asyncio.sleep(0.05)
    assert not guest.revive(), "the owner does that"
    owner.stop()
    assert guest.revive()
    await _until_answers(guest.dsn)
    assert not guest.revive()
    guest.stop()


async def test_a_server_that_is_to_end_is_not_started_again(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "postgres") as server:
        pass
    assert not server.revive()


def test_a_broker_that_is_killed_is_started_again(tmp_path: Path, kafka_jars: Path) -> None:
    with start_kafka(tmp_path / "kafka", kafka_jars) as kafka:
        assert not kafka.revive()
        killed, port = kafka.pid, kafka.port
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert kafka._keeper is not None
        kafka._keeper.wait(PATIENCE)
        assert kafka.revive()
        assert (kafka.pid != killed, kafka.port) == (True, port)


def test_up_starts_a_database_and_a_broker_again_that_are_killed_under_it(
    home: Path, lend_jars: Callable[[Path], None]
) -> None:
    """Its worker works on."""
    lend_jars(home / "kafka")
    desk, worker = _free_ports()
    ours = {
        "FUNDWATCH_HOME": str(home),
        "FUNDWATCH_PORT": str(desk),
        "FUNDWATCH_METRICS_PORT": str(worker),
        "FUNDWATCH_BUS": "kafka",
    }
    said = home / "said"
    with (
        said.open("wb") as output,
        Popen([sys.executable, "-m", "deploy.commands", "up"], env=os.environ | ours, stderr=output) as command,
    ):
        try:
            until_read(worker, "fundwatch_partition_owned", 1, many=11)
            for name, find in (("PostgreSQL", _find_postgres), ("Kafka", _find_kafka)):
                killed = find(home)
                os.kill(killed, signal.SIGKILL)
                _until_told(said, f"the embedded {name} died and was started again", command)
                assert find(home) != killed
                until_ready(desk)
                until_read(worker, "fundwatch_partition_owned", 1, many=11)
                done = fundwatch(home, "lag", "--json", FUNDWATCH_BUS="kafka")
                assert done.returncode == 0, done.stderr.decode()
            command.send_signal(signal.SIGTERM)
            assert command.wait(PATIENCE) == 0, said.read_text()
            assert "a child gave up" not in said.read_text()
        finally:
            end_child(command)


def _find_postgres(home: Path) -> int:
    """The id of the server of this very home."""
    pid, born = (home / "postgres" / "birth").read_text().split()
    assert is_server(int(pid), float(born), home / "postgres" / "data")
    return int(pid)


def _find_kafka(home: Path) -> int:
    _, pid, born = (home / "kafka" / "address").read_text().split()
    assert is_server(int(pid), float(born), home / "kafka")
    return int(pid)


def _until_told(said: Path, words: str, command: "Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while words not in said.read_text():
        assert command.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.1)


def _children(tmp_path: Path, script: str) -> "tuple[list[Popen[bytes]], Callable[[], Popen[bytes]]]":
    """Children that run a script of the shell, in the order in which they are started."""
    started: list[Popen[bytes]] = []

    def start() -> "Popen[bytes]":
        started.append(Popen(["bash", "-c", script], cwd=tmp_path, start_new_session=True))
        return started[-1]

    return started, start


async def test_a_child_that_gives_up_while_it_starts_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its database was away just then, and comes back."""
    started, start = _children(tmp_path, "test -e back || { touch back; exit 1; }; exec sleep 1000")
    stop = asyncio.Event()
    keeping = asyncio.create_task(keep_child(start, stop))
    async with asyncio.timeout(PATIENCE):
        while len(started) < 2:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(keeping, PATIENCE)
    assert [child.poll() for child in started] == [1, -signal.SIGTERM]
    assert sum("is started again" in message for message in caplog.messages) == 1


@pytest.mark.parametrize(("script", "times"), [("exit 1", MOST_STARTS), ("kill -KILL $$", 1)])
async def test_a_child_that_keeps_giving_up_or_is_killed_ends_its_parent(
    tmp_path: Path, script: str, times: int
) -> None:
    started, start = _children(tmp_path, script)
    with pytest.raises(ChildEnded):
        await asyncio.wait_for(keep_child(start, asyncio.Event()), PATIENCE)
    assert len(started) == times
