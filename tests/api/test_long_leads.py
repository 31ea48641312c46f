"""A lead of 20,000 lines: its page stays small whatever its findings are, reads each finding's lines once, and what is
done to it or beside it reads no more than it has to."""

import html
import re
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from api.leads.listed import load_head, walk_rows
from api.leads.view import own_sums
from api.leads.workbook import ListBook, list_texts
from casework.sight import Sight
from knowledge_base.findings import FindingVersion, finding_id
from knowledge_base.subjects import patient
from rules_lib.rule_set import RuleSet
from streams.store.casework.decisions import find_chosen, find_decision, find_history, find_holding
from streams.store.casework.listing import Chosen, Fold, Listing, find_groups, find_state_sums
from streams.store.casework.queue import Lead, find_lead
from tests.api.explaining import Explaining
from tests.api.lists import lead_of
from tests.api.story import AREA, TODAY
from tests.streams.leads import apply_findings

LINES = 20_000
MOST_BYTES = 300_000
FEW_BLOCKS = 25
"""Blocks of the store that one finding may cost: its row, its line, and the indexes of both."""
MOST_MORE_MEMORY = 500_000
"""Bytes for 4,500 rows more: 111 a row, of the thousands that it has."""
SIGHT = Sight(TODAY.toordinal())

_GROUP = re.compile(r'href="([^"#]*[?&;]group=[0-9a-f]{32})#findings" data-item')
_FINDING = re.compile(r'href="([^"#]*[?&;]finding=[0-9a-f]{32})#evidence" data-item')


