"""Rules that are tried out: a page of their own with a sample and its evidence, and not a word of them elsewhere."""

from collections.abc import Callable
from decimal import Decimal

import asyncpg
import httpx
import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from casework.sight import Sight
from knowledge_base.findings import Change, FindingVersion, finding_id
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import publish
from streams.store.casework.trials import find_sample, find_trials, find_tried
from streams.store.judgements.findings import save_versions
from tests.api.browser import SCREENSHOTS, opened_browser, served_console, visit
from tests.api.story import AREA, COUNTY, TODAY, next_version, save_county
from tests.streams.leads import apply_findings

BEDS, DRUG = "FW10000001", "FW10000002"
DAY = TODAY.toordinal()


def tried_out(rule_set: RuleSet, *rules: str) -> RuleSet:
    """The set with some of its rules tried out."""
    changes = {"status": "shadow", "file_hash": "tried out"}
    return RuleSet(
        tuple(rule.model_copy(update=changes) if rule.id in rules else rule for rule in rule_set.rules),
        rule_set.facts,
        rule_set.topics,
    )


@pytest.fixture
def shadowed(rule_set: RuleSet) -> RuleSet:
    return tried_out(rule_set, BEDS)


@pytest.fixture
async def raised(postgres_url: str, shadowed: RuleSet) -> list[FindingVersion]:
    """The county, stored while the rule on bed days is tried out."""
    return await save_county(postgres_url, shadowed)


def of_beds(versions: list[FindingVersion]) -> list[FindingVersion]:
    return [version for version in versions if version.maker.id == BEDS]


async def test_the_page_tells_how_many_with_money_and_leads_to_the_evidence(
    raised: list[FindingVersion], client: httpx.AsyncClient
) -> None:
    page = (await client.get("/trials")).text
    for words in ("1 条规则试运行中", BEDS, "1,020.00", "随机 5 条，共 34 条", "床位费收了"):
        assert words in page
    sample = min(of_beds(raised), key=lambda version: version.finding_id)
    assert f'href="/trials/{sample.finding_id}"' in page
    evidence = (await client.get(f"/trials/{sample.finding_id}")).text
    for words in ("试运行：床位费日数多于住院日数", "涉疑", "普通病房床位费", "就诊时间轴", BEDS):
        assert words in evidence
    english = (await client.get("/trials", params={"lang": "en"})).text
    assert "Rules tried out: 1" in english
    assert "bed days billed" in english
    assert "其中试运行" not in english


async def test_nowhere_else_is_a_word_of_them(raised: list[FindingVersion], client: httpx.AsyncClient) -> None:
    name = of_beds(raised)[0].finding_id
    assert (await client.get(f"/api/findings/{name}")).status_code == 404
    leads = (await client.get("/api/leads")).json()["leads"]
    assert leads
    assert not [lead for lead in leads if (lead["topic"], lead["institution"]) == ("stays", COUNTY)]
    for path in ("/", "/?state=all"):
        assert "床位费" not in (await client.get(path)).text


async def test_of_live_rules_nothing_is_on_the_page(versions: list[FindingVersion], client: httpx.AsyncClient) -> None:
    page = (await client.get("/trials")).text
    assert "没有试运行的规则" in page
    assert BEDS not in page
    assert (await client.get(f"/trials/{versions[0].finding_id}")).status_code == 404
    assert "其中试运行 0 条" in (await client.get("/status")).text


async def test_a_rule_that_found_nothing_yet_is_named(
    connection: asyncpg.Connection, client: httpx.AsyncClient, shadowed: RuleSet
) -> None:
    await publish(connection, shadowed, "somebody")
    page = (await client.get("/trials")).text
    assert "1 条规则试运行中" in page
    assert "0.00" in page
    assert "随机" not in page


async def test_what_counts_is_open_may_be_seen_and_waits_for_no_excuse(
    connection: asyncpg.Connection, raised: list[FindingVersion], rule_set: RuleSet
) -> None:
    shadowed = tried_out(rule_set, BEDS, DRUG)
    first, *_ = of_beds(raised)
    gone = next_version(first, Change.WITHDRAWN)
    await save_versions(connection, AREA, [gone])
    await apply_findings(connection, [gone], shadowed)
    found = await find_trials(connection, [BEDS, DRUG], Sight(DAY))
    assert (found[BEDS].findings, found[BEDS].people, found[BEDS].institutions) == (33, 33, 1)
    assert (found[BEDS].in_question, found[BEDS].in_fund) == (Decimal(990), Decimal(990))
    waiting = found[DRUG].findings
    assert (await find_trials(connection, [DRUG], Sight(DAY + 1)))[DRUG].findings == waiting + 1
    assert await find_trials(connection, [BEDS], Sight(DAY, frozenset({"another area"}))) == {}
    assert await find_tried(connection, first.finding_id, [BEDS], Sight(DAY)) is None
    sample = await find_sample(connection, BEDS, Sight(DAY), 40)
    assert [version.finding_id for version in sample] == sorted(version.finding_id for version in sample)
    assert {version.maker.id for version in sample} == {BEDS}
    assert len(sample) == 33


async def test_a_line_that_two_findings_dispute_counts_once(
    connection: asyncpg.Connection, raised: list[FindingVersion], shadowed: RuleSet
) -> None:
    first, *_ = of_beds(raised)
    occurrence = (*first.finding.occurrence, "again")
    twin = replace(next_version(first, occurrence=occurrence), finding_id=finding_id(AREA, BEDS, occurrence), version=1)
    await save_versions(connection, AREA, [twin])
    await apply_findings(connection, [twin], shadowed)
    found = (await find_trials(connection, [BEDS], Sight(DAY)))[BEDS]
    assert (found.findings, found.people, found.in_question) == (35, 34, Decimal(1020))


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_look_right(chromium: str, new_database: Callable[[], str], rule_set: RuleSet, width: int) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    with (
        served_console(new_database(), tried_out(rule_set, BEDS, "FW10000003")) as console,
        opened_browser(chromium) as browser,
        browser.new_context(viewport={"width": width, "height": 900}) as context,
    ):
        visited = visit(context, console)
        page = visited.page
        page.goto(f"{console.url}/status")
        page.get_by_role("link", name="其中试运行 2 条").click()
        _look(page, f"trials-{width}")
        page.locator(".list a").first.click()
        expect(page.locator("tr.guilty td").first).to_have_text("涉疑")
        _look(page, f"trial-{width}")
        assert visited.errors == []
        assert visited.strangers == []


def _look(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
