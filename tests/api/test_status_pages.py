"""How the system is doing, for people: reconciliation, lag, and what does not add up."""

import json
import re
from datetime import timedelta

import asyncpg
import httpx
import pytest

from api.operation import reconciliation
from rules_lib.publication import pack
from rules_lib.rule_set import RuleSet
from streams.bus import LONGEST_SOURCE
from streams.buses.postgres import PostgresBus
from streams.handlers.rule_sets import publish_own
from tests.api.story import TODAY

pytestmark = pytest.mark.usefixtures("versions")

PATH = reconciliation.PATH


def _rows(page: httpx.Response) -> list[str]:
    """The days of the ledger that a page lists."""
    return re.findall(r'<tr><td class="lead">(\d{4}-\d\d-\d\d)</td>', page.text)


async def test_ledger_adds_up_by_what_was_read(client: httpx.AsyncClient) -> None:
    page = await client.get(PATH)
    assert "读过的 47 条都有去向" in page.text
    assert "接收 41，重复 3，冲突 1，无法入库 2；另有 0 条在排队" in page.text
    assert _rows(page) == [TODAY.isoformat(), (TODAY - timedelta(days=1)).isoformat()]


async def test_outcome_gone_astray_is_told_with_its_partition(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("update ledger set duplicate = duplicate - 1 where partition = 0")
    page = await client.get(PATH)
    assert "有 1 处对不上" in page.text
    assert "claims/0" in page.text


async def test_counting_one_by_one_finds_what_the_ledger_cannot(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute("update events set money = 12433.6 where seq = 1")
    agrees = await client.get(PATH, params={"full": "1"})
    assert "逐条核对相符：收到 47 条" in agrees.text
    await connection.execute("update events set money = 12430 where seq = 1")
    differs = await client.get(PATH, params={"full": "1"})
    assert "有 1 处对不上" in differs.text
    assert "¥12,433.60" in differs.text
    assert "¥12,430.00" in differs.text
    assert "有 1 处对不上" not in (await client.get(PATH)).text
    await connection.execute("delete from dead_letters where outcome = 'conflict'")
    assert "留存的死信" in (await client.get(PATH, params={"full": "1"})).text


async def test_counting_says_when_the_bus_does_not_answer(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(PostgresBus, "lags", fail)
    assert "没有核对完" in (await client.get(PATH, params={"full": "1"})).text
    assert "读过的 47 条都有去向" in (await client.get(PATH)).text
    assert "消息总线没有回应" in (await client.get("/status/lag")).text
    assert "消息总线没有回应" in (await client.get("/status")).text


async def test_an_event_id_in_two_areas_is_named_by_counting_one_by_one(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    assert "几个统筹区" not in (await client.get(PATH, params={"full": "1"})).text
    await connection.execute("create temp table twin as select * from events where institution is not null limit 1")
    await connection.execute("update twin set area = 'another area'")
    await connection.execute("insert into events select * from twin")
    ids = "insert into event_ids (area, event_id, content_hash) select area, event_id, '' from twin"
    await connection.execute(ids)
    shared = await connection.fetchrow("select event_id from twin")
    assert shared is not None
    page = (await client.get(PATH, params={"full": "1"})).text
    assert "1 个事件号由同一机构用在几个统筹区" in page
    assert shared["event_id"] in page
    assert "another area" in page


async def test_fields_that_no_schema_knows_are_named_with_what_was_likely_meant(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    for path in ("/status", PATH):
        assert "接口里没有的字段" not in (await client.get(path)).text
    await connection.execute("insert into unknown_fields values ('claims', 0, 'sim', 'claim', 'totl_amount', 7)")
    assert "抽查看到：totl_amount。其内容没有用到。" in (await client.get("/status")).text
    page = (await client.get(PATH)).text
    assert "<code>totl_amount</code>" in page
    assert "<code>lines.amount</code>" in page
    assert "接口里没有的字段" not in (await client.get(PATH, params={"source": "elsewhere"})).text


async def test_of_many_unknown_fields_the_likely_misspelt_come_first_and_it_is_said_that_not_all_are_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    await connection.execute(
        """
        insert into unknown_fields
        select 'claims', 0, 'sim', 'claim', 'zzz_' || chr(96 + n), 9 from generate_series(1, 19) n
        union all values ('claims', 0, 'sim', 'claim', 'totl_amount', 7)
        """
    )
    said = "最多列 20 个"
    for path in ("/status", PATH):
        page = (await client.get(path)).text
        assert page.index("totl_amount") < page.index("zzz_a")
        assert said in page
    await connection.execute("insert into unknown_fields values ('claims', 1, 'sim', 'claim', 'zzz_t', 8)")
    assert "totl_amount" in (await client.get("/status")).text
    await connection.execute("delete from unknown_fields where field like 'zzz%' and seen = 9")
    assert said not in (await client.get("/status")).text


async def test_rules_that_this_program_cannot_read_are_named(
    client: httpx.AsyncClient, connection: asyncpg.Connection, rule_set: RuleSet
) -> None:
    assert "停用的规则" not in (await client.get("/status")).text
    document = json.loads(pack(rule_set))
    document["rules"][0]["check"] = "patients.gone_by_now"
    await connection.execute("insert into rule_sets (hash, body) values ('theirs', $1)", json.dumps(document).encode())
    await connection.execute("insert into rule_set_switches (rule_set, published_by) values ('theirs', 'somebody')")
    await publish_own(connection, rule_set)
    page = (await client.get("/status")).text
    assert "停用的规则" in page
    assert f"<li>{document['rules'][0]['id']}: " in page
    assert "check: no such check" in page


async def test_ledger_is_narrowed_and_pages_on(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    today = TODAY.isoformat()
    assert _rows(await client.get(PATH, params={"first": today})) == [today]
    assert _rows(await client.get(PATH, params={"source": "elsewhere"})) == []
    assert (await client.get(PATH, params={"source": "a" * LONGEST_SOURCE})).status_code == 200
    monkeypatch.setattr(reconciliation, "PAGE", 1)
    first = await client.get(PATH, params={"source": "sim"})
    following = re.search(r'href="([^"]+)#ledger" rel="next"', first.text)
    assert following is not None
    assert _rows(first) == [today]
    assert _rows(await client.get(following[1].replace("&amp;", "&"))) == [(TODAY - timedelta(days=1)).isoformat()]


async def test_numbers_lead_to_as_many_dead_letters(client: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
    await connection.execute("update dead_letters set recorded_at = $1::date + interval '4 hours'", TODAY)
    page = await client.get(PATH)
    found = re.search(r'href="([^"]+outcome=dead[^"]+)">2</a>', page.text)
    assert found is not None
    letters = await client.get(found[1].replace("&amp;", "&"))
    assert letters.text.count("data-item") == 2


async def test_lag_tells_who_is_behind_and_for_how_long(
    client: httpx.AsyncClient, connection: asyncpg.Connection
) -> None:
    page = await client.get("/status/lag")
    assert "全部读完，没有积压" in page.text
    assert "有 1 个分区现在无人处理" in page.text
    await connection.execute("update log_heads set next = next + 3 where topic = 'claims' and partition = 1")
    await connection.execute(
        """
        insert into log (segment, topic, partition, "offset", source, sent_at)
        values (0, 'claims', 1, 5, 'sim', now() - interval '150 minutes')
        """
    )
    await connection.execute("insert into outbox (topic, value) values ('findings', '')")
    page = await client.get("/status/lag")
    assert "还有 3 条没有读完，最早的已等 2 小时" in page.text
    assert "1 条已写好，等待发出" in page.text
    assert "还有 3 条没有读完" in (await client.get("/status")).text


@pytest.mark.parametrize("query", ["first=yesterday", "last=2026-02-30", "page=0", f"page={10**30}"])
async def test_what_is_no_day_or_page_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"{PATH}?{query}")).status_code == 422


@pytest.mark.parametrize("path", ["", "/reconciliation", "/dead-letters", "/lag", "/dead-letters/replays/1"])
async def test_pages_need_a_session(visitor: httpx.AsyncClient, path: str) -> None:
    assert (await visitor.get(f"/status{path}")).status_code == 303
