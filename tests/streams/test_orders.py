"""Requests about orders enter the store apart from events; what is said of the next is as over all that is known."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import microseconds
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, NotAsked, Order, Prescription, WarnedOrder, Warning, guilty_of
from knowledge_base.events.replies import Reply
from knowledge_base.findings import finding_id
from knowledge_base.subjects import patient
from rules_lib.asking import Known, Said, judge_orders
from rules_lib.histories.orders import Replied
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.handlers.asking import ask
from streams.hosts.service import open_service
from streams.jobs.reconciling import reconcile
from streams.messages.codec import decode_event, encode_event
from streams.messages.kinds import KINDS, digest_of
from streams.store.events.overrides import find_figures
from streams.store.events.warned import WarningFilter, find_place, find_warnings
from streams.store.sessions import Connection, connect
from streams.topics import CLAIMS, PRESCRIPTIONS
from tests.reference.cases import HBA1C, NURSING, OZAGREL, at, line, visit
from tests.reference.generators import mixed, persons
from tests.reference.judge import RULE_IDS
from tests.reference.persons import person_names

from .replay import EVERYTHING, VAULT, replay, until_done

PEOPLE = 20
BUSY = 400
SEED = 15


@pytest.fixture(scope="module")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    connection = await connect(postgres_url)
    yield connection
    await connection.close()


def request_of(claim: Claim, name: str) -> Prescription:
    """What a hospital asked an hour after the last line of a claim, before it billed it."""
    asked_at = max([line.at for line in claim.lines], default=claim.settled_at) + timedelta(hours=1)
    orders = [
        Order(line.line_id, line.quantity, line.amount, line.at, line.item_code, item_kind=line.item_kind)
        for line in claim.lines
        if not line.quantity.startswith("-")
    ]
    told = {name: getattr(claim, name) for name in ("sex", "birth_date", "admitted_at", "diagnoses", "operations")}
    return Prescription(
        event_id=name,
        area=claim.area,
        kind="prescription",
        happened_at=asked_at,
        sender=claim.sender,
        phase="before",
        encounter_id=claim.encounter_id,
        patient=claim.patient,
        institution=claim.institution,
        visit_type=claim.visit_type,
        orders=tuple(orders),
        **told,
    )


def people() -> Iterator[list[Event]]:
    """Some who meet several rules and some who are aimed at each, in areas of their own, and those of a county."""
    for seed in range(PEOPLE):
        yield [replace(event, area=f"42{seed:04}") for event in mixed(seed)]
        for number, rule_id in enumerate(RULE_IDS):
            yield [replace(event, area=f"41{number:02}{seed:04}") for event in persons(seed, rule_id)]
    county = list(simulate(CountyPlan(scale=1 / 4000)))
    names = person_names(county)
    by_person: dict[str, list[Event]] = defaultdict(list)
    for event in county:
        by_person[names[event.patient]].append(event)
    yield from by_person.values()


def ordered_first(events: Sequence[Event], random: Random) -> tuple[list[Event], Prescription] | None:
    """A person's events, half of their claims asked about first, of these some never billed; and a last request.

    Bills name their orders, or do not.
    """
    claims = [event for event in events if isinstance(event, Claim) and event.reverses is None and event.lines]
    if not claims:
        return None
    asked = request_of(max(claims, key=lambda claim: claim.happened_at), "last")
    known: list[Event] = []
    for event in events:
        if not isinstance(event, Claim) or random.random() < 0.5:
            known.append(event)
            continue
        known.append(request_of(event, f"asked-{event.event_id}"))
        if random.random() < 0.7:
            lines = [replace(of, order_id=of.line_id if random.random() < 0.5 else None) for of in event.lines]
            known.append(replace(event, lines=tuple(lines)))
    return known, asked


def over_all(known: Sequence[Event], asked: Prescription, rule_set: RuleSet) -> Said:
    """What is said over everything that was told of the person."""
    by_id = {event.event_id: event for event in known}
    told = [event for event in by_id.values() if not isinstance(event, Reply)]
    names = person_names([*told, asked])
    own = [event for event in told if names[event.patient] == names[asked.patient]]
    replied = [of for event in by_id.values() if isinstance(event, Reply) for of in as_replied(event, own)]
    digests = [digest_of(event) for event in own if not isinstance(event, Prescription)]
    requests = [prescription_digest(event) for event in own if isinstance(event, Prescription)]
    order_ids = {event.event_id: [of.order_id for of in event.lines] for event in own if isinstance(event, Claim)}
    rules = rule_set.of("patient", asked.phase)
    subject = patient(names[asked.patient])
    return judge_orders(subject, [prescription_digest(asked)], Known(digests, requests, order_ids, replied), rules)


def as_replied(reply: Reply, events: Sequence[Event]) -> Iterator[Replied]:
    """A reply as one to the orders in question in the warning that it names."""
    for event in events:
        warnings = event.advice.warnings if isinstance(event, Prescription) and event.advice is not None else ()
        for warning in warnings:
            if (warning.warning_id, event.institution) == (reply.warning_id, reply.institution):
                at, changes = microseconds(reply.happened_at), reply.way == "change"
                yield Replied(
                    reply.warning_id, reply.institution, guilty_of(warning.orders), changes, at, reply.event_id
                )


def replied_to(known: Sequence[Event], random: Random) -> Iterator[Event]:
    """What is known, with warnings said of half of the requests, and up to three replies to each, one of another."""
    for event in known:
        if not isinstance(event, Prescription) or random.random() < 0.5:
            yield event
            continue
        about = random.choice(event.orders)
        name = f"{event.area}-{event.event_id}"
        orders = (WarnedOrder(about.order_id, about.item_code), WarnedOrder("o0", HBA1C, guilty=False))
        said = Warning(name, "FW10000003", 2, (event.patient, HBA1C), orders, "2", "1", "1")
        yield replace(event, advice=Advice(name, event.happened_at, "f", "set", 3, (said,)))
        for number in range(random.randrange(4)):
            yield Reply(
                f"{name}-{number}",
                event.area,
                "reply",
                event.happened_at + timedelta(hours=random.randrange(72)),
                "s",
                random.choice((event.institution, event.institution, event.institution, "Z")),
                name,
                random.choice(("change", "change", "continue")),
            )


def told(said: Said) -> list[tuple[object, ...]]:
    return sorted((of.finding.maker_id, of.finding.occurrence, of.finding, of.orders) for of in said.warnings)


ITEMS = (HBA1C, OZAGREL, NURSING)


def busy(number: int, random: Random) -> tuple[list[Event], Prescription]:
    """Somebody with requests and bills over four months, few items and few numbers, so that much meets.

    Half of the bills name an order of any encounter, and half of all lines are paid by the patient.
    """
    area, first = f"43{number:04}", date(2026, 2, 1)
    places, visits, numbers = random.choice(("A", "AB")), random.randrange(1, 4), random.randrange(2, 7)
    items = random.sample(ITEMS, random.randrange(1, 4))

    def instant(days: int) -> datetime:
        return at((first + timedelta(days=days)).isoformat(), f"{random.randrange(8, 18):02}:00")

    def asked(name: str, day: int) -> Prescription:
        orders = []
        for _ in range(random.randrange(1, 4)):
            item, begins = random.choice(items), day - random.choice((0, 0, 0, 3, 40))
            stops = instant(begins + random.randrange(0, 12)) if random.random() < 0.3 else None
            own = random.choice(("0", "100"))
            order = Order(
                f"o{random.randrange(numbers)}", "1", "100", instant(begins), item, item_kind="drug", own_pay=own
            )
            orders.append(replace(order, stops_at=stops, standing=random.random() < 0.2))
        place = {"institution": random.choice(places), "encounter_id": f"v{random.randrange(visits)}"}
        told = {"phase": "before", "sex": "1", "diagnoses": (), "operations": (), "visit_type": "11", **place}
        return Prescription(
            f"{name}",
            area,
            "prescription",
            instant(day) + timedelta(hours=12),
            "s",
            patient="p",
            orders=tuple(orders),
            **told,
        )

    def billed(name: str, day: int) -> Claim:
        lines = []
        for index in range(random.randrange(1, 3)):
            names = f"o{random.randrange(numbers)}" if random.random() < 0.5 else None
            scope = random.choice(("0", "100"))
            told = {"item_kind": "drug", "order_id": names, "in_fund_scope": scope}
            lines.append(ClaimLine(f"{name}-{index}", "1", "100", instant(day), random.choice(items), **told))
        place = {"institution": random.choice(places), "encounter_id": f"v{random.randrange(visits)}"}
        told = {"visit_type": "11", "sex": "1", "diagnoses": (), "operations": (), "mid_stay": random.random() < 0.8}
        settled = instant(day + random.randrange(0, 60))
        return Claim(
            name,
            area,
            "claim",
            settled,
            "s",
            name,
            patient="p",
            settled_at=settled,
            lines=tuple(lines),
            paid=Paid("50"),
            **told,
            **place,
        )

    days = sorted(random.randrange(120) for _ in range(12))
    known = [asked(f"r{n}", day) if random.random() < 0.6 else billed(f"c{n}", day) for n, day in enumerate(days)]
    return known, asked("last", random.randrange(100, 125))


async def test_what_is_read_says_the_same_as_all_that_is_known(
    postgres_url: str, connection: Connection, rule_set: RuleSet
) -> None:
    random = Random(SEED)
    asking = [one for events in people() if (one := ordered_first(events, random)) is not None]
    for number in range(BUSY):
        events, asked = busy(number, random)
        asking.append(([*replied_to(events, random)], asked))
    sent = [event for known, _ in asking for event in known]
    await replay(postgres_url, sent)
    kept = await connection.fetchval("select count(*) from prescriptions")
    assert kept == len({(of.area, of.event_id) for of in sent if isinstance(of, Prescription)})
    warned = counting = placed = seen = 0
    for known, asked in asking:
        judged = await ask(
            connection, asked.area, [prescription_digest(asked)], (), {}, rule_set.of("patient", asked.phase)
        )
        expected = over_all(known, asked, rule_set)
        assert told(judged.said) == told(expected), asked.area
        assert {*judged.said.orders.by_line} == {*expected.orders.by_line}, asked.area
        seen += judged.as_of > 0
        warned += len(expected.warnings)
        own = {asked.event_id}
        counting += any(of.event_id not in own for of in judged.said.orders.claims)
        placed += bool(judged.said.orders.places)
    assert warned > PEOPLE / 3, "hardly anything was warned of, so hardly anything was compared"
    assert counting > PEOPLE / 4, "hardly any earlier order counted"
    assert seen > PEOPLE, "hardly anything was known of anybody"
    assert placed > PEOPLE / 4, "hardly any order was billed"


async def test_a_request_costs_one_statement_unless_an_order_began_long_ago(
    postgres_url: str, connection: Connection, rule_set: RuleSet
) -> None:
    """With what bills say that they were ordered as, and what was asked before."""
    earlier = asked("a")
    lines = [line("l1", HBA1C, "03-09", order_id="o1"), line("l2", HBA1C, "03-20", order_id="another")]
    bills = [visit(f"c{number}", of, happened_at=at("03-20")) for number, of in enumerate(lines)]
    await replay(postgres_url, [earlier, *bills])
    now = at("03-25")
    standing = Order("o3", "1", "100.00", at("01-02"), HBA1C, standing=True)
    sent: list[object] = []
    connection.add_query_logger(sent.append)
    for order, statements in ((Order("o2", "1", "100.00", now, HBA1C), 1), (standing, 2)):
        request = prescription_digest(asked("b", happened_at=now, orders=(order,)))
        sent.clear()
        judged = await ask(connection, "420281", [request], (), {}, rule_set.of("patient", "before"))
        await asyncio.sleep(0)  # the driver tells its loggers in the next round of the loop
        assert len(sent) == statements
        assert {key.order_id: (place.line[2], place.how) for key, place in judged.said.orders.places.items()} == {
            "o1": ("l1", "order")
        }


# --- how requests enter


def asked(name: str, **fields: object) -> Prescription:
    """A request about one examination, answered with a warning."""
    warning = Warning(
        f"{name}-1", "FW10000003", 2, ("p1", HBA1C, "2026-03-02"), (WarnedOrder("o1", HBA1C),), "2", "1", "100.00"
    )
    told: dict[str, object] = {
        "event_id": name,
        "area": "420281",
        "kind": "prescription",
        "happened_at": at("03-02"),
        "sender": "A",
        "phase": "before",
        "encounter_id": "v1",
        "patient": "p1",
        "institution": "A",
        "visit_type": "11",
        "orders": (Order("o1", "1", "100.00", at("03-02"), HBA1C),),
        "advice": Advice(f"{name}-code", at("03-02"), "f", "set", 7, (warning,), (NotAsked("FW10000005", "time"),)),
        **fields,
    }
    return Prescription(**told)  # type: ignore[arg-type]


def test_a_request_is_read_as_it_was_written() -> None:
    assert decode_event(encode_event(asked("a"))) == asked("a")


async def test_a_request_enters_once_with_what_was_answered(postgres_url: str, connection: Connection) -> None:
    await replay(postgres_url, [asked("a"), asked("a"), asked("a", encounter_id="v2"), asked("b", advice=None)])
    rows = await connection.fetch("select * from prescriptions order by event_id")
    assert [(row["event_id"], row["code"], row["rule_set"], row["as_of"]) for row in rows] == [
        ("a", "a-code", "set", 7),
        ("b", None, None, None),
    ]
    assert rows[0]["not_asked"] == ["FW10000005"]
    (warning,) = await connection.fetch("select * from warnings")
    assert warning["finding_id"] == finding_id("420281", "FW10000003", ("p1", HBA1C, "2026-03-02"))
    assert (warning["seq"], warning["in_question"]) == (rows[0]["seq"], 100)
    account = await reconcile(connection)
    assert (account.received, account.lost, account.money_differs) == (4, 0, 0)
    (source,) = account.sources
    assert (source.accepted, source.duplicate, source.conflict, source.dead) == (2, 1, 1, 0)


async def test_a_warning_is_listed_with_what_was_done_and_found(postgres_url: str, connection: Connection) -> None:
    """Of several replies the latest; of others' replies none; a finding of the same occurrence, while it is open."""

    def reply(name: str, way: Any, **fields: Any) -> Reply:
        told = {"institution": "A", "warning_id": "a-1", **fields}
        return Reply(name, "420281", "reply", at("03-03"), "A", way=way, **told)

    occurrence = ("p1", HBA1C, "2026-03-02")
    await replay(postgres_url, [asked("a"), asked("b", encounter_id="v2")])
    listed = await find_warnings(connection, WarningFilter(), EVERYTHING, 10)
    assert [(of.warning_id, of.way, of.found) for of in listed] == [("b-1", None, False), ("a-1", None, False)]
    assert (await find_figures(connection, WarningFilter(institution="A"), EVERYTHING, 0)).total.unanswered == 2
    replies = [reply("r1", "change"), reply("r2", "continue"), reply("r3", "change", institution="B")]
    for one in replies:
        await replay(postgres_url, [one], one.event_id)
    await connection.execute(
        """
        insert into lead_findings
            (area, finding_id, lead_id, person, rule_id, version, is_open, severity, last_day, body)
        values ('420281', $1, 'lead', 'p1', 'FW10000003', 1, true, 1, '2026-03-02', '{}')
        """,
        finding_id("420281", "FW10000003", occurrence),
    )
    chosen = WarningFilter(institution="A", rule="FW10000003", after=await find_place(connection, "b-1"))
    listed = await find_warnings(connection, chosen, EVERYTHING, 10)
    assert [(of.warning_id, of.way, of.found) for of in listed] == [("a-1", "continue", True)]
    total = (await find_figures(connection, WarningFilter(), EVERYTHING, 0)).total
    assert (total.told, total.continued, total.unanswered, total.found) == (2, 1, 1, 1)
    assert await find_warnings(connection, WarningFilter(institution="B"), EVERYTHING, 10) == []


