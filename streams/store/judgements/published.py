"""Rule sets as published: immutable, kept by their hash; which one is in force; what is outstanding after a switch."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from rules_lib.publication import pack, unpack
from rules_lib.rule_set import RuleSet

_LOCK = 0x52554C45  # "RULE": batches share it, a switch holds it alone


class Outstanding(msgspec.Struct, frozen=True):
    """Rules by which an area's people after ``judged_to`` have not been judged again since a switch."""

    area: str
    rules: list[str]
    judged_to: str
    since: datetime


async def keep(connection: asyncpg.Connection, rule_set: RuleSet) -> None:
    """Keeps a rule set for good, so that what it judged can be judged again."""
    await connection.execute(
        "insert into rule_sets (hash, body) values ($1, $2) on conflict do nothing", rule_set.hash, pack(rule_set)
    )


async def load_body(connection: asyncpg.Connection, hash: str) -> bytes | None:
    """The document of a published set, ``None`` where there is none of that name."""
    body: bytes | None = await connection.fetchval("select body from rule_sets where hash = $1", hash)
    return body


async def load_rule_set(connection: asyncpg.Connection, hash: str) -> RuleSet | None:
    """A published rule set by its hash, ``None`` where there is none of that name."""
    body = await load_body(connection, hash)
    return unpack(hash, body) if body is not None else None


PROGRAM = "program"
"""Who published the sets that came with a program; any other name is a person's."""


async def find_publisher(connection: asyncpg.Connection) -> str | None:
    """Who put the set in force there, ``None`` where that was not kept yet."""
    by: str | None = await connection.fetchval(
        "select published_by from rule_set_switches order by number desc limit 1"
    )
    return by


async def find_in_force(connection: asyncpg.Connection) -> str | None:
    """The hash of the set in force, ``None`` before the first was published."""
    hash: str | None = await connection.fetchval("select rule_set from rule_set_switches order by number desc limit 1")
    return hash


async def hold(connection: asyncpg.Connection) -> str | None:
    """The hash of the set in force, which stays in force until the caller's transaction ends."""
    await connection.execute("select pg_advisory_xact_lock_shared($1)", _LOCK)
    return await find_in_force(connection)


async def hold_alone(connection: asyncpg.Connection) -> str | None:
    """Like ``hold``, once every batch that is under way has ended and while none can begin."""
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
    return await find_in_force(connection)


async def put_in_force(connection: asyncpg.Connection, rule_set: RuleSet, by: str) -> None:
    """Switches to a set that is kept, in a transaction that holds the sets alone, and says who did it."""
    await connection.execute(
        "insert into rule_set_switches (rule_set, published_by) values ($1, $2)", rule_set.hash, by
    )
    await save_makers(connection, rule_set)


async def save_makers(connection: asyncpg.Connection, rule_set: RuleSet) -> None:
    """Brings the makers that queries ask for to those of a set; others stay as they were last, and are not live."""
    cards = list(rule_set.cards.values())
    await connection.execute(
        """
        insert into makers (id, kind, topic, severity, live, lane, rule_set, live_since)
        select of.*, $7, case when of.live then now() end
        from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bool[], $6::text[])
            as of (id, kind, topic, severity, live, lane)
        on conflict (id) do update set kind = excluded.kind, topic = excluded.topic, severity = excluded.severity,
            live = excluded.live, lane = excluded.lane, rule_set = excluded.rule_set,
            live_since = case when makers.live then makers.live_since else excluded.live_since end
        """,
        [card.id for card in cards],
        [card.maker_kind for card in cards],
        [card.topic for card in cards],
        [int(card.severity) for card in cards],
        [card.is_live for card in cards],
        [card.lane.value for card in cards],
        rule_set.hash,
    )
    await connection.execute(
        "update makers set live = false where live and id <> all($1::text[])", [card.id for card in cards]
    )


async def are_makers_of(connection: asyncpg.Connection, hash: str) -> bool:
    """Whether the makers are those of a set: a program of the release before puts sets in force without them."""
    return bool(await connection.fetchval("select exists (select from makers where rule_set = $1)", hash))


