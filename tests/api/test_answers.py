"""A filled list that is read in: what is kept and refused, what it changes, what the page says, and bad files."""

import asyncio
import io
import zipfile
from collections.abc import Sequence

import asyncpg
import httpx
import psutil
import pytest
import xlsxwriter
from openpyxl import Workbook

from api.frame.texts import load_texts
from api.leads import answers, filled
from api.leads.filled import MOST_FILE, FileRefused, read_filled
from casework.answers import FilledRow, Misfit
from casework.audit import Act
from casework.rights import Role, rights_of
from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion
from rules_lib.rule_set import RuleSet
from streams.acts.answer import answer
from streams.store.casework import answers as stored
from streams.store.casework import queue
from streams.store.casework.holders import lock_lead
from streams.store.judgements.findings import save_versions
from tests.api import test_people
from tests.api.lists import FIRST, HEADINGS, answered, download, lead_of, rows_of, send
from tests.api.lists import filled as fill
from tests.api.story import AREA, COUNTY, TODAY, TOWN, next_version
from tests.api.test_audit import _acts
from tests.api.test_people import SignIn, _open
from tests.patience import PATIENCE
from tests.streams.leads import apply_findings

desk = test_people.desk
NOW = Sight(TODAY.toordinal())
AGREE, DISPUTE = answered("同意"), answered("异议", "当日有长期医嘱")


@pytest.fixture
async def lead(client: httpx.AsyncClient, versions: list[FindingVersion]) -> str:
    return await lead_of(client)


async def _apply(connection: asyncpg.Connection, versions: Sequence[FindingVersion], rule_set: RuleSet) -> None:
    async with connection.transaction():
        await save_versions(connection, AREA, versions)
        await apply_findings(connection, versions, rule_set)


async def _kept(connection: asyncpg.Connection) -> list[tuple[str, int, str, str]]:
    """Every answer that is stored, in the order in which they came."""
    rows = await connection.fetch("select finding_id, version, position, remark from answers order by file, finding_id")
    return [tuple(row) for row in rows]


async def _refused(connection: asyncpg.Connection) -> list[tuple[int, str]]:
    return [tuple(row) for row in await connection.fetch("select row, misfit from refused_answers order by file, row")]


async def _read(client: httpx.AsyncClient, lead: str, content: bytes) -> str:
    """The page to which a filled list leads."""
    answer = await send(client, lead, content)
    assert answer.status_code == 303, answer.text
    page = await client.get(answer.headers["location"])
    assert page.status_code == 200
    return page.text


async def _problem(client: httpx.AsyncClient, lead: str, content: bytes) -> str:
    return (await _read(client, lead, content)).partition('role="alert">')[2].partition("<")[0]


def _of(versions: Sequence[FindingVersion], finding_id: str) -> FindingVersion:
    return next(version for version in versions if version.finding_id == finding_id)


# --- what is taken


