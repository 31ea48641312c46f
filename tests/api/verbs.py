"""What an inspector does at the desk: the 20 verbs, each as somebody does it by mouse or by keyboard.

Each leaves the leads as it found them, so that all can be done at one desk. ``colleague`` is somebody else there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from playwright.sync_api import Locator, expect
from pypdf import PdfReader

from rules_lib.rule_set import RuleSet
from streams.messages.versions import decode_version
from tests.api.browser import in_store
from tests.api.colleague import Colleague
from tests.api.lists import FIRST, answered, filled, rows_of
from tests.api.seats import Seat, open_filters
from tests.api.story import COUNTY, NAMES, TOWN
from tests.api.test_decided import BEDS, another
from tests.streams.leads import apply_findings

COLLEAGUE, CALLED = "wang.li", "王莉"
BEEN_HERE = "update visits set before_at = now() - interval '1 day'"


@dataclass(frozen=True)
class Day:
    """A seat at the desk, a colleague at another, and the rules by which findings come."""

    seat: Seat
    colleague: Colleague
    rule_set: RuleSet
    folder: Path


@dataclass(frozen=True)
class Verb:
    """A verb and how it is done. Where it means little, it is not tried."""

    name: str
    done: Callable[[Day], None]
    widths: tuple[int, ...] = (1280, 390)
    hands: tuple[str, ...] = ("mouse", "keyboard")


def see_new_work(day: Day) -> None:
    """What came since yesterday: all of it, since the store is of today."""
    seat = day.seat
    in_store(seat.console.dsn, lambda connection: connection.execute(BEEN_HERE))
    seat.go("/")
    count = seat.page.locator("td.lead").count()
    seat.act(seat.page.locator(".news a").first)
    seat.page.wait_for_url("**new=true**")
    expect(seat.page.locator("td.lead", has_text=seat.says("news.mark"))).to_have_count(count)
    seat.look("news")
    seat.act(seat.page.locator(".news a", has_text=seat.says("news.leave")))
    expect(seat.page.locator(".news a")).to_have_count(1)
    in_store(seat.console.dsn, lambda connection: connection.execute("update visits set before_at = null"))


def assign(day: Day) -> None:
    """By name; the colleague's load stands beside her name."""
    seat = day.seat
    seat.go(f"/?institution={TOWN}")
    _tick_leads(seat, 1)
    expect(seat.page.locator("#to")).to_contain_text(COLLEAGUE)
    seat.page.locator("#wish").select_option("give")
    seat.page.locator("#to").select_option(COLLEAGUE)
    seat.act(seat.page.locator("#bulk button"))
    expect(seat.page.locator("#did")).to_contain_text(seat.says("bulk.did.give", count="1"))
    seat.look("assign")
    _undo_bulk(seat, 1)


def do_in_bulk(day: Day) -> None:
    seat = day.seat
    seat.go("/?lane=all")
    leads = seat.page.locator("[data-lead]")
    all_leads = leads.count()
    _tick_leads(seat, 2)
    seat.page.locator("#wish").select_option("share")
    seat.act(seat.page.locator("#bulk button"))
    expect(seat.page.locator("#did")).to_contain_text(seat.says("bulk.did.share", count="2"))
    seat.look("bulk")
    _undo_bulk(seat, 2)
    expect(leads).to_have_count(all_leads)


def _tick_leads(seat: Seat, count: int) -> None:
    """The first leads of the list, and goes to what is to be done with them."""
    for number in range(count):
        if seat.hand == "keyboard":
            seat.page.keyboard.press("j")
            seat.page.keyboard.press("Space")
        else:
            seat.page.locator("[data-lead]").nth(number).click()
    expect(seat.page.locator("#ticked-leads")).to_have_text(seat.says("bulk.ticked", count=str(count)))
    if seat.hand == "keyboard":
        seat.page.keyboard.press("b")
        expect(seat.page.locator("#wish")).to_be_focused()


