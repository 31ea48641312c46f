"""A thousand bad messages and more among good ones, on both buses, into a worker process of its own.

Each has its one outcome with its reason, the good ones are as if alone, and the worker's memory stays flat (``pytest
-s`` prints it).
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Bus, Message
from streams.buses.kafka import KafkaAddress, KafkaBus
from streams.buses.postgres import PostgresBus
from streams.hosts.stations import create_topics
from streams.jobs.reconciling import reconcile
from streams.messages.codec import decode_event, encode_event
from streams.messages.vault import Vault
from streams.store.sessions import Connection, connect, open_pool
from streams.topics import CLAIMS, FINDINGS, JUDGES
from tests.patience import PATIENCE
from tests.reference.generators import mixed

from .bad_messages import SECRETS, all_bad, big_claim
from .disturbed import load_kept, unlike_reference, written_otherwise
from .more_bad_messages import more_bad, more_odd
from .worker_process import KEPT, SECRET

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 30
ROUNDS = 2
"""How often the bad ones come; the first time warms the process up, and memory may not grow from then on."""

MOST_GROWTH = 24 * 2**20
"""Bytes. The bad messages of a round come to 60 MB and more."""

MOST_OBJECTS = 500
"""What may be kept more; there are twice as many bad messages in a round, and none may leave anything."""

KEYS = (None, b"", b"\0\xff", b"420281/pseudonym")


@dataclass(frozen=True)
class Sent:
    """A message with what must become of it. Its source is a name of its own, so that the ledger tells of it alone."""

    message: Message
    outcome: str
    names: str = ""


@dataclass(frozen=True)
class Place:
    """A bus with the words that tell a worker process of it."""

    dsn: str
    bus: Bus
    words: list[str]


class Memory(NamedTuple):
    """What a worker keeps."""

    objects: int
    bytes: int

    def is_flat_since(self, before: "Memory") -> bool:
        return self.bytes - before.bytes < MOST_GROWTH and self.objects - before.objects < MOST_OBJECTS


@pytest.fixture(params=["postgres", "kafka"])
async def place(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[Place]:
    async with open_pool(postgres_url) as pool:
        if request.param == "postgres":
            bus: Bus = PostgresBus(pool)
            words: list[str] = []
        else:
            brokers, prefix = request.getfixturevalue("kafka_brokers"), "much-bad-input-"
            bus = KafkaBus(pool, KafkaAddress(brokers, prefix))
            words = ["--brokers", brokers, "--prefix", prefix]
        await create_topics(bus)
        yield Place(postgres_url, bus, words)
        await bus.close()


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    """Closed however the test ends: what one leaves open, the garbage collector finds in another."""
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


def _good(random: Random) -> list[Sent]:
    """Good messages, odd ones that are accepted, and what repeats or contradicts them, after them."""
    events = [event for seed in range(PEOPLE) for event in mixed(seed)]
    random.shuffle(events)
    first = [_sent(f"good {number}", event, encode_event(event), "accepted") for number, event in enumerate(events)]
    odd = [json.dumps(data).encode() for data in (*more_odd(), big_claim(50_000))]
    first += [_sent(f"odd {number}", decode_event(body), body, "accepted") for number, body in enumerate(odd)]
    again = [
        _sent(f"again {number}", event, written_otherwise(event, random), "duplicate")
        for number, event in enumerate(events[:60])
    ]
    again += [
        _sent(f"other {number}", event, encode_event(_contradicting(event, number)), "conflict", "event_id")
        for number, event in enumerate(events[60:120])
    ]
    random.shuffle(first)
    random.shuffle(again)
    return first + again


def _contradicting(event: Event, number: int) -> Event:
    """The same id with another content, in one field or another."""
    if isinstance(event, Claim) and number % 2:
        return replace(event, encounter_id=event.encounter_id + "x")
    return replace(event, sender=event.sender + "x")


def _sent(source: str, event: Event, body: bytes, outcome: str, names: str = "") -> Sent:
    return Sent(Message(f"{event.area}/{event.patient}".encode(), body, source), outcome, names)


def _bad(number: int) -> list[Sent]:
    """Every bad message, under keys good, empty and absent."""
    return [
        Sent(Message(KEYS[n % len(KEYS)], bad.body(n), f"round {number} {bad.kind} #{n}"), "dead", bad.names)
        for n, bad in enumerate([*all_bad(), *more_bad()])
    ]


async def test_a_thousand_bad_messages_leave_the_good_ones_and_the_memory_as_they_were(
    place: Place, connection: Connection, rule_set: RuleSet, tmp_path: Path
) -> None:
    random = Random(3)
    good, rounds = _good(random), [_bad(number) for number in range(ROUNDS)]
    assert len(rounds[0]) > 1000
    firsts = [*good, *rounds[0]]
    order = sorted(range(len(firsts)), key=lambda n: n if n < len(good) else random.randrange(len(good)))
    log = tmp_path / "worker.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.streams.worker_process", place.dsn, "--batch", "200", *place.words,
            "--topics", CLAIMS, FINDINGS,
            cwd=ROOT, stderr=said,
        )  # fmt: skip
        try:
            memory: list[Memory] = []
            sent: list[Sent] = []
            for together in ([firsts[n] for n in order], *rounds[1:]):
                sent += together
                await _send(place.bus, [one.message for one in together])
                await _until_read(connection, len(sent))
                memory.append(await _memory_of(process, log))
            # Its last batch is still in its hands for a moment; what is kept for good does not go.
            deadline = time.monotonic() + PATIENCE
            while not memory[-1].is_flat_since(memory[0]):
                assert time.monotonic() < deadline, memory
                memory[-1] = await _memory_of(process, log)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        finally:
            if process.returncode is None:
                process.kill()
    print(f"\n{len(sent)} messages, {sum(one.outcome == 'dead' for one in sent)} bad; worker's memory after each"
          f" round: {[f'{one.objects} objects, {one.bytes / 2**20:.0f} MB' for one in memory]}")  # fmt: skip
    await _assert_outcomes(connection, sent)
    await _assert_good_untouched(connection, sent, rule_set)
    _assert_nothing_leaks(log.read_text())


async def _send(bus: Bus, messages: list[Message]) -> None:
    for start in range(0, len(messages), 200):
        await bus.send(CLAIMS, messages[start : start + 200])


async def _memory_of(process: asyncio.subprocess.Process, log: Path) -> Memory:
    """What the worker says that it keeps now."""
    before, deadline = _told(log), time.monotonic() + PATIENCE
    process.send_signal(signal.SIGUSR1)
    while len(told := _told(log)) == len(before):
        assert time.monotonic() < deadline, "it does not say what it keeps"
        await asyncio.sleep(0.05)
    return told[-1]


def _told(log: Path) -> list[Memory]:
    lines = [line for line in log.read_text().splitlines(keepends=True) if line.startswith(KEPT)]
    return [Memory(*map(int, line.removeprefix(KEPT).split())) for line in lines if line.endswith("\n")]


async def _until_read(connection: Connection, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        read = await connection.fetchval(
            'select coalesce(sum(next), 0)::bigint from group_offsets where "group" = $1', JUDGES
        )
        if read == count:
            return
        assert time.monotonic() < deadline, f"{read} of {count} were read"
        await asyncio.sleep(0.05)


async def _assert_outcomes(connection: Connection, sent: list[Sent]) -> None:
    ledger = {row["source"]: row for row in await connection.fetch("select * from ledger")}
    letters = {row["source"]: row for row in await connection.fetch("select * from dead_letters")}
    assert len(ledger) == len(sent)
    for one in sent:
        row = ledger[one.message.source]
        counts = {name: row[name] for name in ("accepted", "duplicate", "conflict", "dead") if row[name]}
        assert counts == {one.outcome: 1}, one.message.source
    refused = {one.message.source: one for one in sent if one.outcome in ("conflict", "dead")}
    assert letters.keys() == refused.keys()
    for source, one in refused.items():
        reasons = json.loads(letters[source]["reasons"])
        assert any(reason.startswith(one.names) for reason in reasons), (source, reasons[:3])
        assert letters[source]["outcome"] == one.outcome
        assert letters[source]["key"] == one.message.key
        assert Vault(SECRET).open(letters[source]["body"]) == (one.message.value or b"")
        _assert_nothing_leaks("\n".join(reasons))
    account = await reconcile(connection)
    assert (account.lost, account.money_differs, account.received) == (0, Decimal(0), len(sent))


async def _assert_good_untouched(connection: Connection, sent: list[Sent], rule_set: RuleSet) -> None:
    kept = await load_kept(connection)
    accepted = [one.message.value or b"" for one in sent if one.outcome == "accepted"]
    assert _ids(event for events in kept.events.values() for event in events) == _ids(map(decode_event, accepted))
    assert unlike_reference(kept, rule_set) == {}
    assert len(kept.findings["420281"]) > PEOPLE


def _ids(events: Iterable[Event]) -> list[str]:
    return sorted(event.event_id for event in events)


def _assert_nothing_leaks(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
