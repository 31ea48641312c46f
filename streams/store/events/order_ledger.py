"""The ledger of orders as stored: whose is to be written anew, what it is made of, and what of it changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg
import msgspec

from casework.sight import Sight
from knowledge_base.days import Day, clamped
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.details import ClaimDetails
from knowledge_base.events.prescriptions import guilty_of
from knowledge_base.numbers import number
from rules_lib.histories.orders import OrderIds
from rules_lib.order_ledger import DayEntry, Judged, LineEntry, OrderEntry, OrderLedger, Request, Said
from streams.messages.packing import decode_details, decode_digest, decode_request
from streams.store.events.prescriptions import decode_orders
from streams.store.sights import in_sight, place_arguments


class Taken(msgspec.Struct, frozen=True):
    """What so many rows name that a job has taken: patients by area, and institutions with the day since which their
    bills matter."""

    rows: int
    patients: dict[str, set[str]]
    institutions: list[tuple[str, str, date]]


async def touch_patients(connection: asyncpg.Connection, area: str, patients: Iterable[str]) -> None:
    """Says of patients that their ledger is to be written anew."""
    rows = [(area, patient) for patient in sorted(set(patients))]
    await connection.copy_records_to_table("touched_orders", records=rows, columns=("area", "patient"))


async def touch_billed(connection: asyncpg.Connection, area: str, billed: Collection[tuple[str, str]]) -> None:
    """The same of the patients, each with an institution, whose bills came from one that asks."""
    if billed:
        await connection.execute(
            """
            insert into touched_orders (area, patient)
            select distinct $1, billed.patient from unnest($2::text[], $3::text[]) as billed (patient, institution)
            join asking_institutions a on a.area = $1 and a.institution = billed.institution
            """,
            area,
            *([list(column) for column in zip(*sorted(billed), strict=True)]),
        )


async def touch_asking(connection: asyncpg.Connection, area: str, patients: Collection[str]) -> None:
    """The same of patients in an area where anybody asks."""
    await connection.execute(
        """
        insert into touched_orders (area, patient)
        select $1, patient from unnest($2::text[]) as patient
        where exists (select from asking_institutions where area = $1)
        """,
        area,
        sorted(patients),
    )


async def find_asking(connection: asyncpg.Connection, area: str) -> dict[str, Day]:
    """The first days on which institutions asked about anybody of an area, of those that did."""
    rows = await connection.fetch("select institution, first_day from asking_institutions where area = $1", area)
    return {row["institution"]: row["first_day"].toordinal() for row in rows}


async def save_asking(connection: asyncpg.Connection, area: str, first_days: Mapping[str, Day]) -> None:
    """Notes since when institutions ask, and touches what was billed since. The area is locked."""
    for institution, day in sorted(first_days.items()):
        await connection.execute(
            """
            insert into asking_institutions (area, institution, first_day) values ($1, $2, $3)
            on conflict (area, institution) do update set first_day = least(excluded.first_day,
                asking_institutions.first_day)
            """,
            area,
            institution,
            clamped(day),
        )
        await connection.execute(
            "insert into touched_orders (area, institution, since) values ($1, $2, $3)", area, institution, clamped(day)
        )


async def is_any_touched(connection: asyncpg.Connection) -> bool:
    """Whether a row waits, however many there are."""
    return bool(await connection.fetchval("select exists (select from touched_orders)"))


async def take_touched(connection: asyncpg.Connection, most: int) -> Taken:
    """The next rows, gone once the caller's transaction ends; those that others hold are passed over."""
    rows = await connection.fetch(
        """
        delete from touched_orders where number in (
            select number from touched_orders order by number limit $1 for update skip locked)
        returning *
        """,
        most,
    )
    patients: dict[str, set[str]] = {}
    for row in rows:
        if row["patient"] is not None:
            patients.setdefault(row["area"], set()).add(row["patient"])
    institutions = [(row["area"], row["institution"], row["since"]) for row in rows if row["institution"] is not None]
    return Taken(len(rows), patients, institutions)


async def touch_since(connection: asyncpg.Connection, area: str, institution: str, since: date) -> None:
    """Touches everybody with bills of an institution on a day or later. Reads all events: once an institution."""
    await connection.execute(
        """
        insert into touched_orders (area, patient)
        select distinct area, patient from events
        where area = $1 and institution = $2 and last_day >= $3 and subject_kind = 'patient'
        """,
        area,
        institution,
        since,
    )


async def load_requests(
    connection: asyncpg.Connection, area: str, patients: Collection[str]
) -> dict[str, list[Request]]:
    """All requests about some patients, by patient, with what was said of each."""
    rows = await connection.fetch(
        """
        select patient, seq, event_id, code, rule_set, judged_late, digest from prescriptions
        where area = $1 and patient = any($2::text[])
        """,
        area,
        list(patients),
    )
    said = await _load_said(connection, area, [row["seq"] for row in rows])
    found: dict[str, list[Request]] = {}
    for row in rows:
        judged = _judged(row["rule_set"], row["judged_late"])
        request = Request(
            row["seq"],
            decode_request(row["digest"]),
            row["code"] or row["event_id"],
            judged,
            said.get(row["seq"], ()),
        )
        found.setdefault(row["patient"], []).append(request)
    return found


