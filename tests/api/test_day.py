"""docs/day.md: from signing in to the list for the hospital in under two minutes, step by step as the page has it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from rules_lib.rule_set import RuleSet
from tests.api.browser import Console, served_console
from tests.api.day import Hands
from tests.api.lists import rows_of

DAY = Path(__file__).resolve().parents[2] / "docs" / "day.md"
MOST = 120
"""Seconds."""


@pytest.fixture(scope="module")
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), rule_set) as served:
        yield served


def test_from_signing_in_to_the_list_in_hand_in_under_two_minutes(browser: Browser, console: Console) -> None:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{console.url}/")
        hands = Hands(page)
        _sign_in(hands, console)
        _choose_a_lead(hands)
        _read_the_evidence(hands)
        _decide(hands)
        content = _fetch_the_list(hands)
    assert len(rows_of(content)) == 34
    rows = [step.row for step in hands.steps]
    text = DAY.read_text(encoding="utf-8")
    assert re.findall(r"^\| .*\d \|$", text, re.MULTILINE) == rows, "now it is:\n" + "\n".join(rows)
    total = sum(step.seconds for step in hands.steps)
    assert total < MOST
    assert f"{total} 秒" in text
    assert f"{total} seconds" in text


def _sign_in(hands: Hands, console: Console) -> None:
    hands.begin("登录 / sign in")
    hands.type("inspector")
    hands.press("Tab")
    hands.type(console.password)
    with hands.page.expect_navigation():
        hands.press("Enter")


def _choose_a_lead(hands: Hands) -> None:
    page = hands.page
    hands.begin("看列表，打开第一条 / read the list, open the first lead")
    hands.read(page.locator("h1"), page.locator(".sorted"), page.locator("td.lead").first, page.locator("thead"))
    hands.click(page.locator("td.lead a").first)
    page.wait_for_url("**/leads/**")


def _read_the_evidence(hands: Hands) -> None:
    page = hands.page
    hands.begin("看答案和第一条证据 / read the answer and the first evidence")
    hands.read(page.locator("h1"), page.locator("main > .facts"), page.locator("#evidence > .said"))
    hands.read(page.locator("#evidence .of-claim").first, page.locator("#evidence table").first)
    hands.begin("展开比对的明细 / unfold what it was compared with")
    hands.click(page.locator("#evidence .folded summary").first)
    hands.read(page.locator("#evidence .folded").first)


def _decide(hands: Hands) -> None:
    page = hands.page
    hands.begin("勾两条，选理由，写说明，记录 / tick two, choose the reason, write, record")
    for number in range(2):
        hands.click(page.locator("[data-finding]").nth(number))
    hands.press("e")
    hands.read(page.locator("#said option").nth(1))
    hands.press("ArrowDown", "Tab")
    hands.type("与护理记录不符")
    hands.press("Control+Enter")
    page.wait_for_url("**done=**")
    hands.begin("看记录了什么 / read what was recorded")
    hands.read(page.locator("#decision .holds"))


def _fetch_the_list(hands: Hands) -> bytes:
    page = hands.page
    hands.begin("下载给医院的清单 / fetch the list for the hospital")
    hands.click(page.locator("a[href$='/answers']"))
    hands.read(page.locator("h1"))
    with page.expect_download() as fetched:
        hands.click(page.locator("a[download]"))
    return Path(fetched.value.path()).read_bytes()
