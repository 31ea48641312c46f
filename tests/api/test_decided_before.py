"""A store of before, with leads decided on, decided anew and taken back, is brought to this release under load."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence

import asyncpg
import pytest
from msgspec.structs import replace

from knowledge_base.days import as_date
from knowledge_base.findings import Change, FindingVersion, finding_id
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from streams.jobs.summing import sum_all_marked
from streams.messages.versions import encode_version
from streams.store.migrations import FOLDER, migrate
from streams.store.sessions import Connection, open_pool
from tests.api.conftest import County
from tests.api.holding import agree
from tests.api.story import AREA, next_version

LAST_OF_BEFORE = "0034_held_leads"
TABLES = (
    "rule_sets", "rule_set_switches", "makers", "findings", "finding_versions", "leads", "lead_findings", "lead_lines",
    "lead_totals",
)  # fmt: skip


@pytest.fixture
async def of_before(new_database: Callable[[], str], county: County) -> str:
    """A database that ends with the migrations of the release before, with the county's leads as it kept them."""
    dsn = new_database()
    now, old = await asyncpg.connect(county.url), await asyncpg.connect(dsn)
    try:
        await old.execute("drop schema public cascade; create schema public")
        await old.execute("create table migrations (name text primary key, applied_at timestamptz default now())")
        later = [path.stem for path in FOLDER.glob("*.sql") if path.stem > LAST_OF_BEFORE]
        await old.executemany("insert into migrations (name) values ($1)", [(name,) for name in later])
        assert (await migrate(dsn))[-1] == LAST_OF_BEFORE
        await old.execute("delete from migrations where name = any($1::text[])", later)
        for table in TABLES:
            columns = await old.fetch(
                "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0", table
            )
            names = [row["attname"] for row in columns]
            rows = await now.fetch(f"select {', '.join(names)} from {table}")
            await old.copy_records_to_table(table, records=[tuple(row) for row in rows], columns=names)
        await old.execute("select setval('arrivals', 100000)")
    finally:
        await now.close()
        await old.close()
    return dsn


class _Before:
    """Console and worker of the release before, by the statements that they know."""

    def __init__(self, connection: Connection, chance: random.Random):
        self.connection = connection
        self.chance = chance
        self.decided: list[tuple[str, str]] = []

    async def decide(self, lead_id: str, verdict: str) -> None:
        """On a whole lead, citing all of its findings."""
        async with self.connection.transaction():
            version = await self.connection.fetchval("select version from leads where lead_id = $1 for update", lead_id)
            cites = await self.connection.fetch(
                "select finding_id, version from lead_findings where lead_id = $1 and is_open order by 1", lead_id
            )
            await self._append(lead_id, version, verdict, None, json.dumps([dict(row) for row in cites]))

    async def undo(self, lead_id: str) -> None:
        """The decision that holds on a lead."""
        async with self.connection.transaction():
            version = await self.connection.fetchval("select version from leads where lead_id = $1 for update", lead_id)
            holds = await self.connection.fetchrow(
                """
                select decision_id, cites from decisions d where lead_id = $1 and decision <> 'undone'
                    and not exists (select from decisions u where u.undoes = d.decision_id)
                order by decision_id desc limit 1
                """,
                lead_id,
            )
            if holds is not None:
                await self._append(lead_id, version, "undone", holds["decision_id"], holds["cites"])

    async def _append(self, lead_id: str, version: int, verdict: str, undoes: int | None, cites: str) -> None:
        await self.connection.execute(
            """
            insert into decisions (area, lead_id, lead_version, decision, reason, decided_by, undoes, cites)
            values ($1, $2, $3, $4, 'why', 'inspector', $5, $6::jsonb)
            """,
            AREA,
            lead_id,
            version,
            verdict,
            undoes,
            cites,
        )
        standing = await self.connection.fetchval(
            """
            select coalesce((
                select decision from decisions d where lead_id = $1 and decision <> 'undone'
                    and not exists (select from decisions u where u.undoes = d.decision_id)
                order by decision_id desc limit 1), 'open')
            """,
            lead_id,
        )
        await self.connection.execute(
            "update leads set version = version + 1, state = $2 where lead_id = $1", lead_id, standing
        )
        self.decided.append((lead_id, verdict))

    async def take_in(self, version: FindingVersion) -> None:
        """A finding version, into the lead that its finding is in or that of a finding like it."""
        finding = version.finding
        async with self.connection.transaction():
            lead = await self.connection.fetchrow(
                """
                select area, lead_id from leads where institution = $1
                    and topic = (select topic from makers where id = $2) and service_year = $3 for update
                """,
                finding.institution,
                finding.maker_id,
                as_date(finding.last_day).year,
            )
            assert lead is not None
            grown = await self.connection.fetchval(
                "update leads set version = version + 1 where lead_id = $1 returning version", lead["lead_id"]
            )
            await self.connection.execute(
                """
                insert into lead_findings (area, finding_id, lead_id, rule_id, version, is_open, subject, last_day,
                    severity, body, lead_version)
                values ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10)
                on conflict (area, finding_id) do update set version = excluded.version, is_open = excluded.is_open,
                    body = excluded.body, lead_version = excluded.lead_version
                """,
                AREA,
                version.finding_id,
                lead["lead_id"],
                finding.maker_id,
                version.version,
                version.change is not Change.WITHDRAWN,
                version.subject.name,
                as_date(finding.last_day),
                encode_version(version),
                grown,
            )
            await self.connection.execute("delete from lead_lines where finding_id = $1", version.finding_id)
            if version.change is not Change.WITHDRAWN:
                for guilty in finding.guilty:
                    await self.connection.execute(
                        "insert into lead_lines values ($1, $2, $3, $4, $5, $6, $7)",
                        AREA,
                        lead["lead_id"],
                        version.finding_id,
                        json.dumps(guilty.part, separators=(",", ":")),
                        *(guilty.amounts.in_question, guilty.amounts.in_fund, guilty.amounts.loss),
                    )
            await self._sum(lead["lead_id"])

    async def _sum(self, lead_id: str) -> None:
        await self.connection.execute("delete from lead_totals where lead_id = $1", lead_id)
        await self.connection.execute(
            """
            insert into lead_totals (area, lead_id, from_day, findings, people, in_question, in_fund, lines,
                lines_without_loss, severity)
            select $1, $2, '0001-01-01', count(*), count(distinct subject), 0, 0, 0, 0, 1
            from lead_findings where lead_id = $2 and is_open
            """,
            AREA,
            lead_id,
        )


