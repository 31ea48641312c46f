"""Whether billed lines were asked about before they were settled, and what was answered: read from the ledger of orders
(docs/what-counts.md, section 8)."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

import asyncpg

from casework.asked import Answer, Asked, BilledLine, Warned
from knowledge_base.events.prescriptions import guilty_of
from knowledge_base.findings import LineKey
from streams.store.events.prescriptions import decode_orders
from streams.store.events.replies import LATEST


async def find_asked(connection: asyncpg.Connection, area: str, lines: Collection[BilledLine]) -> dict[LineKey, Asked]:
    """What was answered about lines of an area before they were settled, by the name that a finding gives them; lines
    that nobody asked about are left out. One statement."""
    rows = await connection.fetch(
        f"""
        select line.place, o.order_id, nullif(o.item_code, '') as item_code, p.seq, p.code, p.asked_at, p.phase,
            p.as_of, p.not_asked, case when not p.judged_late then p.rule_set end as rule_set,
            w.rule_id, w.orders, w.warning_id, r.way, r.replied_at
        from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) with ordinality
            as line (institution, encounter_id, line_id, settled_at, place)
        join order_lines l on l.area = $1 and l.institution = line.institution
            and l.encounter_id = line.encounter_id and l.line_id = line.line_id
        join order_entries o on o.area = l.area and o.institution = l.institution
            and o.encounter_id = l.order_encounter and o.order_id = l.order_id and o.item_code = l.item_code
        cross join unnest(o.asked_by) as asking
        join prescriptions p on p.area = o.area and p.seq = asking and p.asked_at <= line.settled_at
        left join lateral (
            select of.area, of.institution, of.rule_id, of.orders, coalesce(of.repeats, of.warning_id) as warning_id
            from prescriptions together
            join warnings of on of.area = together.area and of.seq = together.seq and not of.late
            where together.area = p.area and (together.seq = p.seq or together.code = p.code)
        ) as w on true
        {LATEST}
        order by line.place, p.asked_at, p.event_id
        """,
        area,
        *_columns(lines),
    )
    together: dict[int, dict[int, list[asyncpg.Record]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        together[row["place"]][row["seq"]].append(row)
    ordered = list(lines)
    return {ordered[place - 1].key: tuple(map(_answer, of.values())) for place, of in together.items()}


def _columns(lines: Collection[BilledLine]) -> list[list[object]]:
    rows = [(*line.name, line.settled_at) for line in lines]
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]


def _answer(rows: list[asyncpg.Record]) -> Answer:
    """What a request said of an order, of which there is a row for each warning of its message."""
    first = rows[0]
    order = first["order_id"], first["item_code"]
    return Answer(
        code=first["code"],
        at=first["asked_at"],
        phase=first["phase"],
        rule_set=first["rule_set"],
        as_of=first["as_of"] or 0,
        not_asked=frozenset(first["not_asked"]),
        warned={
            row["rule_id"]: Warned(row["warning_id"], row["way"], row["replied_at"])
            for row in rows
            if row["orders"] is not None and order in guilty_of(decode_orders(row["orders"]))
        },
    )


async def find_arrivals(connection: asyncpg.Connection, area: str, event_ids: Collection[str]) -> dict[str, int]:
    """The arrival numbers of events by their ids."""
    rows = await connection.fetch(
        "select event_id, seq from event_ids where area = $1 and event_id = any($2::text[])", area, list(event_ids)
    )
    return {row["event_id"]: row["seq"] for row in rows}


async def find_live_since(connection: asyncpg.Connection, rule_id: str) -> datetime | None:
    """Since when a rule is live without a break (UTC), ``None`` where that is not known."""
    since: datetime | None = await connection.fetchval("select live_since from makers where id = $1 and live", rule_id)
    return since