async def find_sets_before(connection: asyncpg.Connection, hash: str) -> list[str]:
    """The hashes of the sets that were in force before one was for the last time, the latest first."""
    rows = await connection.fetch(
        """
        select rule_set from rule_set_switches
        where number < (select max(number) from rule_set_switches where rule_set = $1) order by number desc
        """,
        hash,
    )
    return [row["rule_set"] for row in rows]


async def mark_outstanding(connection: asyncpg.Connection, rules: Sequence[str]) -> list[str]:
    """Says of every area that all its people are to be judged again by some rules, and returns the areas."""
    rows = await connection.fetch(
        """
        with recursive areas as (
            (select area from events order by area limit 1)
            union all
            select (select e.area from events e where e.area > a.area order by e.area limit 1) from areas a
            where a.area is not null
        )
        insert into outstanding as o (area, rules) select area, $1::text[] from areas where area is not null
        on conflict (area) do update set judged_to = '',
            rules = array(select distinct unnest(o.rules || excluded.rules) order by 1)
        returning area
        """,
        sorted(rules),
    )
    return [row["area"] for row in rows]


async def mark_people_outstanding(connection: asyncpg.Connection, area: str, rules: Sequence[str], after: str) -> None:
    """Says of an area that its people whose pseudonym comes after one are to be judged again by some rules."""
    await connection.execute(
        """
        insert into outstanding as o (area, rules, judged_to) values ($1, $2, $3)
        on conflict (area) do update set judged_to = least(o.judged_to, excluded.judged_to),
            rules = array(select distinct unnest(o.rules || excluded.rules) order by 1)
        """,
        area,
        list(rules),
        after,
    )


async def hold_outstanding(connection: asyncpg.Connection, area: str) -> None:
    """Holds what is outstanding of an area until the caller's transaction ends, where anything is."""
    await connection.execute("select from outstanding where area = $1 for update", area)


async def find_outstanding(connection: asyncpg.Connection) -> list[Outstanding]:
    """What has not been judged again yet, by area."""
    rows = await connection.fetch("select area, rules, judged_to, since from outstanding order by area")
    return [Outstanding(*row) for row in rows]


async def take_outstanding(connection: asyncpg.Connection) -> Outstanding | None:
    """One area's, held until the caller's transaction ends; those that others hold are passed over."""
    row = await connection.fetchrow(
        "select area, rules, judged_to, since from outstanding order by area limit 1 for update skip locked"
    )
    return None if row is None else Outstanding(*row)


async def move_outstanding(connection: asyncpg.Connection, area: str, judged_to: str) -> None:
    """Says that everybody up to a pseudonym was judged again."""
    await connection.execute("update outstanding set judged_to = $2 where area = $1", area, judged_to)


async def end_outstanding(connection: asyncpg.Connection, area: str) -> None:
    """Says that everybody in an area was judged again."""
    await connection.execute("delete from outstanding where area = $1", area)


async def know_events(connection: asyncpg.Connection) -> None:
    """Has PostgreSQL look at the events where it never did, as in a store that was just filled.

    Without knowing how many people there are it would sort those left over to find each next one.
    """
    if await connection.fetchval("select not exists (select from pg_stats where tablename = 'events')"):
        await connection.execute("analyze events")


async def find_next_patients(connection: asyncpg.Connection, area: str, after: str, most: int) -> list[str]:
    """Pseudonyms with events, in the database's order, from behind one on."""
    rows = await connection.fetch(
        """
        with recursive upcoming as (
            (select patient from events where area = $1 and patient > $2 and subject_kind = 'patient'
                order by patient limit 1)
            union all
            select (select e.patient from events e
                where e.area = $1 and e.patient > u.patient and e.subject_kind = 'patient'
                order by e.patient limit 1) from upcoming u where u.patient is not null
        )
        select patient from upcoming where patient is not null limit $3
        """,
        area,
        after,
        most,
    )
    return [row["patient"] for row in rows]


async def count_outstanding(connection: asyncpg.Connection) -> int:
    """How many pseudonyms have not been judged again yet."""
    count: int = await connection.fetchval(
        """
        select count(*) from (
            select distinct e.area, e.patient from outstanding o join events e using (area)
            where e.patient > o.judged_to and e.subject_kind = 'patient') people
        """
    )
    return count
