"""Search, claims, patients, institutions and the queue's filters in Chromium: by mouse, by keyboard, on a phone."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Browser, Page, expect

from rules_lib.rule_set import RuleSet
from streams.jobs.spelling import spell_institutions
from tests.api.browser import SCREENSHOTS, Console, Visit, served_console, visit
from tests.api.seats import open_filters
from tests.api.story import AREA

SIZES = {1280: 800, 390: 844}
PATIENT = f"/patients/{AREA}/demo-p-0050"


@pytest.fixture(scope="module")
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), rule_set) as served:
        with ThreadPoolExecutor(1) as other:  # Playwright's loop may run in this thread
            other.submit(asyncio.run, _spell(served.dsn)).result()
        yield served


async def _spell(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await spell_institutions(connection)
    await connection.close()


@pytest.fixture(params=SIZES)
def tab(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Visit]:
    """A signed-in tab on a screen and on a phone, clean when the test ends."""
    with browser.new_context(viewport={"width": request.param, "height": SIZES[request.param]}) as context:
        visited = visit(context, console)
        yield visited
        assert [error for error in visited.errors if "422" not in error] == []
        assert visited.strangers == []


def _look(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name


def test_by_keyboard_a_slash_leads_to_what_is_typed(tab: Visit, console: Console) -> None:
    page = tab.page
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("xg/")
    expect(page.locator("#q")).to_have_value("xg/")
    page.keyboard.press("Backspace")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("xg")
    expect(page.locator("#q")).to_have_value("xg")
    page.locator("h1").click()
    page.keyboard.press("j")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert re.search("/institutions/H4202810000[12]$", page.url)
    page.keyboard.press("/")
    page.keyboard.type("demo-p-0050")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_url(f"**{PATIENT}")


def test_by_mouse_from_evidence_to_the_claim_the_year_and_back(tab: Visit, console: Console) -> None:
    page = tab.page
    page.goto(f"{console.url}/?institution=H42028100002")
    page.locator("td.lead a").first.click()
    page.wait_for_url("**/leads/**")
    page.get_by_role("link", name="看整张结算单").first.click()
    expect(page.locator("h1")).to_contain_text("虚构镇卫生院")
    page.locator("main a[href^='/patients/']").click()
    page.wait_for_url(f"**{PATIENT}")
    expect(page.locator("svg.timeline .guilty")).to_have_count(1)
    page.locator("summary", has_text="2026-03").click()
    page.locator("td.lead a").first.click()
    page.wait_for_url("**/claims/**")
    page.locator("a[data-item]").first.click()
    page.wait_for_url("**/leads/**finding=**")


def test_the_queue_is_narrowed_and_sorted(tab: Visit, console: Console) -> None:
    page = tab.page
    page.goto(f"{console.url}/")
    open_filters(page)
    page.get_by_label("涉疑金额至少").fill("100")
    page.get_by_label("规则或模型").select_option("FW10000001")
    page.get_by_label("涉疑金额至少").press("Enter")
    page.wait_for_url("**least=100**")
    assert "maker=FW10000001" in page.url
    expect(page.locator("td.lead")).to_have_count(1)
    is_wide = page.viewport_size is not None and page.viewport_size["width"] == 1280
    people = page.locator("thead" if is_wide else ".sorts").get_by_role("link", name="人数")
    people.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=people**")
    assert "least=100" in page.url
    if is_wide:
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("人数")
    _look(page, "queue-sorted")


def test_the_search_works_without_script(browser: Browser, console: Console) -> None:
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        page = visit(context, console).page
        page.get_by_label("查找", exact=True).fill("中医")
        with page.expect_navigation():
            page.get_by_role("button", name="查找", exact=True).click()
        page.locator("main a[href^='/institutions/']").click()
        expect(page.locator("h1")).to_contain_text("虚构县中医院")
