"""Who did what, as the page and the store list it: held against a loop over the raw entries, for each who may look."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, product

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from api.people import audit as page
from casework.audit import Act
from casework.rights import Role
from casework.sight import Sight
from knowledge_base.findings import FindingVersion
from streams.store.people import users
from streams.store.people.audit import EntryFilter, find_entries
from tests.api.story import AREA, COUNTY, NAMES, TODAY, TOWN

DAY = TODAY.toordinal()
SIGHTS = [
    Sight(DAY),
    Sight(DAY, frozenset({AREA})),
    Sight(DAY, frozenset({"420381"})),
    Sight(DAY, None, frozenset({TOWN})),
    Sight(DAY, frozenset({AREA}), frozenset({TOWN, COUNTY})),
    Sight(DAY, None, frozenset()),
]
FIRST = datetime(2026, 3, 1, 15, tzinfo=UTC)
"""An hour before midnight in China."""

_PLACES = """
    select lead_id as name, area, institution from leads
    union all select f.finding_id, l.area, l.institution from lead_findings f join leads l using (area, lead_id)
"""


@pytest.fixture
async def entries(connection: asyncpg.Connection, versions: list[FindingVersion]) -> list[asyncpg.Record]:
    """Entries on leads, findings and other things, by three people, half an hour apart."""
    leads = [row["lead_id"] for row in await connection.fetch("select lead_id from leads order by lead_id")]
    about: list[tuple[Act, dict[str, str]]] = [(Act.DECIDED, {"lead": lead, "verdict": "confirmed"}) for lead in leads]
    about += [(Act.SAW_EVIDENCE, {"finding": version.finding_id}) for version in versions[::5]]
    about += [(Act.SAW_EVIDENCE, {"lead": leads[0], "finding": versions[0].finding_id})]
    about += [(Act.SAW_EVIDENCE, {"lead": "0" * 32}), (Act.OPENED_LETTER, {"letter": "1"})]
    about += [(Act.GAVE_ACCOUNT, {"login": "wang.li", "areas": AREA})]
    await connection.execute("alter table audit_log disable trigger all")
    await connection.execute("truncate audit_log")
    for seq, (act, said) in zip(range(1, 61), cycle(about), strict=False):
        words = (seq, FIRST + timedelta(minutes=30 * seq), f"by {seq % 3}", act, json.dumps(said))
        await connection.execute("insert into audit_log values ($1, $2, $3, $4, $5, '', '')", *words)
    return list(await connection.fetch("select * from audit_log order by seq desc"))


async def _expected(
    connection: asyncpg.Connection, entries: Sequence[asyncpg.Record], chosen: EntryFilter, sight: Sight
) -> list[int]:
    """The numbers of the entries that a filter chooses and somebody sees, one by one."""
    places = {row["name"]: row for row in await connection.fetch(_PLACES)}

    def is_seen(about: dict[str, str]) -> bool:
        name = about.get("lead", about.get("finding"))
        if name is None or (sight.areas is None and sight.institutions is None):
            return True
        place = places.get(name)
        return (
            place is not None
            and (sight.areas is None or place["area"] in sight.areas)
            and (sight.institutions is None or place["institution"] in sight.institutions)
        )

    def is_chosen(row: asyncpg.Record, about: dict[str, str]) -> bool:
        day = (row["at"] + timedelta(hours=8)).date()
        return (
            chosen.by in (None, row["by"])
            and chosen.act in (None, row["act"])
            and (chosen.first is None or day >= chosen.first)
            and (chosen.last is None or day <= chosen.last)
            and chosen.lead in (None, about.get("lead"))
        )

    told = [(row, json.loads(row["about"])) for row in entries]
    return [row["seq"] for row, about in told if is_chosen(row, about) and is_seen(about)]


def _filters(lead: str) -> Iterator[EntryFilter]:
    days = [(None, None), (date(2026, 3, 2), None), (None, date(2026, 3, 1)), (date(2026, 3, 2), date(2026, 3, 2))]
    for by, act, (first, last), of in product((None, "by 1"), (None, Act.SAW_EVIDENCE), days, (None, lead)):
        yield EntryFilter(by, act, first, last, of)


async def test_entries_are_those_that_are_chosen_and_in_sight(
    connection: asyncpg.Connection, entries: list[asyncpg.Record]
) -> None:
    lead = next(about["lead"] for row in entries if "lead" in (about := json.loads(row["about"])))
    for sight, chosen in product(SIGHTS, _filters(lead)):
        found = await find_entries(connection, chosen, sight, 2**31, 100)
        assert [entry.seq for entry in found] == await _expected(connection, entries, chosen, sight), (sight, chosen)
    sizes = {len(await find_entries(connection, EntryFilter(), sight, 2**31, 100)) for sight in SIGHTS}
    assert len(sizes) > 3, "they see different ones"


def _numbers(text: str) -> list[int]:
    """The entries of a page in their order, also those that are folded into one row."""
    return [int(found) for found in re.findall(r'(?:<tr><td class="n"[^>]*>|<li data-seq=")([0-9]+)["<]', text)]


async def test_the_page_lists_them_page_by_page(
    client: httpx.AsyncClient, entries: list[asyncpg.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE", 7)
    for words, chosen in (
        ({}, list(entries)),
        ({"who": "by 1"}, [row for row in entries if row["by"] == "by 1"]),
        ({"act": "saw_evidence", "lead": ""}, [row for row in entries if row["act"] == "saw_evidence"]),
    ):
        expected, found = [row["seq"] for row in chosen], list[int]()
        text = (await client.get("/audit", params=words)).text
        found += _numbers(text)
        while following := re.search(r'<a href="([^"]+)" rel="next">', text):
            assert len(_numbers(text)) == 7
            text = (await client.get(following[1].replace("&amp;", "&"))).text
            found += _numbers(text)
        assert found == expected, words


async def test_what_one_person_looked_at_time_after_time_is_one_row_that_opens(
    client: httpx.AsyncClient, connection: asyncpg.Connection, entries: list[asyncpg.Record]
) -> None:
    """Another person, or another act, ends a row; the log has every entry."""
    looks = [
        (1, "one", Act.SAW_EVIDENCE),
        (2, "other", Act.SAW_EVIDENCE),
        (3, "other", Act.SAW_EVIDENCE),
        (4, "other", Act.DECIDED),
        (5, "other", Act.SAW_EVIDENCE),
        (6, "other", Act.SAW_EVIDENCE),
        (7, "other", Act.SAW_EVIDENCE),
    ]
    await connection.execute("truncate audit_log")
    for seq, by, act in looks:
        words = (seq, FIRST + timedelta(minutes=seq), by, act, json.dumps({"lead": f"{seq:032x}"}))
        await connection.execute("insert into audit_log values ($1, $2, $3, $4, $5, '', '')", *words)
    text = (await client.get("/audit")).text
    assert _numbers(text) == [7, 6, 5, 4, 3, 2, 1]
    rows = [re.sub(r"<[^>]+>|\s+", " ", row) for row in text.partition("<tbody>")[2].split("<tr>")[1:]]
    assert [re.sub(" +", " ", row).strip()[:8].strip() for row in rows] == [
        "5 至 7 20",
        "4 2026-0",
        "2 至 3 20",
        "1 2026-0",
    ]
    assert "2026-03-01 23:05 至 2026-03-01 23:07" in re.sub(" +", " ", rows[0])
    assert ["次" in row for row in rows] == [True, False, True, False]
    assert "<summary>3 次</summary>" in text
    assert f'href="/leads/{6:032x}"' in text
    assert len(await find_entries(connection, EntryFilter(), Sight(DAY), 2**31, 100)) == len(looks)


async def test_what_an_entry_is_about_is_a_link_where_there_is_a_page(
    client: httpx.AsyncClient, entries: list[asyncpg.Record]
) -> None:
    text = (await client.get("/audit")).text
    for row in entries:
        about = json.loads(row["about"])
        if "lead" in about:
            assert f'href="/leads/{about["lead"]}' in text
        elif "finding" in about:
            assert f'href="/trials/{about["finding"]}"' in text
    assert 'href="/people/of/wang.li"' in text
    assert 'href="/status/dead-letters?state=all&amp;seq=1"' in text
    assert f"{NAMES[COUNTY]} 2026 年" in text


async def test_what_was_handed_out_and_read_in_is_told_in_words(
    client: httpx.AsyncClient, connection: asyncpg.Connection, entries: list[asyncpg.Record]
) -> None:
    await connection.execute("truncate audit_log")
    read = {"file": "1", "agreed": "2", "disputed": "3", "blank": "4", "refused": "5"}
    for seq, (act, about) in enumerate([(Act.EXPORTED, {"rows": "7", "form": "page"}), (Act.ANSWERED, read)], 1):
        words = (seq, FIRST, "one", act, json.dumps({"lead": "0" * 32, **about}))
        await connection.execute("insert into audit_log values ($1, $2, $3, $4, $5, '', '')", *words)
    text = re.sub(r"<[^>]+>|\s+", " ", (await client.get("/audit")).text)
    said = re.sub(" +", " ", text)
    for words in ("行数 7", "打印页", "文件 1", "同意 2", "异议 3", "空白 4", "未接收 5"):
        assert f" {words} " in said


async def test_a_lead_leads_to_what_was_done_to_it_and_one_who_has_it_is_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion]
) -> None:
    found = await client.get("/api/leads", params={"institution": COUNTY, "topic": "stays"})
    lead = found.json()["leads"][0]["lead_id"]
    await connection.execute("update leads set assignee = 'wang.li' where lead_id = $1", lead)
    assert f'href="/audit?lead={lead}"' in (await client.get(f"/leads/{lead}")).text
    text = (await client.get("/audit", params={"lead": lead})).text
    assert "现由 wang.li 经办" in text
    of_lead = await connection.fetch("select seq from audit_log where about ->> 'lead' = $1 order by seq desc", lead)
    assert _numbers(text) == [row["seq"] for row in of_lead] != []
    everything = await connection.fetchval("select count(*) from audit_log")
    assert len(_numbers((await client.get("/audit")).text)) == everything > len(of_lead)


async def test_whoever_is_limited_is_told_of_no_lead_out_of_sight(
    client: httpx.AsyncClient, connection: asyncpg.Connection, entries: list[asyncpg.Record]
) -> None:
    account = await users.find_account(connection, "inspector")
    assert account is not None
    limited = replace(account, roles=frozenset({Role.AUDITOR}), institutions=frozenset({TOWN}))
    await users.change_account(connection, limited)
    sight = Sight(DAY, None, frozenset({TOWN}))
    text = (await client.get("/audit")).text
    assert _numbers(text) == await _expected(connection, entries, EntryFilter(), sight)
    assert (NAMES[COUNTY] in text, NAMES[TOWN] in text) == (False, True)
    hidden = await connection.fetchval("select lead_id from leads where institution = $1 limit 1", COUNTY)
    assert "没有符合条件的记录" in (await client.get("/audit", params={"lead": hidden})).text


@pytest.mark.parametrize(
    "words", [{"act": "stole"}, {"first": "2026-02-30"}, {"lead": "x"}, {"before": "0"}, {"by": "x"}]
)
async def test_what_no_filter_knows_is_refused(client: httpx.AsyncClient, words: dict[str, str]) -> None:
    assert (await client.get("/audit", params=words)).status_code == 422
