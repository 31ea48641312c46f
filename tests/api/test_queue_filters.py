"""Filters of the queue by money, day and rule, held against plain queries; its headings; and what it does not know."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

import asyncpg
import httpx
import pytest

from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish
from streams.store.casework.queue import SORTS
from tests.api.story import TODAY

BEDS, ELSEWHERE = "FW10000001", "FW10000005"
EVERY = {"state": "all", "lane": "all"}

_COUNTING = "findings > 0 and counts_from <= '2026-04-20'"
"""Of the county's leads those that count today as their own rows say: one waits whole for its excuse."""


async def _found(client: httpx.AsyncClient, **words: str) -> set[str]:
    answer = await client.get("/api/leads", params={**EVERY, **words})
    assert answer.status_code == 200, answer.text
    return {lead["lead_id"] for lead in answer.json()["leads"]}


async def _refusal(client: httpx.AsyncClient, **words: str) -> list[str]:
    """The parameters for which the interface refuses a queue."""
    answer = await client.get("/api/leads", params={**EVERY, **words})
    assert answer.status_code == 422, answer.text
    return [fault.partition(":")[0].removeprefix("query.") for fault in answer.json()["detail"].split("; ")]


_YUAN = {text: Decimal(text or 0) for text in ("", "0", "999.90", "999.91")} | {
    text: Decimal(2000) for text in ("2,000", "￥２０００．００")
}
"""Amounts as people type them."""


@pytest.fixture
async def leads(connection: asyncpg.Connection, versions: list[FindingVersion]) -> list[asyncpg.Record]:
    """The county's leads and thirty others of many days and amounts."""
    await connection.execute(
        """
        insert into leads (area, lead_id, institution, topic, service_year, version, findings, people, in_question,
            in_fund, newest_day, severity)
        select '420281', md5(n::text), 'H' || n % 5, 'limits', 2026, 1, 1, 1, n * 99.99, n, date '2026-01-01' + n * 3, 2
        from generate_series(1, 30) n
        """
    )
    await connection.execute(
        """
        insert into lead_totals
        select area, lead_id, '0001-01-01', 1, 1, in_question, in_fund, null, 1, 1, newest_day, 2
        from leads where institution ~ '^H[0-9]$'
        """
    )
    return list(await connection.fetch(f"select * from leads where {_COUNTING}"))


def _ids(leads: list[asyncpg.Record], counts: Callable[[asyncpg.Record], bool]) -> set[str]:
    return {lead["lead_id"] for lead in leads if counts(lead)}


async def test_money_at_least_and_the_newest_day_narrow_the_queue(
    client: httpx.AsyncClient, leads: list[asyncpg.Record]
) -> None:
    days = ["", "2026-01-16", "2026-03-01", "2026-04-01"]
    for least, first, last in product(_YUAN, days, days):
        if first and last and last < first:
            assert await _refusal(client, least=least, newest_from=first, newest_to=last) == ["newest_to"]
            continue
        expected = _ids(
            leads,
            lambda lead, least=least, first=first, last=last: (  # type: ignore[misc]
                lead["in_question"] >= _YUAN[least]
                and lead["newest_day"] >= date.fromisoformat(first or "0001-01-01")
                and lead["newest_day"] <= date.fromisoformat(last or "9999-12-31")
            ),
        )
        assert await _found(client, least=least, newest_from=first, newest_to=last) == expected, (least, first, last)


async def test_a_lead_that_still_waits_counts_with_what_it_comes_to_today(
    client: httpx.AsyncClient, connection: asyncpg.Connection, leads: list[asyncpg.Record]
) -> None:
    lead, tomorrow = leads[-1]["lead_id"], TODAY + timedelta(days=1)
    await connection.execute(
        "update leads set counts_from = $2, in_question = 99999, newest_day = $2 where lead_id = $1", lead, tomorrow
    )
    await connection.execute(
        """
        insert into lead_totals select area, lead_id, $2, 1, 1, in_question, in_fund, null, 1, 1, newest_day, 2
        from leads where lead_id = $1
        """,
        lead,
        tomorrow,
    )
    assert lead not in await _found(client, least="50000")
    assert lead not in await _found(client, newest_from=tomorrow.isoformat())
    assert lead in await _found(client)


