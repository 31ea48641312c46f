"""What the store holds, for commands: findings by rule, pages of findings, how many leads, what is still under way."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from casework.sight import Sight
from knowledge_base.findings import Finding, LineKey, billed_lines
from streams.messages.versions import unpack_finding
from streams.store.sessions import Connection
from streams.store.sights import in_sight, place_arguments


class FindingRow(msgspec.Struct, frozen=True):
    """A current finding as it is listed."""

    area: str
    finding_id: str
    version: int
    is_open: bool
    finding: Finding


async def count_findings(connection: Connection) -> dict[str, int]:
    """Open findings by rule."""
    rows = await connection.fetch(
        "select rule_id, count(*) from findings where is_open group by rule_id order by rule_id"
    )
    return {row[0]: row[1] for row in rows}


async def count_leads(connection: Connection) -> int:
    count: int = await connection.fetchval("select count(*) from leads where findings > 0")
    return count


async def find_findings(
    connection: Connection,
    rule: str | None,
    institution: str | None,
    after: str,
    most: int,
    withdrawn: bool,
    sight: Sight,
) -> list[FindingRow]:
    """A page of findings in the order of their ids, from behind ``after`` on, also those that count on no lead."""
    rows = await connection.fetch(
        f"""
        select area, finding_id, version, is_open, body from findings
        where finding_id > $5 and ($3::text is null or rule_id = $3) and ($4::text is null or institution = $4)
            and (is_open or $7) and {in_sight("findings", 1)}
        order by finding_id limit $6
        """,
        *place_arguments(sight),
        rule,
        institution,
        after,
        most,
        withdrawn,
    )
    return [
        FindingRow(row["area"], row["finding_id"], row["version"], row["is_open"], unpack_finding(row["body"]))
        for row in rows
    ]


async def has_findings(connection: Connection, institution: str, sight: Sight) -> bool:
    """Whether there is a finding of an institution, withdrawn ones included."""
    found: bool = await connection.fetchval(
        f"select exists (select from findings where institution = $3 and {in_sight('findings', 1)})",
        *place_arguments(sight),
        institution,
    )
    return found


async def find_area(connection: Connection, finding_id: str, sight: Sight) -> str | None:
    """The area of a finding, ``None`` where there is no finding of that id."""
    area: str | None = await connection.fetchval(
        f"select area from findings where finding_id = $3 and {in_sight('findings', 1)}",
        *place_arguments(sight),
        finding_id,
    )
    return area


async def read_guilty_lines(connection: Connection) -> AsyncIterator[tuple[str, str, list[LineKey]]]:
    """Every open finding as (rule, id, guilty lines)."""
    async with connection.transaction():
        async for row in connection.cursor("select rule_id, finding_id, body from findings where is_open"):
            finding = unpack_finding(row["body"])
            yield row["rule_id"], row["finding_id"], billed_lines(guilty.part for guilty in finding.guilty)


async def save_institutions(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Enters institutions (code, name, level, kind) into the register, or renews them."""
    await connection.executemany(
        """
        insert into institutions (institution, name, level, kind) values ($1, $2, $3, $4)
        on conflict (institution) do update set name = excluded.name, level = excluded.level, kind = excluded.kind
        """,
        rows,
    )