def _another(version: FindingVersion, name: str) -> FindingVersion:
    occurrence = (version.subject.name, version.finding.institution, name)
    made = replace(version, finding=replace(version.finding, occurrence=occurrence), version=1, change=Change.RAISED)
    return replace(made, finding_id=finding_id(AREA, version.maker.id, occurrence))


async def _work_on(before: _Before, versions: Sequence[FindingVersion], most: int) -> None:
    """What goes on while a release is brought up: people decide and take back, findings come, change and go."""
    now = {version.finding_id: version for version in versions}
    leads = [row["lead_id"] for row in await before.connection.fetch("select lead_id from leads order by 1")]
    for number in range(most):
        act = before.chance.randrange(5)
        version = now[before.chance.choice(sorted(now))]
        if act == 0:
            await before.decide(
                before.chance.choice(leads), before.chance.choice(["confirmed", "dismissed", "returned"])
            )
        elif act == 1:
            await before.undo(before.chance.choice(leads))
        else:
            change = before.chance.choice([Change.REVISED, Change.WITHDRAWN])
            taken = (
                _another(version, f"later-{number}-{before.chance.random()}")
                if act == 2
                else next_version(version, change)
            )
            now[taken.finding_id] = taken
            await before.take_in(taken)


@pytest.mark.parametrize("seed", range(4))
async def test_every_decision_is_where_it_was(of_before: str, county: County, rule_set: RuleSet, seed: int) -> None:
    chance = random.Random(seed)
    connection, other = await asyncpg.connect(of_before), await asyncpg.connect(of_before)
    try:
        before, still = _Before(connection, chance), _Before(other, chance)
        await _work_on(before, county.versions, 40)
        rows = await connection.fetch("select * from decisions order by decision_id")
        assert len(rows) > 5
        names, _ = await asyncio.gather(migrate(of_before), _work_on(still, county.versions, 30))
        assert names[:1] == ["0035_decided_findings"]
        await _work_on(still, county.versions, 15)
        async with open_pool(of_before) as pool:
            await asyncio.gather(sum_all_marked(pool, RuleSets(rule_set)), _work_on(still, county.versions, 15))
            await sum_all_marked(pool, RuleSets(rule_set))
        assert await connection.fetchval("select count(*) from leads_to_sum") == 0
        after = await connection.fetch("select * from decisions order by decision_id")
        assert [dict(row) | {"scope": "lead", "ground": None} for row in rows] == [
            dict(row) for row in after[: len(rows)]
        ]
        assert {row["scope"] for row in after} == {"lead"}
        assert len(after) == len(before.decided) + len(still.decided)
        await agree(connection)
        assert await connection.fetchval("select count(*) from lead_findings where items is null") == 0
    finally:
        await connection.close()
        await other.close()
