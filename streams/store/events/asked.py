"""Whether billed lines were asked about before they were settled, and what was answered.

Read from the requests of their patients: a line names an order by its number or by its prescription's
(docs/what-counts.md, section 7). Lines that name none count as not asked about.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime

import asyncpg
import msgspec

from casework.asked import Answer, Asked, BilledLine, Warned
from knowledge_base.days import as_date
from knowledge_base.digests.prescriptions import OrderDigest, PrescriptionDigest
from knowledge_base.events.prescriptions import WarnedOrder
from knowledge_base.findings import LineKey
from streams.messages.packing import decode_digest

REACH = 30
"""Days by which a line that names an order may lie before the first day or after the last over which it runs."""


async def find_asked(connection: asyncpg.Connection, area: str, lines: Collection[BilledLine]) -> dict[LineKey, Asked]:
    """What was answered about lines of an area before they were settled; lines that nobody asked about are left out.

    One statement, over the requests of the lines' patients and institutions around their days.
    """
    named = [line for line in lines if line.order_id is not None]
    if not named:
        return {}
    rows = await connection.fetch(
        """
        select p.seq, p.digest, p.code, p.asked_at, p.phase, p.not_asked,
            case when not p.judged_late then p.rule_set end as rule_set,
            w.rule_id, w.orders, coalesce(w.repeats, w.warning_id) as warning_id, r.way, r.replied_at
        from (
            select m.patient from persons p join persons m using (area, person)
            where p.area = $1 and p.patient = any($2::text[])
            union select unnest($2::text[])
        ) as everybody
        cross join lateral (
            select * from prescriptions p
            where p.area = $1 and p.patient = everybody.patient and p.last_day >= $3
                and p.institution = any($4::text[]) and p.asked_at <= $5
            offset 0
        ) as p
        left join warnings w on w.area = p.area and w.seq = p.seq and not w.late
        left join lateral (
            select way, replied_at from replies of
            where of.area = w.area and of.warning_id = coalesce(w.repeats, w.warning_id)
                and of.institution = w.institution
            order by of.seq desc limit 1
        ) as r on true
        order by p.asked_at, p.seq
        """,
        area,
        sorted({line.patient for line in named}),
        as_date(min(line.day for line in named) - REACH),
        sorted({line.key[0] for line in named}),
        max(line.settled_at for line in named),
    )
    requests = [_Request(together) for together in _by_request(rows)]
    found = {
        line.key: tuple(answer for of in requests if (answer := of.answer_about(line)) is not None) for line in named
    }
    return {key: answers for key, answers in found.items() if answers}


async def find_live_since(connection: asyncpg.Connection, rule_id: str) -> datetime | None:
    """Since when a rule is live without a break (UTC), ``None`` where that is not known."""
    since: datetime | None = await connection.fetchval("select live_since from makers where id = $1 and live", rule_id)
    return since


def _by_request(rows: Collection[asyncpg.Record]) -> Iterator[list[asyncpg.Record]]:
    together: dict[int, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        together[row["seq"]].append(row)
    yield from together.values()


class _Request:
    """One request as its rows say it, one for each of its warnings."""

    def __init__(self, rows: list[asyncpg.Record]):
        self.row = rows[0]
        digest = decode_digest("prescription", self.row["digest"])
        assert isinstance(digest, PrescriptionDigest)
        self.digest = digest
        self.items = Counter(number for number, _ in {(o.order_id, o.line.item_code) for o in digest.orders})
        self.warnings = [
            (row["rule_id"], Warned(row["warning_id"], row["way"], row["replied_at"]), _accused(row["orders"]))
            for row in rows
            if row["rule_id"] is not None
        ]

    def answer_about(self, line: BilledLine) -> Answer | None:
        """What was answered about the orders that a line names, ``None`` where it names none that was asked about."""
        if self.digest.institution != line.key[0] or self.row["asked_at"] > line.settled_at:
            return None
        names = {(o.order_id, o.line.item_code) for o in self.digest.orders if o.current and self._is_named(o, line)}
        if not names:
            return None
        row = self.row
        return Answer(
            code=row["code"],
            at=row["asked_at"],
            phase=row["phase"],
            rule_set=row["rule_set"],
            not_asked=frozenset(row["not_asked"]),
            warned={rule_id: warned for rule_id, warned, accused in self.warnings if accused & names},
        )

    def _is_named(self, order: OrderDigest, line: BilledLine) -> bool:
        if not order.line.day - REACH <= line.day <= order.last_day + REACH:
            return False
        is_of_item = order.line.item_code == line.item_code
        if order.order_id == line.order_id:
            return is_of_item or self.items[order.order_id] == 1
        return order.prescription_id == line.order_id and is_of_item


def _accused(orders: str) -> set[tuple[str, str | None]]:
    """The orders in question of a warning, by number and item."""
    return {(of.order_id, of.item_code) for of in msgspec.json.decode(orders, type=list[WarnedOrder]) if of.guilty}
