"""Somebody at the desk in Chromium: their tab, their language, and what they have in their hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from playwright.sync_api import Browser, Locator, Page, expect

from api.frame.texts import Texts, load_texts
from tests.api.browser import SCREENSHOTS, Console, Visit, visit
from tests.api.fitting import misfits
from tests.api.story import COUNTY

SIZES = {1280: 800, 390: 844}


class Seat(NamedTuple):
    """Acts by mouse or by keyboard, whichever is in the hand."""

    visited: Visit
    console: Console
    texts: Texts
    hand: str
    width: int

    @property
    def page(self) -> Page:
        return self.visited.page

    @property
    def is_wide(self) -> bool:
        return self.width == 1280

    def go(self, path: str) -> None:
        self.page.goto(f"{self.console.url}{path}")

    def open_lead(self, institution: str = COUNTY, topic: str = "stays") -> None:
        self.go(f"/?state=all&topic={topic}&institution={institution}")
        self.act(self.page.locator("td.lead a").first)
        self.page.wait_for_url("**/leads/**")

    def act(self, on: Locator) -> None:
        """Clicks, or presses the key that does the same."""
        if self.hand == "mouse":
            on.click()
        else:
            on.focus()
            on.press("Space" if on.get_attribute("type") == "checkbox" else "Enter")

    def press_or(self, key: str, on: Locator) -> None:
        """Presses a key of the desk's own, or clicks what it stands for."""
        if self.hand == "mouse":
            on.click()
        else:
            self.page.keyboard.press(key)

    def decide(self, said: str, reason: str = "") -> None:
        self.send_decision(said, reason)
        self.page.wait_for_url("**done=**")

    def send_decision(self, said: str, reason: str = "") -> None:
        self.page.locator("#said").select_option(said)
        self.page.locator("#reason").fill(reason)
        if self.hand == "mouse":
            self.page.locator("#decide button").click()
        else:
            self.page.locator("#reason").press("Control+Enter")

    def undo(self) -> None:
        self.press_or("z", self.page.locator("#decision summary").first)
        if self.hand == "keyboard":
            expect(self.page.locator("#decision [id^=undo-reason]")).to_be_focused()
        self.page.locator("#decision [id^=undo-reason]").fill("再看一次")
        self.act(self.page.locator("#decision details button").first)
        expect(self.page.locator("#decision details")).to_have_count(0)

    def says(self, key: str, **words: object) -> str:
        return self.texts(key, **words)

    def look(self, name: str) -> None:
        """Takes a picture, and holds the page against its window."""
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"desk-{name}-{self.width}-{self.texts.lang}.png")
        found = misfits(self.page)
        assert not found, found


def open_filters(page: Page) -> None:
    """They are folded on a phone, once its script ran."""
    if page.evaluate("window.innerWidth") <= 700:
        expect(page.locator("details.fold:not([open])")).to_have_count(1)
        page.locator("details.fold > summary").click()


@contextmanager
def taken_seat(browser: Browser, console: Console, width: int, lang: str, hand: str) -> Iterator[Seat]:
    """Signs in and chooses the language, in a browser that speaks it."""
    locale = {"zh": "zh-CN", "en": "en-GB"}[lang]
    with browser.new_context(viewport={"width": width, "height": SIZES[width]}, locale=locale) as context:
        visited = visit(context, console)
        visited.page.goto(f"{console.url}/?lang={lang}")
        yield Seat(visited, console, load_texts(lang), hand, width)
