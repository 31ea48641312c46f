"""The page on silence in Chromium: both languages, a desk and a phone, and muting with the keyboard and back."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from api.operation import silence
from casework.silence import instant_of
from rules_lib.rule_set import RuleSet
from tests.api.browser import SCREENSHOTS, Console, in_store, served_console, visit
from tests.api.fitting import misfits
from tests.api.quiet import NOON, fill_senders

SIZES = {1280: 800, 390: 844}
SAYS = {
    "zh": ("现在有 1 路报送异常安静", "没有哪一路报送异常安静", "静音…", "到哪天为止", "为什么", "取消静音"),
    "en": ("Unusually quiet now: 1", "Nobody is unusually quiet", "Mute…", "Until the end of", "Why", "Unmute"),
}


@pytest.fixture(scope="module")
def console(new_database: Callable[[], str], rule_set: RuleSet) -> Iterator[Console]:
    with served_console(new_database(), rule_set) as served, pytest.MonkeyPatch.context() as patched:
        patched.setattr(silence, "now", lambda: instant_of(NOON + 1))
        in_store(served.dsn, lambda _: fill_senders(served.dsn))
        yield served


@pytest.mark.parametrize("lang", SAYS)
@pytest.mark.parametrize("width", SIZES)
def test_who_is_quiet_meets_the_eye_first_and_is_muted_and_unmuted(
    browser: Browser, console: Console, width: int, lang: str
) -> None:
    quiet, nobody, mute, until, why, unmute = SAYS[lang]
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}) as context:
        visited = visit(context, console)
        page = visited.page
        page.goto(f"{console.url}/silence?lang={lang}")
        heading, sentence = page.get_by_role("heading", level=1), page.locator("ul.said li").first
        expect(heading).to_have_text(quiet)
        expect(sentence).to_contain_text("2026-04-20 10:01")
        box = sentence.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < SIZES[width] / 2 + 100, "the answer stands above the fold"
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"silence-{lang}-{width}.png", full_page=True)
        assert misfits(page) == []
        row = page.locator("tbody tr").first
        row.get_by_text(mute, exact=True).click()
        row.get_by_label(until).fill("2026-05-01")
        row.get_by_label(why).fill("系统切换")
        page.screenshot(path=SCREENSHOTS / f"silence-mute-{lang}-{width}.png", full_page=True)
        assert misfits(page) == []
        with page.expect_navigation():
            row.get_by_label(why).press("Enter")
        expect(heading).to_have_text(nobody)
        muted = page.locator("tbody tr", has_text="系统切换")
        expect(muted).to_contain_text("2026-05-01")
        assert misfits(page) == []
        with page.expect_navigation():
            muted.get_by_role("button", name=unmute, exact=True).click()
        expect(heading).to_have_text(quiet)
        assert visited.errors == []
        assert visited.strangers == []