async def test_a_filled_list_is_read_row_by_row(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    """Held against what was written into the cells, by a loop."""
    content = await download(client, lead)
    rows = rows_of(content)
    cells = {FIRST: AGREE, FIRST + 1: DISPUTE, FIRST + 3: AGREE, FIRST + 4: answered("好的"), FIRST + 5: {"版本": 9}}
    page = await _read(client, lead, fill(content, cells))
    said = {FIRST: ("agreed", ""), FIRST + 1: ("disputed", "当日有长期医嘱"), FIRST + 3: ("agreed", "")}
    expected = [(rows[row - FIRST]["疑点编号"], 1, *words) for row, words in said.items()]
    assert await _kept(connection) == sorted(expected)
    assert await _refused(connection) == [(FIRST + 4, "no_word"), (FIRST + 5, "no_version")]
    assert f"机构核对：同意 2 条，异议 1 条，未答复 {len(rows) - 3} 条；共 {len(rows)} 条明细" in page
    assert f"同意 2 条，异议 1 条，空白 {len(rows) - 5} 条，未接收 2 行" in page
    assert f'<td class="n" data-label="行号">{FIRST + 4}</td>' in page
    assert "只能填 同意 或 异议" in page
    counts = {"agreed": "2", "disputed": "1", "blank": str(len(rows) - 5), "refused": "2"}
    file = str(await connection.fetchval("select file from answer_files"))
    assert (await _acts(connection))[-1] == (Act.ANSWERED, {"lead": lead, "file": file, **counts})
    assert "读入机构的答复" in (await client.get("/account/today")).text


async def test_lines_are_stored_as_the_lead_names_them(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = await download(client, lead)
    await _read(client, lead, fill(content, {FIRST + n: AGREE for n in range(len(rows_of(content)))}))
    assert await connection.fetch("select area, finding_id, line from answers order by 2, 3") == await connection.fetch(
        "select area, finding_id, line from lead_lines where lead_id = $1 order by 2, 3", lead
    )


async def test_the_same_file_again_changes_nothing_and_says_so(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = fill(await download(client, lead), {FIRST: AGREE, FIRST + 1: answered("好的")})
    assert "以前读入过" not in await _read(client, lead, content)
    before = (await _kept(connection), await _refused(connection), await _acts(connection))
    assert "这个文件以前读入过，没有任何改动" in await _read(client, lead, content)
    assert (await _kept(connection), await _refused(connection), await _acts(connection)) == before
    assert await connection.fetchval("select count(*) from answer_files") == 1


async def test_two_who_send_one_file_at_once_read_it_in_once(
    client: httpx.AsyncClient, connection: asyncpg.Connection, postgres_url: str, lead: str
) -> None:
    """The second waits for the first, who has the lead."""
    (first, *_) = rows_of(await download(client, lead))
    row = FilledRow(FIRST, first["疑点编号"], "1", "1", first["明细号"], "同意", "")
    one, other = [await asyncpg.connect(postgres_url) for _ in range(2)]
    try:
        async with one.transaction():
            await lock_lead(one, lead, NOW)
            second = asyncio.ensure_future(answer(other, lead, [row], b"hash", "zhou", NOW))
            while not second.done() and not await connection.fetchval(
                "select count(*) from pg_locks where not granted"
            ):
                await asyncio.sleep(0)
            kept, is_new = await answer(one, lead, [row], b"hash", "wang.li", NOW)
        assert is_new
        assert await second == (kept, False)
    finally:
        await one.close()
        await other.close()


async def test_the_last_answer_holds_a_blank_one_changes_nothing_and_what_was_said_stays(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = await download(client, lead)
    first, second = (row["疑点编号"] for row in rows_of(content)[:2])
    await _read(client, lead, fill(content, {FIRST: AGREE, FIRST + 1: AGREE}))
    page = await _read(client, lead, fill(content, {FIRST: DISPUTE}))
    assert "机构核对：同意 1 条，异议 1 条" in page
    assert page.index(first) < page.index(second), "what is in dispute comes first"
    assert {entry[:3] for entry in await _kept(connection)} == {
        (first, 1, "agreed"), (second, 1, "agreed"), (first, 1, "disputed"),
    }  # fmt: skip
    assert len(page.partition('id="files-title"')[2].split("<li>")) == 2, (
        "the file that was read just now is told above"
    )


async def test_a_row_of_a_revised_or_withdrawn_finding_is_refused(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    lead: str,
) -> None:
    content = await download(client, lead)
    revised, gone = (_of(versions, row["疑点编号"]) for row in rows_of(content)[:2])
    await _apply(connection, [next_version(revised), next_version(gone, Change.WITHDRAWN)], rule_set)
    page = await _read(client, lead, fill(content, {FIRST: AGREE, FIRST + 1: AGREE, FIRST + 2: AGREE}))
    assert await _refused(connection) == [(FIRST, "revised"), (FIRST + 1, "withdrawn")]
    assert len(await _kept(connection)) == 1
    assert "这条疑点在清单做好以后更新过，请下载新的清单" in page


async def test_an_answer_to_an_earlier_version_is_shown_as_such_and_does_not_count(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    rule_set: RuleSet,
    lead: str,
) -> None:
    content = await download(client, lead)
    await _read(client, lead, fill(content, {FIRST: AGREE, FIRST + 1: DISPUTE}))
    answered_one = _of(versions, rows_of(content)[0]["疑点编号"])
    await _apply(connection, [next_version(answered_one)], rule_set)
    page = (await client.get(f"/leads/{lead}/answers")).text
    assert "机构核对：同意 0 条，异议 1 条" in page
    assert "另有 1 条答复的是疑点的旧版本" in page
    assert "答复的是第 1 版" in page
    await _read(client, lead, fill(await download(client, lead), {FIRST: AGREE}))
    page = (await client.get(f"/leads/{lead}/answers")).text
    assert "机构核对：同意 1 条，异议 1 条" in page
    assert "旧版本" not in page


async def test_a_list_of_another_lead_is_refused_row_by_row(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    other = await lead_of(client, institution=TOWN)
    content = await download(client, other)
    count = len(rows_of(content))
    assert count
    await _read(client, lead, fill(content, {FIRST: AGREE}))
    assert await _refused(connection) == [(FIRST + number, "unknown") for number in range(count)]
    assert await _kept(connection) == []


async def test_rows_may_be_sorted_and_columns_moved(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = await download(client, lead)
    rows = rows_of(content)
    book = Workbook()
    book.active.append(["我院的备注"])
    book.active.append([])
    order = ["说明", "同意/异议", "另加一列", *HEADINGS[:16], *HEADINGS[18:]]
    book.active.append(order)
    for number, row in enumerate(reversed(rows)):
        told = row | {
            "同意/异议": "同意" if number % 2 else "异议",
            "说明": f"第 {number} 行",
            "版本": str(row["版本"]),
        }
        book.active.append([told.get(name) for name in order])
    changed = io.BytesIO()
    book.save(changed)
    await _read(client, lead, changed.getvalue())
    assert await _refused(connection) == []
    assert await _kept(connection) == sorted(
        (row["疑点编号"], 1, "agreed" if number % 2 else "disputed", f"第 {number} 行")
        for number, row in enumerate(reversed(rows))
    )


async def test_a_column_sorted_apart_from_the_others_is_noticed(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = await download(client, lead)
    rows = rows_of(content)
    other = next(n for n, row in enumerate(rows) if row["明细号"] != rows[0]["明细号"])
    moved = {"明细号": rows[other]["明细号"], **AGREE}
    await _read(client, lead, fill(content, {FIRST: moved}))
    assert await _refused(connection) == [(FIRST, "no_line")]


async def test_answers_are_only_added_to(client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str) -> None:
    await _read(client, lead, fill(await download(client, lead), {FIRST: AGREE, FIRST + 1: answered("?")}))
    for table in ("answers", "answer_files", "refused_answers"):
        for statement in (f"update {table} set area = area", f"delete from {table}", f"truncate {table} cascade"):
            with pytest.raises(asyncpg.RaiseError, match="only added to"):
                await connection.execute(statement)


# --- what is shown


async def test_the_summary_is_that_of_the_lines(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], lead: str
) -> None:
    """Against a loop over every answer and every line as stored."""
    content = await download(client, lead)
    count = len(rows_of(content))
    await _read(client, lead, fill(content, {FIRST + n: (AGREE, DISPUTE, {})[n % 3] for n in range(count)}))
    await _read(client, lead, fill(content, {FIRST + n: DISPUTE for n in range(0, count, 5)}))
    last = {}
    for row in await connection.fetch("select * from answers order by file"):
        last[row["finding_id"], row["line"]] = (row["version"], row["position"])
    lines = await connection.fetch("select finding_id, line from lead_lines where lead_id = $1", lead)
    said = [last.get((row["finding_id"], row["line"])) for row in lines]
    found = await queue.find_lead(connection, lead, NOW)
    assert found is not None
    summary = await stored.find_summary(connection, found, NOW)
    counts = (summary.lines, summary.agreed, summary.disputed, summary.open, summary.outdated)
    assert counts == (count, said.count((1, "agreed")), said.count((1, "disputed")), said.count(None), 0)
    assert min(counts[:4]) > 0
    every = await stored.find_answered(connection, found, NOW, 0, 1000)
    assert {version.finding_id for version in every} == {name for name, _ in last}
    assert await stored.count_answered(connection, found, NOW) == len(every)


async def test_findings_and_refused_rows_are_shown_in_pages(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PAGE", 4)
    monkeypatch.setattr(answers, "REFUSED_PAGE", 3)
    content = await download(client, lead)
    rows = rows_of(content)
    cells = {FIRST + n: AGREE for n in range(10)} | {FIRST + n: answered("?") for n in range(10, 17)}
    await _read(client, lead, fill(content, cells))
    file = await connection.fetchval("select file from answer_files")
    seen: list[str] = []
    refused: list[str] = []
    for number in (1, 2, 3):
        page = (await client.get(f"/leads/{lead}/answers?file={file}&page={number}&refused={number}")).text
        seen += [part.partition("#evidence")[0] for part in page.split("?finding=")[1:]]
        refused += [part.partition("<")[0] for part in page.split('data-label="行号">')[1:]]
        assert page.count(f"第 {number} / 3 页") == 2
    assert sorted(seen) == sorted(row["疑点编号"] for row in rows[:10])
    assert refused == [str(FIRST + n) for n in range(10, 17)]
    beyond = (await client.get(f"/leads/{lead}/answers?file={file}&page=99&refused=99")).text
    assert beyond.count("第 3 / 3 页") == 2


async def test_the_lead_page_leads_to_list_and_answers(client: httpx.AsyncClient, lead: str) -> None:
    assert f'href="/leads/{lead}/answers"' in (await client.get(f"/leads/{lead}")).text
    page = (await client.get(f"/leads/{lead}/answers")).text
    assert f'href="/leads/{lead}/list.xlsx"' in page
    assert f'href="/leads/{lead}/list"' in page
    assert "还没有读入过答复" in page


async def test_what_an_institution_wrote_is_shown_as_text(client: httpx.AsyncClient, lead: str) -> None:
    remark = "<script>alert(1)</script>\u202e& 请看\n病程"
    page = await _read(client, lead, fill(await download(client, lead), {FIRST: answered("异议", remark)}))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e&amp; 请看" in page


# --- who may


@pytest.mark.parametrize("role", Role)
async def test_who_may_read_answers_in(
    connection: asyncpg.Connection, client: httpx.AsyncClient, desk: SignIn, lead: str, role: Role
) -> None:
    """The institution's own office, and whoever decides; for leads that they see."""
    content = fill(await download(client, lead), {FIRST: AGREE})
    other = await lead_of(client, institution=TOWN)
    await _open(connection, "somebody", role, institutions=frozenset({COUNTY}))
    may = role not in (Role.AUDITOR, Role.OPERATOR)
    assert may == ("answer" in rights_of([role]))
    async with desk("somebody") as somebody:
        assert (await send(somebody, other, content)).status_code == (404 if may else 403)
        assert (await send(somebody, lead, content)).status_code == (303 if may else 403)
        if role is not Role.OPERATOR:
            page = (await somebody.get(f"/leads/{lead}/answers")).text
            assert ('type="file"' in page) == may
    assert len(await _kept(connection)) == may


async def test_a_lead_out_of_sight_is_answered_as_one_that_is_not_there(
    connection: asyncpg.Connection, client: httpx.AsyncClient, desk: SignIn, lead: str
) -> None:
    content = fill(await download(client, lead), {FIRST: AGREE})
    await _read(client, lead, content)
    file = await connection.fetchval("select file from answer_files")
    other = await lead_of(client, institution=TOWN)
    await _open(connection, "somebody", Role.HOSPITAL_OFFICE, institutions=frozenset({TOWN}))
    async with desk("somebody") as somebody:
        assert (await somebody.get(f"/leads/{other}/answers")).status_code == 200
        assert (await somebody.get(f"/leads/{other}/answers?file={file}")).status_code == 404, "of another lead"
        for name in (lead, "0" * 32):
            assert (await somebody.get(f"/leads/{name}/answers")).status_code == 404
            assert (await send(somebody, name, content)).status_code == 404


async def test_a_file_without_the_forms_token_is_not_read(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = fill(await download(client, lead), {FIRST: AGREE})
    answer = await send(client, lead, content, csrf="forged")
    assert "缺少本页面的凭证" in (await client.get(answer.headers["location"])).text
    assert await _kept(connection) == []


async def test_a_file_after_the_end_of_the_session_leads_to_signing_in(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str
) -> None:
    content = fill(await download(client, lead), {FIRST: AGREE})
    await connection.execute("update sessions set expires_at = now()")
    answer = await send(client, lead, content, csrf="any")
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
    assert await _kept(connection) == []


# --- bad files


def _packed(**parts: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return file.getvalue()


def _of_cells(*cells: tuple[int, int]) -> bytes:
    """A workbook with a few cells."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for row, column in cells:
            sheet.write_string(row, column, "同意")
    return file.getvalue()


def _with_headings() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet().write_row(0, 0, HEADINGS[:6])
    return file.getvalue()


def _lying(size: int) -> bytes:
    """A workbook whose sheet unpacks to so many bytes more than it says."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_of_cells((0, 0)))) as read, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as of:
        for part in read.namelist():
            of.writestr(part, read.read(part) + b" " * (size if "sheet1" in part else 0))
        (sheet,) = (part for part in of.infolist() if "sheet1" in part.filename)
        told = sheet.file_size.to_bytes(4, "little")
    return file.getvalue().replace(told, (9).to_bytes(4, "little"))


BAD_FILES = {
    "nothing": (b"", "file_no_workbook"),
    "text": ("同意".encode(), "file_no_workbook"),
    "an older workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "file_no_workbook"),
    "a folder": (_packed(a=b"b"), "file_no_workbook"),
    "a workbook cut short": (_of_cells((0, 0))[:-900], "file_no_workbook"),
    "no list": (_of_cells((0, 0), (1, 1)), "file_not_the_list"),
    "17 billion cells": (_of_cells((0, 0), (1_048_575, 16_383)), "file_no_workbook"),
    "a file that unpacks to too much": (_packed(sheet=b" " * (200 * 2**20)), "file_too_large"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_FILES.values(), ids=BAD_FILES)
async def test_a_file_that_is_no_list_is_refused_in_words(
    client: httpx.AsyncClient, connection: asyncpg.Connection, lead: str, content: bytes, problem: str
) -> None:
    words = {"file_no_workbook": "不是能读的 xlsx", "file_not_the_list": "没有清单的表头", "file_too_large": "文件太大"}
    assert words[problem] in await _problem(client, lead, content)
    assert await connection.fetchval("select count(*) from answer_files") == 0
    assert (await client.get(f"/leads/{lead}/answers")).status_code == 200


async def test_a_sheet_that_unpacks_to_more_than_it_says_is_refused() -> None:
    with pytest.raises(FileRefused):
        await read_filled(_lying(150 * 2**20), HEADINGS[:6])


async def test_too_many_rows_are_refused() -> None:
    last = filled.MOST_ROWS + 2
    with zipfile.ZipFile(io.BytesIO(_with_headings())) as read:
        parts = {part: read.read(part) for part in read.namelist()}
    rows = "".join(
        f'<row r="{row}"><c r="A{row}" t="inlineStr"><is><t>x</t></is></c></row>' for row in range(2, last + 1)
    )
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b"</sheetData>", f"{rows}</sheetData>".encode())
    with pytest.raises(FileRefused, match="file_too_large"):
        await read_filled(_packed(**parts), HEADINGS[:6])


async def test_a_file_of_too_many_bytes_is_not_read(client: httpx.AsyncClient, lead: str) -> None:
    answer = await send(client, lead, b"x" * (MOST_FILE + 5000))
    assert (answer.status_code, "正文超过" in answer.text) == (413, True)


async def test_a_form_with_a_file_names_no_encoding_and_holds_one_file(client: httpx.AsyncClient, lead: str) -> None:
    page, csrf = f"/leads/{lead}/answers", client.headers["X-CSRF-Token"]
    coded = {"Content-Type": "multipart/form-data; charset=punycode; boundary=b"}
    assert (await client.post(page, content=b"--b--", headers=coded)).status_code == 415
    two = [("file", ("a", b"a")), ("file", ("b", b"b"))]
    assert (await client.post(page, data={"csrf": csrf}, files=two)).status_code == 400
    assert (await client.post(page, data={"csrf": csrf})).status_code == 422
    assert (await client.post(f"/leads/{lead}/undo", data={"csrf": csrf}, files=two[:1])).status_code == 415


async def test_the_process_of_who_no_longer_waits_is_ended() -> None:
    """Whoever reads what it says waits for its end: so it was ended before what it would have said."""
    before = set(psutil.Process().children())
    reading = asyncio.ensure_future(filled._run("sleep", "600"))
    while not (begun := set(psutil.Process().children()) - before):
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert psutil.wait_procs(begun, PATIENCE)[1] == []


def test_every_misfit_has_its_words() -> None:
    for lang in ("zh", "en"):
        assert all(f"misfits.{misfit.value}" in load_texts(lang).texts for misfit in Misfit)
