"""What is new, saved filters and the filter by item in Chromium: by mouse and by keyboard, on a screen and a phone."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import asyncpg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.browser import Console, Visit, visit
from tests.api.seats import open_filters
from tests.api.story import HBA1C
from tests.api.test_find_pages import SIZES, _look
from tests.api.test_news import BEDS, BEFORE, _come

ADDRESS = re.compile(r"\?(.*&)?done=\d+")


def _in_store(console: Console, act: Callable[[asyncpg.Connection], Awaitable[None]]) -> None:
    """Playwright's loop may run in this thread."""

    async def run() -> None:
        connection = await asyncpg.connect(console.dsn)
        try:
            await act(connection)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as other:
        other.submit(asyncio.run, run()).result()


async def _begin(connection: asyncpg.Connection) -> None:
    """One lead has something new since the last visit, and nobody keeps a filter."""
    names = await connection.fetch("select finding_id from lead_findings where rule_id = $1 limit 2", BEDS)
    await _come(connection, BEFORE + timedelta(days=1), [row["finding_id"] for row in names])
    await connection.execute("delete from saved_filters")
    await connection.execute("update visits set used_at = now(), before_at = $1", BEFORE)


@pytest.fixture(params=SIZES)
def tab(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Visit]:
    """A signed-in tab on a screen and on a phone, of somebody who was here before; clean when the test ends."""
    with browser.new_context(viewport={"width": request.param, "height": SIZES[request.param]}) as context:
        visited = visit(context, console)
        _in_store(console, _begin)
        yield visited
        assert visited.errors == []
        assert visited.strangers == []


def _save(page: Page, name: str) -> None:
    """Saves the filter that holds, by keyboard."""
    page.locator(".saved summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#filter-name")).to_be_focused()
    page.keyboard.type(name)
    with page.expect_navigation(url=ADDRESS):
        page.keyboard.press("Enter")


@pytest.mark.parametrize(("lang", "link", "mark"), [
    ("zh", "有新疑点的线索 1 条", "有新疑点"), ("en", "Leads with something new since your last visit", "new findings"),
])  # fmt: skip
def test_what_is_new_is_one_press_away(tab: Visit, console: Console, lang: str, link: str, mark: str) -> None:
    page = tab.page
    page.goto(f"{console.url}/?lang={lang}")
    expect(page.locator("td.lead .notice")).to_have_text([mark])
    assert page.locator("td.lead").count() > 1
    page.locator(".news a", has_text=link).click()
    page.wait_for_url("**/?new=true")
    expect(page.locator("td.lead")).to_have_count(1)
    open_filters(page)
    page.locator("#topic").select_option("limits")
    page.locator(".filters button").click()
    page.wait_for_url(re.compile("new=true"))
    expect(page.locator("td.lead")).to_have_count(0)
    page.locator(".news a").last.focus()
    page.keyboard.press("Enter")
    expect(page.locator("td.lead")).not_to_have_count(0)
    assert "new=true" not in page.url
    page.goto(f"{console.url}/?new=true")
    _look(page, f"queue-new-{lang}")


@pytest.mark.parametrize(("lang", "put_back", "as_before"), [
    ("zh", "恢复", "改回原名"), ("en", "Put it back", "Call it as before"),
])  # fmt: skip
def test_a_filter_is_kept_by_keyboard_and_what_was_done_is_undone_with_one_press(
    tab: Visit, console: Console, lang: str, put_back: str, as_before: str
) -> None:
    page = tab.page
    page.goto(f"{console.url}/?lang={lang}")
    page.goto(f"{console.url}/?topic=stays&least=1")
    _save(page, "住院一元")
    links = page.locator(".saved li a")
    expect(links).to_have_text(["住院一元"])
    assert links.get_attribute("aria-current") == "true"
    page.goto(f"{console.url}/")
    assert links.get_attribute("aria-current") is None
    links.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/?topic=stays&least=1")
    expect(page.locator("#topic")).to_have_value("stays")

    page.locator(".saved summary").click()
    name = page.locator(".saved details form").nth(1).locator("input[name='name']")
    name.fill("另一个名称")
    _look(page, f"queue-saved-{lang}")
    with page.expect_navigation(url=ADDRESS):
        name.press("Enter")
    expect(links).to_have_text(["另一个名称"])
    page.get_by_role("button", name=as_before).click()
    expect(links).to_have_text(["住院一元"])

    page.locator(".saved summary").click()
    page.locator(".saved button[formaction]").click()
    expect(links).to_have_count(0)
    _look(page, f"queue-removed-{lang}")
    page.get_by_role("button", name=put_back).focus()
    page.keyboard.press("Enter")
    expect(links).to_have_text(["住院一元"])


def test_a_long_name_and_one_that_fits_no_more_are_shown_whole(tab: Visit, console: Console) -> None:
    page = tab.page
    page.goto(f"{console.url}/?lang=zh")
    _save(page, "长" * 40)

    async def spoil(connection: asyncpg.Connection) -> None:
        await connection.execute(
            "insert into saved_filters (login, name, look, query) values ('inspector', $1, 'x', 'maker=gone')", "w" * 40
        )

    _in_store(console, spoil)
    page.goto(f"{console.url}/")
    expect(page.locator(".saved li").last).to_have_text(re.compile("w{40} 不再适用：maker"))
    page.locator(".saved summary").click()
    _look(page, "queue-saved-long")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_item_is_found_by_a_part_of_its_name(tab: Visit, console: Console, lang: str) -> None:
    page = tab.page
    page.goto(f"{console.url}/?lang={lang}&lane=all")
    open_filters(page)
    page.locator("#item").fill("糖化血红")
    page.locator("#item").press("Enter")
    like = page.locator(".problem a")
    expect(like.first).to_be_visible()
    expect(page.locator("td.lead")).to_have_count(0)
    _look(page, f"queue-item-like-{lang}")
    like.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("td.lead")).not_to_have_count(0)
    expect(page.locator("#item")).not_to_have_value("糖化血红")
    by_name = page.locator("td.lead").count()
    open_filters(page)
    page.locator("#item").fill(HBA1C)
    page.locator(".filters button").click()
    page.wait_for_url(re.compile(f"item={HBA1C}"))
    expect(page.locator("td.lead")).to_have_count(by_name)


def test_without_script_the_same_is_reached(browser: Browser, console: Console) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = visit(context, console).page
        _in_store(console, _begin)
        page.goto(f"{console.url}/?lang=zh")
        page.locator(".news a").click()
        expect(page.locator("td.lead")).to_have_count(1)
        page.locator(".saved summary").click()
        page.locator("#filter-name").fill("新的")
        page.locator("#filter-name").press("Enter")
        expect(page.locator(".saved li a[aria-current]")).to_have_text(["新的"])
        page.locator(".saved summary").click()
        page.locator(".saved button[formaction]").click()
        page.get_by_role("button", name="恢复").click()
        expect(page.locator(".saved li a")).to_have_text(["新的"])
        page.locator("#item").fill("糖化血红")
        page.locator(".filters button").click()
        expect(page.locator(".problem a").first).to_be_visible()
