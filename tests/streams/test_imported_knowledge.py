"""What was imported stays in force under every set that is published, until it is taken back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest

from knowledge_base.catalogues.files import load_facts
from knowledge_base.catalogues.rows import AnyRow, DailyCap, SexLimit, WorkingAge
from knowledge_base.facts import Facts, Point
from rules_lib.publication import pack, unpack
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from streams.handlers.events import EventsHandler
from streams.handlers.rule_sets import RuleSets, publish, publish_own
from streams.store.judgements import published
from streams.store.sessions import Connection, connect
from tests.api import story

from .replay import VAULT
from .test_rule_sets import judge_all, judge_outstanding, without

BY = "somebody"
CAP, SEX = "GZ10000102014000", "GZ10000302004000"
MADE_UP, OTHER = "001201999980000", "001201999990000"
DAY = date(2026, 3, 2)


def point(row: AnyRow, catalogue: str, imported_on: date = date(2026, 3, 20)) -> Point:
    first, known = date(2025, 12, 31).toordinal(), imported_on.toordinal()
    return Point(catalogue, row, row.codes, row.name, first, None, known, "明细", True, imported=True)


def cap(code: str, limit: int = 1, imported_on: date = date(2026, 3, 20)) -> Point:
    return point(DailyCap(name="虚构", codes=(code,), limit=Decimal(limit), unit="日"), "daily_caps", imported_on)


def having(rule_set: RuleSet, *points: Point) -> RuleSet:
    """What a program has in its files where these points were imported."""
    return replace(rule_set, facts=Facts((*points, *rule_set.facts.points)))


@pytest.fixture(scope="module")
def own() -> RuleSet:
    return load_rule_set(load_facts())


@pytest.fixture
async def connection(postgres_url: str, own: RuleSet) -> AsyncIterator[Connection]:
    """A store in which a visit was judged for each made-up item, with two units of it on one day."""
    connection = await connect(postgres_url)
    await publish_own(connection, own)
    lines = [
        msgspec.structs.replace(story.line(1, story.NURSING, DAY, "2"), item_code=code) for code in (MADE_UP, OTHER)
    ]
    visits = [story.claim(f"p-{line.item_code}", f"V-{line.item_code}", [line], DAY) for line in lines]
    await judge_all(connection, EventsHandler(RuleSets(own), VAULT), visits)
    yield connection
    await connection.close()


async def outstanding(connection: Connection) -> set[str]:
    return {rule for entry in await published.find_outstanding(connection) for rule in entry.rules}


async def accused(connection: Connection, own: RuleSet) -> list[str]:
    """The people who are accused once everything outstanding was judged again."""
    await judge_outstanding(connection, own)
    return [row["person"] for row in await connection.fetch("select person from findings where is_open order by 1")]


def test_a_document_keeps_what_was_imported(own: RuleSet) -> None:
    again = unpack("any", pack(having(own, cap(MADE_UP))))
    assert [point.codes for point in again.facts.points if point.imported] == [(MADE_UP,)]
    assert b'"imported"' not in pack(own)


async def test_only_rules_whose_catalogues_changed_are_outstanding(connection: Connection, own: RuleSet) -> None:
    """Also where an import brings what a rule does not read, and where it is taken back."""
    woman = point(SexLimit(name="虚构", codes=(OTHER,), sex="2"), "sex_of_services")
    old = point(WorkingAge(name="虚构", codes=(OTHER,)), "services_of_working_age")
    await publish_own(connection, having(own, old))
    assert await outstanding(connection) == set()
    await publish_own(connection, having(own, woman, old))
    assert await outstanding(connection) == {SEX}
    assert await accused(connection, own) == [f"p-{OTHER}"]
    await publish_own(connection, having(own, cap(MADE_UP), woman, old))
    assert await outstanding(connection) == {CAP}
    assert await accused(connection, own) == [f"p-{MADE_UP}", f"p-{OTHER}"]
    await publish_own(connection, having(own, cap(MADE_UP), old), [woman])
    assert await outstanding(connection) == {SEX}
    assert await accused(connection, own) == [f"p-{MADE_UP}"]


async def test_a_later_import_supersedes_an_earlier_one_until_it_is_taken_back(
    connection: Connection, own: RuleSet
) -> None:
    first, second = cap(MADE_UP), cap(MADE_UP, 2, date(2026, 3, 21))
    await publish_own(connection, having(own, first))
    assert await accused(connection, own) == [f"p-{MADE_UP}"]
    await publish_own(connection, having(own, second, first))
    assert await accused(connection, own) == []
    await publish_own(connection, having(own, first), [second])
    assert await accused(connection, own) == [f"p-{MADE_UP}"]


async def test_a_program_without_the_folder_takes_nothing_out_of_force(connection: Connection, own: RuleSet) -> None:
    """As in a container whose home is new each time, or on another machine that imported something else."""
    await publish_own(connection, having(own, cap(MADE_UP)))
    assert await accused(connection, own) == [f"p-{MADE_UP}"]
    in_force = await published.find_in_force(connection)
    assert (await publish_own(connection, own)).after == in_force
    assert await outstanding(connection) == set()
    await publish_own(connection, having(own, cap(OTHER)))
    assert await accused(connection, own) == [f"p-{MADE_UP}", f"p-{OTHER}"]
    await publish_own(connection, own, [cap(MADE_UP)])
    assert await accused(connection, own) == [f"p-{OTHER}"]
    assert (await publish(connection, own, "program")).rules == [], "nor by rules publish"


async def test_the_next_program_keeps_what_was_imported(
    connection: Connection, own: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has other checks, and says itself of one item what the import said."""
    await publish_own(connection, having(own, cap(MADE_UP), cap(OTHER)))
    monkeypatch.setattr("rules_lib.rule_set.source_hash", lambda check, looks_at: "of the next release")
    known = replace(cap(OTHER), imported=False)
    newer = RuleSet(own.rules, Facts((*own.facts.points, known)))
    await publish_own(connection, newer)
    in_force = await RuleSets(newer).in_force(connection)
    of_cap = [point for point in in_force.facts.points if point.codes[0] in (MADE_UP, OTHER)]
    assert [(point.codes[0], point.imported) for point in of_cap] == [(MADE_UP, True), (OTHER, False)]
    assert in_force.has_its_sources
    assert await accused(connection, newer) == [f"p-{MADE_UP}", f"p-{OTHER}"]


async def test_a_persons_rules_keep_what_was_imported(connection: Connection, own: RuleSet) -> None:
    await publish(connection, without(own, SEX), BY)
    assert (await publish_own(connection, having(own, cap(MADE_UP)))).by == BY
    assert await accused(connection, own) == [f"p-{MADE_UP}"]
    again = await publish_own(connection, having(own, cap(MADE_UP)))
    assert (again.rules, again.before) == ([], again.after)

    fewer = RuleSet(tuple(rule for rule in own.rules if rule.id == CAP), own.facts)
    await publish(connection, fewer, "another")
    assert await accused(connection, own) == [f"p-{MADE_UP}"]
    await publish_own(connection, having(own, cap(OTHER), cap(MADE_UP)))
    assert await accused(connection, own) == [f"p-{MADE_UP}", f"p-{OTHER}"]
    switch = await publish_own(connection, having(own, cap(OTHER)), [cap(MADE_UP)])
    assert (switch.by, switch.rules) == ("another", [CAP])
    assert await accused(connection, own) == [f"p-{OTHER}"]
    in_force = await RuleSets(own).in_force(connection)
    assert [rule.id for rule in in_force.rules] == [CAP]
