"""What followed decisions on findings of a rule that left the set: as the command lists it, from a store of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from casework.decisions import Ground, Verdict
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion, GuiltyPart
from knowledge_base.subjects import patient
from rules_lib.rule_set import RuleSet
from streams.acts.decide import Said, decide, undo
from streams.store.casework import leads
from streams.store.casework.listing import Chosen
from streams.store.judgements.findings import save_versions
from streams.store.judgements.published import save_makers
from tests.api.story import AREA, COUNTY, TODAY, next_version
from tests.shell import Shell

GONE, NOW = "FW10000004", "FW10000005"
TODAYS = Sight(TODAY.toordinal())


@pytest.fixture
def seen_elsewhere(versions: list[FindingVersion]) -> FindingVersion:
    (version,) = [version for version in versions if version.finding.maker_id == NOW]
    return version


@pytest.fixture
def old(seen_elsewhere: FindingVersion) -> FindingVersion:
    """The same as the rule of before found it: the other institution's line in dispute, and nothing beside it."""
    finding = seen_elsewhere.finding
    accused = tuple(GuiltyPart(part, finding.amounts) for part in finding.involved)
    return msgspec.structs.replace(
        seen_elsewhere,
        finding_id="4" * 32,
        maker=msgspec.structs.replace(seen_elsewhere.maker, id=GONE),
        finding=msgspec.structs.replace(finding, maker_id=GONE, institution=COUNTY, guilty=accused, involved=()),
    )


@pytest.fixture
def of_before(rule_set: RuleSet) -> RuleSet:
    """The set with the rule of before, too."""
    rule = rule_set.by_id[NOW].model_copy(update={"id": GONE, "file_hash": "before"})
    return RuleSet((*rule_set.rules, rule), rule_set.facts, rule_set.topics)


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion]) -> None:
    async with connection.transaction():
        await save_versions(connection, AREA, versions)
        await leads.apply_findings(connection, versions, ())


async def _decided(connection: asyncpg.Connection, version: FindingVersion) -> str:
    """Confirms the lead that holds a finding, and returns its name."""
    row = await connection.fetchrow(
        "select lead_id, l.version from leads l join lead_findings f using (area, lead_id) where finding_id = $1",
        version.finding_id,
    )
    assert row is not None
    said = Said(Verdict.CONFIRMED, Ground.OTHER, "与护理记录不符")
    await decide(connection, *row, Chosen(everything=True), said, "inspector", TODAYS)
    lead_id: str = row["lead_id"]
    return lead_id


@pytest.fixture
async def lead_id(
    connection: asyncpg.Connection,
    old: FindingVersion,
    of_before: RuleSet,
    rule_set: RuleSet,
) -> str:
    """A lead that was confirmed while the rule of before was in force, and is judged by the set of today."""
    await save_makers(connection, of_before)
    await _apply(connection, [old])
    lead_id = await _decided(connection, old)
    await save_makers(connection, rule_set)
    return lead_id


def _followed(shell: Shell, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shell.json("decisions", "followed", *words)["decisions"]
    return found


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path, postgres_url)


async def test_findings_that_name_the_same_lines_follow_one_whose_rule_is_gone(
    shell: Shell, connection: asyncpg.Connection, lead_id: str, old: FindingVersion, seen_elsewhere: FindingVersion
) -> None:
    (before,) = _followed(shell)
    assert (before["lead_id"], before["decision"], before["decided_by"]) == (lead_id, "confirmed", "inspector")
    assert [(gone["rule_id"], gone["is_open"]) for gone in before["findings"]] == [(GONE, True)]
    await _apply(connection, [next_version(old, Change.WITHDRAWN)])
    ((gone,),) = [entry["findings"] for entry in _followed(shell)]
    home = await connection.fetchval(
        "select lead_id from lead_findings where finding_id = $1", seen_elsewhere.finding_id
    )
    assert (gone["finding_id"], gone["is_open"], gone["how"]) == (old.finding_id, False, "share")
    assert gone["followed_by"] == [{"finding_id": seen_elsewhere.finding_id, "lead_id": home}]
    table = shell("decisions", "followed")
    assert all(word in table for word in (GONE, old.finding_id, seen_elsewhere.finding_id, "已撤回", "确认疑点"))
    assert seen_elsewhere.subject.name not in table


async def test_the_finding_that_goes_on_with_it_comes_first(
    shell: Shell, connection: asyncpg.Connection, lead_id: str, old: FindingVersion, versions: list[FindingVersion]
) -> None:
    heir = versions[0]
    withdrawn = next_version(old, Change.WITHDRAWN)
    await _apply(connection, [msgspec.structs.replace(withdrawn, continued_by=heir.finding_id)])
    ((gone,),) = [entry["findings"] for entry in _followed(shell)]
    assert (gone["how"], [place["finding_id"] for place in gone["followed_by"]]) == ("continue", [heir.finding_id])


async def test_where_persons_were_joined_meanwhile_the_lines_are_looked_for_with_the_person(
    shell: Shell, connection: asyncpg.Connection, lead_id: str, old: FindingVersion, seen_elsewhere: FindingVersion
) -> None:
    of_person = msgspec.structs.replace(next_version(old, Change.WITHDRAWN), finding_id="5" * 32)
    of_pseudonym = msgspec.structs.replace(
        next_version(old, Change.WITHDRAWN), subject=patient("demo-p-0051"), continued_by=of_person.finding_id
    )
    await _apply(connection, [of_pseudonym, of_person])
    ((gone,),) = [entry["findings"] for entry in _followed(shell)]
    assert (gone["finding_id"], gone["how"]) == (old.finding_id, "share")
    assert [place["finding_id"] for place in gone["followed_by"]] == [seen_elsewhere.finding_id]


async def test_where_nothing_follows_that_is_said(
    shell: Shell, connection: asyncpg.Connection, lead_id: str, old: FindingVersion, seen_elsewhere: FindingVersion
) -> None:
    of_other_lines = next_version(seen_elsewhere, guilty=(), involved=())
    await _apply(connection, [next_version(old, Change.WITHDRAWN), of_other_lines])
    ((gone,),) = [entry["findings"] for entry in _followed(shell)]
    assert (gone["how"], gone["followed_by"]) == ("nothing", [])
    withdrawn = next_version(of_other_lines, Change.WITHDRAWN, involved=seen_elsewhere.finding.involved)
    await _apply(connection, [withdrawn])
    ((gone,),) = [entry["findings"] for entry in _followed(shell)]
    assert (gone["how"], gone["followed_by"]) == ("nothing", [])
    assert "无 nothing" in shell("decisions", "followed")


async def test_decisions_that_were_undone_or_cite_rules_in_force_are_not_listed(
    shell: Shell, connection: asyncpg.Connection, lead_id: str, seen_elsewhere: FindingVersion
) -> None:
    await _decided(connection, seen_elsewhere)
    page = shell.json("decisions", "followed", "--most", "1")
    assert ([entry["lead_id"] for entry in page["decisions"]], page["next"]) == ([lead_id], lead_id)
    assert _followed(shell, "--after", lead_id) == []
    decision = await connection.fetchval("select decision_id from decisions where lead_id = $1", lead_id)
    await undo(connection, lead_id, decision, "看错了", "inspector", TODAYS)
    assert _followed(shell) == []