async def _load_said(connection: asyncpg.Connection, area: str, seqs: Sequence[int]) -> dict[int, list[Said]]:
    rows = await connection.fetch(
        "select seq, warning_id, orders, repeats from warnings where area = $1 and seq = any($2::bigint[])", area, seqs
    )
    said: dict[int, list[Said]] = {}
    for row in rows:
        guilty = guilty_of(decode_orders(row["orders"]))
        said.setdefault(row["seq"], []).append(Said(row["warning_id"], guilty, row["repeats"]))
    return said


def _judged(rule_set: str | None, late: bool) -> Judged:
    if rule_set is None:
        return "not judged"
    return "late" if late else "in time"


async def load_bills(
    connection: asyncpg.Connection, area: str, patients: Collection[str]
) -> tuple[dict[str, list[ClaimDigest]], OrderIds]:
    """All claims of some patients, by patient, and what their lines say they were ordered as."""
    rows = await connection.fetch(
        """
        select kind, digest, details from events
        where area = $1 and patient = any($2::text[]) and subject_kind = 'patient' and kind = 'claim'
        """,
        area,
        list(patients),
    )
    claims: dict[str, list[ClaimDigest]] = {}
    order_ids: dict[str, Sequence[str | None]] = {}
    for row in rows:
        digest = decode_digest(row["kind"], row["digest"])
        assert isinstance(digest, ClaimDigest)
        claims.setdefault(digest.patient, []).append(digest)
        details = None if row["details"] is None else decode_details(row["kind"], row["details"])
        if isinstance(details, ClaimDetails):
            order_ids[digest.event_id] = details.order_ids
    return claims, order_ids


async def find_share(
    connection: asyncpg.Connection, institution: str | None, first: date, last: date, sight: Sight
) -> tuple[int, int]:
    """Lines that the fund is to pay of institutions that ask, on some days, and how many of them were asked about."""
    row = await connection.fetchrow(
        f"""
        select coalesce(sum(d.lines), 0)::bigint as lines, coalesce(sum(d.asked), 0)::bigint as asked from order_days d
        where {in_sight("d", 1)} and ($3::text is null or d.institution = $3) and d.day between $4 and $5
        """,
        *place_arguments(sight),
        institution,
        first,
        last,
    )
    assert row is not None
    return row["lines"], row["asked"]


_ORDERS = (
    "area", "patient", "institution", "encounter_id", "order_id", "item_code", "day", "quantity", "amount", "holds",
    "asked_by", "answered", "warnings", "untold", "billed_encounter", "billed_line", "how",
)  # fmt: skip
_LINES = (
    "area", "institution", "encounter_id", "line_id", "patient", "day", "order_encounter", "order_id", "item_code",
    "how",
)  # fmt: skip
_DAYS = ("area", "patient", "institution", "day", "lines", "asked")

_KEYS: Mapping[str, Sequence[str]] = {
    "order_entries": ("area", "institution", "encounter_id", "order_id", "item_code", "patient"),
    "order_lines": ("area", "institution", "encounter_id", "line_id", "patient"),
    "order_days": ("area", "patient", "institution", "day"),
}

Row = tuple[Any, ...]


async def save_ledgers(
    connection: asyncpg.Connection, area: str, patients: Collection[str], ledgers: Sequence[OrderLedger]
) -> None:
    """Writes what the ledger says of persons, of whom some are all patients. The persons are locked."""
    orders = [_order_row(entry) for of in ledgers for entry in of.orders]
    lines = [_line_row(entry) for of in ledgers for entry in of.lines]
    days = [_day_row(entry) for of in ledgers for entry in of.days]
    await _replace(connection, "order_entries", _ORDERS, area, patients, orders)
    await _replace(connection, "order_lines", _LINES, area, patients, lines)
    await _replace(connection, "order_days", _DAYS, area, patients, days)


async def _replace(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[str],
    area: str,
    patients: Collection[str],
    entries: Iterable[Row],
) -> None:
    """Takes out the rows of some patients that are no longer so, and puts in those that are new."""
    rows = await connection.fetch(
        f"select {', '.join(columns)} from {table} where area = $1 and patient = any($2::text[])", area, list(patients)
    )
    stored = {tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows}
    wanted = {(area, *entry) for entry in entries}
    gone, new = stored - wanted, wanted - stored
    key = _KEYS[table]
    places = [columns.index(name) for name in key]
    await connection.executemany(
        f"delete from {table} where {' and '.join(f'{name} = ${n}' for n, name in enumerate(key, 1))}",
        [[row[place] for place in places] for row in gone],
    )
    await connection.copy_records_to_table(table, records=list(new), columns=columns)


def _order_row(entry: OrderEntry) -> Row:
    key, place = entry.key, entry.place
    return (
        entry.patient,
        key.institution,
        key.encounter_id,
        key.order_id,
        key.item_code or "",
        clamped(entry.day),
        number(entry.quantity),
        number(entry.amount),
        entry.holds,
        entry.asked_by,
        entry.answered,
        entry.warnings,
        entry.untold,
        place.line[1] if place else None,
        place.line[2] if place else None,
        place.how if place else None,
    )


def _line_row(entry: LineEntry) -> Row:
    order = entry.order
    return (
        *entry.key,
        entry.patient,
        clamped(entry.day),
        order.encounter_id,
        order.order_id,
        order.item_code or "",
        entry.how,
    )


def _day_row(entry: DayEntry) -> Row:
    return (entry.patient, entry.institution, clamped(entry.day), entry.lines, entry.asked)
