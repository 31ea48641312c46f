"""The console in Chromium: what an empty store says, the keyboard, two people at once, and no script."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.frame.site import Site
from rules_lib.rule_set import RuleSet
from tests.api.browser import SCREENSHOTS, Console, Visit, served_console, sign_in, visit

SIZES = {1280: 800, 390: 844}
LEAD = "虚构县中医院 2026 年 · 住院与床位"


@pytest.fixture(scope="module")
def empty_console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), rule_set, with_county=False) as served:
        yield served


@pytest.fixture
def tab(browser: Browser, console: Console) -> Iterator[Visit]:
    """A signed-in tab, clean when the test ends."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        visited = visit(context, console)
        yield visited
        assert visited.errors == []
        assert visited.strangers == []


def _open_lead(page: Page, console: Console, state: str = "all") -> None:
    page.goto(f"{console.url}/?state={state}&topic=stays&institution=H42028100001")
    page.locator("td.lead a").first.click()
    page.wait_for_url("**/leads/**")


def _fits(page: Page) -> bool:
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return fits


def _outline(page: Page) -> str:
    style: str = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    return style


def _has_text(page: Page, text: str) -> None:
    expect(page.locator("main")).to_contain_text(text)


def _look(page: Page, name: str, scheme: str) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png")
    assert _fits(page), f"{name} scrolls sideways at {width} px"


def _look_at_all(page: Page, name: str, scheme: str) -> None:
    """The whole page at once: in a window as high as the page nothing sticks over anything."""
    width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    page.set_viewport_size({"width": width, "height": height})
    _look(page, f"{name}-whole", scheme)
    page.set_viewport_size({"width": width, "height": SIZES[width]})


def test_empty_store_says_so(browser: Browser, empty_console: Console) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = visit(context, empty_console).page
        _has_text(page, "还没有收到任何结算单")
        _look(page, "queue-nothing", "light")
        page.goto(f"{empty_console.url}/status")
        _has_text(page, "没有死信")
        _look(page, "status-nothing", "light")
        for path, words in (("reconciliation", "还没有收到"), ("dead-letters", "没有死信"), ("lag", "还没有处理组")):
            page.goto(f"{empty_console.url}/status/{path}")
            _has_text(page, words)
            _look(page, f"{path}-nothing", "light")


def test_keyboard_leads_from_the_queue_to_the_decision(tab: Visit, console: Console) -> None:
    page = tab.page
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.getAttribute('href')")
    assert _outline(page) == "solid"
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.getAttribute('href')") != first
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{console.url}{first}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**finding=**")
    page.keyboard.press("e")
    expect(page.locator("#said")).to_be_focused()
    assert _outline(page) == "solid"
    page.keyboard.press("Tab")
    page.keyboard.type("jke?")
    expect(page.locator("#reason")).to_have_value("jke?")


def test_e_in_the_queue_opens_the_decision(tab: Visit) -> None:
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("e")
    tab.page.wait_for_url("**/leads/**")
    expect(tab.page.locator("#said")).to_be_focused()


def test_question_mark_shows_and_hides_the_keys(tab: Visit) -> None:
    tab.page.keyboard.press("?")
    expect(tab.page.locator("#keys")).to_be_visible()
    _look(tab.page, "keys", "light")
    tab.page.keyboard.press("?")
    expect(tab.page.locator("#keys")).to_be_hidden()


def test_timeline_says_the_same_on_focus(tab: Visit, console: Console) -> None:
    _open_lead(tab.page, console)
    mark = tab.page.locator("g.guilty").first
    mark.focus()
    words = mark.get_attribute("aria-label")
    assert words is not None
    assert "涉疑明细" in words
    expect(mark.locator("text.tip")).to_be_visible()
    expect(mark.locator("text.tip")).to_have_text(words)


