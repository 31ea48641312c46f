"""Every page of the desk in Chromium, in both languages, at a desk and on a phone, light and (in Chinese) dark.

Each says what it is, fits its window, and axe finds nothing serious in it. With ``TAKE_PICTURES=1`` each is taken, too.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping

import pytest
from playwright.sync_api import Browser, Page

from rules_lib.rule_set import RuleSet
from streams.jobs.spelling import spell_institutions
from tests.api.axe import CONTRAST, serious_faults
from tests.api.browser import SCREENSHOTS, Console, in_store, served_console, visit
from tests.api.fitting import misfits
from tests.api.pages import PAGES, Shown, addresses_of
from tests.api.quiet import fill_senders
from tests.api.test_access import RIGHTS
from tests.api.test_trials import DRUG, tried_out

SIZES = {1280: 800, 390: 844}


@pytest.fixture(scope="module")
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), tried_out(rule_set, DRUG)) as served:
        in_store(served.dsn, spell_institutions)
        in_store(served.dsn, lambda _: fill_senders(served.dsn))
        yield served


@pytest.fixture(scope="module")
def addresses(console: Console) -> Mapping[str, str]:
    return addresses_of(console)


def test_no_page_is_left_out() -> None:
    """Of the routes that answer with a page."""
    paths = [path for method, path in RIGHTS if method == "GET" and not re.match(r"/api|.*\.xlsx$", path)]
    shown = [of.address.partition("?")[0] for of in PAGES]
    shown += ["/trials/one", "/status/dead-letters/replays/1"]  # where {trial} and {replay} lead
    left = [path for path in paths if not any(re.fullmatch(re.sub(r"{[^}]*}", "[^/]+", path), of) for of in shown)]
    assert left == []


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", SIZES)
def test_pages_say_what_they_are_fit_and_exclude_nobody(
    browser: Browser, console: Console, addresses: Mapping[str, str], axe: str, width: int, lang: str
) -> None:
    found: list[str] = []
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        visited = visit(context, console)
        page = visited.page
        page.goto(f"{console.url}/?lang={lang}")
        for shown in PAGES:
            answer = page.goto(console.url + shown.address.format(**addresses))
            is_it = answer is not None and answer.status == shown.status and _says(page, shown, lang)
            faults = [] if is_it else ["is not the page"]
            faults += _faults(page, f"{shown.name}-{lang}-{width}", axe, in_dark=lang == "zh")
            found += [f"{shown.name}: {fault}" for fault in faults]
        assert not found, "\n".join(found)
        assert [error for error in visited.errors if not re.search("40[34]|422", error)] == []
        assert visited.strangers == []


def test_what_is_broken_is_noticed(browser: Browser, axe: str) -> None:
    """A field without a name and too narrow, pale words, and words wider than their box and the window."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(
        "<!doctype html><html lang='zh-CN'><title>坏</title><main><h1>坏</h1>"
        "<input><input aria-label='窄' size='2' placeholder='太窄太窄太窄'>"
        "<p style='color: #bbb'>看不清</p><p style='width: 20rem; white-space: nowrap'>" + "太长" * 30
    )
    assert {fault.partition(":")[0] for fault in serious_faults(page, axe)} == {"label", "color-contrast"}
    assert [fault.partition(":")[0] for fault in misfits(page)] == ["leaves its box", "is cut off", "scrolls sideways"]
    page.close()


def _says(page: Page, shown: Shown, lang: str) -> bool:
    return (shown.zh if lang == "zh" else shown.en) in page.locator("main").inner_text()


def _faults(page: Page, name: str, axe: str, *, in_dark: bool) -> list[str]:
    """What is wrong with the page, with everything in it unfolded; colours are the same in each language."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    faults = misfits(page) + serious_faults(page, axe)
    _photograph(page, f"{name}-light")
    if in_dark:
        page.emulate_media(color_scheme="dark")
        faults += [f"dark: {fault}" for fault in serious_faults(page, axe, CONTRAST)]
        _photograph(page, f"{name}-dark")
        page.emulate_media(color_scheme="light")
    return faults


def _photograph(page: Page, name: str) -> None:
    """For whoever asks for pictures: they prove nothing."""
    if "TAKE_PICTURES" in os.environ:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"every-{name}.jpg", full_page=True, quality=70)
