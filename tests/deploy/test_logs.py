"""Logs: one JSON object a line with known fields, and nothing of what stood in a message, whoever logs it."""

import asyncio
import gc
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.logs import FIELDS, configure_logs, describe_error
from deploy.settings import Settings
from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from streams.bus import Batch, Message
from streams.buses.postgres import PostgresBus
from streams.hosts.service import Service
from streams.hosts.stations import Station, create_topics
from streams.importers import UnreadableInput
from streams.importers.jsonl import read_messages
from streams.messages.vault import Vault
from streams.pipeline.reports import Report
from streams.store.sessions import Connection, borrowed, open_pool
from streams.topics import CLAIMS, JUDGES
from tests.patience import PATIENCE
from tests.streams.bad_messages import SECRETS, all_bad, claim

VAULT_KEY = "k" * 32


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged as JSON from now on; afterwards logging is as it was."""
    root, ours, hook = logging.getLogger(), logging.getLogger("fundwatch"), sys.excepthook
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers = []
    stream = io.StringIO()
    configure_logs(Settings(logs="json", log_level="debug"), stream)
    yield stream
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def assert_tells_nothing(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


def body(number: int) -> bytes:
    return json.dumps(claim(number), ensure_ascii=False).encode()


# --- a worker as it is run


def test_a_worker_that_meets_bad_input_logs_json_and_no_secret(postgres_url: str, tmp_path: Path) -> None:
    bad = [Message(b"x", one.body(number), "bad") for number, one in enumerate(all_bad())]
    good = [Message(b"x", body(number), "good") for number in range(10_000, 10_020)]
    environment = {
        **os.environ,
        "FUNDWATCH_HOME": str(tmp_path),
        "FUNDWATCH_DATABASE_URL": postgres_url,
        "FUNDWATCH_VAULT_KEY": VAULT_KEY,
        "FUNDWATCH_LOGS": "json",
        "FUNDWATCH_LOG_LEVEL": "debug",
    }
    command = [sys.executable, "-X", "dev", "-W", "ignore", "-m", "deploy.commands", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as worker:
        try:
            asyncio.run(_send_and_wait(postgres_url, bad + good))
            worker.send_signal(signal.SIGTERM)
            _, logged = worker.communicate(timeout=PATIENCE)
        finally:
            worker.kill()
    assert worker.returncode == 0, logged.decode()
    found = [json.loads(line) for line in logged.decode().splitlines()]
    assert_tells_nothing(logged.decode())
    assert all(set(line) <= set(FIELDS) for line in found)
    assert {line["worker"].rpartition("-")[2] for line in found} == {str(worker.pid)}
    taken = [line for line in found if line["message"] == "partition taken"]
    assert {(line["group"], line["topic"], line["partition"]) for line in taken} >= {(JUDGES, CLAIMS, 0)}
    batches = [line for line in found if line["message"] == "batch written" and line["topic"] == CLAIMS]
    assert sum(line["batch_size"] for line in batches) == len(bad + good)
    assert all(0 < line["seconds"] < 60 and line["logger"] == "fundwatch.worker" for line in batches)


async def _send_and_wait(dsn: str, messages: list[Message]) -> None:
    """Sends messages, and waits until the worker has read them all."""
    async with open_pool(dsn) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, messages)
        async with asyncio.timeout(PATIENCE):
            while not (lags := await bus.lags(JUDGES)) or sum(lag.next for lag in lags) < len(messages):
                await asyncio.sleep(0.1)


# --- errors that quote what they were given


class Quoting:
    """Handles nothing: the database and Python raise errors that quote the message."""

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        text = (batch.records[0].value or b"").decode()
        try:
            await connection.execute("select $1::text::numeric", text)
        except Exception as error:
            raise ValueError(text) from error
        raise AssertionError("the database takes no claim for a number")

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        assert_tells_nothing(reason)
        return await self.handle(connection, batch)


async def test_a_service_that_stops_by_an_error_tells_its_kind_and_place(postgres_url: str, lines: io.StringIO) -> None:
    vault = Vault(VAULT_KEY.encode())
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        await bus.send(CLAIMS, [Message(b"x", body(1), "s")])
        async with Service(postgres_url, pool, bus, load_rule_set(load_facts()), vault) as service:
            await service.start_station(Station(CLAIMS, lambda *_: Quoting()))
            await asyncio.wait_for(service.stop.wait(), PATIENCE)
            await asyncio.gather(*service.tasks, return_exceptions=True)
    assert service.failed
    (stopped,) = [line for line in read(lines) if line["level"] == "CRITICAL"]
    assert stopped["message"].startswith("stopped: ")
    assert "streams/hosts/worker.py" in stopped["message"]
    assert_tells_nothing(lines.getvalue())


async def test_a_handler_that_fails_on_one_record_logs_no_value(
    postgres_url: str, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses a row and quotes it; the record is buried, and the log is silent about it."""

    async def refuse(connection: Connection, area: str, arrivals: object) -> None:
        await connection.execute("select $1::text::numeric", "王某某 pseudonym-1")

    monkeypatch.setattr("streams.store.events.stored.save_events", refuse)
    vault = Vault(VAULT_KEY.encode())
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        await create_topics(bus)
        rule_set = load_rule_set(load_facts())
        await bus.send(CLAIMS, [Message(b"x", body(1), "s"), Message(b"x", body(2), "s")])
        async with Service(postgres_url, pool, bus, rule_set, vault) as service:
            await service.start()
            async with asyncio.timeout(PATIENCE):
                while sum(lag.next for lag in await bus.lags(JUDGES)) < 2:
                    await asyncio.sleep(0.05)
            service.stop.set()
            await asyncio.gather(*service.tasks)
        async with borrowed(pool) as connection:
            assert await connection.fetchval("select count(*) from dead_letters") == 2
    assert_tells_nothing(lines.getvalue())