@pytest.mark.parametrize("width", SIZES)
def test_an_account_is_opened_by_keyboard_and_its_password_signs_in(
    browser: Browser, console: Console, width: int
) -> None:
    login = f"wang.li.{width}"
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        visited = visit(context, console)
        page = visited.page
        page.goto(f"{console.url}/people/new")
        page.get_by_label("用户名").focus()
        page.keyboard.type(login)
        page.keyboard.press("Tab")
        page.keyboard.type("王莉")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert _outline(page) == "solid"
        with page.expect_navigation():
            page.get_by_label("统筹区").press("Enter")
        _has_text(page, "只显示这一次")
        password = page.locator(".shown-once").inner_text()
        assert visited.errors == []
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        page = context.new_page()
        page.goto(f"{console.url}/")
        page.get_by_label("用户名").fill(login)
        page.get_by_label("密码").fill(password)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        _has_text(page, "这个密码是别人给您的")
        _look_at_all(page, "account-given", "light")
        page.get_by_label("现在的密码").fill(password)
        for label in ("新密码，", "再输一次新密码"):
            page.get_by_label(label).fill("a password of her own")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.get_by_label("用户名").fill(login)
        page.get_by_label("密码").fill("a password of her own")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.locator(".who")).to_have_text(login)
        expect(page.locator("header nav")).not_to_contain_text("账号")
        page.goto(f"{console.url}/account")
        _has_text(page, "稽查员")
        _has_text(page, "您已登录 1 处")