def _many(version: FindingVersion, findings: int, lines: int) -> Iterator[FindingVersion]:
    """So many findings of as many people like one, which dispute so many lines together."""
    finding = version.finding
    (institution, _, _), guilty = finding.guilty[0].part, finding.guilty[0]
    for number in range(findings):
        name, visit = f"long-p-{number:05}", f"S-long-{number:05}"
        parts = tuple(replace(guilty, part=(institution, visit, f"L{n}")) for n in range(lines // findings))
        occurrence = (name, *finding.occurrence[1:-1], visit)
        mine = replace(finding, occurrence=occurrence, guilty=parts, involved=())
        named = finding_id(AREA, finding.maker_id, occurrence)
        yield replace(version, finding_id=named, subject=patient(name), finding=mine)


async def _apply(
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    findings: int,
    lines: int = LINES,
) -> None:
    """Brings lines into the lead on stays at one institution, whose other findings have their claims."""
    stay = next(version for version in versions if version.finding.maker_id == "FW10000001")
    async with connection.transaction():
        await apply_findings(connection, list(_many(stay, findings, lines)), rule_set)


@pytest.mark.parametrize("findings", [2_000, 100, 1])
async def test_the_page_of_a_lead_of_20_000_lines_is_small(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    findings: int,
) -> None:
    await _apply(connection, versions, rule_set, findings)
    lead_id = await lead_of(client)
    lines = await connection.fetchval("select lines from lead_totals where lead_id = $1", lead_id)
    assert lines >= LINES
    for language in ("zh", "en"):
        pages = [f"/leads/{lead_id}?lang={language}", f"/leads/{lead_id}?lang={language}&fold=patient"]
        for address in pages:
            page = await _small(client, address)
            for link in (_GROUP, _FINDING):
                for other in link.findall(page)[:2]:
                    await _small(client, html.unescape(other))


async def _small(client: httpx.AsyncClient, address: str) -> str:
    answer = await client.get(address)
    assert answer.status_code == 200
    assert len(answer.content) < MOST_BYTES, address
    return answer.text


_SHORT_LEADS = """
    insert into lead_lines (area, lead_id, finding_id, line, in_question, in_fund)
    select '420281', md5('lead' || n / 12), md5('finding' || n / 4), '["H","E","' || n || '"]', 1, 1
    from generate_series(1, 200000) n
"""


@pytest.mark.parametrize("fold", ["item", "patient"])
async def test_the_lines_of_a_long_lead_are_read_finding_by_finding(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    fold: Fold,
) -> None:
    """A planner that knows most leads to have few lines would read all of this one's again for each finding."""
    await _apply(connection, versions, rule_set, LINES // 10)
    await connection.execute(_SHORT_LEADS)
    await connection.execute("vacuum analyze lead_lines, lead_findings")
    lead_id, explaining = await lead_of(client), Explaining(connection)
    groups = await find_groups(explaining.as_connection, AREA, lead_id, Listing(fold=fold), SIGHT, 0, 50)
    assert sum(group.findings for group in groups) >= 50
    assert explaining.blocks < FEW_BLOCKS * LINES // 10
    sums = await find_state_sums(explaining.as_connection, AREA, lead_id, SIGHT)
    assert sums["open"].findings > LINES // 10
    assert explaining.blocks < FEW_BLOCKS * LINES // 10


async def test_a_lead_whose_findings_are_in_one_state_says_itself_what_they_come_to(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    lead_id = await lead_of(client)
    names = await connection.fetch("select finding_id from lead_findings where lead_id = $1 limit 5", lead_id)
    some = {"findings": [row["finding_id"] for row in names]}
    for chosen, states in ((None, {"open"}), (some, {"open", "confirmed"}), ({}, {"confirmed"})):
        if chosen is not None:
            await _decided(client, lead_id, chosen)
        lead = await find_lead(connection, lead_id, SIGHT)
        assert lead is not None
        sums = await find_state_sums(connection, AREA, lead_id, SIGHT)
        assert sums.keys() == states
        assert own_sums(lead) == (sums if len(states) == 1 else {})


async def test_how_far_decisions_hold_is_told_without_looking_at_each_finding(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    """Of a long lead that was decided on, undone and decided on again."""
    await _apply(connection, versions, rule_set, LINES // 10)
    lead_id = await lead_of(client)
    first = await _decided(client, lead_id)
    undoing = f"/api/leads/{lead_id}/decisions/{first}/undo"
    assert (await client.post(undoing, json={"reason": "看错了"})).status_code == 201
    second = await _decided(client, lead_id)
    await connection.execute("vacuum analyze lead_findings, decisions, citations")
    explaining = Explaining(connection)
    holding = await find_holding(explaining.as_connection, AREA, lead_id)
    assert holding.keys() == {second}
    assert holding[second] > LINES // 10
    assert explaining.blocks < holding[second] // 4
    history = await find_history(explaining.as_connection, AREA, lead_id)
    assert [entry.cited for entry in history] == [holding[second]] * 3
    assert explaining.blocks < holding[second] // 4
    assert (await find_decision(connection, AREA, second)).cites[0].version == 1
    with pytest.raises(LookupError):
        await find_decision(connection, AREA, 999)


async def test_a_list_of_any_length_holds_no_more_than_a_portion_of_it(
    app: FastAPI,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    client: httpx.AsyncClient,
    tmp_path: Path,
) -> None:
    """From the store to the file: ten times as many rows take about as much memory."""
    peaks = []
    for rows in (500, 5_000):
        await _apply(connection, versions, rule_set, rows, rows)
        lead = await find_lead(connection, await lead_of(client), SIGHT)
        assert lead is not None
        assert lead.lines >= rows
        peaks.append(await _memory_of_list(app, connection, lead, tmp_path))
    assert peaks[1] - peaks[0] < MOST_MORE_MEMORY


async def _memory_of_list(app: FastAPI, connection: asyncpg.Connection, lead: Lead, folder: Path) -> int:
    """Bytes that Python holds at most while the list of a lead is made."""
    texts = list_texts()
    tracemalloc.start()
    try:
        async with connection.transaction():
            shown = await app.state.desk.find_shown(connection, SIGHT)
            with (folder / "list.xlsx").open("wb") as file:
                book = ListBook(file, folder, await load_head(connection, shown, lead, texts))
                async for rows in walk_rows(connection, shown, lead, texts):
                    book.write(rows)
                book.close()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_whoever_decides_on_a_lead_reads_the_findings_of_no_other(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    await _apply(connection, versions, rule_set, LINES // 10)
    await connection.execute("vacuum analyze")
    lead_id = await lead_of(client, topic="limits")
    explaining, everything = Explaining(connection), Chosen(everything=True)
    (cited,) = await find_chosen(explaining.as_connection, AREA, lead_id, everything, 1, SIGHT)
    assert cited.version == 1
    assert explaining.rows("lead_findings") < 10


async def _decided(client: httpx.AsyncClient, lead_id: str, chosen: Mapping[str, object] | None = None) -> int:
    """The number of a decision on all of a lead, or on some of its findings."""
    version = (await client.get(f"/api/leads/{lead_id}")).json()["lead"]["version"]
    said = {"version": version, "decision": "confirmed", "ground": "records", **(chosen or {})}
    answer = await client.post(f"/api/leads/{lead_id}/decisions", json=said)
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["decision_id"]
    return number
