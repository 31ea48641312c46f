"""The list of a lead for its institution: one row a line in dispute, as a workbook and as a page."""

import io
import tracemalloc
import zipfile
from collections.abc import Sequence
from dataclasses import replace as changed
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace
from openpyxl import load_workbook

from api.frame.texts import load_texts
from api.leads import listed
from api.leads.listed import ListHead, ListRow, Said
from api.leads.workbook import COLUMNS, ListBook
from casework.audit import Act
from casework.rights import Role
from casework.sight import Sight
from knowledge_base.events.claims import Department
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.store.casework import lists, queue
from streams.store.casework.lists import ListSum
from streams.store.events.evidence import find_events_of_persons, find_person_events
from streams.store.judgements.findings import save_versions
from streams.store.people import audit
from tests.api import test_people
from tests.api.lists import FIRST, HEADINGS, download, lead_of, rows_of, sheet_of
from tests.api.story import (  # fmt: skip
    AREA,
    BED,
    COUNTY,
    NAMES,
    TODAY,
    TOWN,
    at,
    county,
    judged,
    line,
    next_version,
    save_claims,
    stay,
    version_of,
)
from tests.api.test_audit import _acts
from tests.api.test_people import SignIn, _open
from tests.streams.leads import apply_findings

desk = test_people.desk
ONE = Decimal(1)
NOW = Sight(TODAY.toordinal())
ODD = '=HYPERLINK("http://evil.example")'


def _of_lead(versions: Sequence[FindingVersion]) -> list[FindingVersion]:
    return [v for v in versions if v.topic == "stays" and v.finding.institution == COUNTY]


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await save_versions(connection, AREA, versions)
        await apply_findings(connection, versions, rule_set)


