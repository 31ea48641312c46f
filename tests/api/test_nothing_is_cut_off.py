"""What stands in a field before somebody types, and each choice of a list, has room: on a screen and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.api.browser import Console, visit

SIZES = {1280: 800, 390: 844}
ARROW = 18
"""Pixels that a list keeps for its arrow, and a field of a search for the sign that empties it."""

_CUT_OFF = """(arrow) => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const cut = [];
  const pen = document.createElement("canvas").getContext("2d");
  for (const field of document.querySelectorAll("main select, input[placeholder]")) {
    if (field.offsetParent === null) continue;
    const style = getComputedStyle(field);
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - arrow;
    const texts = field.tagName === "SELECT" ? [...field.options].map((one) => one.label) : [field.placeholder];
    for (const text of texts) if (pen.measureText(text).width > room) cut.push(`${field.id}: ${text}`);
  }
  return cut;
}"""


@pytest.fixture(params=["zh", "en"])
def page(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Page]:
    with browser.new_context() as context:
        page = visit(context, console).page
        page.goto(f"{console.url}/?lang={request.param}")
        yield page


@pytest.mark.parametrize("width", SIZES)
def test_no_choice_and_no_hint_of_a_field_is_cut_off(page: Page, console: Console, width: int) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    lead = str(page.locator("td.lead a").first.get_attribute("href"))
    looked_at = 0
    for address in ("/", lead, "/audit", "/status/reconciliation", "/status/dead-letters", "/silence", "/search"):
        page.goto(console.url + address)
        assert page.evaluate(_CUT_OFF, ARROW) == [], address
        looked_at += page.locator("main select:visible, input[placeholder]:visible").count()
    assert looked_at > 12
