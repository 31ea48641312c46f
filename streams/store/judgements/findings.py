"""Findings as stored: the current ones, their versions (append-only), and anchors that are not evaluated."""

from collections.abc import Collection, Mapping, Sequence

import asyncpg
import msgspec

from knowledge_base.days import as_date
from knowledge_base.findings import Change, FindingVersion
from streams.messages.versions import encode_finding
from streams.pipeline.comparing import Changed, StoredFinding, StoredNotEvaluated

_encode = msgspec.msgpack.Encoder().encode
_decode_version = msgspec.msgpack.Decoder(FindingVersion).decode


async def find_findings(
    connection: asyncpg.Connection, area: str, persons: Collection[str]
) -> dict[str, list[StoredFinding]]:
    """Every finding ever raised on some persons, withdrawn ones too, by the person's name of its last version."""
    rows = await connection.fetch(
        """
        select person, finding_id, rule_id, version, is_open, first_day, last_day, body
        from findings where area = $1 and person = any($2::text[])
        """,
        area,
        list(persons),
    )
    found: dict[str, list[StoredFinding]] = {}
    for person, finding_id, rule_id, version, is_open, first, last, body in rows:
        entry = StoredFinding(finding_id, person, rule_id, version, is_open, first.toordinal(), last.toordinal(), body)
        found.setdefault(person, []).append(entry)
    return found


async def find_not_evaluated(
    connection: asyncpg.Connection, area: str, persons: Collection[str]
) -> dict[str, list[StoredNotEvaluated]]:
    """The anchors of some persons on which rules could not decide."""
    rows = await connection.fetch(
        "select person, anchor_id, rules, first_day, last_day from not_evaluated"
        " where area = $1 and person = any($2::text[])",
        area,
        list(persons),
    )
    found: dict[str, list[StoredNotEvaluated]] = {}
    for person, anchor_id, rules, first, last in rows:
        entry = StoredNotEvaluated(person, anchor_id, tuple(rules), first.toordinal(), last.toordinal())
        found.setdefault(person, []).append(entry)
    return found


async def save_versions(connection: asyncpg.Connection, area: str, versions: Sequence[FindingVersion]) -> None:
    """Appends versions and brings the current findings to them."""
    if not versions:
        return
    await connection.copy_records_to_table(
        "finding_versions",
        records=[
            (area, v.finding_id, v.version, v.change.value, v.cause, v.as_of, v.rule_set, _encode(v)) for v in versions
        ],
        columns=("area", "finding_id", "version", "change", "cause", "as_of", "rule_set", "body"),
    )
    await connection.executemany(
        """
        insert into findings
            (area, finding_id, person, rule_id, institution, version, is_open, first_day, last_day, excuse_until, body)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (area, finding_id) do update set
            person = excluded.person, institution = excluded.institution, version = excluded.version,
            is_open = excluded.is_open, first_day = excluded.first_day, last_day = excluded.last_day,
            excuse_until = excluded.excuse_until, body = excluded.body, recorded_at = now()
        """,
        [_row(area, version) for version in versions],
    )


def _row(area: str, version: FindingVersion) -> tuple[object, ...]:
    finding = version.finding
    return (
        area,
        version.finding_id,
        version.person,
        finding.rule_id,
        finding.institution,
        version.version,
        version.change is not Change.WITHDRAWN,
        as_date(finding.first_day),
        as_date(finding.last_day),
        as_date(finding.excuse_until) if finding.excuse_until is not None else None,
        encode_finding(finding),
    )


async def save_not_evaluated(connection: asyncpg.Connection, area: str, outcomes: Mapping[str, Changed]) -> None:
    """Enters anchors that cannot be decided now, and takes out those that can."""
    gone = [entry for outcome in outcomes.values() for entry in outcome.no_longer_not_evaluated]
    if gone:
        await connection.execute(
            """
            delete from not_evaluated n using unnest($2::text[], $3::bytea[]) as gone (person, anchor_id)
            where n.area = $1 and n.person = gone.person and n.anchor_id = gone.anchor_id
            """,
            area,
            [person for person, _ in gone],
            [anchor for _, anchor in gone],
        )
    new = [
        (
            area,
            person,
            anchor,
            list(entry.rules),
            entry.reason,
            list(entry.occurrence),
            as_date(entry.first_day),
            as_date(entry.last_day),
        )
        for person, outcome in outcomes.items()
        for anchor, entry in outcome.now_not_evaluated
    ]
    if new:
        columns = ("area", "person", "anchor_id", "rules", "reason", "occurrence", "first_day", "last_day")
        await connection.copy_records_to_table("not_evaluated", records=new, columns=columns)


async def load_version(
    connection: asyncpg.Connection, area: str, finding_id: str, version: int | None = None
) -> FindingVersion | None:
    """A version of a finding, the newest where none is named; ``None`` where there is none."""
    body = await connection.fetchval(
        """
        select body from finding_versions where area = $1 and finding_id = $2 and ($3::int is null or version = $3)
        order by version desc limit 1
        """,
        area,
        finding_id,
        version,
    )
    return _decode_version(body) if body is not None else None
