"""How often rules and detectors are right: counted from what holds on their findings, for the order of leads."""

from collections.abc import Collection, Sequence

import asyncpg

from casework.precision import Precision
from streams.store.sessions import Connection

LOCK = 0x50524543  # "PREC": who sums leads shares it, so that none is summed by a precision that was replaced meanwhile

# A decision counts for the findings that it cites, whether they still stand or not. One on a whole lead, what was
# returned and what was settled already do not say whether a finding was right.
_COUNTED = """
    select f.rule_id as maker, count(*) filter (where f.verdict = 'confirmed') as confirmed, count(*) as decided
    from lead_findings f join decisions d on d.area = f.area and d.decision_id = f.decision_id
    where f.verdict in ('confirmed', 'dismissed') and f.cited_version > 0
        and d.scope = 'findings' and d.ground is distinct from 'settled'
    group by f.rule_id
"""


async def find_precisions(connection: Connection, makers: Collection[str]) -> dict[str, Precision]:
    """How often some makers are right, as it was counted last; all zero of those of which nothing was decided."""
    rows = await connection.fetch(
        """
        select wanted.maker, coalesce(p.confirmed, 0) as confirmed, coalesce(p.decided, 0) as decided
        from unnest($1::text[]) as wanted (maker) left join maker_precision p using (maker)
        """,
        list(makers),
    )
    return _precisions(rows)


async def count_precisions(connection: Connection) -> int:
    """Counts anew, and marks the leads of makers whose bound changed to be summed; says how many makers these are."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        before = _precisions(await connection.fetch("select maker, confirmed, decided from maker_precision"))
        now = _precisions(await connection.fetch(_COUNTED))
        changed = {maker: now.get(maker, Precision()) for maker in before | now if before.get(maker) != now.get(maker)}
        moved = [maker for maker, found in changed.items() if before.get(maker, Precision()).bound != found.bound]
        await connection.executemany(
            """
            insert into maker_precision (maker, confirmed, decided) values ($1, $2, $3)
            on conflict (maker) do update set confirmed = excluded.confirmed, decided = excluded.decided
            """,
            [(maker, *found) for maker, found in sorted(changed.items())],
        )
        await connection.execute(
            """
            insert into leads_to_sum (area, lead_id)
            select distinct f.area, f.lead_id from lead_findings f where f.rule_id = any($1::text[]) and f.is_open
            """,
            moved,
        )
    return len(moved)


def _precisions(rows: Sequence[asyncpg.Record]) -> dict[str, Precision]:
    return {row["maker"]: Precision(row["confirmed"], row["decided"]) for row in rows}
