"""What hospitals of the small county asked before they billed, stored as a worker stores it."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import asyncpg

from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import day_of
from knowledge_base.events.claims import Department
from knowledge_base.events.prescriptions import Advice, NotAsked, Order, Prescription, WarnedOrder, Warning
from knowledge_base.events.replies import Reply
from knowledge_base.findings import Finding
from rules_lib.rule_files import load_rule_set
from streams.bus import Record
from streams.messages.codec import encode_event
from streams.pipeline.arrivals import Arrival, arrival_of, incoming_of
from streams.store.events.order_ledger import save_asking
from streams.store.events.prescriptions import save_late, save_prescriptions
from streams.store.events.replies import save_replies
from tests.api.story import AREA, BED, COUNTY, HBA1C, TODAY, TOWN, VAULT, at, county, judged

BEDS, AGAIN = "FW10000001", "FW10000003"
BONES, INNER = Department("G01", "骨科"), Department("N02", "内科")
SET = "5e7" * 10
REASON = "患者张三病情需要"


def order(number: int, item: str = BED, amount: str = "30", day: date = TODAY, **more: Any) -> Order:
    return Order(f"o{number}", "1", amount, at(day, 8), item, **more)


def request(name: str, day: date, orders: Sequence[Order], **more: Any) -> Prescription:
    """What was asked at nine in the morning, and answered with a receipt of its own; ``more`` changes anything."""
    words: dict[str, Any] = {
        "area": AREA,
        "sender": "sim",
        "phase": "before",
        "encounter_id": f"v-{name}",
        "patient": f"p-{name}",
        "institution": COUNTY,
        "visit_type": "21",
        "department": BONES,
        "practitioner": "D1",
        "happened_at": at(day, 9),
        "advice": Advice(f"R{name}", at(day, 9), "f", SET, 7),
    }
    return Prescription(event_id=name, kind="prescription", orders=tuple(orders), **(words | more))


def warning(name: str, occurrence: Sequence[str], *orders: Order, rule: str = BEDS, **more: Any) -> Warning:
    """A warning that accuses orders, each with all its money."""
    accused = tuple(WarnedOrder(of.order_id, of.item_code, of.amount) for of in orders)
    money = str(sum(float(of.amount) for of in orders))
    said = {BEDS: "床位费 6 日，住院 5 日，请核对。", AGAIN: "糖化血红蛋白 90 天内已做过，请核对。"}[rule]
    words: dict[str, Any] = {"value": "6", "limit": "5", "in_question": money, "said": said}
    return Warning(f"{AREA}-{name}", rule, 1, tuple(occurrence), accused, **(words | more))


def advised(code: str, when: datetime, *warnings: Warning) -> Advice:
    return Advice(code, when, "f", SET, 7, warnings)


def unasked(code: str, when: datetime, *rules: str) -> Advice:
    """An answer that had to be given before the rules had their say."""
    return Advice(code, when, "f", not_asked=tuple(NotAsked(rule, "超时 / out of time") for rule in rules))


def reply(name: str, to: Warning, way: str, when: datetime, reason: str | None = None, **more: Any) -> Reply:
    sealed = None if reason is None else VAULT.seal(reason.encode()).decode()
    words: dict[str, Any] = {"area": AREA, "sender": "sim", "institution": COUNTY, "happened_at": when}
    return Reply(f"r-{name}", kind="reply", warning_id=to.warning_id, way=way, reason=sealed, **(words | more))


Event = Prescription | Reply


async def save_asked(connection: asyncpg.Connection, events: Iterable[Event]) -> None:
    """Stores requests and replies in their order, each with an arrival number of its own."""
    for event in events:
        seq = await connection.fetchval(
            """
            insert into event_ids (area, event_id, content_hash, seq)
            select $1, $2, '', coalesce(max(seq), 0) + 1 from event_ids returning seq
            """,
            event.area,
            event.event_id,
        )
        if isinstance(event, Reply):
            await save_replies(connection, event.area, {seq: (_arrival(event), event)})
        else:
            await save_prescriptions(connection, event.area, {seq: (_arrival(event), event)})
            await save_asking(connection, event.area, {event.institution: day_of(event.happened_at)})


async def save_judged_late(connection: asyncpg.Connection, of: Prescription, *warnings: Warning) -> None:
    """What the rules say of a stored request that was answered without."""
    seq = await connection.fetchval("select seq from event_ids where area = $1 and event_id = $2", of.area, of.event_id)
    assert of.advice is not None
    await save_late(connection, of.area, {seq: (of, advised(of.advice.code, of.happened_at, *warnings))})


def _arrival(event: Event) -> Arrival:
    return arrival_of(incoming_of(Record(0, b"k", encode_event(event), "sim"), event, None, b""))


def findings_of_county() -> list[Finding]:
    """The findings of the county, those on bed days first."""
    judgements = judged(county(), load_rule_set(load_facts()))
    return sorted((of for j in judgements.values() for of in j.findings), key=lambda of: (of.maker_id, of.occurrence))


async def save_month(connection: asyncpg.Connection) -> None:
    """A month at the county's hospital and a day in the town: told and answered, told before, judged too late."""
    found = [of for of in findings_of_county() if of.maker_id == BEDS]
    for number in range(44):
        day = TODAY - timedelta(days=number % 28)
        occurrence = found[number].occurrence if number < 8 else (f"p{number}", COUNTY, f"v{number}")
        said = warning(f"W{number}-1", occurrence, order(number))
        where = {"department": INNER if number % 8 == 7 else BONES}
        asked = request(f"W{number}", day, [order(number)], advice=advised(f"RW{number}", at(day, 9), said), **where)
        await save_asked(connection, [asked])
        if number % 9 != 8:
            way = "continue" if number % 3 == 0 else "change"
            reason = REASON if number % 6 == 0 else None
            await save_asked(connection, [reply(f"W{number}", said, way, at(day, 9) + timedelta(minutes=2), reason)])
    first = warning("W0-1", (), order(0))
    again = warning("A1-1", found[0].occurrence, order(0), repeats=first.warning_id)
    told_again = request("A1", TODAY, [order(0)], advice=advised("RA1", at(TODAY, 9), again))
    late = request("L1", TODAY, [order(1)], advice=unasked("RL1", at(TODAY, 9), BEDS))
    hba1c = order(1, HBA1C, "60")
    of_town = warning("T1-1", ("p-T1", HBA1C, "2026-04-19"), hba1c, rule=AGAIN)
    town = request("T1", TODAY, [hba1c], institution=TOWN, phase="during", advice=advised("RT1", at(TODAY, 9), of_town))
    await save_asked(connection, [told_again, late, town])
    await save_judged_late(connection, late, warning("L1-1", ("p-L1", COUNTY, "v-L1"), order(1)))