@pytest.mark.parametrize("width", SIZES)
def test_a_lead_is_taken_and_given_back_by_keyboard(browser: Browser, console: Console, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        visited = visit(context, console)
        page = visited.page
        _open_lead(page, console)
        lead = page.url
        with page.expect_navigation():
            page.locator(".holder button").first.press("Enter")
        _has_text(page, "经办：inspector，到 2026-05-04")
        page.get_by_text("交给同事").press("Enter")
        _look(page, "holder", "light")
        page.goto(f"{console.url}/?who=me&state=all&lane=all")
        _has_text(page, "到 2026-05-04")
        _look(page, "queue-mine", "light")
        page.goto(lead)
        with page.expect_navigation():
            page.get_by_text("不再经办").press("Enter")
        _has_text(page, "还没有人经办")
        assert visited.errors == []


def test_second_of_two_people_sees_what_changed_and_keeps_the_reason(browser: Browser, console: Console) -> None:
    with browser.new_context() as one, browser.new_context(viewport={"width": 1280, "height": 800}) as other:
        first, second = visit(one, console).page, visit(other, console).page
        for page in (first, second):
            _open_lead(page, console)
        _decide(first, "confirmed.records", "与护理记录不符")
        expect(first.locator("#decision")).to_contain_text("已确认")
        _decide(second, "returned.other", "我认为应退回")
        second.wait_for_url("**/leads/*kept=*")
        expect(second.get_by_role("alert")).to_contain_text("与护理记录不符")
        expect(second.locator("#reason")).to_have_value("我认为应退回")
        expect(second.locator("#said")).to_have_value("returned.other")
        second.reload()
        expect(second.locator("#reason")).to_have_value("我认为应退回")
        _look(second, "changed", "light")
        _undo(first)
        expect(first.locator(".history")).to_contain_text("核对后撤销")
        expect(first.locator("p.facts .state")).to_have_text("待处理")


def _decide(page: Page, said: str, reason: str) -> None:
    page.get_by_label("全选列出的疑点").check()
    page.locator("#said").select_option(said)
    page.locator("#reason").fill(reason)
    page.get_by_role("button", name="记录决定").click()


def _undo(page: Page) -> None:
    page.locator("#decision summary").first.click()
    page.locator("#decision [id^=undo-reason]").fill("核对后撤销")
    _look(page, "decided", "light")
    page.get_by_role("button", name="撤销", exact=True).click()


def test_reason_survives_the_end_of_the_session(tab: Visit, console: Console) -> None:
    page = tab.page
    _open_lead(page, console)
    page.locator("#said").select_option("dismissed.excused")
    page.locator("#reason").fill("写了一半的理由")
    with ThreadPoolExecutor(1) as other:  # Playwright's loop runs in this thread
        other.submit(asyncio.run, _end_sessions(console.dsn)).result()
    page.get_by_role("button", name="记录决定").click()
    _has_text(page, "登录已过期")
    sign_in(page, console)
    _has_text(page, "您已重新登录")
    expect(page.locator("#reason")).to_have_value("写了一半的理由")


async def _end_sessions(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("update sessions set expires_at = now()")
    await connection.close()


def test_reloading_a_refused_sign_in_sends_no_password_again(browser: Browser, console: Console) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{console.url}/status")
        page.get_by_label("用户名").fill("inspector")
        page.get_by_label("密码").fill("surely wrong")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        _has_text(page, "用户名或密码不对")
        with page.expect_request("**/sign-in?next=*") as asked:
            page.reload()
        assert asked.value.method == "GET"
        sign_in(page, console)
        page.wait_for_url("**/status")


def test_everything_works_without_script(browser: Browser, console: Console) -> None:
    with browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        page = visit(context, console).page
        page.locator("select[name=topic]").select_option("limits")
        page.get_by_role("button", name="筛选", exact=True).click()
        assert "topic=limits" in page.url
        page.locator("td.lead a").first.click()
        _decide(page, "dismissed.excused", "两次间隔不足 15 天")
        expect(page.locator("#decision")).to_contain_text("已排除")
        page.locator("#decision summary").first.click()
        page.locator("#decision [id^=undo-reason]").fill("再看一次")
        page.get_by_role("button", name="撤销", exact=True).click()
        expect(page.locator("p.facts .state")).to_have_text("待处理")


def test_filter_changes_the_list_in_place_and_the_address(tab: Visit) -> None:
    page = tab.page
    if page.locator("script[src*=htmx]").count() == 0:
        pytest.skip("no htmx: make assets")
    page.evaluate("window.stayed = true")
    page.locator("select[name=topic]").select_option("limits")
    page.get_by_role("button", name="筛选", exact=True).click()
    expect(page.locator("td.lead")).to_have_count(1)
    page.wait_for_url("**topic=limits**")
    assert page.evaluate("window.stayed") is True
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.matches('[data-item]')")


def test_print_shows_the_answer_and_no_forms(tab: Visit, console: Console) -> None:
    _open_lead(tab.page, console)
    tab.page.emulate_media(media="print")
    expect(tab.page.locator("h1")).to_contain_text(LEAD)
    expect(tab.page.locator("#reason")).to_be_hidden()
    _look(tab.page, "lead-print", "light")


def test_lines_are_read_on_a_phone_without_sliding_the_guilty_ones_first(browser: Browser, console: Console) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = visit(context, console).page
        _open_lead(page, console)
        amount = page.locator("tr.guilty td").last.bounding_box()
        first = page.locator("tr.involved").first.bounding_box()
        assert amount is not None
        assert first is not None
        assert amount["x"] + amount["width"] <= 390
        assert amount["y"] < first["y"]
        expect(page.locator(".swipe")).to_be_visible()
        mark = page.locator(".timeline .guilty").first.bounding_box()
        assert mark is not None
        assert 0 <= mark["x"] <= mark["x"] + mark["width"] <= 390, "the timeline opens where the dispute is"


def test_dead_letters_are_replayed_step_by_step_by_keyboard(
    tab: Visit, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.acts.letters.STEP", 1)
    page = tab.page
    page.goto(f"{console.url}/status/dead-letters?outcome=dead")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dead-letters/claims/**")
    page.go_back()
    page.get_by_role("link", name="重放这 2 条").click()
    _has_text(page, "重放不能撤销")
    page.get_by_role("button", name="重放 2 条").press("Enter")
    _has_text(page, "已全部发出 2 条，其中 2 条等待处理")
    _look(page, "replayed", "light")
    page.goto(f"{console.url}/status/dead-letters")
    _has_text(page, "1 条死信待处理")


def test_context_is_private(browser: Browser, console: Console) -> None:
    with browser.new_context() as context:
        visit(context, console)
        cookies = {cookie.get("name"): cookie for cookie in context.cookies()}
        assert cookies[Site().session_cookie].get("httpOnly") is True
        assert cookies[Site().session_cookie].get("sameSite") == "Strict"
        _is_closed_after_sign_out(context, console)


def _is_closed_after_sign_out(context: BrowserContext, console: Console) -> None:
    page = context.pages[0]
    page.goto(console.url)
    page.get_by_role("button", name="退出").click()
    page.goto(f"{console.url}/status")
    assert "/sign-in" in page.url
