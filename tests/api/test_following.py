"""What comes next in the queue that led to a lead: the queue's own order, whatever became of the lead meanwhile."""

import re
from html import unescape

import httpx
import pytest

from api.leads import filters, following, queue
from knowledge_base.findings import FindingVersion
from streams.store.casework.queue import SORTS

LEADS = re.compile(r'<a href="(/leads/[^"]+)" data-item id="lead-[0-9a-f]{32}">')
NEXT = re.compile(r'data-next href="([^"]+)"')
LIST = re.compile(r'data-list href="([^"]+)"')


async def _listed(client: httpx.AsyncClient, query: str) -> list[str]:
    """Addresses of the leads of a queue, in its order."""
    return [unescape(address) for address in LEADS.findall((await client.get(f"/?{query}")).text)]


def _name(address: str) -> str:
    return address.partition("?")[0]


@pytest.mark.parametrize("sort", SORTS)
async def test_leads_follow_each_other_as_the_queue_lists_them(
    client: httpx.AsyncClient, versions: list[FindingVersion], sort: str
) -> None:
    query = f"lane=all&state=all&sort={sort}"
    listed = await _listed(client, query)
    assert len(listed) > 2
    walked, address = [], listed[0]
    while address:
        walked.append(_name(address))
        page = (await client.get(address)).text
        assert f"列表里有 {len(listed)} 条" in page
        back = unescape(LIST.findall(page)[0])
        assert await _listed(client, back.partition("?")[2]) == listed, "the list is remembered"
        following = NEXT.findall(page)
        address = unescape(following[0]) if following else ""
    assert walked == [_name(of) for of in listed]


async def test_of_a_long_queue_it_is_told_that_it_is_long(
    client: httpx.AsyncClient, versions: list[FindingVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = await _listed(client, "lane=all&state=all")
    for most, told in [(len(listed) + 1, f"列表里有 {len(listed)} 条</span>"), (2, "列表里有 2 条以上</span>")]:
        monkeypatch.setattr(following, "MOST_COUNTED", most)
        assert told in (await client.get(listed[0])).text


async def test_the_way_back_leads_to_the_page_and_row_of_the_lead(
    client: httpx.AsyncClient, versions: list[FindingVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (filters, queue):
        monkeypatch.setattr(module, "PAGE", 2)
    first = await client.get("/?lane=all&state=all&sort=people")
    more = unescape(re.findall(r'href="([^"]+)" rel="next"', first.text)[0])
    listed = await _listed(client, more.partition("?")[2])
    assert len(listed) == 2
    back = unescape(LIST.findall((await client.get(listed[1])).text)[0])
    assert back == f"{more}#{_name(listed[1]).replace('/leads/', 'lead-')}"
    assert f'data-item id="{back.partition("#")[2]}">' in (await client.get(back)).text
    assert await _listed(client, back.partition("?")[2].partition("#")[0]) == listed


async def test_the_next_one_stays_the_next_when_a_lead_leaves_the_queue(
    client: httpx.AsyncClient, versions: list[FindingVersion]
) -> None:
    first, second, *_ = await _listed(client, "lane=all")
    lead = _name(first).removeprefix("/leads/")
    seen = (await client.get(f"/api/leads/{lead}")).json()["lead"]["version"]
    query = dict(httpx.URL(f"http://desk{first}").params)
    form = {
        "csrf": client.headers["X-CSRF-Token"],
        "version": str(seen),
        "everything": "true",
        "said": "dismissed.excused",
    }
    decided = await client.post(f"/leads/{lead}/decisions", data={**form, **query})
    page = (await client.get(decided.headers["location"])).text
    assert _name(unescape(NEXT.findall(page)[0])) == _name(second)
    assert f"列表里有 {len(await _listed(client, 'lane=all'))} 条" in page


@pytest.mark.parametrize("query", ["", "list=state%3Dgone&at=x", "at=%21", "list=nobody%3D1"])
async def test_a_lead_that_no_queue_led_to_has_none_behind_it(
    client: httpx.AsyncClient, versions: list[FindingVersion], query: str
) -> None:
    (address, *_) = await _listed(client, "")
    page = await client.get(f"{_name(address)}?{query}")
    assert page.status_code == 200
    assert NEXT.findall(page.text) == []
