"""A store of the release before, with three of its rule sets, is brought to this one, beside workers that write on."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from casework.rights import Right
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.findings import Change, Finding, FindingVersion
from knowledge_base.subjects import patient
from rules_lib.publication import pack
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.bus import Message
from streams.buses.postgres import PostgresBus
from streams.handlers import rule_sets as switching
from streams.handlers.events import EventsHandler
from streams.handlers.findings import LeadsHandler
from streams.handlers.rule_sets import RuleSets, publish, publish_first, publish_own
from streams.hosts.stations import create_topics
from streams.hosts.worker import Worker
from streams.jobs.explaining import Reproduced, explain
from streams.jobs.rejudging import rejudge
from streams.messages.versions import pack_finding, unpack_version
from streams.store.judgements import published
from streams.store.judgements.published import PROGRAM
from streams.store.migrations import FOLDER, find_migrations, migrate
from streams.store.operation.status import find_unready_reason
from streams.store.people.users import find_account, save_account, take_carried_over
from streams.store.sessions import Connection, connect, open_pool
from streams.topics import FINDINGS, LEADS

from .replay import VAULT
from .test_rule_sets import BY, events_of, judge_all, without

LAST_OF_BEFORE = "0006_watch"
OLD_SETS = ("first", "second", "third")
SEX = "GZ10000302004000"


class OldVersion(msgspec.Struct, frozen=True):
    """A finding version as the release before wrote it."""

    area: str
    finding_id: str
    version: int
    change: Change
    person: str
    finding: Finding
    cause: str
    as_of: int
    rule_set: str
    rule_hash: str
    check_hash: str
    continued_by: str | None = None


def old_version(version: FindingVersion) -> OldVersion:
    return OldVersion(
        version.area,
        version.finding_id,
        version.version,
        version.change,
        version.subject.name,
        version.finding,
        version.cause,
        version.as_of,
        OLD_SETS[-1],
        version.maker.file,
        "old",
    )


def old_document(rule_set: RuleSet) -> bytes:
    """A set as the release before published it: ``looks_at`` said what the anchor is, and nothing else was there."""
    document = json.loads(pack(rule_set))
    for rule in document["rules"]:
        anchor, always = rule.pop("anchor"), rule.pop("always")
        rule["looks_at"] = "encounter" if always else "line" if anchor == "day" else "patient"
    words = {name: document[name] for name in ("rules", "points")}
    return json.dumps({**words, "checks": dict.fromkeys(document["checks"], "old")}).encode()


@asynccontextmanager
async def session(dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def whole() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def of_before(new_database: Callable[[], str], whole: RuleSet) -> str:
    """A database that ends with the migrations of the release before, and what its workers had judged."""
    dsn = new_database()
    async with session(new_database()) as judged, session(dsn) as connection:
        await publish_first(judged, whole)
        await judge_all(judged, EventsHandler(RuleSets(whole), VAULT), events_of(8))
        await connection.execute("drop schema public cascade; create schema public")
        await _apply(connection, [path for path in sorted(FOLDER.glob("*.sql")) if path.stem <= LAST_OF_BEFORE])
        for table in ("event_ids", "events", "received", "persons"):
            await _copy(judged, connection, table)
        versions = [unpack_version(row["body"]) for row in await judged.fetch("select body from finding_versions")]
        await _save_old(connection, versions)
        anchors = await judged.fetch("select * from not_evaluated")
        for row in anchors:
            await connection.execute(
                "insert into not_evaluated (area, person, anchor_id, rules, reason, occurrence, first_day, last_day)"
                " values ($1, $2, $3, $4, $5, $6, $7, $8)",
                *[row[name] for name in ("area", "subject", "anchor_id", "rules", "reason", "occurrence")],
                *[row[name] for name in ("first_day", "last_day")],
            )
        sets = (without(whole, SEX), whole, whole)
        for name, rule_set in zip(OLD_SETS, sets, strict=True):
            await connection.execute("insert into rule_sets (hash, body) values ($1, $2)", name, old_document(rule_set))
            await connection.execute("insert into rule_set_switches (rule_set) values ($1)", name)
        seq = await judged.fetchval("select last_value from arrivals")
        await connection.execute("select setval('arrivals', $1)", seq)
    return dsn


async def _apply(connection: Connection, files: list[Path]) -> None:
    await connection.execute("create table migrations (name text primary key, applied_at timestamptz default now())")
    for path in files:
        await connection.execute(path.read_text(encoding="utf-8"))
        await connection.execute("insert into migrations (name) values ($1)", path.stem)


async def _copy(judged: Connection, old: Connection, table: str) -> None:
    columns = [
        row["attname"]
        for row in await old.fetch(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0", table
        )
    ]
    rows = await judged.fetch(f"select {', '.join(columns)} from {table}")
    await old.copy_records_to_table(table, records=[tuple(row) for row in rows], columns=columns)


_SAVE_OLD = """
    insert into findings
        (area, finding_id, person, rule_id, institution, version, is_open, first_day, last_day, excuse_until, body)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, null, $10)
    on conflict (area, finding_id) do update set
        person = excluded.person, institution = excluded.institution, version = excluded.version,
        is_open = excluded.is_open, first_day = excluded.first_day, last_day = excluded.last_day, body = excluded.body