async def test_a_row_is_a_line_in_dispute_with_its_bill_sentence_and_law(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    """Held against the claims as they were made up, and against what the interface says of each finding."""
    lead = await lead_of(client)
    claims = {claim.encounter_id: claim for claim in county()}
    expected = []
    for version in _of_lead(versions):
        told = (await client.get(f"/api/findings/{version.finding_id}")).json()
        for number, guilty in enumerate(version.finding.guilty, 1):
            house, encounter, line_id = guilty.part
            claim = claims[encounter]
            (billed,) = [entry for entry in claim.lines if entry.line_id == line_id]
            loss = guilty.amounts.loss
            row = {
                "问题": told["rule_title"],
                "就诊号": encounter,
                "结算单号": claim.claim_id,
                "明细号": line_id,
                "时间": (billed.at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M"),
                "项目编码": billed.item_code,
                "项目名称": billed.item_name,
                "数量": float(billed.quantity),
                "金额(元)": float(billed.amount),
                "涉疑金额(元)": float(guilty.amounts.in_question),
                "其中统筹内(元)": float(guilty.amounts.in_fund),
                "基金损失(元)": "无法计算" if loss is None else float(loss),
                "疑点": told["sentence"],
                "依据": "；".join(law["text"] for law in told["law"]),
                "疑点编号": version.finding_id,
                "版本": version.version,
                "第几条明细": number,
            }
            assert house == COUNTY
            expected.append(row)
    rows = rows_of(await download(client, lead))
    assert [row["序号"] for row in rows] == list(range(1, len(expected) + 1))
    assert sorted(({name: row[name] for name in expected[0]} for row in rows), key=str) == sorted(expected, key=str)
    assert len({row["基金损失(元)"] == "无法计算" for row in rows}) == 2, "both kinds of loss are there"
    order = [(row["问题"], row["时间"]) for row in rows]
    assert order == sorted(order), "of one rule as they happened"


async def test_a_finding_without_lines_has_a_row(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead, bare = await lead_of(client), next_version(_of_lead(versions)[0], guilty=())
    await _apply(connection, [bare], rule_set)
    rows = rows_of(await download(client, lead))
    assert len(rows) == len(_of_lead(versions))
    (row,) = [row for row in rows if row["疑点编号"] == bare.finding_id]
    assert (row["版本"], row["第几条明细"], row["明细号"] or "", row["结算单号"] or "") == (2, 0, "", "")
    assert row["疑点"]


async def test_of_a_finding_of_several_lines_a_page_says_sentence_and_law_once_and_a_workbook_by_row(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    """Rows of a workbook are sorted and filtered, so each stands for itself."""
    lead, (first, *rest) = await lead_of(client), _of_lead(versions)
    (guilty,) = first.finding.guilty
    several = next_version(first, guilty=(guilty, replace(guilty, part=(*guilty.part[:2], "another"))))
    await _apply(connection, [several], rule_set)
    rows = rows_of(await download(client, lead))
    own = [row for row in rows if row["疑点编号"] == several.finding_id]
    assert len(own) == 2
    assert [row["疑点"] for row in own] == 2 * [own[0]["疑点"]]
    assert [row["依据"] for row in own] == 2 * [own[0]["依据"]]
    page = (await client.get(f"/leads/{lead}/list")).text
    assert page.count(own[0]["疑点"]) == 1
    assert page.count(f"同第 {own[0]['序号']} 行<") == 2, "sentence and law"
    assert page.count(own[0]["依据"]) == len(rest) + 1


async def test_what_does_not_count_is_not_listed(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead, (gone, waiting, *rest) = await lead_of(client), _of_lead(versions)
    changes = [next_version(gone, Change.WITHDRAWN), next_version(waiting, excuse_until=TODAY.toordinal() + 1)]
    await _apply(connection, changes, rule_set)
    content = await download(client, lead)
    assert {row["疑点编号"] for row in rows_of(content)} == {version.finding_id for version in rest}


async def test_text_from_outside_stays_text(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    first = date(2026, 2, 1)
    lines = [line(n, BED, first, item_name=ODD, department=Department("+1", "-2+3")) for n in range(5)]
    lines = [replace(entry, line_id=f"@{entry.line_id}", at=at(first, 8 + n)) for n, entry in enumerate(lines)]
    claim = stay("demo-p-0090", "=1+1", first, first + timedelta(days=2), lines, claim_id="=2\u202e3")
    (judgement,) = judged([claim], rule_set).values()
    found = [version_of(finding, rule_set=rule_set.hash) for finding in judgement.findings]
    await save_claims(connection, [claim])
    await _apply(connection, found, rule_set)
    await connection.execute("update institutions set name = '=甲&乙' where institution = $1", COUNTY)
    content = await download(client, await lead_of(client))
    rows = [row for row in rows_of(content) if row["疑点编号"] in {version.finding_id for version in found}]
    assert rows
    assert {(row["就诊号"], row["结算单号"], row["科室"], row["项目名称"]) for row in rows} == {
        ("=1+1", "=2\\u202e3", "-2+3", ODD)
    }
    assert all(row["明细号"].startswith("@") for row in rows)
    kinds = {cell.data_type for cells in sheet_of(content).iter_rows() for cell in cells}
    assert "f" not in kinds
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        xml = packed.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in xml
    assert "&amp;L=甲&amp;&amp;乙&amp;C" in xml, "a name of its own sign is printed as it is"


async def test_money_is_a_number_and_codes_are_text(client: httpx.AsyncClient, versions: list[FindingVersion]) -> None:
    sheet = sheet_of(await download(client, await lead_of(client)))
    for name in HEADINGS:
        cell = sheet.cell(FIRST + 1, HEADINGS.index(name) + 1)
        if name in ("金额(元)", "涉疑金额(元)", "其中统筹内(元)", "基金损失(元)"):
            assert (cell.data_type, cell.number_format) == ("n", "#,##0.00"), name
        elif name in ("序号", "数量", "版本", "第几条明细"):
            assert cell.data_type == "n", name
        elif cell.value is not None:
            assert (cell.data_type, cell.number_format) == ("s", "@"), name


async def test_it_prints_across_with_institution_days_and_page_on_each_sheet(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    content = await download(client, await lead_of(client))
    sheet, count = sheet_of(content), len(_of_lead(versions))
    assert [cell.value for cell in sheet[FIRST - 1]] == HEADINGS
    setup = sheet.page_setup
    assert (setup.orientation, setup.paperSize) == ("landscape", 9)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (setup.fitToWidth or 1, setup.fitToHeight) == (1, 0)
    assert sheet.print_title_rows == f"${FIRST - 1}:${FIRST - 1}"
    assert str(sheet.print_area).endswith(f"$A$1:$R${sheet.max_row}")
    first = min(date.fromordinal(version.finding.first_day) for version in _of_lead(versions))
    last = max(date.fromordinal(version.finding.last_day) for version in _of_lead(versions))
    head, foot = sheet.oddHeader, sheet.oddFooter
    assert (head.left.text, head.right.text) == (NAMES[COUNTY], f"疑点日期 {first} 至 {last}")
    assert "2026" in head.center.text
    assert (foot.left.text, foot.center.text) == ("清单日期 2026-04-20", "第 &P 页，共 &N 页")
    above = " ".join(str(sheet.cell(row, 1).value) for row in range(1, FIRST - 1))
    assert all(word in above for word in (NAMES[COUNTY], COUNTY, "住院与床位", str(first), str(last), "2026-04-20"))
    choice, length = sheet.data_validations.dataValidation
    last_row = FIRST + count - 1
    assert (choice.type, choice.formula1, str(choice.sqref)) == ("list", '"同意,异议"', f"Q{FIRST}:Q{last_row}")
    assert (length.type, length.operator, length.formula1, str(length.sqref)) == (
        "textLength", "lessThanOrEqual", "2000", f"R{FIRST}:R{last_row}",
    )  # fmt: skip
    below = [sheet.cell(row, 2).value for row in range(FIRST + count + 2, sheet.max_row + 1)]
    assert below[0] == "机构（盖章）："
    assert len(below) == 5


async def test_a_second_sheet_explains_every_column_chinese_first(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    book = load_workbook(io.BytesIO(await download(client, await lead_of(client))))
    rows = list(book.worksheets[1].iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in rows] == HEADINGS
    english = load_texts("en")
    assert [row[2:] for row in rows] == [
        (english(f"list.columns.{name}"), english(f"list.explained.{name}")) for name in COLUMNS
    ]
    assert all(all(row) for row in rows)


async def test_a_list_without_rows_is_a_list(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    lead = await lead_of(client)
    await connection.execute("update lead_findings set is_open = false")
    content = await download(client, lead)
    assert rows_of(content) == []
    assert "疑点日期 — 至 —" in sheet_of(content).oddHeader.right.text
    assert (await client.get(f"/leads/{lead}/list")).status_code == 200


async def test_portions_make_no_difference_and_are_all_that_is_held(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lead = await lead_of(client)
    whole = rows_of(await download(client, lead))
    monkeypatch.setattr(listed, "PORTION", 7)
    assert rows_of(await download(client, lead)) == whole
    found = await queue.find_lead(connection, lead, NOW)
    assert found is not None
    async with connection.transaction():
        portions = [portion async for portion in lists.walk_findings(connection, found, NOW, 7)]
    assert {len(portion) for portion in portions[:-1]} == {7}
    names = await connection.fetch(
        "select finding_id from lead_findings where lead_id = $1 and is_open"
        " order by severity, rule_id, last_day, finding_id",
        lead,
    )
    assert [v.finding_id for portion in portions for v in portion] == [row["finding_id"] for row in names]


def _memory_for(count: int, row: ListRow, head: ListHead, folder: Path) -> int:
    """Bytes that Python holds at most while a list of so many rows is written."""
    tracemalloc.start()
    try:
        with (folder / "list.xlsx").open("wb") as file:
            book = ListBook(file, folder, head)
            for number in range(count):
                book.write([changed(row, number=number)])
            book.close()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_long_list_takes_no_more_memory_than_a_short_one(
    connection: asyncpg.Connection, versions: list[FindingVersion], tmp_path: Path
) -> None:
    lead_id = await connection.fetchval("select lead_id from leads where topic = 'stays' limit 1")
    lead = await queue.find_lead(connection, lead_id, NOW)
    assert lead is not None
    head = ListHead(lead, "虚构县中医院", "住院与床位", None, TODAY, ListSum(1, 0, ONE, ONE, ONE))
    version = _of_lead(versions)[0]
    row = ListRow(1, 1, version, 1, "L1", "S1", None, version.finding.amounts, Said("问题", "疑点" * 20, "依据" * 40))
    few, many = (_memory_for(count, row, head, tmp_path) for count in (1000, 3000))
    assert (many - few) / 2000 < 100, "bytes a row, of the thousands that it has"
    assert len(rows_of((tmp_path / "list.xlsx").read_bytes())) == 3000


async def test_handing_a_list_out_is_noted_with_its_rows(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    lead = await lead_of(client)
    rows = rows_of(await download(client, lead))
    await client.get(f"/leads/{lead}/list")
    said = {"lead": lead, "rows": str(len(rows))}
    exported = [entry for entry in await _acts(connection) if entry[0] == Act.EXPORTED]
    assert exported == [(Act.EXPORTED, said | {"form": "xlsx"}), (Act.EXPORTED, said | {"form": "page"})]
    await audit.verify(connection)
    assert "导出清单" in (await client.get("/account/today")).text


async def test_nobody_is_asked_about_what_was_dismissed(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    lead = await lead_of(client)
    rows = rows_of(await download(client, lead))
    first = rows[0]["疑点编号"]
    detail = (await client.get(f"/api/leads/{lead}")).json()
    body = {"version": detail["lead"]["version"], "findings": [first], "decision": "dismissed", "ground": "excused"}
    assert (await client.post(f"/api/leads/{lead}/decisions", json=body)).status_code == 201
    left = {row["疑点编号"] for row in rows_of(await download(client, lead))}
    assert left == {row["疑点编号"] for row in rows} - {first}


async def test_the_page_has_the_rows_of_the_workbook(client: httpx.AsyncClient, versions: list[FindingVersion]) -> None:
    lead = await lead_of(client)
    rows = rows_of(await download(client, lead))
    page = (await client.get(f"/leads/{lead}/list")).text
    told = [
        [cell.partition(">")[2] for cell in row.split("<td")[1:]]
        for row in page.partition("<tbody>")[2].split("<tr>")[1 : len(rows) + 1]
    ]
    cells = [[cell.partition("</td>")[0] for cell in row] for row in told]
    assert [row[4] for row in cells] == [row["明细号"] for row in rows]
    assert [row[14] for row in cells] == [row["疑点"] for row in rows]
    assert [Decimal(row[11]) for row in cells] == [Decimal(row["涉疑金额(元)"]) for row in rows]
    assert "机构（盖章）：" in page
    english = (await client.get(f"/leads/{lead}/list?lang=en")).text
    assert "Institution (stamp):" in english
    assert (await client.get(f"/leads/{lead}/list.xlsx?lang=en")).status_code == 200
    assert rows_of(await download(client, lead)) == rows, "the workbook is Chinese for everybody"


@pytest.mark.parametrize("topic", ["stays", "limits"])
async def test_the_last_row_holds_the_sums_of_the_lead(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], topic: str
) -> None:
    lead_id = await lead_of(client, topic=topic)
    rows, total = rows_of(await download(client, lead_id)), await _last_row(client, lead_id)
    lead = await connection.fetchrow("select in_question, in_fund from leads where lead_id = $1", lead_id)
    assert lead is not None
    lines = {(row["就诊号"], row["明细号"]) for row in rows if row["第几条明细"]}
    assert total["问题"] == f"合计：{len(lines)} 条明细，每条只计一次"
    assert (total["涉疑金额(元)"], total["其中统筹内(元)"]) == (float(lead["in_question"]), float(lead["in_fund"]))


async def test_a_line_that_two_findings_dispute_counts_once_with_the_greatest_amounts(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    lead_id = await lead_of(client)
    before = await _last_row(client, lead_id)
    first = next(version for version in _of_lead(versions) if version.finding.guilty[0].amounts.loss is None)
    (part,) = first.finding.guilty
    dearer = replace(part, amounts=replace(part.amounts, in_question=part.amounts.in_question + 7, loss=ONE))
    again = replace(first.finding, guilty=(dearer,))
    await _apply(connection, [replace(first, finding_id="f" * 32, finding=again)], rule_set)
    after = await _last_row(client, lead_id)
    assert after["问题"] == before["问题"]
    assert after["涉疑金额(元)"] == before["涉疑金额(元)"] + 7
    assert after["其中统筹内(元)"] == before["其中统筹内(元)"]
    assert (before["基金损失(元)"], after["基金损失(元)"]) == ("≥ 696.00", "≥ 697.00")
    await connection.execute("update lead_lines set loss = null where lead_id = $1", lead_id)
    assert (await _last_row(client, lead_id))["基金损失(元)"] == "无法计算"
    await connection.execute("update lead_lines set loss = 2 where lead_id = $1", lead_id)
    lines = await connection.fetchval("select count(distinct line) from lead_lines where lead_id = $1", lead_id)
    assert (await _last_row(client, lead_id))["基金损失(元)"] == 2 * lines


async def _last_row(client: httpx.AsyncClient, lead_id: str) -> dict[str, Any]:
    """The row below the list."""
    content = await download(client, lead_id)
    row = FIRST + len(rows_of(content))
    (cells,) = sheet_of(content).iter_rows(min_row=row, max_row=row, max_col=len(HEADINGS), values_only=True)
    return dict(zip(HEADINGS, cells, strict=True))


@pytest.mark.parametrize("role", Role)
async def test_whose_list_somebody_may_fetch(
    connection: asyncpg.Connection,
    desk: SignIn,
    versions: list[FindingVersion],
    role: Role,
) -> None:
    """Whoever may see leads, and of these the ones of their institution."""
    await _open(connection, "somebody", role, institutions=frozenset({COUNTY}))
    leads = await connection.fetch("select lead_id, institution from leads where institution in ($1, $2)", COUNTY, TOWN)
    sees = role is not Role.OPERATOR
    async with desk("somebody") as client:
        for lead in leads:
            for part in ("list", "list.xlsx", "answers"):
                status = (await client.get(f"/leads/{lead['lead_id']}/{part}")).status_code
                assert status == (403 if not sees else 200 if lead["institution"] == COUNTY else 404), part


async def test_a_lead_out_of_sight_or_unknown_has_no_list_and_nothing_is_noted(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    for part in ("list", "list.xlsx"):
        assert (await client.get(f"/leads/{'0' * 32}/{part}")).status_code == 404
    assert await _acts(connection) == []


async def test_events_of_several_persons_are_those_of_each(
    connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    one, other, third = "demo-p-0001", "demo-p-0002", "demo-p-0003"
    for patient in (one, other):
        await connection.execute(
            "insert into persons (area, patient, person, seq) values ($1, $2, $3, 1)", AREA, patient, one
        )
    each = {person: await find_person_events(connection, AREA, person) for person in (one, other, third)}
    assert await find_events_of_persons(connection, AREA, [one, other, third]) == each
    seqs = await connection.fetch("select seq, patient from events where area = $1", AREA)
    expected = {one: {one, other}, other: {one, other}, third: {third}}
    assert {person: set(events) for person, events in each.items()} == {
        person: {row["seq"] for row in seqs if row["patient"] in patients} for person, patients in expected.items()
    }