def _undo_bulk(seat: Seat, count: int) -> None:
    if seat.hand == "keyboard":
        seat.page.keyboard.press("z")
        expect(seat.page.locator("[data-undo]")).to_be_focused()
    seat.act(seat.page.locator("[data-undo]"))
    expect(seat.page.locator("#did")).to_contain_text(seat.says("bulk.undone", count=str(count)))


def claim(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator(".holder > form button").first)
    expect(seat.page.locator("main > .facts")).to_contain_text(
        seat.says("lead.held", who="inspector", day="2026-05-04")
    )
    seat.look("claim")
    seat.act(seat.page.locator(".holder > form button", has_text=seat.says("holder.back")))
    expect(seat.page.locator("main > .facts")).not_to_contain_text("inspector")


def hand_over(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator("summary", has_text=seat.says("holder.hand_over")))
    seat.page.locator("#to").select_option(COLLEAGUE)
    seat.look("hand-over")
    seat.act(seat.page.locator(".holder details[open] button"))
    expect(seat.page.locator("main > .facts")).to_contain_text(seat.says("lead.held", who=CALLED, day="2026-05-04"))
    seat.act(seat.page.locator(".holder > form button", has_text=seat.says("holder.back")))
    expect(seat.page.locator("main > .facts")).not_to_contain_text(CALLED)


def snooze(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator("summary", has_text=seat.says("snooze.title")))
    seat.act(seat.page.locator(".holder details[open] button"))
    expect(seat.page.locator("main > .facts .state")).to_contain_text(seat.says("states.snoozed"))
    seat.look("snooze")
    seat.go("/")
    expect(seat.page.locator(f"td.lead a[href*='{day.colleague.lead(institution=TOWN)}']")).to_have_count(0)
    seat.open_lead(TOWN)
    seat.act(seat.page.locator(".holder > form button", has_text=seat.says("snooze.wake")))
    expect(seat.page.locator("main > .facts .state")).to_have_text(seat.says("states.open"))


def decide_one_finding(day: Day) -> None:
    seat = day.seat
    seat.open_lead()
    seat.act(seat.page.locator("[data-finding]").nth(1))
    expect(seat.page.locator("#ticked")).to_have_text(seat.says("decision.ticked", count="1", money="30.00"))
    seat.decide("confirmed.records", "与护理记录不符")
    expect(seat.page.locator("main > .facts .state")).to_have_text(seat.says("states.open"))
    expect(seat.page.locator("#decision")).to_contain_text("与护理记录不符")
    seat.look("decide")
    day.colleague.undo(day.colleague.lead())


def comment(day: Day) -> None:
    seat = day.seat
    seat.open_lead()
    seat.page.locator("#comment").fill("周五去现场看床位")
    seat.act(seat.page.locator("#comments button", has_text=seat.says("comments.submit")))
    said = seat.page.locator("#comments li").last
    expect(said).to_contain_text("周五去现场看床位")
    seat.look("comment")
    seat.act(said.locator("button"))
    expect(seat.page.locator("#comments li").last).not_to_contain_text("周五去现场看床位")


def search(day: Day) -> None:
    seat = day.seat
    seat.go("/")
    field = seat.page.locator("#q")
    seat.press_or("/", field)
    expect(field).to_be_focused()
    seat.page.keyboard.type(COUNTY)
    seat.press_or("Enter", seat.page.locator(".search button"))
    expect(seat.page.locator("h1")).to_contain_text(NAMES[COUNTY])
    seat.look("search")


def filter_by_money(day: Day) -> None:
    seat = day.seat
    seat.go("/")
    open_filters(seat.page)
    seat.page.locator("#least").fill("100")
    seat.act(seat.page.locator("form.filters button"))
    seat.page.wait_for_url("**least=100**")
    expect(seat.page.locator("td.lead")).to_have_count(1)
    seat.look("filter")