"""
"""How workers of the release before keep a finding."""


async def _save_old(connection: Connection, versions: list[FindingVersion]) -> None:
    for version in sorted(versions, key=lambda version: version.version):
        finding, is_open = version.finding, version.change is not Change.WITHDRAWN
        await connection.execute(
            _SAVE_OLD,
            version.area,
            version.finding_id,
            version.subject.name,
            finding.maker_id,
            finding.institution,
            version.version,
            is_open,
            as_date(finding.first_day),
            as_date(finding.last_day),
            pack_finding(finding),
        )
        await connection.execute(
            "insert into finding_versions (area, finding_id, version, change, cause, as_of, rule_set, body)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8)",
            version.area,
            version.finding_id,
            version.version,
            version.change.value,
            version.cause,
            version.as_of,
            OLD_SETS[-1],
            msgspec.msgpack.encode(old_version(version)),
        )


async def _rejudged(connection: Connection, sets: RuleSets) -> int:
    """How many versions judging everything outstanding again brings."""
    return sum([report.findings.total() async for _, report in rejudge(connection, sets)])


async def test_what_was_judged_before_stands_and_no_version_is_added(of_before: str, whole: RuleSet) -> None:
    await migrate(of_before)
    async with session(of_before) as connection:
        switch = await publish_own(connection, whole)
        assert (switch.before, switch.by) == (OLD_SETS[-1], "unknown"), "a set that no release shipped is a person's"
        assert set(switch.rules) == {rule.id for rule in whole.rules}
        assert await _rejudged(connection, RuleSets(whole)) == 0
        assert not await published.find_outstanding(connection)
        rows = await connection.fetch("select area, finding_id from findings order by finding_id limit 25")
        answers = [await explain(connection, row["area"], row["finding_id"]) for row in rows]
        verdicts = {answer.verdict for answer in answers if answer is not None}
        assert Reproduced.SAME in verdicts <= {Reproduced.SAME, Reproduced.CHECK_CHANGED}, "what is odd names more now"
        assert {answer.stored.maker.set for answer in answers if answer is not None} == {OLD_SETS[-1]}


async def test_sets_of_before_are_read_with_their_words(of_before: str, whole: RuleSet) -> None:
    await migrate(of_before)
    async with session(of_before) as connection:
        sets = RuleSets(whole)
        first, third = [await sets.get(connection, name) for name in ("first", "third")]
        assert (first.hash, third.hash) == ("first", "third")
        assert SEX not in first.by_id
        assert {(rule.id, rule.looks_at, rule.always) for rule in third.rules} == {
            (rule.id, "patient", rule.always) for rule in whole.rules
        }
        assert third.topics == whole.topics
        makers = await connection.fetch("select id, kind, live from makers")
        assert {tuple(row) for row in makers} == {(rule.id, "rule", rule.is_live) for rule in whole.rules}


async def test_a_set_that_a_release_shipped_gives_way_to_the_programs(
    of_before: str, whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(of_before)
    monkeypatch.setattr(switching, "SHIPPED", frozenset({OLD_SETS[-1]}))
    async with session(of_before) as connection:
        switch = await publish_own(connection, whole)
        assert (switch.after, switch.by) == (whole.hash, PROGRAM)


async def test_workers_of_before_write_on_while_the_store_is_brought_up(of_before: str, whole: RuleSet) -> None:
    """Between any two migrations, and after them, by the statements that they know."""
    async with session(of_before) as connection:
        version = unpack_version(await connection.fetchval("select body from finding_versions limit 1"))
        names: list[str] = []
        for path in sorted(FOLDER.glob("*.sql")):
            if path.stem > LAST_OF_BEFORE:
                await _migrate_one(of_before, path.stem)
                names.append(path.stem)
                other = msgspec.structs.replace(version, finding_id=path.stem, subject=patient(path.stem))
                await _save_old(connection, [other])
                await connection.execute(
                    "update findings set person = 'p-merged' where area = $1 and finding_id = $2",
                    version.area,
                    path.stem,
                )
                row = await connection.fetchrow(
                    "select subject_kind, subject from findings where finding_id = $1", path.stem
                )
                assert row is not None
                assert tuple(row) == ("patient", "p-merged"), "the new name follows the old one"
        assert names
        assert await connection.fetchval("select count(*) from findings where subject is null") == 0
        await connection.execute("update findings set subject = 'p-again' where finding_id = $1", names[0])
        assert await connection.fetchval("select person from findings where finding_id = $1", names[0]) == "p-again"
    async with open_pool(of_before) as pool:
        assert await find_unready_reason(pool) is None


async def _migrate_one(dsn: str, name: str) -> None:
    """The next migration alone, as if the run had been interrupted after it."""
    async with session(dsn) as connection:
        later = [path.stem for path in FOLDER.glob("*.sql") if path.stem > name]
        await connection.executemany("insert into migrations (name) values ($1)", [(other,) for other in later])
        assert await migrate(dsn) == [name]
        await connection.execute("delete from migrations where name = any($1::text[])", later)


async def test_versions_that_were_on_their_way_come_into_leads(of_before: str, whole: RuleSet) -> None:
    await migrate(of_before)
    async with session(of_before) as connection:
        rows = await connection.fetch("select body from finding_versions order by seq")
        old = [msgspec.msgpack.decode(row["body"], type=OldVersion) for row in rows]
        async with open_pool(of_before) as pool:
            bus = PostgresBus(pool)
            await create_topics(bus)
            await bus.send(FINDINGS, [Message(v.person.encode(), msgspec.json.encode(v), "judge") for v in old])
            worker = Worker(lambda: connect(of_before), LeadsHandler(RuleSets(whole), VAULT))
            consumer = await bus.consumer(LEADS, FINDINGS, "m", await worker.open())
            await worker.run(consumer, asyncio.Event(), until_idle=True)
            await consumer.close()
            await worker.close()
        assert await connection.fetchval("select count(*) from dead_letters") == 0
        assert await connection.fetchval("select count(*) from lead_findings where subject is not null") == len(
            {version.finding_id for version in old}
        )
        topics = {row["topic"] for row in await connection.fetch("select distinct topic from leads")}
        assert topics == {whole.by_id[version.finding.maker_id].topic for version in old}


async def test_the_release_before_reads_what_this_one_writes(postgres_url: str, whole: RuleSet) -> None:
    async with session(postgres_url) as connection:
        await publish_first(connection, whole)
        await judge_all(connection, EventsHandler(RuleSets(whole), VAULT), events_of(2))
        stored = await connection.fetch("select body from finding_versions")
        sent = await connection.fetch("select value from outbox")
        assert stored
        for row in stored:
            old, now = msgspec.msgpack.decode(row["body"], type=OldVersion), unpack_version(row["body"])
            assert (old.person, old.rule_set) == (now.subject.name, now.maker.set)
            assert msgspec.msgpack.encode(old.finding) == pack_finding(now.finding)
        assert all(msgspec.json.decode(row["value"], type=OldVersion).rule_set == whole.hash for row in sent)


# --- a person's set


async def test_a_persons_set_stays_in_force_and_is_renewed_for_another_program(
    postgres_url: str, whole: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(postgres_url) as connection:
        await publish_first(connection, whole)
        fewer = without(whole, SEX)
        await publish(connection, fewer, BY)
        assert (await publish_own(connection, whole)).after == fewer.hash, "nothing to renew"
        monkeypatch.setattr("rules_lib.rule_set.source_hash", lambda check, looks_at: "of the next release")
        switch = await publish_own(connection, RuleSet(whole.rules, whole.facts))
        assert (switch.by, set(switch.rules)) == (BY, {rule.id for rule in fewer.rules})
        renewed = await RuleSets(whole).get(connection, switch.after)
        assert renewed.has_its_sources
        assert SEX not in renewed.by_id
        assert await published.find_publisher(connection) == BY


async def _publish_broken(connection: Connection, whole: RuleSet, field: str, value: object) -> switching.Switch:
    """A person's set with a rule that another program understands, put in force, and renewed by this one."""
    document = json.loads(pack(whole))
    (rule,) = [rule for rule in document["rules"] if rule["id"] == SEX]
    if field == "points":
        for point in document["points"]:
            point["row"] |= value if point["catalogue"] == "sex_of_services" else {}
    rule |= {} if field == "points" else {field: value}
    await connection.execute("insert into rule_sets (hash, body) values ('theirs', $1)", json.dumps(document).encode())
    await connection.execute("insert into rule_set_switches (rule_set, published_by) values ('theirs', $1)", BY)
    return await publish_own(connection, whole)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("check", "patients.gone_by_now", "check: no such check"),
        ("catalogues", ["unheard_of"], "catalogues.0: unknown catalogue"),
        ("severity", "grave", "severity: "),
        ("looks_at", "star_sign", "looks_at: unknown kind of subject"),
        ("points", {"colour": "red"}, "catalogues: sex_of_services: colour: "),
    ],
)
async def test_a_rule_that_no_longer_loads_is_suspended_and_its_findings_stay(
    postgres_url: str, whole: RuleSet, field: str, value: object, says: str
) -> None:
    async with session(postgres_url) as connection:
        await publish_first(connection, whole)
        events = events_of(6)
        half = len(events) // 2
        await judge_all(connection, EventsHandler(RuleSets(whole), VAULT), events[:half])
        open_of = "select count(*) from findings where is_open and rule_id = $1"
        before = await connection.fetchval(open_of, SEX)
        others = await connection.fetchval("select count(*) from findings where rule_id <> $1", SEX)
        assert before > 0
        switch = await _publish_broken(connection, whole, field, value)
        assert switch.by == BY
        sets = RuleSets(whole)
        (suspended,) = (await sets.in_force(connection)).suspended
        assert says in str(suspended)
        assert str(suspended).startswith(f"{SEX}: patients/")
        assert (await sets.in_force(connection)).cards[SEX].is_live, "its findings are shown as before"
        assert await _rejudged(connection, sets) == 0
        await judge_all(connection, EventsHandler(sets, VAULT), events)
        assert await connection.fetchval(open_of, SEX) == before, "nothing new, and nothing withdrawn"
        assert await connection.fetchval("select count(*) from findings where rule_id <> $1", SEX) > others
        assert (await publish_own(connection, whole)).after == switch.after, "renewing again changes nothing"


