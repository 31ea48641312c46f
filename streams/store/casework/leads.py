"""Leads as stored: findings that arrive on the bus are kept at their highest version, and what they touch is summed.

Findings have one writer (the topic ``findings``); sums follow them, decisions, and marks (``sum_marked``), each time by
whoever holds the lead. ``casework.leads`` says what a lead is and what it comes to.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import asyncpg
import msgspec

from casework.decisions import Verdict
from casework.leads import ZERO, Dispute, LeadFinding, LeadKey, Totals, lead_id, lead_key, totals
from casework.precision import Backer, Precision, expected_money
from knowledge_base.days import as_date
from knowledge_base.findings import Change, FindingVersion, Lane, Severity
from knowledge_base.subjects import Subject
from streams.messages.versions import decode_version, encode_version
from streams.store.casework import precision
from streams.store.casework.listing import IS_NEW, last_act

_encode = msgspec.json.Encoder().encode

LeadName = tuple[str, str]
"""(area, lead_id)"""

_COUNTED = (
    "state", "findings", "people", "in_question", "in_fund", "loss", "lines", "lines_without_loss", "newest_day",
    "severity", "at_stake", "lane", "undecided", "decided", "fresh", "changed", "came_at", "expected", "expected_of",
    "makers",
)  # fmt: skip


async def apply_findings(
    connection: asyncpg.Connection, versions: Sequence[FindingVersion], items: Collection[str]
) -> None:
    """Brings leads to some finding versions, in a transaction that the caller owns and that holds the set in force.

    The highest version of a finding holds; older and equal ones are ignored. A finding whose institution changed
    moves to another lead; the lead that it leaves stays, with what is left in it. Each version says its topic. How
    severe a maker is, in which lane, and whether it is live, the makers of the set in force say: findings of those that
    are not live are kept and never summed. ``items`` are the codes of items that the set knows: people find findings
    folded by those that an occurrence names.
    """
    newest = _newest(versions)
    stored = await _find_stored(connection, newest)
    fresh = [version for name, version in newest.items() if name not in stored or stored[name][0] < version.version]
    if not fresh:
        return
    homes = {(v.area, v.finding_id): lead_key(v, v.topic) for v in fresh}
    heirs = await _find_heirs(connection, homes)
    left = {(name[0], stored[name][1]) for name in homes if name in stored}
    touched = await _next_versions(connection, homes.values(), left)
    await _save_departures(connection, stored, homes, touched)
    await _save_findings(connection, fresh, homes, touched, items)
    await _save_lines(connection, fresh, homes)
    await _follow_decisions(connection, {*homes, *heirs})
    await save_totals(connection, touched.keys())


async def sum_marked(connection: asyncpg.Connection, items: Collection[str], most: int) -> int:
    """Sums leads that were marked for it, in a transaction of its own, and says how many.

    Marked are those that the release before summed or decided on, and those of findings whose decision changed from
    another lead. Findings get what that release did not write. Leads that somebody is at are left for the next time.
    """
    async with connection.transaction():
        rows = await connection.fetch(
            """
            select l.area, l.lead_id from leads l
            where (l.area, l.lead_id) in (select m.area, m.lead_id from leads_to_sum m order by 1, 2 limit $1)
            order by l.area, l.lead_id for update skip locked
            """,
            most,
        )
        names = [(row["area"], row["lead_id"]) for row in rows]
        await _complete_findings(connection, names, items)
        await save_totals(connection, names)
    return len(names)


async def _complete_findings(
    connection: asyncpg.Connection, leads: Collection[LeadName], items: Collection[str]
) -> None:
    rows = await connection.fetch(
        """
        select f.area, f.finding_id, f.body from unnest($1::text[], $2::text[]) as wanted (area, lead_id)
        join lead_findings f using (area, lead_id) where f.items is null
        """,
        *_columns(leads),
    )
    await connection.executemany(
        """
        update lead_findings f set items = $3, in_question = (
            select coalesce(sum(l.in_question), 0) from lead_lines l
            where l.area = f.area and l.finding_id = f.finding_id)
        where f.area = $1 and f.finding_id = $2
        """,
        [(row["area"], row["finding_id"], _items_of(decode_version(row["body"]), items)) for row in rows],
    )


async def sum_again(connection: asyncpg.Connection, area: str, makers: Sequence[str]) -> None:
    """Sums the leads of an area that hold findings of some makers again: severity, lane and whether live may differ.

    A finding stays in the lead of the topic that its maker had when it was last judged. One of before its maker went
    live comes now.
    """
    rows = await connection.fetch(
        "select distinct lead_id from lead_findings where area = $1 and rule_id = any($2::text[])", area, makers
    )
    touched = await _next_versions(connection, (), {(area, row["lead_id"]) for row in rows})
    await connection.execute(
        """
        update lead_findings f set severity = m.severity from makers m
        where f.area = $1 and f.rule_id = any($2::text[]) and m.id = f.rule_id and f.severity <> m.severity
        """,
        area,
        makers,
    )
    await connection.execute(
        """
        update lead_findings f set raised_at = now() from makers m
        where f.area = $1 and f.rule_id = any($2::text[]) and m.id = f.rule_id and m.live and f.is_open
            and m.live_since > coalesce(f.raised_at, '-infinity')
        """,
        area,
        makers,
    )
    await save_totals(connection, touched.keys())


def _newest(versions: Iterable[FindingVersion]) -> dict[tuple[str, str], FindingVersion]:
    newest: dict[tuple[str, str], FindingVersion] = {}
    for version in versions:
        name = (version.area, version.finding_id)
        if name not in newest or newest[name].version < version.version:
            newest[name] = version
    return newest


def _columns(names: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    ordered = sorted(names)
    return [first for first, _ in ordered], [second for _, second in ordered]


async def _find_stored(
    connection: asyncpg.Connection, names: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, str]]:
    """(version, lead_id) of the findings that are already known, by (area, finding_id)."""
    rows = await connection.fetch(
        """
        select f.area, f.finding_id, f.version, f.lead_id
        from unnest($1::text[], $2::text[]) as wanted (area, finding_id)
        join lead_findings f using (area, finding_id)
        """,
        *_columns(names),
    )
    return {(row["area"], row["finding_id"]): (row["version"], row["lead_id"]) for row in rows}


async def _find_heirs(connection: asyncpg.Connection, names: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """The findings that went on with withdrawn ones of these so far: one that is raised again is its own."""
    rows = await connection.fetch(
        """
        select f.area, heir_of(f.body) as heir from unnest($1::text[], $2::text[]) as wanted (area, finding_id)
        join lead_findings f using (area, finding_id) where not f.is_open and heir_of(f.body) is not null
        """,
        *_columns(names),
    )
    return [(row["area"], row["heir"]) for row in rows]


async def _next_versions(
    connection: asyncpg.Connection, homes: Iterable[LeadKey], left: Iterable[LeadName]
) -> dict[LeadName, int]:
    """Makes leads that are new, locks all in their order, and gives each its next version."""
    keys = {(key.area, lead_id(key)): key for key in homes}
    # Before the leads, and in one order: their trigger finds them there and waits for nobody.
    await connection.executemany(
        "insert into lead_places (institution, area, service_year) values ($1, $2, $3) on conflict do nothing",
        sorted({(key.institution, key.area, key.service_year) for key in keys.values()}),
    )
    await connection.executemany(
        """
        insert into leads (area, lead_id, institution, topic, service_year, version,
            findings, people, in_question, in_fund, severity)
        values ($1, $2, $3, $4, $5, 0, 0, 0, 0, 0, 4) on conflict do nothing
        """,
        [(*name, keys[name].institution, keys[name].topic, keys[name].service_year) for name in sorted(keys)],
    )
    rows = await connection.fetch(
        """
        with held as (
            select l.area, l.lead_id from unnest($1::text[], $2::text[]) as wanted (area, lead_id)
            join leads l using (area, lead_id) order by l.area, l.lead_id for update of l
        )
        update leads l set version = version + 1, seq = default, updated_at = now()
        from held where l.area = held.area and l.lead_id = held.lead_id
        returning l.area, l.lead_id, l.version
        """,
        *_columns({*keys, *left}),
    )
    return {(row["area"], row["lead_id"]): row["version"] for row in rows}


async def _save_departures(
    connection: asyncpg.Connection,
    stored: Mapping[tuple[str, str], tuple[int, str]],
    homes: Mapping[tuple[str, str], LeadKey],
    touched: Mapping[LeadName, int],
) -> None:
    """Notes which findings leave which lead for another one, and with which of its versions."""
    rows = [
        (area, stored[area, finding_id][1], finding_id, touched[area, stored[area, finding_id][1]])
        for (area, finding_id), home in homes.items()
        if (area, finding_id) in stored and stored[area, finding_id][1] != lead_id(home)
    ]
    await connection.executemany(
        """
        insert into lead_departures (area, lead_id, finding_id, lead_version) values ($1, $2, $3, $4)
        on conflict (area, lead_id, finding_id) do update set lead_version = excluded.lead_version
        """,
        rows,
    )


async def _save_findings(
    connection: asyncpg.Connection,
    versions: Sequence[FindingVersion],
    homes: Mapping[tuple[str, str], LeadKey],
    touched: Mapping[LeadName, int],
    items: Collection[str],
) -> None:
    severities = await _find_severities(connection, {version.maker.id for version in versions})
    rows = []
    for version in versions:
        finding = version.finding
        home = lead_id(homes[version.area, version.finding_id])
        rows.append(
            (
                version.area,
                version.finding_id,
                home,
                finding.maker_id,
                version.version,
                version.change is not Change.WITHDRAWN,
                *version.subject,
                as_date(finding.last_day),
                None if finding.excuse_until is None else as_date(finding.excuse_until),
                severities[finding.maker_id],
                encode_version(version),
                touched[version.area, home],
                version.maker.set,
                finding.at_stake if isinstance(finding.at_stake, Decimal) else None,
                sum((guilty.amounts.in_question for guilty in finding.guilty), ZERO),
                _items_of(version, items),
            )
        )
    await connection.executemany(
        """
        insert into lead_findings (area, finding_id, lead_id, rule_id, version, is_open, subject_kind, subject,
            last_day, excuse_until, severity, body, lead_version, raised_in, rule_set, at_stake, in_question, items,
            raised_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16, $17, now())
        on conflict (area, finding_id) do update set lead_id = excluded.lead_id, rule_id = excluded.rule_id,
            version = excluded.version, is_open = excluded.is_open, subject = excluded.subject,
            last_day = excluded.last_day, excuse_until = excluded.excuse_until, severity = excluded.severity,
            body = excluded.body, lead_version = excluded.lead_version, rule_set = excluded.rule_set,
            at_stake = excluded.at_stake, in_question = excluded.in_question, items = excluded.items,
            raised_in = case when lead_findings.is_open and lead_findings.lead_id = excluded.lead_id
                then coalesce(lead_findings.raised_in, lead_findings.lead_version) else excluded.raised_in end,
            raised_at = case when lead_findings.is_open and lead_findings.lead_id = excluded.lead_id
                then lead_findings.raised_at else excluded.raised_at end
        """,
        rows,
    )


def _items_of(version: FindingVersion, items: Collection[str]) -> list[str]:
    return [word for word in version.finding.occurrence[1:] if word in items]


async def _find_severities(connection: asyncpg.Connection, makers: Collection[str]) -> dict[str, int]:
    """How severe makers are. Raises ``LookupError`` where one was never published."""
    rows = await connection.fetch("select id, severity from makers where id = any($1::text[])", list(makers))
    found = {row["id"]: row["severity"] for row in rows}
    if unknown := set(makers) - found.keys():
        raise LookupError(f"no published set holds {', '.join(sorted(unknown))}")
    return found


async def _save_lines(
    connection: asyncpg.Connection,
    versions: Sequence[FindingVersion],
    homes: Mapping[tuple[str, str], LeadKey],
) -> None:
    """The lines in dispute of open findings; those of earlier versions go."""
    await connection.execute(
        """
        delete from lead_lines l using unnest($1::text[], $2::text[]) as gone (area, finding_id)
        where l.area = gone.area and l.finding_id = gone.finding_id
        """,
        *_columns(homes),
    )
    rows = []
    for version in versions:
        if version.change is Change.WITHDRAWN:
            continue
        home = lead_id(homes[version.area, version.finding_id])
        for guilty in version.finding.guilty:
            amounts = guilty.amounts
            line = _encode(guilty.part).decode()
            money = (amounts.in_question, amounts.in_fund, amounts.loss)
            rows.append((version.area, home, version.finding_id, line, *money))
    columns = ("area", "lead_id", "finding_id", "line", "in_question", "in_fund", "loss")
    await connection.copy_records_to_table("lead_lines", records=rows, columns=columns)


async def _follow_decisions(connection: asyncpg.Connection, names: Iterable[tuple[str, str]]) -> None:
    """What was decided holds on findings of new versions, and on those that go on with withdrawn ones."""
    by_area: dict[str, list[str]] = defaultdict(list)
    for area, finding_id in names:
        by_area[area].append(finding_id)
    await connection.executemany("select follow_decisions($1, $2::text[])", sorted(by_area.items()))


async def save_totals(connection: asyncpg.Connection, leads: Collection[LeadName]) -> None:
    """Sums some leads, which the transaction holds, from what their findings are and what was decided on these.

    Marks go first: one that is made meanwhile stays, and the lead is summed again. Meanwhile no precision changes.
    """
    await connection.execute("select pg_advisory_xact_lock_shared($1)", precision.LOCK)
    await connection.execute(
        """
        delete from leads_to_sum m using unnest($1::text[], $2::text[]) as summed (area, lead_id)
        where m.area = summed.area and m.lead_id = summed.lead_id
        """,
        *_columns(leads),
    )
    found = await _find_counting(connection, leads)
    otherwise = await _find_bare_verdicts(connection, [name for name in leads if not found[name]])
    steps = {name: totals(found[name], otherwise.get(name, "open")) for name in sorted(leads)}
    names = _columns(leads)
    await connection.execute(
        """
        delete from lead_totals t using unnest($1::text[], $2::text[]) as old (area, lead_id)
        where t.area = old.area and t.lead_id = old.lead_id
        """,
        *names,
    )
    await connection.copy_records_to_table(
        "lead_totals",
        records=[(*name, as_date(step.from_day), *_counted(step)) for name, of in steps.items() for step in of],
        columns=("area", "lead_id", "from_day", *_COUNTED),
    )
    # A lead that nothing is left of stays in the lane of what it held.
    await connection.execute(
        """
        update leads l set findings = t.findings, people = t.people, in_question = t.in_question,
            in_fund = t.in_fund, loss = t.loss, newest_day = t.newest_day, severity = t.severity,
            at_stake = t.at_stake, counts_from = t.from_day, state = t.state, undecided = t.undecided,
            decided = t.decided, fresh = t.fresh, changed = t.changed, came_at = t.came_at, expected = t.expected,
            makers = t.makers,
            lane = case when t.undecided + t.decided > 0 then t.lane else coalesce((
                select max(m.lane) from lead_findings f join makers m on m.id = f.rule_id
                where f.area = l.area and f.lead_id = l.lead_id having count(distinct m.lane) = 1), t.lane) end
        from (
            select distinct on (t.area, t.lead_id) t.* from unnest($1::text[], $2::text[]) as touched (area, lead_id)
            join lead_totals t using (area, lead_id) order by t.area, t.lead_id, t.from_day desc
        ) as t
        where l.area = t.area and l.lead_id = t.lead_id
        """,
        *names,
    )


def _counted(step: Totals) -> tuple[object, ...]:
    newest = None if step.newest_day is None else as_date(step.newest_day)
    money = (step.in_question, step.in_fund, step.loss, step.lines, step.lines_without_loss)
    counts = (step.undecided, step.decided, step.fresh, step.changed, step.came_at)
    seriousness = (int(step.severity), step.at_stake, step.lane.value)
    expected = (expected_money(step.expected), _encode(step.expected).decode())
    return (step.state, step.findings, step.people, *money, newest, *seriousness, *counts, *expected, step.makers)


async def _find_bare_verdicts(connection: asyncpg.Connection, leads: Collection[LeadName]) -> dict[LeadName, str]:
    """What the last standing decision says of leads that hold no finding, as of before it might cite none."""
    rows = await connection.fetch(
        """
        select distinct on (d.area, d.lead_id) d.area, d.lead_id, d.decision
        from unnest($1::text[], $2::text[]) as wanted (area, lead_id) join decisions d using (area, lead_id)
        where d.decision <> 'undone'
            and not exists (select from decisions u where u.area = d.area and u.undoes = d.decision_id)
        order by d.area, d.lead_id, d.decision_id desc
        """,
        *_columns(leads),
    )
    return {(row["area"], row["lead_id"]): row["decision"] for row in rows}


_CAME_AT = "greatest(f.raised_at, (f.excuse_until + 1)::timestamp at time zone 'Asia/Shanghai')"
"""When a row ``f`` came before people: when it was raised, or when the last day on which an excuse could come was over,
as SQL."""


async def _find_counting(
    connection: asyncpg.Connection, leads: Collection[LeadName]
) -> dict[LeadName, list[LeadFinding]]:
    """The open findings of live makers of some leads, with their parts in dispute, and all that was decided on."""
    names = _columns(leads)
    lines = await connection.fetch(
        """
        select l.area, l.finding_id, l.line, l.in_question, l.in_fund, l.loss
        from unnest($1::text[], $2::text[]) as wanted (area, lead_id) join lead_lines l using (area, lead_id)
        """,
        *names,
    )
    disputes: dict[tuple[str, str], list[Dispute]] = defaultdict(list)
    for area, finding_id, *dispute in lines:
        disputes[area, finding_id].append(Dispute(*dispute))
    rows = await connection.fetch(
        f"""
        select f.area, f.lead_id, f.finding_id, f.subject_kind, f.subject, f.last_day, f.severity, f.at_stake, m.lane,
            case when f.is_open and m.live then f.excuse_until end as excuse_until, f.is_open and m.live as counts,
            f.verdict, coalesce(not f.is_open or f.cited_version <> f.version, false) as is_changed,
            {IS_NEW} as is_new, {_CAME_AT} as came_at, f.rule_id, coalesce(p.confirmed, 0) as confirmed,
            coalesce(p.decided, 0) as of
        from unnest($1::text[], $2::text[]) as wanted (area, lead_id) {last_act("wanted")}
        join lead_findings f on f.area = wanted.area and f.lead_id = wanted.lead_id
        join makers m on m.id = f.rule_id left join maker_precision p on p.maker = f.rule_id
        where f.verdict is not null or f.is_open and m.live
        """,
        *names,
    )
    found: dict[LeadName, list[LeadFinding]] = defaultdict(list)
    for area, lead, finding_id, kind, name, last_day, severity, at_stake, lane, excuse_until, *decided in rows:
        counts, verdict, is_changed, is_new, came_at, maker, *right = decided
        found[area, lead].append(
            LeadFinding(
                Subject(kind, name),
                last_day.toordinal(),
                Severity(severity),
                None if excuse_until is None else excuse_until.toordinal(),
                tuple(disputes[area, finding_id]),
                Backer(Precision(*right).bound, maker),
                at_stake,
                Lane(lane),
                counts,
                None if verdict is None else Verdict(verdict),
                verdict is not None and is_changed,
                is_new,
                came_at,
            )
        )
    return found