def sort(day: Day) -> None:
    seat = day.seat
    seat.go("/?state=all")
    by = seat.page.locator("thead a" if seat.is_wide else ".sorts a", has_text=seat.says("queue.newest"))
    seat.act(by.first if seat.is_wide else _link_to(seat, "sort=newest"))
    seat.page.wait_for_url("**sort=newest**")
    days = seat.page.locator(f"td[data-label='{seat.says('queue.newest')}']").all_inner_texts()
    assert len(days) > 2
    assert days == sorted(days, reverse=True)
    seat.look("sort")


def _link_to(seat: Seat, words: str) -> Locator:
    return seat.page.locator(f".sorts a[href*='{words}']")


def see_a_patients_year(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator("#evidence a[href^='/patients/']"))
    seat.page.wait_for_url("**/patients/**year=2026")
    expect(seat.page.locator("svg.timeline .guilty")).to_have_count(1)
    expect(seat.page.locator("h1")).to_contain_text("2026")
    seat.look("patient")


def list_for_the_hospital(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator("a[href$='/answers']"))
    with seat.page.expect_download() as fetched:
        seat.act(seat.page.locator("a[download]"))
    content = Path(fetched.value.path()).read_bytes()
    back = day.folder / "filled.xlsx"
    back.write_bytes(filled(content, {FIRST: answered("异议", "已核对病历")}))
    with seat.page.expect_file_chooser() as choosing:
        seat.act(seat.page.locator("#file"))
    choosing.value.set_files(back)
    expect(seat.page.locator("#file")).to_have_value(re.compile("filled"))
    seat.act(seat.page.locator("form.line-form button"))
    expect(seat.page.locator("#answered")).to_contain_text("已核对病历")
    seat.look("list")


def export(day: Day) -> None:
    seat = day.seat
    seat.open_lead()
    count = seat.page.locator("#findings .states .count").last.inner_text()
    seat.act(seat.page.locator("a[href$='/answers']"))
    with seat.page.expect_download() as fetched:
        seat.act(seat.page.locator("a[download]"))
    assert len(rows_of(Path(fetched.value.path()).read_bytes())) == int(count)
    seat.look("export")


def undo(day: Day) -> None:
    seat, lead = day.seat, day.colleague.lead()
    day.colleague.decide(lead, day.colleague.findings(lead)[0])
    seat.open_lead()
    seat.undo()
    expect(seat.page.locator("#decision .holds")).to_contain_text(re.compile(r"\d"))
    expect(seat.page.locator(".history li").last).to_contain_text(seat.says("verdicts.undone"))
    seat.look("undo")


def keyboard(day: Day) -> None:
    """From the queue to a decision and back, without a mouse."""
    seat, press = day.seat, day.seat.page.keyboard.press
    seat.go(f"/?topic=stays&institution={COUNTY}")
    press("?")
    expect(seat.page.locator("#keys")).to_be_visible()
    press("Escape")
    press("j")
    press("Enter")
    seat.page.wait_for_url("**/leads/**")
    press("j")
    press("Space")
    expect(seat.page.locator("[data-finding]:checked")).to_have_count(1)
    press("e")
    expect(seat.page.locator("#said")).to_be_focused()
    press("ArrowDown")
    press("Tab")
    seat.page.keyboard.type("jke?")
    press("Control+Enter")
    seat.page.wait_for_url("**done=**")
    seat.look("keyboard")
    press("z")
    seat.page.keyboard.type("z")
    press("Control+Enter")
    expect(seat.page.locator("#decision details")).to_have_count(0)
    press("u")
    seat.page.wait_for_url("**/?**topic=stays**")


def see_the_keys(day: Day) -> None:
    seat = day.seat
    seat.go("/")
    seat.page.locator("[data-keys]").click()
    expect(seat.page.locator("#keys")).to_be_visible()
    seat.look("keys")
    seat.page.locator("#keys button").click()
    expect(seat.page.locator("#keys")).to_be_hidden()


