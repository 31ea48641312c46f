"""Requests about orders as stored, apart from events: what of a person's orders may count when the next are asked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec.json import encode as encode_json

from knowledge_base.days import clamped
from knowledge_base.digests.head import GENERATION
from knowledge_base.digests.prescriptions import PrescriptionDigest
from knowledge_base.events.prescriptions import Advice, Prescription, WarnedOrder, Warning, guilty_of
from knowledge_base.findings import finding_id
from knowledge_base.numbers import number
from rules_lib.advising import Told, ToldOf
from streams.pipeline.arrivals import Arrival
from streams.store.events.replies import LATEST
from streams.store.events.stored import decompressed, save_received

_COLUMNS = (
    "area", "patient", "last_day", "seq", "event_id", "institution", "encounter_id", "phase", "asked_at",
    "department", "practitioner", "code", "answered_at", "rule_set", "as_of", "not_asked", "judged_late",
    "source", "digest", "generation",
)  # fmt: skip

_OF_WARNINGS = (
    "area", "warning_id", "seq", "institution", "encounter_id", "phase", "repeats",
    "rule_id", "finding_id", "severity", "occurrence", "orders", "value", "limit",
    "in_question", "said", "asked_at", "department", "department_name", "late", "practitioner",
)  # fmt: skip

Asked = tuple[Arrival, Prescription]


async def save_prescriptions(connection: asyncpg.Connection, area: str, asked: Mapping[int, Asked]) -> None:
    """Writes accepted requests with what was answered, and their received bytes, by arrival number."""
    rows = [_row(area, seq, *of) for seq, of in asked.items()]
    await connection.copy_records_to_table("prescriptions", records=rows, columns=_COLUMNS)
    await save_warnings(
        connection, area, {seq: (of, of.advice.warnings if of.advice else ()) for seq, (_, of) in asked.items()}
    )
    await save_received(connection, area, {seq: arrival for seq, (arrival, _) in asked.items()})


async def save_late(connection: asyncpg.Connection, area: str, late: Mapping[int, tuple[Prescription, Advice]]) -> None:
    """Writes what the rules say of requests that were answered without, by arrival number."""
    warned = {seq: (of, advice.warnings) for seq, (of, advice) in late.items()}
    await save_warnings(connection, area, warned, late=True)
    await connection.executemany(
        """
        update prescriptions set rule_set = $5, as_of = $6, judged_late = true
        where area = $1 and patient = $2 and seq = $3 and event_id = $4
        """,
        [(area, of.patient, seq, of.event_id, advice.rule_set, advice.as_of) for seq, (of, advice) in late.items()],
    )


async def save_warnings(
    connection: asyncpg.Connection,
    area: str,
    warned: Mapping[int, tuple[Prescription, Sequence[Warning]]],
    *,
    late: bool = False,
) -> None:
    """Writes the warnings of requests, by arrival number; those that came too ``late`` were told nobody."""
    rows = [_warning_row(area, seq, of, warning, late) for seq, (of, said) in warned.items() for warning in said]
    await connection.executemany(
        f"""
        insert into warnings ({", ".join(f'"{name}"' for name in _OF_WARNINGS)})
        values ({", ".join(f"${n}" for n in range(1, len(_OF_WARNINGS) + 1))})
        on conflict do nothing
        """,
        rows,
    )


def _row(area: str, seq: int, arrival: Arrival, request: Prescription) -> tuple[object, ...]:
    digest = arrival.digest
    assert isinstance(digest, PrescriptionDigest)
    advice = request.advice or Advice(code="", at=request.happened_at)
    return (
        area,
        request.patient,
        clamped(max([digest.asked_on, *(order.last_day for order in digest.orders)])),
        seq,
        request.event_id,
        request.institution,
        request.encounter_id,
        request.phase,
        request.happened_at,
        request.department.code if request.department else None,
        request.practitioner,
        advice.code or None,
        advice.at if request.advice else None,
        advice.rule_set,
        advice.as_of if advice.rule_set else None,
        [of.rule_id for of in advice.not_asked],
        False,
        arrival.source,
        arrival.digest_bytes,
        GENERATION,
    )


def _warning_row(area: str, seq: int, request: Prescription, warning: Warning, late: bool) -> tuple[object, ...]:
    return (
        area,
        warning.warning_id,
        seq,
        request.institution,
        request.encounter_id,
        request.phase,
        warning.repeats,
        warning.rule_id,
        finding_id(area, warning.rule_id, warning.occurrence),
        warning.severity,
        list(warning.occurrence),
        encode_json(warning.orders).decode(),
        number(warning.value),
        number(warning.limit),
        number(warning.in_question),
        warning.said,
        request.happened_at,
        request.department.code if request.department else None,
        request.department.name if request.department else None,
        late,
        _ordering(request, warning),
    )


def _ordering(request: Prescription, warning: Warning) -> str | None:
    """Who placed the order that a warning names, the last one in question, as far as the request tells."""
    named = [(of.order_id, of.item_code) for of in warning.orders if of.guilty][-1:]
    placed = [of.practitioner for of in request.orders if (of.order_id, of.item_code) in named and of.practitioner]
    return placed[-1] if placed else None


BY_CODE = """
    select r.body from prescriptions p
    cross join lateral (select body from received where area = p.area and seq = p.seq offset 0) as r
    where p.code = $1 and p.asked_at >= $2
    order by p.seq
