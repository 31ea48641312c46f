"""Who sent how much is counted with the messages, once; who falls silent is noticed, by a clock of the test's own."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from casework.sight import Sight
from casework.silence import MINUTES_A_DAY, State, instant_of, minute_of
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import day_of
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.events.replies import Reply
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.acts.silences import MuteRefused, SenderUnknown, mute, unmute
from streams.bus import Batch, Fenced, Lag, Message, Record
from streams.handlers import accepting
from streams.handlers.events import EventsHandler
from streams.hosts.service import open_service
from streams.jobs.noticing import notice, read_until
from streams.jobs.retention import keep_sendings
from streams.messages.codec import encode_event
from streams.pipeline.sendings import LATE_AFTER, TRUSTED, SendingHour, Sent
from streams.store.intake import senders, sendings
from streams.store.intake.senders import Sender, SenderFilter, SenderRow
from streams.store.sessions import Connection, Pool, borrowed, connect, open_pool
from streams.store.transport import offsets
from streams.topics import CLAIMS, JUDGES, PRESCRIPTIONS, REPLIES
from tests.casework.senders import MONDAY

from .bad_messages import claim as good_claim
from .replay import VAULT, until_done
from .silent import Idle, fill, keep
from .test_orders import asked

NOW = datetime(2026, 3, 4, 16, 30, tzinfo=UTC)
"""Half past midnight of 2026-03-05 in China."""
HOUSES = ("H1", "H2", "H3")


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    async with open_pool(postgres_url) as opened:
        yield opened


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(accepting, "now", lambda: NOW)
        patched.setattr(sendings, "KEPT", timedelta(days=100 * 365))
        yield


# --- what is counted


def raw_messages(random: Random) -> list[tuple[str, dict[str, Any] | bytes]]:
    """Messages of three institutions by topic: good, again, with other content, and some that are no events."""
    found: list[tuple[str, dict[str, Any] | bytes]] = []
    for number in range(120):
        data = {**good_claim(number), "institution": random.choice(HOUSES), "patient": f"p{number % 9}"}
        happened = NOW - timedelta(hours=random.choice((1, 3, 23, 25, 40)))
        arrived = random.choice((None, NOW - timedelta(minutes=random.randrange(3_600)), NOW + timedelta(hours=1)))
        data |= {"happened_at": happened.isoformat(), "settled_at": happened.isoformat()}
        if arrived is not None:
            data["received_at"] = arrived.isoformat()
        found.append((CLAIMS, data))
        if number % 7 == 0:
            found.append((CLAIMS, dict(data)))
        if number % 11 == 0:
            found.append((CLAIMS, {**data, "visit_type": "12"}))
        if number % 13 == 0:
            found.append((CLAIMS, {**data, "event_id": f"bad:{number}", "lines": [{"line_id": "1"}]}))
    found += [(CLAIMS, b"{"), (CLAIMS, json.dumps({"kind": "claim", "institution": 7}).encode())]
    for number in range(40):
        at = NOW - timedelta(minutes=random.randrange(2_000))
        told = {"happened_at": at, "institution": random.choice(HOUSES), "phase": random.choice(("before", "during"))}
        found.append((PRESCRIPTIONS, json.loads(encode_event(asked(f"r{number}", advice=None, **told)))))
        reply = Reply(f"a{number}", "420281", "reply", at, "s", random.choice(HOUSES), f"w{number}", "continue")
        found.append((REPLIES, json.loads(encode_event(reply))))
    return found


def counted_here(messages: list[tuple[str, dict[str, Any] | bytes]]) -> dict[tuple[str, str, date, int], list[int]]:
    """What each institution sent of each kind in each hour, counted from the messages as they are."""
    seen: dict[str, dict[str, Any]] = {}
    found: dict[tuple[str, str, date, int], list[int]] = {}
    for topic, data in messages:
        if isinstance(data, bytes):
            continue
        kind = {CLAIMS: "claim", REPLIES: "3103"}.get(topic) or {"before": "3101", "during": "3102"}[data["phase"]]
        is_whole = topic != CLAIMS or all("amount" in line for line in data["lines"])
        if is_whole and seen.get(data["event_id"]) == data:
            continue
        is_new = is_whole and data["event_id"] not in seen
        told = data.get("received_at") or (None if topic == CLAIMS else data["happened_at"])
        at = NOW if told is None or not is_whole else datetime.fromisoformat(told)
        at = at if NOW - timedelta(days=2) <= at <= NOW else NOW
        china = at.astimezone(UTC) + timedelta(hours=8)
        row = found.setdefault((data["institution"], kind, china.date(), china.hour), [0, 0, 0, 0])
        if is_new:
            seen[data["event_id"]] = data
            row[0] += 1
            row[2] += at - datetime.fromisoformat(data["happened_at"]) > timedelta(days=1)
            row[3] |= 1 << china.minute
        else:
            row[1] += 1
    return found


async def stored(connection: Connection) -> dict[tuple[str, str, date, int], list[int]]:
    rows = await connection.fetch("select * from sendings")
    assert {row["area"] for row in rows} <= {"*"}
    return {
        (row["institution"], row["kind"], row["day"], row["hour"]): [
            row["received"],
            row["refused"],
            row["late"],
            row["minutes"],
        ]
        for row in rows
    }


async def send(dsn: str, rule_set: RuleSet, messages: list[tuple[str, dict[str, Any] | bytes]]) -> None:
    async with open_service(dsn, rule_set, VAULT) as service:
        await service.start()
        for topic in (CLAIMS, PRESCRIPTIONS, REPLIES):
            await service.bus.send(topic, [message_of(data) for to, data in messages if to == topic])
        await until_done(service)


def message_of(data: dict[str, Any] | bytes) -> Message:
    if isinstance(data, bytes):
        return Message(b"k", data, "test")
    return Message(str(data.get("patient", data.get("warning_id"))).encode(), json.dumps(data).encode(), "test")


@pytest.mark.usefixtures("stopped_clock")
async def test_what_was_sent_is_counted_as_the_messages_say_and_once(postgres_url: str, rule_set: RuleSet) -> None:
    messages = raw_messages(Random(1))
    expected = counted_here(messages)
    await send(postgres_url, rule_set, messages)
    connection = await connect(postgres_url)
    assert await stored(connection) == expected
    sums = [sum(column) for column in zip(*[row[:3] for row in expected.values()], strict=True)]
    assert sums[0] == await connection.fetchval(
        "select (select count(*) from events) + (select count(*) from prescriptions) + (select count(*) from replies)"
    )
    assert sums[1] == await connection.fetchval("select count(*) - 2 from dead_letters"), "two tell no sender"
    assert min(sums) > 5
    last = await connection.fetchval("select max(last_at) from sendings where minutes > 0")
    assert last == NOW
    good = [(topic, data) for topic, data in messages if not isinstance(data, bytes)]
    first = {str(data["event_id"]): (topic, data) for topic, data in reversed(good)}
    again = [sent for sent in first.values() if "bad" not in str(sent[1]["event_id"])]
    await send(postgres_url, rule_set, again)
    assert await stored(connection) == expected
    await connection.close()


@pytest.mark.usefixtures("stopped_clock")
async def test_a_batch_that_is_given_again_counts_once(postgres_url: str, pool: Pool, rule_set: RuleSet) -> None:
    """Its transaction was lost, or it was committed and the worker did not hear of it."""
    async with open_service(postgres_url, rule_set, VAULT) as service:
        handler = EventsHandler(service.rule_sets, VAULT)
    connection = await connect(postgres_url)
    taken = await offsets.take(connection, JUDGES, CLAIMS, 0, "tests", None, timedelta(minutes=5))
    assert taken is not None
    lease, start = taken
    records = [Record(start + n, b"k", json.dumps(good_claim(n)).encode(), "test") for n in range(5)]
    batch = Batch(lease, start, records)

    class PowerCut(Exception):
        pass

    async def handle_and_fail() -> None:
        async with connection.transaction():
            await handler.handle(connection, batch)
            raise PowerCut

    with pytest.raises(PowerCut):
        await handle_and_fail()
    assert await stored(connection) == {}
    await handler.handle(connection, batch)
    counted = await stored(connection)
    assert [row[0] for row in counted.values()] == [5]
    with pytest.raises(Fenced):
        await handler.handle(connection, batch)
    assert await stored(connection) == counted
    await connection.close()


async def test_workers_of_several_partitions_add_to_one_hour(pool: Pool) -> None:
    """In any order, and neither waits for the other for good."""
    hours = [SendingHour(f"H{n}", "claim", MONDAY, 9) for n in range(2_000)]

    async def write(order: list[SendingHour], minute: int) -> None:
        async with borrowed(pool) as connection:
            for _ in range(5):
                async with connection.transaction():
                    sent = {at: Sent(1, 0, 0, 1 << minute, minute_of(NOW) + minute) for at in order}
                    await sendings.save_sendings(connection, sent)

    await asyncio.gather(write(hours, 3), write(hours[::-1], 40), write(hours[900:] + hours[:900], 59))
    async with borrowed(pool) as connection:
        rows = await connection.fetch("select received, minutes from sendings")
    assert Counter(map(tuple, rows)) == {(15, 1 << 3 | 1 << 40 | 1 << 59): 2_000}


def test_what_is_late_and_what_is_believed_stands_in_words() -> None:
    assert timedelta(days=1) == LATE_AFTER
    assert timedelta(days=2) == TRUSTED


# --- who falls silent

TODAY = MONDAY + 56


def at(hour: int, minute: int = 0, day: int = TODAY) -> datetime:
    return instant_of(day * MINUTES_A_DAY + hour * 60 + minute)


async def states(pool: Pool, now: datetime, **chosen: Any) -> dict[str, State]:
    async with borrowed(pool) as connection:
        rows = await senders.find_senders(connection, SenderFilter(**chosen), Sight(day_of(now)), 0, 100)
    return {row.sender.institution: row.state for row in rows}


async def row_of(pool: Pool, institution: str, now: datetime) -> SenderRow:
    async with borrowed(pool) as connection:
        (row,) = await senders.find_senders(
            connection, SenderFilter(institution=institution), Sight(day_of(now)), 0, 100
        )
    return row


async def test_a_busy_house_is_missed_within_minutes_and_a_village_room_in_the_evening(pool: Pool) -> None:
    bus = Idle()
    async with borrowed(pool) as connection:
        await fill(connection, "busy", "county hospital", TODAY, 600)
        await fill(connection, "village", "village room", TODAY, 600)
        await keep(connection, "new", TODAY - 9, range(540, 545))
    assert await notice(pool, bus, at(10, 3)) == at(10, 3)  # type: ignore[arg-type]
    assert await states(pool, at(10, 3)) == {"busy": "usual", "new": "learning", "village": "usual"}
    await notice(pool, bus, at(10, 20))  # type: ignore[arg-type]
    assert await states(pool, at(10, 20)) == {"busy": "quiet", "new": "learning", "village": "usual"}
    row = await row_of(pool, "busy", at(10, 20))
    assert row.last_at is not None
    assert row.alarming_since is not None
    assert timedelta(minutes=5) < row.alarming_since - row.last_at < timedelta(minutes=20)
    assert (row.expected or 0) > 1_000
    async with borrowed(pool) as connection:
        await keep(connection, "busy", TODAY, [621])
    await notice(pool, bus, at(10, 22))  # type: ignore[arg-type]
    assert await states(pool, at(10, 22)) == {"busy": "usual", "new": "learning", "village": "usual"}
    await notice(pool, bus, at(18))  # type: ignore[arg-type]
    assert (await states(pool, at(18)))["village"] == "usual"
    await notice(pool, bus, at(23))  # type: ignore[arg-type]
    assert (await states(pool, at(23)))["village"] == "quiet"
    async with borrowed(pool) as connection:
        counts = await senders.count_states(connection, TODAY)
        assert {(of.kind, of.state): of.senders for of in counts} == {("claim", "learning"): 1, ("claim", "quiet"): 2}


async def test_what_we_did_not_read_is_nobodys_silence(pool: Pool) -> None:
    bus = Idle()
    async with borrowed(pool) as connection:
        await fill(connection, "busy", "county hospital", TODAY, 600)
    bus.lag = Lag(JUDGES, CLAIMS, 0, 5, 9, None, at(10, 1))
    assert await notice(pool, bus, at(11)) == at(10, 1)  # type: ignore[arg-type]
    assert await states(pool, at(11)) == {"busy": "usual"}
    bus.lag = Lag(JUDGES, CLAIMS, 0, 5, 9, None, None)
    assert await notice(pool, bus, at(11)) is None  # type: ignore[arg-type]
    bus.lag = Lag("leads", "findings", 0, 5, 9, None, at(10, 1))
    assert await notice(pool, bus, at(11)) == at(11)  # type: ignore[arg-type]
    assert await states(pool, at(11)) == {"busy": "quiet"}


def test_up_to_when_is_read_what_is_sent() -> None:
    behind, abreast = Lag("g", "t", 0, 1, 5, None, at(9)), Lag("g", "t", 1, 5, 5, None, None)
    assert read_until([abreast], at(10)) == at(10)
    assert read_until([abreast, behind], at(10)) == at(9)
    assert read_until([behind, replace(behind, waiting_since=None)], at(10)) is None


async def test_a_holiday_of_all_alarms_nobody_and_is_remembered(pool: Pool) -> None:
    """Twelve clinics that are closed on a day on which they never were; one that stays away the day after is missed."""
    bus = Idle()
    async with borrowed(pool) as connection:
        for number in range(12):
            await fill(connection, f"clinic {number}", "clinic", TODAY, 0)
    await notice(pool, bus, at(17))  # type: ignore[arg-type]
    async with borrowed(pool) as connection:
        assert [*map(tuple, await connection.fetch("select kind, day from thin_days"))] == [
            ("claim", date.fromordinal(TODAY))
        ]
    assert set((await states(pool, at(17))).values()) == {"usual"}
    async with borrowed(pool) as connection:
        for number in range(1, 12):
            await keep(connection, f"clinic {number}", TODAY + 1, [*range(480, 720), *range(840, 960)])
    await notice(pool, bus, at(8, 30, TODAY + 1))  # type: ignore[arg-type]
    assert (await states(pool, at(8, 30, TODAY + 1)))["clinic 0"] == "usual"
    await notice(pool, bus, at(18, 0, TODAY + 1))  # type: ignore[arg-type]
    assert (await states(pool, at(18, 0, TODAY + 1)))["clinic 0"] == "quiet"


async def test_while_nobody_is_heard_nothing_is_unlearnt(pool: Pool) -> None:
    bus = Idle()
    async with borrowed(pool) as connection:
        await fill(connection, "busy", "county hospital", TODAY, 600)
        await notice(pool, bus, at(11))  # type: ignore[arg-type]
        before = await connection.fetchrow("select norms, learnt_on from senders")
        for day in range(TODAY + 1, TODAY + 80):
            await notice(pool, bus, at(11, 0, day))  # type: ignore[arg-type]
            await keep_sendings(pool, day)
        assert await connection.fetchval("select count(*) from sendings") == 0
        assert await connection.fetchrow("select norms, learnt_on from senders") == before
    assert await states(pool, at(11, 0, TODAY + 79)) == {"busy": "quiet"}


async def test_names_that_were_made_up_are_forgotten(pool: Pool) -> None:
    async with borrowed(pool) as connection:
        await sendings.save_sendings(connection, {SendingHour("nobody", "3101", TODAY, 9): Sent(refused=3)})
        await fill(connection, "village", "village room", TODAY, 0)
        await notice(pool, Idle(), at(12))  # type: ignore[arg-type]
        assert await states(pool, at(12)) == {"nobody": "learning", "village": "usual"}
        await keep_sendings(pool, TODAY + 70)
        assert await connection.fetchval("select count(*) from sendings") == 1
        assert set(await states(pool, at(12))) == {"nobody", "village"}
        await keep_sendings(pool, TODAY + 71)
    assert set(await states(pool, at(12))) == {"village"}


async def test_only_one_process_judges_at_a_time(pool: Pool) -> None:
    async with borrowed(pool) as connection, connection.transaction():
        assert await senders.begin_judging(connection)
        assert await notice(pool, Idle(), at(12)) is None  # type: ignore[arg-type]
    assert await notice(pool, Idle(), at(12)) == at(12)  # type: ignore[arg-type]


async def test_a_closed_house_is_muted_with_a_reason_until_a_day_and_unmuted(pool: Pool) -> None:
    sender = Sender("*", "busy", "claim")
    sight = Sight(TODAY)
    async with borrowed(pool) as connection:
        await fill(connection, "busy", "county hospital", TODAY, 600)
        await notice(pool, Idle(), at(11))  # type: ignore[arg-type]
        await mute(connection, sender, date.fromordinal(TODAY + 2), " 停业装修 ", "wang", sight)
        assert await states(pool, at(11)) == {"busy": "muted"}
        row = await row_of(pool, "busy", at(11))
        assert row.mute is not None
        assert (row.mute.by, row.mute.reason) == ("wang", "停业装修")
        assert await states(pool, at(11, 0, TODAY + 2)) == {"busy": "muted"}
        assert await states(pool, at(11, 0, TODAY + 3)) == {"busy": "quiet"}
        await unmute(connection, sender, "li", sight)
        assert await states(pool, at(11)) == {"busy": "quiet"}
        rows = await connection.fetch("select by, act, about from audit_log order by seq")
        told = {"institution": "busy", "kind": "claim"}
        assert [(row["by"], row["act"], json.loads(row["about"])) for row in rows] == [
            ("wang", "muted_sender", {**told, "until": date.fromordinal(TODAY + 2).isoformat()}),
            ("li", "unmuted_sender", told),
        ]


async def test_what_is_no_mute_is_refused_and_noted_nowhere(pool: Pool) -> None:
    sender = Sender("*", "village", "claim")
    until = date.fromordinal(TODAY + 1)
    async with borrowed(pool) as connection:
        await fill(connection, "village", "village room", TODAY, 0)
        await notice(pool, Idle(), at(11))  # type: ignore[arg-type]
        for day, reason in ((TODAY - 1, "closed"), (TODAY + 366, "closed"), (TODAY + 1, "  ")):
            with pytest.raises(MuteRefused):
                await mute(connection, sender, date.fromordinal(day), reason, "wang", Sight(TODAY))
        elsewhere = Sight(TODAY, institutions=frozenset({"another"}))
        with pytest.raises(SenderUnknown):
            await mute(connection, sender, until, "closed", "wang", elsewhere)
        with pytest.raises(SenderUnknown):
            await mute(connection, Sender("*", "nobody", "claim"), until, "closed", "wang", Sight(TODAY))
        with pytest.raises(SenderUnknown):
            await unmute(connection, sender, "wang", Sight(TODAY))
        assert await connection.fetchval("select count(*) from audit_log") == 0


def test_requests_have_a_phase_each() -> None:
    assert isinstance(asked("a"), Prescription)
