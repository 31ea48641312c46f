"""The filter by item, held against the raw rows; what people type for an item; and what is said of one unknown."""

import re
from random import Random
from urllib.parse import unquote_plus

import asyncpg
import httpx
import pytest

from api.frame.known import known_of
from knowledge_base.findings import FindingVersion
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names
from tests.api.story import HBA1C, TODAY
from tests.api.test_queue_filters import EVERY, _found

RAW = (
    "select lead_id, items, excuse_until from lead_findings f join makers m on m.id = f.rule_id where is_open and live"
)


async def _by_hand(connection: asyncpg.Connection, codes: set[str]) -> set[str]:
    return {
        row["lead_id"]
        for row in await connection.fetch(RAW)
        if codes & set(row["items"] or ()) and (row["excuse_until"] is None or row["excuse_until"] < TODAY)
    }


@pytest.fixture(scope="module")
def called(rule_set: RuleSet) -> dict[str, str]:
    """What the set calls items, by code."""
    return dict(item_names(rule_set.facts))


@pytest.mark.parametrize("seed", range(3))
async def test_leads_are_found_by_the_items_of_their_findings(
    client: httpx.AsyncClient,
    connection: asyncpg.Connection,
    versions: list[FindingVersion],
    called: dict[str, str],
    seed: int,
) -> None:
    chance = Random(seed)
    codes = chance.sample(sorted(called), 5)
    rows = await connection.fetch("select finding_id from lead_findings order by finding_id")
    for row in rows:
        items = None if chance.random() < 0.2 else chance.sample(codes, chance.randrange(3))
        await connection.execute(
            "update lead_findings set items = $2, is_open = $3 where finding_id = $1",
            row["finding_id"],
            items,
            chance.random() < 0.3,
        )
    sizes = set()
    for code in codes:
        expected = await _by_hand(connection, {code})
        assert await _found(client, item=code) == expected, code
        name = called[code]
        assert await _found(client, item=name) == await _by_hand(connection, {c for c in called if called[c] == name})
        sizes.add(len(expected))
    assert len(sizes) > 1


async def test_an_items_name_finds_what_its_code_does(
    client: httpx.AsyncClient, connection: asyncpg.Connection, versions: list[FindingVersion], called: dict[str, str]
) -> None:
    expected = await _by_hand(connection, {HBA1C})
    assert expected
    for typed in (HBA1C, called[HBA1C], f" {called[HBA1C]} "):
        assert await _found(client, item=typed) == expected, typed
    await connection.execute("update makers set live = false")
    assert await _found(client, item=HBA1C) == set()


def test_every_code_and_name_means_what_the_set_says(rule_set: RuleSet, called: dict[str, str]) -> None:
    known = known_of(rule_set)
    for code, name in called.items():
        assert code in known.meant_by(code)
        assert code in known.meant_by(name)
        assert {called[other] for other in known.meant_by(name)} == {name} or known.meant_by(name) != (code,)
    assert known.meant_by("没有的项目") == known.meant_by("") == ()


async def test_the_field_keeps_what_was_typed_and_links_keep_it(
    client: httpx.AsyncClient, versions: list[FindingVersion], called: dict[str, str]
) -> None:
    name = called[HBA1C]
    page = (await client.get("/", params={**EVERY, "item": name})).text
    assert re.search(rf'<input id="item" name="item"[^>]* value="{name}">', page)
    assert f"item={name}" in unquote_plus(page.partition('class="sorts"')[2].partition("</p>")[0])
    listed = re.findall(r'<a href="(/leads/[^"]+)" data-item', page)
    lead = (await client.get(listed[0].replace("&amp;", "&"))).text
    assert f"列表里有 {len(listed)} 条" in lead, "the lead's page goes on in the same list"


async def test_an_item_that_nobody_knows_is_said_with_those_that_hold_the_word(
    client: httpx.AsyncClient, versions: list[FindingVersion], called: dict[str, str]
) -> None:
    page = await client.get("/", params={"item": "糖化血红", "topic": "limits"})
    assert page.status_code == 200
    assert "没有叫“糖化血红”的项目" in page.text
    assert 'class="lead"' not in page.text
    links = dict(re.findall(r'<li><a href="([^"]+)">([^<]+)</a></li>', page.text))
    assert called[HBA1C] in links.values()
    for address, name in links.items():
        assert dict(httpx.URL(address.replace("&amp;", "&")).params) == {"item": name, "topic": "limits"}
        assert "没有叫" not in (await client.get(address.replace("&amp;", "&"))).text
    assert "<li><a" not in (await client.get("/?item=qqqq")).text.partition('role="status"')[2].partition("</div>")[0]
    refused = await client.get("/api/leads", params={"item": "糖化血红"})
    assert refused.status_code == 422
    assert "item: 没有这样的项目" in refused.text.replace("query.item", "item")