async def test_the_order_of_migrations_is_that_of_their_names(postgres_url: str) -> None:
    async with session(postgres_url) as connection:
        assert await find_migrations(connection) == sorted(path.stem for path in FOLDER.glob("*.sql"))


async def test_the_log_in_of_before_becomes_an_account_with_all_rights_and_is_said_once(postgres_url: str) -> None:
    async with session(postgres_url) as connection:
        await connection.execute(
            "drop index sessions_by_login, users_by_name; delete from migrations where name = '0031_accounts'"
        )
        await connection.execute(
            "alter table users drop column name, drop column roles, drop column areas, drop column institutions,"
            " drop column disabled_at, drop column carried_over"
        )
        await connection.execute("insert into users (login, password_hash) values ('inspector', 'hash')")
    await migrate(postgres_url)
    async with session(postgres_url) as connection:
        account = await find_account(connection, "inspector")
        assert account is not None
        assert (account.rights, account.areas, account.institutions) == (set(Right) - {Right.ASK}, None, None)
        assert await take_carried_over(connection) == ["inspector"]
        assert await take_carried_over(connection) == []
        assert not await connection.fetchval("select bool_or(password_given) from users")
        await save_account(connection, msgspec.structs.replace(account, login="another"), "hash", password_given=False)
        assert await take_carried_over(connection) == []
