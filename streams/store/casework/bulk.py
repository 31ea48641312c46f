"""Acts on many leads at once: who had each, and until when it was put off, before and after.

So all of it can be undone.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from casework.sight import Sight
from streams.store.casework.holders import HOLDER
from streams.store.sessions import Connection
from streams.store.sights import in_sight, sight_arguments


class Standing(msgspec.Struct, frozen=True):
    """Who has a lead until when, and until when it is put off, as its row says it."""

    holder: str | None
    held_until: date | None
    snoozed_until: date | None

    def holder_on(self, day: date) -> str | None:
        """Who has the lead on a day: nobody any more after the one until which it was given."""
        return None if self.held_until is not None and self.held_until < day else self.holder


class Locked(NamedTuple):
    """A lead that is held still; ``holder`` is who has it today."""

    area: str
    lead_id: str
    institution: str
    state: str
    holder: str | None
    standing: Standing


class Change(NamedTuple):
    """What became of a lead."""

    area: str
    lead_id: str
    before: Standing
    after: Standing


class Bulk(NamedTuple):
    """An act on many leads: how many it changed, how many it left alone and why, and how many were put back since."""

    number: int
    act: str
    changed: int
    left_alone: Mapping[str, int]
    undone_at: datetime | None
    put_back: int | None


async def lock_leads(connection: Connection, lead_ids: Collection[str], sight: Sight) -> list[Locked]:
    """Holds those of some leads still that are in sight, in the order in which everybody locks leads."""
    rows = await connection.fetch(
        f"""
        select l.area, l.lead_id, l.institution, l.state, {HOLDER} as holder,
            l.assignee, l.held_until, l.snoozed_until
        from leads l where l.lead_id = any($4::text[]) and {in_sight("l")}
        order by l.area, l.lead_id for update
        """,
        *sight_arguments(sight),
        list(lead_ids),
    )
    return [
        Locked(
            area=row["area"],
            lead_id=row["lead_id"],
            institution=row["institution"],
            state=row["state"],
            holder=row["holder"],
            standing=Standing(row["assignee"], row["held_until"], row["snoozed_until"]),
        )
        for row in rows
    ]


async def save_standings(connection: Connection, changes: Sequence[tuple[str, str, Standing]]) -> None:
    """Gives leads to somebody or nobody, and puts them off or not: (area, lead, what is to hold)."""
    await connection.executemany(
        """
        update leads set assignee = $3, held_until = $4, snoozed_until = $5 where area = $1 and lead_id = $2
        """,
        [(area, lead_id, *msgspec.structs.astuple(standing)) for area, lead_id, standing in changes],
    )


async def save_bulk(
    connection: Connection, login: str, act: str, changes: Sequence[Change], left_alone: Mapping[str, int]
) -> int:
    """Keeps what somebody did, and gives its number."""
    number: int = await connection.fetchval(
        "insert into bulk_acts (login, act, changed, left_alone) values ($1, $2, $3, $4) returning number",
        login,
        act,
        len(changes),
        msgspec.json.encode(left_alone).decode(),
    )
    await connection.copy_records_to_table(
        "bulk_changes",
        records=[(number, of.area, of.lead_id, _words(of.before), _words(of.after)) for of in changes],
        columns=("number", "area", "lead_id", "before", "after"),
    )
    return number


async def find_bulk(connection: Connection, number: int, login: str, *, to_undo: bool = False) -> Bulk | None:
    """What somebody did, locked until the transaction ends where it is found ``to_undo`` it."""
    row = await connection.fetchrow(
        f"""
        select number, act, changed, left_alone, undone_at, put_back from bulk_acts
        where number = $1 and login = $2 {"for update" if to_undo else ""}
        """,
        number,
        login,
    )
    if row is None:
        return None
    left_alone = msgspec.json.decode(row["left_alone"], type=dict[str, int])
    return Bulk(row["number"], row["act"], row["changed"], left_alone, row["undone_at"], row["put_back"])


async def find_changes(connection: Connection, number: int) -> dict[str, Change]:
    """What an act did, by lead."""
    rows = await connection.fetch("select area, lead_id, before, after from bulk_changes where number = $1", number)
    changes = [Change(row["area"], row["lead_id"], _standing(row["before"]), _standing(row["after"])) for row in rows]
    return {change.lead_id: change for change in changes}


async def save_undone(connection: Connection, number: int, put_back: int) -> None:
    await connection.execute(
        "update bulk_acts set undone_at = now(), put_back = $2 where number = $1", number, put_back
    )


def _words(standing: Standing) -> str:
    return msgspec.json.encode(standing).decode()


def _standing(words: str) -> Standing:
    return msgspec.json.decode(words, type=Standing)