def read_on_a_phone(day: Day) -> None:
    """What is in dispute stands within the width, above what it was compared with, and can be decided there."""
    seat = day.seat
    seat.open_lead()
    amount = seat.page.locator("tr.guilty td").last.bounding_box()
    mark = seat.page.locator(".timeline .guilty").first.bounding_box()
    bar = seat.page.locator("#decide .main").bounding_box()
    assert amount is not None
    assert mark is not None
    assert bar is not None
    for box in (amount, mark, bar):
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    seat.look("phone")


def print_it(day: Day) -> None:
    seat = day.seat
    seat.open_lead(TOWN)
    seat.act(seat.page.locator("a[href$='/answers']"))
    seat.act(seat.page.locator("a[href$='/list']"))
    seat.page.wait_for_url("**/list")
    seat.look("print")
    sheets = day.folder / "list.pdf"
    seat.page.pdf(path=sheets, prefer_css_page_size=True)
    printed = ["".join(sheet.extract_text().split()) for sheet in PdfReader(sheets).pages]
    for number, said in enumerate(printed, 1):
        assert TOWN in said
        assert f"{number}/{len(printed)}" in said
        assert "inspector" not in said


def come_back(day: Day) -> None:
    """A lead that was decided is open again with what came since."""
    seat, at_work = day.seat, day.colleague
    lead = at_work.lead()
    at_work.decide(lead, said="dismissed.excused")

    async def arrive(connection: asyncpg.Connection) -> None:
        first = decode_version(
            await connection.fetchval(
                "select body from lead_findings where rule_id = $1 order by finding_id limit 1", BEDS
            )
        )
        count = await connection.fetchval("select count(*) from lead_findings")
        async with connection.transaction():
            await apply_findings(connection, [another(first, f"S-{count}")], day.rule_set)

    in_store(seat.console.dsn, arrive)
    seat.go(f"/?topic=stays&institution={COUNTY}")
    expect(seat.page.locator("tbody tr")).to_contain_text(seat.says("queue.fresh", count="1"))
    seat.open_lead()
    expect(seat.page.locator("[data-finding]")).to_have_count(1)
    expect(seat.page.locator("#decision .notice").first).to_have_text(seat.says("decision.after_fresh", count=1))
    seat.look("come-back")
    at_work.undo(lead)


def meet_a_conflict(day: Day) -> None:
    """Somebody else decided meanwhile on what is ticked here: it is said, and what was typed stays."""
    seat, at_work = day.seat, day.colleague
    lead = at_work.lead()
    seat.open_lead()
    box = seat.page.locator("[data-finding]").first
    seat.act(box)
    name = box.get_attribute("value")
    assert name is not None
    at_work.decide(lead, name, reason="与护理记录不符")
    seat.send_decision("returned.other", "我认为应退回")
    expect(seat.page.get_by_role("alert")).to_contain_text("与护理记录不符")
    expect(seat.page.locator("#reason")).to_have_value("我认为应退回")
    expect(seat.page.locator("#said")).to_have_value("returned.other")
    seat.look("conflict")
    at_work.undo(lead)


VERBS = [
    Verb("see-new-work", see_new_work),
    Verb("claim", claim),
    Verb("assign", assign),
    Verb("hand-over", hand_over),
    Verb("snooze", snooze),
    Verb("bulk", do_in_bulk),
    Verb("per-finding-decision", decide_one_finding),
    Verb("comment", comment),
    Verb("search", search),
    Verb("filter-by-money", filter_by_money),
    Verb("sort", sort),
    Verb("patient-360", see_a_patients_year),
    Verb("list-for-the-hospital", list_for_the_hospital),
    Verb("export", export),
    Verb("undo", undo),
    Verb("keyboard", keyboard, hands=("keyboard",)),
    Verb("keyboard-said", see_the_keys, hands=("mouse",)),
    Verb("phone", read_on_a_phone, widths=(390,)),
    Verb("print", print_it),
    Verb("come-back", come_back),
    Verb("conflict", meet_a_conflict),
]
