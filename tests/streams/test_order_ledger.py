"""The ledger of orders in the store says what it says over all that is known, in whatever order that arrived."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import Day, as_date, day_of
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, NotAsked, Order, Prescription, WarnedOrder, Warning
from rules_lib.order_ledger import OrderLedger, Request, Said, ledger_of
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.hosts.service import Service, open_service
from streams.importers.sending import send_messages
from streams.jobs.keeping_orders import keep_all_touched, keep_touched
from streams.messages.codec import encode_event
from streams.messages.kinds import digest_of
from streams.store.sessions import Connection, borrowed, connect, open_pool
from tests.reference.cases import HBA1C, at, line, status, visit
from tests.reference.persons import person_names

from .replay import VAULT, replay, until_done
from .test_orders import asked, busy

BUSY = 60
SEED = 23


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


async def kept(url: str, events: Sequence[Event], source: str = "test") -> None:
    """Sends events, and writes the ledger of all whom they touch."""
    await replay(url, events, source)
    async with open_pool(url) as pool:
        await keep_all_touched(pool)


def advised(request: Prescription, random: Random) -> Prescription:
    """A request that was judged before it was answered, with a warning or none, or was not."""
    if random.random() < 0.3:
        return request
    about = random.choice(request.orders)
    orders = (WarnedOrder(about.order_id, about.item_code), *[WarnedOrder("o0", HBA1C, guilty=False)])
    said = Warning(f"{request.area}-{request.event_id}-1", "FW10000003", 2, ("p", HBA1C), orders, "2", "1", "1")
    warnings = (said,) if random.random() < 0.6 else ()
    return replace(request, advice=Advice(f"code-{request.event_id}", request.happened_at, "f", "set", 3, warnings))


def people() -> Iterator[list[Event]]:
    for number in range(BUSY):
        random = Random(SEED + number)
        known, last = busy(number, random)
        yield [advised(of, random) if isinstance(of, Prescription) else of for of in [*known, last]]


Rows = dict[str, set[tuple[Any, ...]]]


def rows_of(ledger: OrderLedger, names: dict[int, str], area: str) -> Rows:
    """A ledger in words that do not depend on arrival numbers."""
    return {
        "orders": {
            (
                area,
                of.patient,
                *(word or "" for word in of.key),
                as_date(of.day),
                names[of.holds],
                frozenset(names[seq] for seq in of.asked_by),
                of.answered,
                of.warnings,
                of.place and (*of.place.line[1:], of.place.how),
            )
            for of in ledger.orders
        },
        "lines": {
            (area, *of.key, of.patient, as_date(of.day), of.order.order_id, of.order.item_code or "", of.how)
            for of in ledger.lines
        },
        "days": {(area, of.patient, of.institution, as_date(of.day), of.lines, of.asked) for of in ledger.days},
    }


def expected(events: Sequence[Event]) -> Rows:
    """What the ledger says of everybody, over all of their events."""
    by_id = {(event.area, event.event_id): event for event in events}
    by_person: dict[tuple[str, str], list[Event]] = defaultdict(list)
    asking: dict[str, dict[str, Day]] = defaultdict(dict)
    for area in {event.area for event in events}:
        own = [event for event in by_id.values() if event.area == area]
        names = person_names(own)
        for event in own:
            by_person[area, names[event.patient]].append(event)
            if isinstance(event, Prescription):
                day = day_of(event.happened_at)
                asking[area][event.institution] = min(day, asking[area].get(event.institution, day))
    found: Rows = {"orders": set(), "lines": set(), "days": set()}
    for (area, _), own in by_person.items():
        numbers = {n: event.event_id for n, event in enumerate(own)}
        requests = [request(n, event) for n, event in enumerate(own) if isinstance(event, Prescription)]
        claims = [event for event in own if isinstance(event, Claim)]
        digests = [digest for claim in claims if isinstance(digest := digest_of(claim), ClaimDigest)]
        order_ids = {claim.event_id: [of.order_id for of in claim.lines] for claim in claims}
        ledger = ledger_of(requests, digests, order_ids, asking[area])
        for kind, rows in rows_of(ledger, numbers, area).items():
            found[kind] |= rows
    return found


def request(number: int, event: Prescription) -> Request:
    advice = event.advice
    if advice is None or advice.rule_set is None:
        judged = "not judged" if advice is None else "late"
        return Request(number, prescription_digest(event), advice.code if advice else event.event_id, judged)  # type: ignore[arg-type]
    said = [
        Said(of.warning_id, {(o.order_id, o.item_code) for o in of.orders if o.guilty}, of.repeats)
        for of in advice.warnings
    ]
    return Request(number, prescription_digest(event), advice.code, "in time", said)


async def stored(connection: Connection) -> Rows:
    names = dict(await connection.fetch("select seq, event_id from prescriptions"))
    orders = await connection.fetch("select * from order_entries")
    lines = await connection.fetch("select * from order_lines")
    days = await connection.fetch("select area, patient, institution, day, lines, asked from order_days")
    return {
        "orders": {
            (
                of["area"],
                of["patient"],
                of["institution"],
                of["encounter_id"],
                of["order_id"],
                of["item_code"],
                of["day"],
                names[of["holds"]],
                frozenset(names[seq] for seq in of["asked_by"]),
                of["answered"],
                tuple(of["warnings"]),
                None if of["how"] is None else (of["billed_encounter"], of["billed_line"], of["how"]),
            )
            for of in orders
        },
        "lines": {
            tuple(
                of[name]
                for name in (
                    "area", "institution", "encounter_id", "line_id", "patient", "day", "order_id", "item_code", "how"
                )
            )
            for of in lines
        },
        "days": {tuple(of) for of in days},
    }  # fmt: skip


async def test_in_whatever_order_all_arrives(postgres_url: str, connection: Connection) -> None:
    """In pieces, after each of which the ledger is written, and some of it twice."""
    told = [event for events in people() for event in events]
    assert any(of.area != told[0].area for of in told)
    Random(SEED).shuffle(told)
    third = len(told) // 3
    for number, piece in enumerate((told[:third], told[third : 2 * third], told[2 * third :], told[:third])):
        await kept(postgres_url, piece, f"piece-{number}")
    found, due = await stored(connection), expected(told)
    assert found == due
    answered = {row[9] for row in due["orders"]}
    assert answered == {"in time", "not judged"}
    assert sum(row[10] != () for row in due["orders"]) > BUSY / 3, "hardly any order was warned of"
    assert {row[-1] for row in due["lines"]} == {"order", "item and day"}
    assert sum(row[-1] for row in due["days"]) > BUSY, "hardly any line was asked about"
    assert sum(row[-2] - row[-1] for row in due["days"]) > BUSY, "hardly any line was never asked about"


async def test_who_asks_first_after_bills_came_has_those_since_counted(
    postgres_url: str, connection: Connection
) -> None:
    await kept(postgres_url, [visit("a", line("1", HBA1C, "03-02")), visit("b", line("1", HBA1C, "03-01"))])
    assert (await stored(connection))["days"] == set()
    later, first = asked("late", happened_at=at("03-05")), asked("first", patient="p9")
    await kept(postgres_url, [later], "later")
    assert (await stored(connection))["days"] == set()
    await kept(postgres_url, [first], "first")
    assert [(str(row[3]), *row[4:]) for row in (await stored(connection))["days"]] == [("2026-03-02", 1, 0)]


async def test_a_bill_that_comes_while_an_institution_asks_first_is_not_missed(
    postgres_url: str, connection: Connection, rule_set: RuleSet
) -> None:
    """The batch of the bill saw nobody asking, and ends only after the institution asked."""
    bill, question = visit("a", line("1", HBA1C, "03-02")), asked("first", patient="p9")
    async with open_service(postgres_url, rule_set, VAULT) as service:
        await service.start()
        holding = connection.transaction()
        await holding.start()
        await connection.execute("lock table findings in access exclusive mode")
        await sent(service, bill)
        await until(service, "select exists (select from pg_locks where not granted and locktype = 'relation')")
        await sent(service, question)
        await until(
            service,
            """
            select exists (select from pg_locks where not granted and locktype = 'advisory')
                or exists (select from prescriptions) and not exists (select from touched_orders)
            """,
        )
        await holding.rollback()
        await until_done(service)
        await keep_all_touched(service.pool)
    assert [row[4:] for row in (await stored(connection))["days"]] == [(1, 0)]


async def sent(service: Service, event: Event) -> None:
    async for _ in send_messages(service.pool, service.bus, event.event_id, event.event_id, [encode_event(event)]):
        pass


async def until(service: Service, says: str) -> None:
    """Waits until a question to the store is answered with true."""
    async with borrowed(service.pool) as connection:
        while not await connection.fetchval(says):
            await asyncio.sleep(0.05)


async def test_persons_who_are_joined_and_parted_have_a_ledger_each_time(
    postgres_url: str, connection: Connection
) -> None:
    """A line names an order of the same institution that another pseudonym was asked about."""
    bill = visit("a", line("1", HBA1C, "03-02", order_id="o1"), patient="p2")
    events: list[Event] = [asked("a"), bill]
    await kept(postgres_url, events)
    assert (await stored(connection))["lines"] == set()
    merge = status("m", "03-03", "merge", patient="p1", same_as="p2")
    await kept(postgres_url, [merge], "merge")
    assert {row[4:7:2] for row in (await stored(connection))["lines"]} == {("p2", "o1")}
    assert await stored(connection) == expected([*events, merge])
    unmerge = status("u", "03-04", "unmerge", patient="p1", same_as="p2")
    await kept(postgres_url, [unmerge], "unmerge")
    assert (await stored(connection))["lines"] == set()


async def test_what_was_judged_late_was_told_nobody(postgres_url: str, connection: Connection) -> None:
    """The second request repeats an examination: judged when it is stored, under the receipt that was given."""
    bill = visit("a", line("1", HBA1C, "03-01"), encounter_id="other")
    late = asked("a", advice=Advice("code", at("03-02"), not_asked=(NotAsked("FW10000003", "time"),)))
    await kept(postgres_url, [bill], "first")
    await kept(postgres_url, [late], "then")
    (row,) = await connection.fetch("select answered, warnings, untold from order_entries")
    assert (row["answered"], row["warnings"]) == ("late", [])
    assert row["untold"] == [await connection.fetchval("select warning_id from warnings")]


async def test_a_warning_in_one_encounter_of_a_message_is_of_orders_in_another(
    postgres_url: str, connection: Connection
) -> None:
    orders = (WarnedOrder("o1", HBA1C), WarnedOrder("o2", HBA1C), WarnedOrder("o3", HBA1C, guilty=False))
    warning = Warning("w-1", "FW10000003", 2, ("p1", HBA1C, "2026-03-02"), orders, "2", "1", "100.00")
    here = asked("m:1", advice=Advice("code", at("03-02"), "f", "set", 7, (warning,)))
    there = [
        asked(
            f"m:{number}",
            encounter_id=f"v{number}",
            advice=Advice(code, at("03-02"), "f", "set", 7),
            orders=(Order(order_id, "1", "100.00", at("03-02"), HBA1C),),
        )
        for number, code, order_id in ((2, "code", "o2"), (3, "code", "o3"), (4, "another", "o2"))
    ]
    await kept(postgres_url, [here, *there])
    rows = await connection.fetch("select encounter_id, warnings from order_entries order by 1")
    assert [tuple(row) for row in rows] == [("v1", ["w-1"]), ("v2", ["w-1"]), ("v3", []), ("v4", [])]


async def test_what_says_the_same_changes_no_row(postgres_url: str, connection: Connection) -> None:
    events: list[Event] = [asked("a"), visit("a", line("1", HBA1C, "03-02", order_id="o1"))]
    await kept(postgres_url, events)
    before = await connection.fetch("select xmin, ctid, * from order_entries")
    await connection.execute("insert into touched_orders (area, patient) values ('420281', 'p1')")
    assert await keep_touched(connection) == 1
    assert await connection.fetch("select xmin, ctid, * from order_entries") == before
