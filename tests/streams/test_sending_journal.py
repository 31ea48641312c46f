"""Sending the journal: everything reaches the bus, in order, once unless something crashed, with the bus away too."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.kafka import start_kafka
from deploy.embedded.postgres import start_postgres
from streams.bus import Bus, BusAway, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.jobs import sending_journal
from streams.jobs.sending_journal import run_sending_journal, send_unsent
from streams.journal.journal import Journal, open_journal
from streams.store.migrations import migrate
from streams.store.sessions import open_pool
from tests.patience import PATIENCE

Call = Callable[[], object]

ONE, OTHER = "prescriptions", "replies"
_names = itertools.count()


def messages(*numbers: int) -> list[Message]:
    return [Message(b"k", b"%d" % number, "a hospital") for number in numbers]


class Noting:
    """A bus that notes what was sent, and tells when so many messages went through, or one sending began or failed.

    ``before`` and ``behind`` are called around each sending.
    """

    def __init__(self, bus: Bus | None = None) -> None:
        self.bus = bus
        self.sent = list[tuple[str, Message]]()
        self.began, self.failed = asyncio.Event(), asyncio.Event()
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.behind: Callable[[], None] = lambda: None
        self._progress = asyncio.Condition()

    async def send(self, topic: str, messages: Sequence[Message], within: Any = None) -> None:
        assert within is None
        self.began.set()
        try:
            if self.before is not None:
                await self.before(topic)
            if self.bus is not None:
                await self.bus.send(topic, messages)
        except BaseException:
            self.failed.set()
            raise
        self.behind()
        async with self._progress:
            self.sent += [(topic, message) for message in messages]
            self._progress.notify_all()

    async def reached(self, count: int) -> None:
        async with self._progress, asyncio.timeout(PATIENCE):
            await self._progress.wait_for(lambda: len(self.sent) >= count)


class Sending:
    """A sender at work on a journal."""

    def __init__(self, journal: Journal, bus: Noting) -> None:
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(run_sending_journal(journal, bus, self.stop))

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, PATIENCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


async def left_in(folder: Path) -> list[tuple[str, Message]]:
    bus = Noting()
    async with open_journal(folder) as journal:
        while await send_unsent(journal, bus):
            pass
    return bus.sent


async def on_the_bus(bus: Bus, topic: str) -> list[bytes | None]:
    """Everything on a topic, read by a group of its own."""
    consumer = await bus.consumer(f"looking-{next(_names)}", topic, "m", None)
    found = list[bytes | None]()
    end = sum(count for (name, _), count in (await bus.ends()).items() if name == topic)
    async with asyncio.timeout(PATIENCE):
        while len(found) < end:
            batch = await consumer.fetch(10_000, 100_000_000, wait=1.0)
            if batch is not None:
                found += [record.value for record in batch.records]
                consumer.moved(batch)
    await consumer.close()
    return found


def values(*numbers: int) -> list[bytes | None]:
    return [message.value for message in messages(*numbers)]


# --- over each bus


async def stopped_and_started(folder: Path, noting: Noting, away: str, stop: Call, start: Call) -> None:
    """What is appended while the bus is away arrives once, behind what was sent before.

    ``away`` names the event by which a sending is known to have met a bus that is away.
    """
    bus = noting.bus
    assert bus is not None
    for topic in (ONE, OTHER):
        await bus.create_topic(topic, 1)
    async with open_journal(folder) as journal:
        sending = Sending(journal, noting)
        await journal.append(ONE, messages(*range(100)))
        await noting.reached(100)
        await asyncio.to_thread(stop)
        noting.began.clear()
        for number in range(100, 130):
            await journal.append(ONE, messages(number))
            await journal.append(OTHER, messages(number))
        await asyncio.wait_for(getattr(noting, away).wait(), PATIENCE)
        assert journal.state.records == 60
        assert not sending.task.done()
        await asyncio.to_thread(start)
        await noting.reached(160)
        await sending.end()
        assert journal.state.records == 0
    assert await left_in(folder) == []
    assert await on_the_bus(bus, ONE) == values(*range(130))
    assert await on_the_bus(bus, OTHER) == values(*range(100, 130))


async def test_with_postgres_stopped_and_started_nothing_is_lost_or_sent_twice(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory(prefix="fundwatch-tests-") as name, start_postgres(Path(name)) as server:
        await migrate(server.dsn)
        async with open_pool(server.dsn) as pool:
            servers = [server]
            noting, start = Noting(PostgresBus(pool)), lambda: servers.append(start_postgres(Path(name)))
            await stopped_and_started(folder, noting, "failed", server.stop, start)
        servers[-1].stop()
    assert "journal tried again: " in caplog.text


async def test_with_kafka_killed_and_started_nothing_is_lost_or_sent_twice(
    folder: Path, postgres_url: str, kafka_jars: Path
) -> None:
    """Its client goes on with a sending by itself once the broker is back, and numbers what it sent."""
    async with AsyncExitStack() as ending:
        name = ending.enter_context(tempfile.TemporaryDirectory(prefix="fundwatch-kafka-"))
        kafka = ending.enter_context(start_kafka(Path(name), kafka_jars))
        pool = await ending.enter_async_context(open_pool(postgres_url))
        bus = KafkaBus(pool, KafkaAddress(kafka.brokers, prefix=f"test-{os.getpid()}-"))
        ending.push_async_callback(bus.close)
        await stopped_and_started(folder, Noting(bus), "began", kafka.kill, kafka.restart)


@pytest.fixture
async def bus(postgres_url: str) -> AsyncIterator[Bus]:
    async with open_pool(postgres_url) as pool:
        bus = PostgresBus(pool)
        for topic in (ONE, OTHER):
            await bus.create_topic(topic, 1)
        yield bus


async def test_a_process_that_died_between_sending_and_marking_sends_that_batch_again_and_loses_nothing(
    folder: Path, tmp_path: Path, bus: Bus
) -> None:
    left = tmp_path / "left"
    noting = Noting(bus)
    async with open_journal(folder) as journal:
        await journal.append(ONE, messages(*range(700)))
        assert await send_unsent(journal, noting) == 500
        noting.behind = lambda: shutil.copytree(folder, left)
        assert await send_unsent(journal, noting) == 200
    again = await left_in(left)
    assert again == [(ONE, message) for message in messages(*range(500, 700))]
    assert await on_the_bus(bus, ONE) == values(*range(700))


# --- in parts


@pytest.mark.parametrize("again", [False, True], ids=["in the same process", "in the next one"])
async def test_of_topics_that_alternate_what_was_acknowledged_is_not_sent_again(folder: Path, again: bool) -> None:
    bus, tried = Noting(), list[str]()

    async def fail_once(topic: str) -> None:
        tried.append(topic)
        if len(tried) == 2:
            raise BusAway("x")

    bus.before = fail_once
    async with open_journal(folder) as journal:
        for topic, number in ((ONE, 1), (ONE, 2), (OTHER, 3), (ONE, 4)):
            await journal.append(topic, messages(number))
        with pytest.raises(BusAway):
            await send_unsent(journal, bus)
        if not again:
            assert await send_unsent(journal, bus) == 1
            assert await send_unsent(journal, bus) == 0
            assert journal.state.records == 0
    async with open_journal(folder) as journal:
        await journal.append(ONE, messages(5))
        while await send_unsent(journal, bus):
            pass
        assert journal.state.records == 0
    assert tried == [ONE, OTHER, OTHER, ONE]
    assert [of for topic, of in bus.sent if topic == ONE] == messages(1, 2, 4, 5)
    assert [of for topic, of in bus.sent if topic == OTHER] == messages(3)
    assert await left_in(folder) == []


async def test_where_a_topic_alone_is_left_behind_the_mark_goes_on_once_it_is_sent(folder: Path) -> None:
    """The process died between marking the last topic and marking all."""
    async with open_journal(folder) as journal:
        await journal.append(ONE, messages(1))
        await journal.append(OTHER, messages(2))
        kept = await journal.unsent()
        for topic in (ONE, OTHER):
            await journal.sent_up_to(kept[-1].position, topic)
    async with open_journal(folder) as journal:
        assert journal.state.records == 2
        assert await journal.unsent() == []
        assert journal.state.records == 0
        await journal.append(ONE, messages(3))
        assert [of.message for of in await journal.unsent()] == messages(3)


async def test_pauses_grow_while_the_bus_is_away_and_begin_anew_once_it_is_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, pauses = Noting(), list[float]()
    away = [True] * 8 + [False, True, False]

    async def answer(_topic: str) -> None:
        if away.pop(0):
            raise BusAway("x")

    async def note(_stop: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)

    bus.before = answer
    monkeypatch.setattr(sending_journal, "_wait", note)
    async with open_journal(folder) as journal:
        sending = Sending(journal, bus)
        await journal.append(ONE, messages(1))
        await bus.reached(1)
        await journal.append(ONE, messages(2))
        await bus.reached(2)
        await sending.end()
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0.1]


async def test_an_error_that_does_not_pass_by_itself_ends_the_sender_and_marks_nothing(folder: Path, bus: Bus) -> None:
    async with open_journal(folder) as journal:
        await journal.append("no such topic", messages(1))
        with pytest.raises(LookupError):
            await asyncio.wait_for(run_sending_journal(journal, bus, asyncio.Event()), PATIENCE)
        assert journal.state.records == 1


async def test_told_to_stop_it_ends_its_sending_and_sends_nothing_again_later(folder: Path) -> None:
    bus, reached, go = Noting(), asyncio.Event(), asyncio.Event()

    async def hold(_topic: str) -> None:
        reached.set()
        await go.wait()

    bus.before = hold
    async with open_journal(folder) as journal:
        sending = Sending(journal, bus)
        await journal.append(ONE, messages(*range(600)))
        await reached.wait()
        sending.stop.set()
        go.set()
        await sending.end()
        assert len(bus.sent) == 500
    assert await left_in(folder) == [(ONE, message) for message in messages(*range(500, 600))]


async def test_a_sender_that_waits_for_messages_stops_at_once(folder: Path) -> None:
    bus = Noting()
    async with open_journal(folder) as journal:
        sending = Sending(journal, bus)
        await journal.append(ONE, messages(1))
        await bus.reached(1)
        await sending.end()
    assert bus.sent == [(ONE, *messages(1))]


async def test_a_bus_that_hangs_at_the_end_is_left_and_its_batch_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus, reached = Noting(), asyncio.Event()

    async def hang(_topic: str) -> None:
        reached.set()
        await asyncio.Event().wait()

    bus.before = hang
    monkeypatch.setattr(sending_journal, "_LAST_SECONDS", 0.01)
    async with open_journal(folder) as journal:
        sending = Sending(journal, bus)
        await journal.append(ONE, messages(1))
        await reached.wait()
        await sending.end()
    assert await left_in(folder) == [(ONE, *messages(1))]
