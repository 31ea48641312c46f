"""What an inspector does at the desk, in Chromium: by mouse and keyboard, in both languages, at a desk and on a phone.

Each test leaves the store as it found it.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.api.browser import Console
from tests.api.seats import Seat, open_filters, taken_seat

SEATS = [(1280, "zh", "mouse"), (1280, "en", "keyboard"), (390, "zh", "keyboard"), (390, "en", "mouse")]
"""Any two of width, language and hand meet in one of them."""


@pytest.fixture(params=SEATS, ids=lambda seat: "-".join(map(str, seat)))
def seat(request: pytest.FixtureRequest, browser: Browser, console: Console) -> Iterator[Seat]:
    with taken_seat(browser, console, *request.param) as taken:
        yield taken
        assert taken.visited.errors == []
        assert taken.visited.strangers == []


def test_findings_are_decided_one_by_one_and_the_rest_stays_open(seat: Seat) -> None:
    seat.open_lead()
    boxes = seat.page.locator("[data-finding]")
    for number in range(2):
        seat.act(boxes.nth(number))
    expect(seat.page.locator("#ticked")).to_have_text(seat.says("decision.ticked", count="2", money="60.00"))
    seat.look("ticked")
    seat.decide("confirmed.records")
    expect(seat.page.locator("#decision")).to_contain_text("60.00")
    expect(seat.page.locator(".facts .state").first).to_have_text(seat.says("states.open"))
    expect(seat.page.locator("h1")).to_contain_text("32")
    seat.look("decided")
    seat.undo()
    expect(seat.page.locator("h1")).to_contain_text("34")


def test_a_group_is_ticked_but_for_one_that_is_left_out(seat: Seat) -> None:
    """The group is longer than what the page shows of it."""
    seat.open_lead()
    seat.act(seat.page.locator("[data-group]").first)
    seat.act(seat.page.locator("[data-finding]").nth(3))
    expect(seat.page.locator("#ticked")).to_have_text(seat.says("decision.ticked", count="33", money="990.00"))
    seat.decide("dismissed.excused", "属于例外")
    expect(seat.page.locator("[data-finding]")).to_have_count(1)
    seat.undo()


def test_ticks_stay_while_other_groups_are_opened(seat: Seat) -> None:
    seat.open_lead()
    seat.act(seat.page.locator(".folding a"))
    seat.page.wait_for_url("**fold=patient**")
    for number in range(3):
        seat.act(seat.page.locator(".group > .row > a").nth(number))
        expect(seat.page.locator(".group").nth(number).locator("[data-finding]")).to_have_count(1)
        seat.act(seat.page.locator("[data-finding]"))
        told = seat.says("decision.ticked", count=str(number + 1), money=f"{30 * (number + 1)}.00")
        expect(seat.page.locator("#ticked")).to_have_text(told)
    assert (
        seat.page.locator("[data-group]").evaluate_all("boxes => boxes.filter((box) => box.indeterminate).length") == 3
    )
    seat.decide("confirmed.records")
    expect(seat.page.locator("h1")).to_contain_text("31")
    expect(seat.page.locator("#ticked")).to_have_text(seat.says("decision.tick_first"))
    seat.undo()


def test_what_was_left_out_stays_left_out_while_other_groups_are_opened(seat: Seat) -> None:
    seat.open_lead()
    seat.act(seat.page.locator(".folding a"))
    seat.page.wait_for_url("**fold=patient**")
    seat.act(seat.page.locator("[data-all]"))
    seat.act(seat.page.locator("[data-finding]"))
    seat.act(seat.page.locator(".group > .row > a").nth(4))
    expect(seat.page.locator(".group").nth(4).locator("[data-finding]")).to_be_checked()
    expect(seat.page.locator("#ticked")).to_have_text(seat.says("decision.ticked", count="33", money="990.00"))
    seat.decide("dismissed.excused")
    expect(seat.page.locator("[data-finding]")).to_have_count(1)
    expect(seat.page.locator("h1")).to_contain_text("30.00")
    seat.undo()


def test_findings_are_folded_by_patient_and_listed_by_money(seat: Seat) -> None:
    seat.open_lead()
    seat.act(seat.page.locator(".folding a"))
    seat.page.wait_for_url("**fold=patient**")
    expect(seat.page.locator("[data-group]")).to_have_count(34)
    seat.look("by-patient")
    seat.page.locator("#least").fill("31")
    seat.act(seat.page.locator(".folding button"))
    seat.page.wait_for_url("**least=31**")
    expect(seat.page.locator(".findings")).to_contain_text(seat.says("listing.none_of_money"))


def test_filters_are_folded_on_a_phone_and_say_how_many_hold(seat: Seat) -> None:
    seat.go("/")
    field, count = seat.page.locator("#least"), seat.page.locator(".fold > summary .count")
    expect(field).to_be_visible(visible=seat.is_wide)
    expect(count).to_have_count(0)
    open_filters(seat.page)
    expect(field).to_be_visible()
    field.fill("￥１００")
    seat.act(seat.page.locator("form.filters button"))
    seat.page.wait_for_url("**least=**")
    expect(field).to_have_value("100")
    expect(field).to_be_visible(visible=seat.is_wide)
    expect(count).to_have_text("1")
    expect(count).to_be_visible(visible=not seat.is_wide)


def test_shift_ticks_all_between(seat: Seat) -> None:
    seat.open_lead()
    boxes = seat.page.locator("[data-finding]")
    if seat.hand == "mouse":
        boxes.nth(1).click()
        boxes.nth(5).click(modifiers=["Shift"])
    else:
        seat.page.locator(".list [data-item]").nth(1).press("Space")
        seat.page.locator(".list [data-item]").nth(5).press("Shift+Space")
    expect(seat.page.locator("[data-finding]:checked")).to_have_count(5)
    seat.page.keyboard.press("Escape")
    seat.page.locator("h1").click()
    seat.page.keyboard.press("a")
    expect(seat.page.locator("[data-finding]:checked")).to_have_count(30)
    seat.page.keyboard.press("a")
    expect(seat.page.locator("[data-finding]:checked")).to_have_count(0)


def test_what_is_ticked_and_typed_stays_through_findings_and_languages(seat: Seat) -> None:
    seat.open_lead()
    seat.page.evaluate("window.stayed = true")
    seat.act(seat.page.locator("[data-finding]").nth(2))
    seat.page.locator("#reason").fill("写了一半")
    told = seat.page.locator("#evidence > .said").inner_text()
    seat.act(seat.page.locator(".list [data-item]").nth(7))
    seat.page.wait_for_url("**finding=**")
    expect(seat.page.locator(".list [aria-current]")).to_have_count(1)
    expect(seat.page.locator("#evidence > .said")).not_to_have_text(told)
    assert seat.page.evaluate("window.stayed") is True, "the evidence is swapped in place"
    expect(seat.page.locator("[data-finding]").nth(2)).to_be_checked()
    seat.act(seat.page.locator(".site-end > a[hreflang]"))
    expect(seat.page.locator("html")).not_to_have_attribute("lang", "zh-CN" if seat.texts.lang == "zh" else "en")
    expect(seat.page.locator("#reason")).to_have_value("写了一半")
    expect(seat.page.locator("[data-finding]").nth(2)).to_be_checked()


def test_the_first_line_in_dispute_shows_without_scrolling(seat: Seat) -> None:
    seat.open_lead()
    top = seat.page.locator("tr.guilty").first.bounding_box()
    bar = seat.page.locator("#decision").bounding_box()
    assert top is not None
    assert bar is not None
    if seat.page.viewport_size == {"width": 1280, "height": 800}:
        assert top["y"] + top["height"] < bar["y"] < 800
        assert top["height"] < 34


def test_n_and_u_lead_to_the_next_lead_and_back_to_the_list(seat: Seat) -> None:
    seat.page.goto(f"{seat.console.url}/?state=all&lane=all&sort=people")
    leads = seat.page.locator("td.lead a")
    second = str(leads.nth(1).get_attribute("href")).partition("?")[0]
    seat.act(leads.first)
    seat.page.wait_for_url("**/leads/**")
    seat.press_or("n", seat.page.locator("[data-next]"))
    seat.page.wait_for_url(f"**{second}**")
    seat.press_or("u", seat.page.locator("[data-list]"))
    seat.page.wait_for_url("**sort=people**")
    expect(seat.page.locator("td.lead a").nth(1)).to_be_focused()
    assert "/leads/" not in seat.page.url


def test_leads_are_ticked_put_off_together_and_taken_up_again(seat: Seat) -> None:
    page = seat.page
    page.goto(f"{seat.console.url}/?lane=all")
    boxes, told = page.locator("[data-lead]"), page.locator("#ticked-leads")
    all_leads = boxes.count()
    if seat.hand == "mouse":
        boxes.nth(0).click()
        boxes.nth(2).click(modifiers=["Shift"])
    else:
        for _ in range(3):
            page.keyboard.press("j")
            page.keyboard.press("Space")
    expect(told).to_have_text(seat.says("bulk.ticked", count="3"))
    seat.look("bulk")
    if seat.hand == "keyboard":
        page.keyboard.press("b")
        expect(page.locator("#wish")).to_be_focused()
    page.locator("#wish").select_option("snooze")
    seat.act(page.locator("#bulk button"))
    expect(page.locator("#did")).to_contain_text(seat.says("bulk.did.snooze", count="3"))
    expect(boxes).to_have_count(all_leads - 3)
    seat.look("bulk-done")
    if seat.hand == "keyboard":
        page.keyboard.press("z")
        expect(page.locator("[data-undo]")).to_be_focused()
    seat.act(page.locator("[data-undo]"))
    expect(page.locator("#did")).to_contain_text(seat.says("bulk.undone", count="3"))
    expect(boxes).to_have_count(all_leads)
    if seat.hand == "keyboard":
        page.keyboard.press("a")
        expect(told).to_have_text(seat.says("bulk.ticked", count=str(all_leads)))


def test_the_next_lead_is_taken_and_given_back(seat: Seat) -> None:
    page = seat.page
    page.goto(f"{seat.console.url}/?lane=all")
    if seat.hand == "mouse":
        page.locator("[data-take]").click()
    else:
        page.keyboard.press("t")
    page.wait_for_url("**/leads/**")
    expect(page.locator(".facts").first).to_contain_text("inspector")
    seat.act(page.get_by_role("button", name=seat.says("holder.back")))
    expect(page.locator(".facts").first).not_to_contain_text("inspector")
