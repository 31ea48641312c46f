"""The ledger of orders: what was asked, said and billed. Cases by hand, of the year 2026."""

from collections.abc import Sequence
from itertools import permutations

from knowledge_base.days import Day, day_of
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.prescriptions import Prescription
from rules_lib.order_ledger import (
    Judged,
    OrderEntry,
    OrderLedger,
    Request,
    Said,
    ledger_of,
)
from streams.messages.kinds import digest_of
from tests.reference.cases import BED, HBA1C, OZAGREL, at, line, visit

from .test_orders import order, request


def day(told: str) -> Day:
    return day_of(at(told))


def asked(number: int, of: Prescription, judged: Judged = "in time", *said: Said, code: str = "") -> Request:
    return Request(number, prescription_digest(of), code or of.event_id, judged, said)


def said(name: str, *orders: tuple[str, str | None], repeats: str | None = None) -> Said:
    return Said(name, frozenset(orders), repeats)


def ledger(
    requests: Sequence[Request], claims: Sequence[Claim] = (), asking: dict[str, Day] | None = None
) -> OrderLedger:
    """The ledger, which has to be the same in any order of arrival."""
    order_ids = {claim.event_id: [of.order_id for of in claim.lines] for claim in claims}
    digests = [digest for claim in claims if isinstance(digest := digest_of(claim), ClaimDigest)]
    found = ledger_of(requests, digests, order_ids, asking or {})
    for shuffled in permutations(requests):
        again = ledger_of(shuffled, digests[::-1], order_ids, asking or {})
        assert (set(again.orders), set(again.lines), set(again.days)) == tuple(
            map(set, (found.orders, found.lines, found.days))
        )
    return found


def entry(of: OrderLedger, order_id: str) -> OrderEntry:
    (found,) = [entry for entry in of.orders if entry.key.order_id == order_id]
    return found


def test_an_order_is_shown_as_it_was_said_last_with_all_who_asked_about_it() -> None:
    first = request("1", "03-02", order("o1", HBA1C, "03-02"), order("o2", OZAGREL, "03-02", current=False))
    again = request("2", "03-03", order("o1", HBA1C, "03-02", "2"))
    found = ledger([asked(11, first), asked(12, again, "not judged")])
    one, other = entry(found, "o1"), entry(found, "o2")
    assert (one.holds, one.asked_by, one.quantity, one.answered, one.place) == (12, (11, 12), "2", "in time", None)
    assert (other.holds, other.asked_by, other.answered) == (11, (), "told only")


def test_the_best_that_a_request_got_is_what_an_order_got() -> None:
    requests = [request(name, "03-02", order("o1", HBA1C, "03-02")) for name in "123"]
    states: list[Judged] = ["not judged", "late", "in time"]
    for count, answered in enumerate(states, 1):
        asking = [asked(n, of, judged) for n, (of, judged) in enumerate(zip(requests, states[:count], strict=False), 1)]
        assert entry(ledger(asking), "o1").answered == answered


def test_who_was_told_is_kept_apart_from_what_was_found_late() -> None:
    of = request("1", "03-02", order("o1", HBA1C, "03-02"), order("o2", HBA1C, "03-02"))
    again = request("2", "03-03", order("o1", HBA1C, "03-02"))
    warning, repeated = said("w1", ("o1", HBA1C)), said("w2", ("o1", HBA1C), repeats="w1")
    late = said("w3", ("o1", HBA1C), ("o2", HBA1C))
    found = ledger([asked(1, of, "in time", warning), asked(2, again, "in time", repeated)])
    assert (entry(found, "o1").warnings, entry(found, "o2").warnings) == (("w1",), ())
    found = ledger([asked(1, of, "late", late)])
    assert (entry(found, "o1").warnings, entry(found, "o1").untold) == ((), ("w3",))


def test_a_warning_speaks_of_orders_of_other_encounters_in_its_message() -> None:
    here = request("1", "03-02", order("o1", HBA1C, "03-02"), encounter_id="visit-v")
    there = request("2", "03-02", order("o2", HBA1C, "03-02"), encounter_id="visit-w")
    warning = said("w1", ("o1", HBA1C), ("o2", HBA1C))
    found = ledger([asked(1, here, "in time", warning, code="c"), asked(2, there, "in time", code="c")])
    assert entry(found, "o2").warnings == ("w1",)
    found = ledger([asked(1, here, "in time", warning, code="c"), asked(2, there, "in time", code="d")])
    assert entry(found, "o2").warnings == ()


def test_lines_say_as_which_order_they_were_asked_about() -> None:
    of = request("1", "03-02", order("o1", HBA1C, "03-02"), order("o2", OZAGREL, "03-02", prescription_id="rx"))
    bill = visit(
        "v",
        line("1", HBA1C, "03-02", order_id="o1"),
        line("2", HBA1C, "03-02", order_id="o1"),
        line("3", OZAGREL, "03-02", order_id="rx"),
        line("4", BED, "03-02"),
    )
    found = ledger([asked(1, of)], [bill], {"A": day("03-02")})
    assert {(entry.key[2], entry.order.order_id, entry.how) for entry in found.lines} == {
        ("1", "o1", "order"),
        ("2", "o1", "order"),
        ("3", "o2", "prescription"),
    }
    place = entry(found, "o1").place
    assert place is not None
    assert place.line[2] == "1"
    assert [(of.lines, of.asked) for of in found.days] == [(4, 3)]


def test_lines_of_one_day_bill_one_order_each_and_those_of_days_an_order_that_runs() -> None:
    once = request("1", "03-02", order("o1", HBA1C, "03-02"))
    twice = visit("v", line("1", HBA1C, "03-02"), line("2", HBA1C, "03-02"))
    assert [of.key[2] for of in ledger([asked(1, once)], [twice]).lines] == ["1"]
    days = request("1", "03-02", order("o1", HBA1C, "03-02", "3", stops_at=at("03-04")))
    daily = visit("v", *(line(str(n), HBA1C, f"03-0{n}") for n in (2, 3, 4, 5)))
    assert [of.key[2] for of in ledger([asked(1, days)], [daily]).lines] == ["2", "3", "4"]


def test_of_orders_that_one_line_bills_it_is_shown_with_one_that_was_asked_about() -> None:
    told = order("o1", HBA1C, "03-01", prescription_id="rx", current=False)
    of = request("1", "03-02", told, order("o2", HBA1C, "03-02", prescription_id="rx"))
    bill = visit("v", line("1", HBA1C, "03-02", order_id="rx"))
    found = ledger([asked(1, of)], [bill], {"A": day("03-01")})
    assert [entry.order.order_id for entry in found.lines] == ["o2"]
    assert [entry.asked for entry in found.days] == [1]


def test_the_share_counts_what_the_fund_is_to_pay_since_the_institution_asks() -> None:
    of = request("1", "03-02", order("o1", HBA1C, "03-02"))
    lines = [
        line("1", HBA1C, "03-01"),
        line("2", OZAGREL, "03-02"),
        line("3", OZAGREL, "03-02", in_fund_scope="0"),
        line("4", OZAGREL, "03-02", in_fund_scope=None),
        line("5", OZAGREL, "03-02", "-1"),
    ]
    bill = visit("v", *lines)
    assert [(of.day, of.lines, of.asked) for of in ledger([asked(1, of)], [bill], {"A": day("03-02")}).days] == [
        (day("03-02"), 1, 0)
    ]
    assert ledger([asked(1, of)], [bill], {"B": day("03-02")}).days == []