async def test_a_message_on_another_ones_topic_is_a_dead_letter(postgres_url: str, rule_set: RuleSet) -> None:
    """Sent past the importer, which reads the topic off the kind."""
    claim = next(event for event in mixed(1) if isinstance(event, Claim))
    async with open_service(postgres_url, rule_set, VAULT) as service:
        await service.start()
        await service.bus.send(CLAIMS, [Message(b"k", encode_event(asked("a")), "wrong")])
        await service.bus.send(PRESCRIPTIONS, [Message(b"k", encode_event(claim), "wrong")])
        await until_done(service)
    connection = await connect(postgres_url)
    rows = await connection.fetch("select topic, reasons from dead_letters order by topic")
    await connection.close()
    assert [tuple(row) for row in rows] == [
        (CLAIMS, '["kind: expected on topic prescriptions"]'),
        (PRESCRIPTIONS, '["kind: expected on topic claims"]'),
    ]


async def test_a_request_changes_no_finding(postgres_url: str, connection: Connection) -> None:
    """Rules of the phase after see claims alone."""
    events = [event for seed in range(10) for event in mixed(seed)]
    await replay(postgres_url, events)
    before = await connection.fetch("select finding_id, version from findings order by 1, 2")
    requests = [request_of(event, f"r{n}") for n, event in enumerate(events) if isinstance(event, Claim)]
    await replay(postgres_url, requests, "again")
    assert len(before) > 10
    assert await connection.fetch("select finding_id, version from findings order by 1, 2") == before
    assert await connection.fetchval("select count(*) from prescriptions") == len(requests)


def test_orders_are_no_money() -> None:
    assert KINDS["prescription"].money(asked("a")) == 0
