"""Cases of the ledger of orders by hand, one for a sentence of section 8 of docs/what-counts.md; all in March 2026."""

from datetime import date
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Advice, Prescription, WarnedOrder, Warning
from knowledge_base.events.replies import Reply

from .cases import MONITORING, PLAIN, at, line, visit
from .order_ledger import Beside, Entry, Ledger, Share, ledgers, why_silent
from .rules import DAILY_CAP
from .test_orders_cases import order, request

KEY = ("A", "v", "o", PLAIN)
FIRST = {"A": date(2026, 3, 1)}


def judged(of: Prescription, *warnings: Warning, rule_set: str | None = "set", **fields: Any) -> Prescription:
    told = {"code": f"code {of.event_id}", "as_of": 5, **fields}
    return replace(of, advice=Advice(at=of.happened_at, rule_set=rule_set, warnings=warnings, **told))


def warning(name: str, order_id: str = "o", repeats: str | None = None, *, guilty: bool = True) -> Warning:
    orders = (WarnedOrder(order_id, PLAIN, guilty=guilty),)
    return Warning(name, DAILY_CAP, 1, ("x",), orders, "1", "0", "1", repeats=repeats)


def reply(name: str, to: str, day: str, way: Any, institution: str = "A") -> Reply:
    return Reply(f"reply {name}", "420281", "reply", at(day), "s", institution, to, way)


def ledger(*events: Any, late: Any = None) -> Ledger:
    return ledgers(events, FIRST, late or {})["p1"]


def billed(*lines: ClaimLine) -> Claim:
    return visit("c", *lines, encounter_id="v")


def entry(*events: Any, late: Any = None) -> Entry:
    return ledger(*events, late=late).orders[KEY]


ASKED = request("1", "03-02", order("o", PLAIN, "03-02"))
TOLD = request("2", "03-03", order("o", PLAIN, "03-02", current=False))


def test_it_stands_as_the_request_that_holds_says_it_and_is_asked_about_by_another() -> None:
    found = entry(TOLD, judged(ASKED))
    assert (found.holds, found.asked_by, found.answered) == ("event-2", ("event-1",), "in time")


def test_what_none_asks_about_was_told_only_also_where_rules_were_judged() -> None:
    assert entry(judged(TOLD, warning("w"))).answered == "told only"
    assert entry(judged(TOLD, warning("w"))).warned == set()


def test_in_its_last_place_it_is_only_told() -> None:
    of = replace(ASKED, orders=(*ASKED.orders, *TOLD.orders))
    assert entry(of).answered == "told only"
    assert entry(replace(of, orders=of.orders[::-1])).answered == "not judged"


def test_late_and_not_judged() -> None:
    late = {"event-1": (warning("w"),)}
    assert (entry(ASKED, late=late).answered, entry(ASKED, late=late).found_late) == ("late", {"w"})
    assert entry(ASKED, judged(replace(ASKED, event_id="event-3")), late=late).answered == "in time"
    assert entry(ASKED, judged(TOLD)).answered == "not judged"


def test_warned_of_by_another_encounter_of_the_same_message_alone() -> None:
    other = judged(request("3", "03-02", order("p", PLAIN, "03-02"), encounter_id="u"), warning("w"), code="one")
    assert entry(judged(ASKED, code="one"), other).warned == {"w"}
    assert entry(judged(ASKED, code="two"), other).warned == set()


def test_what_explains_a_warning_or_is_another_item_is_not_warned_of() -> None:
    assert entry(judged(ASKED, warning("w", guilty=False), warning("v", "p"))).warned == set()


def test_one_that_repeats_another_counts_as_that_one_and_the_greatest_reply_of_its_house_counts() -> None:
    again = judged(replace(ASKED, event_id="event-3"), warning("v", repeats="w"))
    replies = [
        reply("1", "w", "03-04", "change"),
        reply("2", "w", "03-03", "continue"),
        reply("3", "w", "03-05", "continue", "B"),
    ]
    found = entry(judged(ASKED, warning("w")), again, *replies)
    assert (found.warned, found.replies) == ({"w"}, {"w": "change"})


def test_a_line_is_shown_with_the_order_that_was_asked_about_before_an_earlier_one_only_told() -> None:
    told = order("o1", PLAIN, "03-01", prescription_id="rx", current=False)
    asked = order("o2", PLAIN, "03-02", prescription_id="rx")
    found = ledger(request("1", "03-02", told, asked), billed(line("l", PLAIN, "03-02", order_id="rx")))
    assert list(found.lines.values()) == [(("A", "v", "o2", PLAIN), "prescription")]


def test_every_line_of_an_order_that_runs_was_ordered_and_the_second_of_one_of_its_day_alone_was_not() -> None:
    running = replace(ASKED, orders=(order("o", PLAIN, "03-02", stops_at=at("03-04")),))
    days = [line(f"l{day}", PLAIN, f"03-0{day}") for day in (2, 3, 4, 5)]
    assert {name[2] for name in ledger(running, billed(*days)).lines} == {"l2", "l3", "l4"}
    same = [line("l1", PLAIN, "03-02"), line("l2", PLAIN, "03-02")]
    assert len(ledger(ASKED, billed(*same)).lines) == 1


def test_the_share_counts_lines_in_scope_from_the_first_day_of_asking() -> None:
    lines = [
        line("l1", PLAIN, "03-02"),
        line("l2", MONITORING, "03-02"),
        line("l3", MONITORING, "03-02", in_fund_scope="0"),
    ]
    found = ledger(ASKED, billed(*lines, line("l4", PLAIN, "02-28")))
    assert found.shares == {("p1", "A", date(2026, 3, 2)): Share(lines=2, asked_about=1)}


def test_why_nothing_was_said() -> None:
    asked, told = judged(ASKED), judged(TOLD)
    here: dict[str, Any] = {
        "requests": [asked],
        "rule_id": DAILY_CAP,
        "phases": {"during"},
        "live": {"set": {DAILY_CAP}},
        "beside": (),
    }
    unknown, known = Beside(6, ()), [Beside(5, ()), Beside(6, [asked])]
    assert why_silent(None, **here) == "never asked about"
    assert why_silent(KEY, **{**here, "requests": [told]}) == "never asked about"
    assert why_silent(KEY, **{**here, "phases": {"before"}}) == "after alone"
    assert why_silent(KEY, **{**here, "requests": [ASKED]}) == "not in time"
    assert why_silent(KEY, **{**here, "requests": [judged(ASKED, warning("w"))]}) == "was said"
    assert why_silent(KEY, **{**here, "live": {"set": set()}}) == "not in force"
    assert why_silent(KEY, **{**here, "beside": [*known, unknown]}) == "not known"
    assert why_silent(KEY, **{**here, "beside": known}) == "billed otherwise"
