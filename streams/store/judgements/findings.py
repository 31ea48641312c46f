"""Findings as stored: the current ones, their versions (append-only), and anchors that are not evaluated."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg

from knowledge_base.days import as_date, clamped
from knowledge_base.findings import Change, FindingVersion
from knowledge_base.subjects import Subject
from rules_lib.scope import Interval
from streams.messages.versions import pack_finding, pack_version, unpack_version
from streams.pipeline.comparing import Changed, StoredFinding, StoredNotEvaluated


def _columns(subjects: Collection[Subject]) -> tuple[list[str], list[str]]:
    return [subject.kind for subject in subjects], [subject.name for subject in subjects]


def _near(near: Mapping[Subject, Interval]) -> tuple[list[str], list[str], list[date], list[date]]:
    """Subjects and days as arrays."""
    days = near.values()
    return *_columns(near), [clamped(first) for first, _ in days], [clamped(last) for _, last in days]


async def find_findings(
    connection: asyncpg.Connection, area: str, near: Mapping[Subject, Interval], known: Collection[str]
) -> dict[Subject, list[StoredFinding]]:
    """Open findings of rules that meet the days given for each subject, by the subject of their last version.

    And those whose name is ``known``, whatever became of them. Subject by subject, as ``histories.find_events`` reads
    patient by patient, and by the index of names alone, lest a planner without statistics read the whole area for each.
    """
    rows = await connection.fetch(
        """
        select f.subject_kind, f.subject, f.finding_id, f.rule_id, f.version, f.is_open, f.first_day, f.last_day, f.body
        from unnest($2::text[], $3::text[], $4::date[], $5::date[]) as of (kind, name, first, last)
        cross join lateral (
            select * from findings f
            where f.area = $1 and f.subject_kind = of.kind and f.subject = of.name
                and f.last_day >= of.first and f.first_day <= of.last and f.is_open and f.maker_kind = 'rule'
            offset 0
        ) as f
        union all
        select f.subject_kind, f.subject, f.finding_id, f.rule_id, f.version, f.is_open, f.first_day, f.last_day, f.body
        from unnest($6::text[]) as known (id)
        cross join lateral (select * from findings where finding_id = known.id offset 0) as f where f.area = $1
        """,
        area,
        *_near(near),
        list(known),
    )
    found: dict[Subject, dict[str, StoredFinding]] = {}
    for row in rows:
        entry = _stored(tuple(row))
        found.setdefault(entry.subject, {})[entry.finding_id] = entry
    return {subject: list(entries.values()) for subject, entries in found.items()}


async def find_findings_of(connection: asyncpg.Connection, area: str, maker_id: str) -> list[StoredFinding]:
    """Every finding that a detector ever raised in an area, withdrawn ones too."""
    rows = await connection.fetch(
        """
        select subject_kind, subject, finding_id, rule_id, version, is_open, first_day, last_day, body from findings
        where area = $1 and rule_id = $2 and maker_kind = 'detector'
        """,
        area,
        maker_id,
    )
    return [_stored(tuple(row)) for row in rows]


def _stored(row: Sequence[Any]) -> StoredFinding:
    kind, name, finding_id, maker_id, version, is_open, first, last, body = row
    subject = Subject(kind, name)
    return StoredFinding(finding_id, subject, maker_id, version, is_open, first.toordinal(), last.toordinal(), body)


async def find_not_evaluated(
    connection: asyncpg.Connection, area: str, near: Mapping[Subject, Interval]
) -> dict[Subject, list[StoredNotEvaluated]]:
    """The anchors on which rules could not decide that meet the days given for each subject."""
    rows = await connection.fetch(
        """
        select n.subject_kind, n.subject, n.anchor_id, n.rules, n.first_day, n.last_day
        from unnest($2::text[], $3::text[], $4::date[], $5::date[]) as of (kind, name, first, last)
        cross join lateral (
            select * from not_evaluated n
            where n.area = $1 and n.subject_kind = of.kind and n.subject = of.name
                and n.last_day >= of.first and n.first_day <= of.last
            offset 0
        ) as n
        """,
        area,
        *_near(near),
    )
    found: dict[Subject, list[StoredNotEvaluated]] = {}
    for kind, name, anchor_id, rules, first, last in rows:
        subject = Subject(kind, name)
        entry = StoredNotEvaluated(subject, anchor_id, tuple(rules), first.toordinal(), last.toordinal())
        found.setdefault(subject, []).append(entry)
    return found


async def save_versions(connection: asyncpg.Connection, area: str, versions: Sequence[FindingVersion]) -> None:
    """Appends versions and brings the current findings to them."""
    if not versions:
        return
    await connection.copy_records_to_table(
        "finding_versions",
        records=[
            (area, v.finding_id, v.version, v.change.value, v.cause, v.as_of, v.maker.set, pack_version(v))
            for v in versions
        ],
        columns=("area", "finding_id", "version", "change", "cause", "as_of", "rule_set", "body"),
    )
    await connection.executemany(
        """
        insert into findings (area, finding_id, subject_kind, subject, rule_id, maker_kind, institution, version,
            is_open, first_day, last_day, excuse_until, body)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (area, finding_id) do update set
            subject = excluded.subject, institution = excluded.institution, version = excluded.version,
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
        *version.subject,
        finding.maker_id,
        version.maker.kind,
        finding.institution,
        version.version,
        version.change is not Change.WITHDRAWN,
        as_date(finding.first_day),
        as_date(finding.last_day),
        as_date(finding.excuse_until) if finding.excuse_until is not None else None,
        pack_finding(finding),
    )


async def save_not_evaluated(connection: asyncpg.Connection, area: str, changed: Mapping[Subject, Changed]) -> None:
    """Enters anchors that cannot be decided now, and takes out those that can."""
    gone = [entry for of_subject in changed.values() for entry in of_subject.no_longer_not_evaluated]
    if gone:
        await connection.execute(
            """
            delete from not_evaluated n
            using unnest($2::text[], $3::text[], $4::bytea[]) as gone (kind, name, anchor_id)
            where n.area = $1 and n.subject_kind = gone.kind and n.subject = gone.name and n.anchor_id = gone.anchor_id
            """,
            area,
            *_columns([subject for subject, _ in gone]),
            [anchor for _, anchor in gone],
        )
    new = [
        (
            area,
            *subject,
            anchor,
            list(entry.rules),
            entry.reason,
            list(entry.occurrence),
            as_date(entry.first_day),
            as_date(entry.last_day),
        )
        for subject, of_subject in changed.items()
        for anchor, entry in of_subject.now_not_evaluated
    ]
    if new:
        await connection.copy_records_to_table("not_evaluated", records=new, columns=_ANCHOR_COLUMNS)


_ANCHOR_COLUMNS = (
    "area", "subject_kind", "subject", "anchor_id", "rules", "reason", "occurrence", "first_day", "last_day",
)  # fmt: skip


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
    return unpack_version(body) if body is not None else None