"""


async def find_by_code(connection: asyncpg.Connection, code: str, since: datetime) -> list[bytes]:
    """The messages of the requests that were answered under a code, and asked at an instant (UTC) or later."""
    rows = await connection.fetch(BY_CODE, code, since)
    return [decompressed(row["body"]) for row in rows]


async def find_told(connection: asyncpg.Connection, area: str, phase: str, finding_ids: Collection[str]) -> Told:
    """What somebody was told in a phase, by institution, encounter and what a finding would be called."""
    rows = await connection.fetch(
        """
        select institution, encounter_id, finding_id, warning_id, orders from warnings
        where area = $1 and finding_id = any($3::text[]) and phase = $2 and repeats is null and not late
        order by warning_id
        """,
        area,
        phase,
        list(finding_ids),
    )
    told: dict[tuple[str, str, str], list[ToldOf]] = {}
    for row in rows:
        key = (row["institution"], row["encounter_id"], row["finding_id"])
        told.setdefault(key, []).append(ToldOf(row["warning_id"], guilty_of(decode_orders(row["orders"]))))
    return told


async def find_warned(connection: asyncpg.Connection, names: Collection[tuple[str, str]]) -> dict[str, str]:
    """The institutions whose requests warnings answered, by the warnings' names; each is looked for in its area."""
    rows = await connection.fetch(
        """
        select w.warning_id, w.institution from unnest($1::text[], $2::text[]) as named(area, warning_id)
        join warnings w using (area, warning_id)
        """,
        [area for area, _ in names],
        [name for _, name in names],
    )
    return {row["warning_id"]: row["institution"] for row in rows}


decode_orders = msgspec.json.Decoder(tuple[WarnedOrder, ...]).decode
"""Reads the orders of a stored warning."""


class SaidBefore(msgspec.Struct, array_like=True, frozen=True):
    """A warning, and the last reply to it: its way, name and instant in microseconds since 1970-01-01T00:00Z."""

    warning_id: str
    institution: str
    orders: tuple[WarnedOrder, ...]
    way: str | None
    event_id: str | None
    at: int | None


decode_said = msgspec.json.Decoder(list[SaidBefore]).decode
"""Reads what was said of a request, as ``SAID`` gives it."""

SAID = f"""
    select jsonb_agg(jsonb_build_array(
        w.warning_id, w.institution, w.orders, r.way, r.event_id,
        round(extract(epoch from r.replied_at) * 1000000)::bigint))
    from warnings w {LATEST}
    where w.area = p.area and w.seq = p.seq
"""
"""The warnings of the request ``p``, each with the reply that counts, as JSON; null where there are none."""