def test_whatever_logs_an_error_its_text_is_left_out(lines: io.StringIO) -> None:
    try:
        try:
            int("王某某")
        except ValueError as cause:
            raise KeyError("13800138000") from cause
    except KeyError as error:
        foreign = logging.getLogger("some.library")
        foreign.exception("crashed: %r", error)
        foreign.error("crashed: %(error)s", {"error": error})
        foreign.error(f"crashed: {error}", exc_info=True, stack_info=True, extra={"row": "肺恶性肿瘤"})
        foreign.error(f"crashed: {error!r} from {error.__cause__!r}", exc_info=error)
    assert_tells_nothing(lines.getvalue())
    found = read(lines)
    assert [line["level"] for line in found] == ["ERROR"] * 4
    assert found[0]["message"] == "crashed: 'KeyError'"
    assert found[0]["error"] == "KeyError from ValueError"
    assert found[3]["message"] == "crashed: KeyError from ValueError"


def test_a_task_that_nobody_awaited_tells_no_value(lines: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError("王某某\n13800138000")

    async def leave_it() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait({task})

    asyncio.run(leave_it())
    gc.collect()
    (line,) = read(lines)
    assert line["logger"] == "asyncio"
    assert line["error"] == "ValueError"
    assert_tells_nothing(lines.getvalue())


def test_places_in_our_own_code_are_told_and_no_others() -> None:
    with pytest.raises(UnreadableInput) as raised, read_messages(Path("/nowhere/王某某.jsonl")):
        pass
    says = describe_error(raised.value)
    assert re.fullmatch(
        r"UnreadableInput at streams/importers/jsonl.py:\d+ \w+( < \S+ \w+)* from FileNotFoundError at \S+ \w+", says
    )
    assert_tells_nothing(says)
    assert "pathlib" not in says


def test_times_are_utc_and_levels_are_kept(lines: io.StringIO) -> None:
    logging.getLogger("fundwatch.worker").info("a")
    logging.getLogger("some.library").info("b")
    (line,) = read(lines)
    assert line["message"] == "a"
    assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)).total_seconds() < 60
    assert datetime.fromisoformat(line["time"]).tzinfo == UTC


def test_readable_lines_hide_the_same(lines: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logs(Settings(), stream)
    try:
        int("王某某")
    except ValueError:
        logging.getLogger("fundwatch.worker").exception("fenced on %s/%d", "claims", 1)
    logging.getLogger("fundwatch.bus").warning("partition taken", extra={"topic": "claims", "partition": 1})
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("Z ERROR fundwatch.worker: fenced on claims/1")
    assert second.strip() == "ValueError"
    assert third.endswith("Z WARNING fundwatch.bus: partition taken (topic=claims partition=1)")
    logging.getLogger("fundwatch.worker").info("not at this level")
    assert len(stream.getvalue().splitlines()) == 3


def test_an_error_that_nobody_caught_goes_the_same_way(tmp_path: Path) -> None:
    script = (
        "from deploy.logs import configure_logs; from deploy.settings import Settings;"
        "configure_logs(Settings(logs='json')); int('王某某')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line = json.loads(done.stderr)
    assert (line["level"], line["error"]) == ("CRITICAL", "ValueError")
    assert "王" not in done.stderr