async def test_a_rule_leaves_the_leads_that_hold_a_finding_of_it_that_counts_today(
    client: httpx.AsyncClient, connection: asyncpg.Connection, leads: list[asyncpg.Record], rule_set: RuleSet
) -> None:
    every = [rule.id for rule in rule_set.rules if rule.is_live]
    of = dict[str, set[str]]()
    for maker in every:
        rows = await connection.fetch(
            """
            select distinct lead_id from lead_findings
            where rule_id = $1 and is_open and (excuse_until is null or excuse_until < $2)
            """,
            maker,
            TODAY,
        )
        of[maker] = {row["lead_id"] for row in rows}
        assert await _found(client, maker=maker) == of[maker]
    assert sum(map(bool, of.values())) > 2
    for table in ("leads", "lead_totals"):
        await connection.execute(f"update {table} set makers = null")
    for maker in every:
        assert await _found(client, maker=maker) == of[maker], "of leads that the release before summed"
    await connection.execute("update lead_findings set is_open = false where rule_id = $1", ELSEWHERE)
    assert await _found(client, maker=ELSEWHERE) == set()
    page = (await client.get("/", params={**EVERY, "maker": BEDS})).text
    assert f'<option value="{BEDS}" selected>' in page
    assert f"maker={BEDS}" in page.partition('class="sorts"')[2].partition("</p>")[0], "links keep it"
    await connection.execute("update lead_findings set excuse_until = $2 where rule_id = $1", BEDS, TODAY)
    assert await _found(client, maker=BEDS) == set()


async def test_a_rule_that_is_tried_out_or_unknown_is_no_filter(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], rule_set: RuleSet
) -> None:
    changes = {"status": "shadow", "file_hash": "tried out"}
    rules = [rule.model_copy(update=changes) if rule.id == BEDS else rule for rule in rule_set.rules]
    await publish(connection, RuleSet(tuple(rules), rule_set.facts, rule_set.topics), "somebody")
    for maker in (BEDS, "FW10009999", "x"):
        page = await client.get("/", params={"maker": maker})
        assert page.status_code == 422
        assert "maker: 没有这样的现行规则或模型" in page.text
        assert (await client.get("/api/leads", params={"maker": maker})).status_code == 422


@pytest.mark.parametrize(("lang", "said"), [("zh", "起止颠倒了"), ("en", "in the wrong order")])
async def test_days_in_the_wrong_order_are_told(client: httpx.AsyncClient, lang: str, said: str) -> None:
    turned = await client.get(f"/?newest_from=2026-03-02&newest_to=2026-03-01&lang={lang}")
    assert turned.status_code == 200
    assert said in turned.text
    assert said not in (await client.get(f"/?newest_from=2026-03-01&newest_to=2026-03-01&lang={lang}")).text


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("query", "zh", "en"),
    [
        ("stat=open", "stat: 不认识", "stat: unknown"),
        ("state=open&state=all", "state: 出现两次", "state: twice"),
        ("least=1,00", "least: 不是金额，最多两位小数", "least: expected an amount, with two decimals at most"),
        ("least=-1", "least: 不是金额", "least: expected an amount"),
        ("least=NaN", "least: 不是金额", "least: expected an amount"),
        ("least=1e9", "least: 不是金额", "least: expected an amount"),
        ("newest_from=2026-02-30", "newest_from: 不是日期", "newest_from: expected a day"),
        ("newest_to=soon", "newest_to: 不是日期", "newest_to: expected a day"),
    ],
)
async def test_what_the_queue_does_not_know_is_said(
    client: httpx.AsyncClient, query: str, zh: str, en: str, lang: str
) -> None:
    page = await client.get(f"/?{query}&lang={lang}")
    assert page.status_code == 422
    assert (zh if lang == "zh" else en) in page.text


async def test_headings_lead_to_each_order_and_say_which_holds(
    client: httpx.AsyncClient, leads: list[asyncpg.Record]
) -> None:
    for sort in SORTS:
        page = (await client.get("/", params={"sort": sort, "least": "100"})).text
        head = page.partition("<thead>")[2].partition("</thead>")[0]
        assert re.findall(r"aria-sort=\"(\w+)\"", head) == ["ascending" if sort == "severity" else "descending"]
        of_column = next(cell for cell in head.split("<th ") if "aria-sort" in cell)
        addresses = re.findall(r'href="([^"]+)"', head)
        assert len(addresses) == len(SORTS)
        assert all("least=100" in address for address in addresses), "filters stay"
        (own,) = re.findall(r'href="([^"]+)"', of_column)
        assert (f"sort={sort}" in own) == (sort != "expected"), "the first order needs no word"
        for address in addresses:
            assert (await client.get(address.replace("&amp;", "&"))).status_code == 200
