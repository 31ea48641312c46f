"""The ledger of orders equals the reference, for people made for its sentences and for those of orders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from casework.asked import AskedBy, Beside, Why, why_silent
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Advice, Prescription, WarnedOrder, Warning
from knowledge_base.events.replies import Reply
from rules_lib.order_ledger import Judged, OrderLedger, Request, Said, ledger_of
from streams.messages.kinds import digest_of
from tests.reference import order_ledger as reference
from tests.reference.answering import Found
from tests.reference.cases import PLAIN, line, visit
from tests.reference.ledger_scenes import ABOUT, Asked, Silence, asked, silences
from tests.reference.orders import Held, holding
from tests.reference.persons import person_names
from tests.reference.test_orders_cases import order, request

PEOPLE, SHUFFLED = 150, 30
"""About each scene."""

IN_WORDS: Mapping[Why, reference.Reason] = {
    "never asked": "never asked about",
    "after alone": "after alone",
    "not in time": "not in time",
    "said": "was said",
    "not in force": "not in force",
    "not known": "not known",
    "billed otherwise": "billed otherwise",
}


def differing(of: Asked) -> Iterator[str]:
    """What differs between the ledgers of each person of some events."""
    known = [event for event in of.events if not isinstance(event, Reply)]
    names, expected = person_names(known), reference.ledgers(of.events, of.asking, of.late)
    asking = {house: day.toordinal() for house, day in of.asking.items()}
    numbers = {event.event_id: number for number, event in enumerate(of.events, 1)}
    assert set(expected) == set(names.values())
    for name, ledger in expected.items():
        own = [event for event in known if names[event.patient] == name]
        requests = [event for event in own if isinstance(event, Prescription)]
        claims = [event for event in own if isinstance(event, Claim)]
        found = ledger_of(
            [_request(request, numbers, of.late) for request in requests],
            [digest for claim in claims if isinstance(digest := digest_of(claim), ClaimDigest)],
            {claim.event_id: [line.order_id for line in claim.lines] for claim in claims},
            asking,
        )
        yield from _difference("orders", _orders(found), _expected_orders(ledger, holding(requests), numbers))
        lines = {of.key: ((*of.order,), of.how) for of in found.lines}
        assert len(lines) == len(found.lines), "a line stands twice"
        yield from _difference("lines", lines, dict(ledger.lines))
        yield from _difference("shares", _shares(found), _expected_shares(ledger))
        yield from _of_whom(found, requests, claims)


def _request(of: Prescription, numbers: Mapping[str, int], late: Found) -> Request:
    """A request with what was said of it, or found too late."""
    warnings = of.advice.warnings if of.advice is not None else ()
    said = [
        Said(one.warning_id, {(o.order_id, o.item_code) for o in one.orders if o.guilty}, one.repeats)
        for one in (*warnings, *late.get(of.event_id, ()))
    ]
    code = of.event_id if of.advice is None else of.advice.code
    return Request(numbers[of.event_id], prescription_digest(of), code, _judged(of, late), said)


def _judged(of: Prescription, late: Found) -> Judged:
    if reference.is_judged_in_time(of):
        return "in time"
    return "late" if of.event_id in late else "not judged"


def _orders(found: OrderLedger) -> dict[Any, Any]:
    orders = {
        (*of.key,): (
            of.holds,
            sorted(of.asked_by),
            of.answered,
            sorted(of.warnings),
            sorted(of.untold),
            None if of.place is None else (of.place.line, of.place.how),
            (of.day, Decimal(of.quantity), Decimal(of.amount)),
        )
        for of in found.orders
    }
    assert len(orders) == len(found.orders), "an order stands twice"
    return orders


def _expected_orders(ledger: reference.Ledger, held: Sequence[Held], numbers: Mapping[str, int]) -> dict[Any, Any]:
    as_told = {order.key: _of_its_first_day(order) for order in held}
    return {
        key: (
            numbers[of.holds],
            sorted(numbers[one] for one in of.asked_by),
            of.answered,
            sorted(of.warned),
            sorted(of.found_late),
            of.billed,
            as_told[key],
        )
        for key, of in ledger.orders.items()
    }


def _of_its_first_day(held: Held) -> tuple[int, Decimal, Decimal]:
    units, amount = Decimal(held.order.quantity), Decimal(held.order.amount)
    return held.day.toordinal(), held.of_a_day(units), held.of_a_day(amount)


def _shares(found: OrderLedger) -> dict[Any, Any]:
    return {(of.patient, of.institution, of.day): (of.lines, of.asked) for of in found.days}


def _expected_shares(ledger: reference.Ledger) -> dict[Any, Any]:
    shares = ledger.shares.items()
    return {(patient, house, day.toordinal()): (of.lines, of.asked_about) for (patient, house, day), of in shares}


def _of_whom(found: OrderLedger, requests: Sequence[Prescription], claims: Sequence[Claim]) -> Iterator[str]:
    """Orders and lines are those of the patient of the request that holds, and of the claim."""
    asked_of = {held.key: held.request.patient for held in holding(requests)}
    yield from _difference("patients", {(*of.key,): of.patient for of in found.orders}, asked_of)
    billed = {(of.institution, of.encounter_id, line.line_id, of.patient) for of in claims for line in of.lines}
    yield from (f"patient of {of.key}" for of in found.lines if (*of.key, of.patient) not in billed)


def _difference(name: str, found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys(), key=str):
        if found.get(key) != expected.get(key):
            yield f"{name} {key}: {found.get(key)}, expected {expected.get(key)}"


def _differing_people(about: str, samples: Callable[[int], int], is_looked_at: Callable[[str], bool]) -> list[str]:
    """What differs for people about a scene, and for some of them with their events in another order."""
    found = []
    for seed in range(samples(PEOPLE)):
        of = asked(seed, about)
        shuffled = Asked(Random(seed).sample(of.events, k=len(of.events)), of.asking, of.late)
        for one in (of, shuffled)[: 1 + (seed < samples(SHUFFLED))]:
            found += [f"{seed}: {differs}" for differs in differing(one) if is_looked_at(differs)]
    return found


@pytest.mark.parametrize("about", ABOUT)
def test_orders_and_lines(about: str, samples: Callable[[int], int]) -> None:
    assert _differing_people(about, samples, lambda differs: not differs.startswith("shares")) == []


@pytest.mark.parametrize("about", ABOUT)
def test_shares(about: str, samples: Callable[[int], int]) -> None:
    assert _differing_people(about, samples, lambda differs: differs.startswith("shares")) == []


@pytest.mark.parametrize("about", ABOUT)
def test_why_nothing_was_said(about: str, samples: Callable[[int], int]) -> None:
    found = []
    for seed in range(samples(PEOPLE)):
        of = asked(seed, about)
        for silence in silences(of, Random(seed)):
            said, expected = _why(silence, of.late), reference.why_silent(*vars(silence).values())
            if IN_WORDS[said] != expected:
                found.append((seed, silence.key, said, expected))
    assert found == []


def _why(silence: Silence, late: Found) -> Why:
    requests, key = silence.requests, silence.key
    asking = [] if key is None else reference.asking_about(key, requests)
    asked_by = []
    for of in sorted(asking, key=lambda of: (of.happened_at, of.event_id)):
        rule_set = None if of.advice is None else of.advice.rule_set
        said = () if key is None else reference.said_of(key, [of, *_beside(of, requests)])
        asked_by.append(
            AskedBy(
                of.phase,
                _judged(of, late) == "in time",
                of.happened_at,
                0 if of.advice is None else of.advice.as_of,
                rule_set is not None and silence.rule_id in silence.live[rule_set],
                any(warning.rule_id == silence.rule_id for _, warning, _ in said),
            )
        )
    beside = [Beside(of.arrived, min((one.happened_at for one in of.asked_by), default=None)) for of in silence.beside]
    return why_silent(silence.phases, asked_by, beside)


def _beside(of: Prescription, requests: Sequence[Prescription]) -> list[Prescription]:
    """The requests of other encounters in its message."""
    code = None if of.advice is None else of.advice.code
    return [one for one in requests if one is not of and one.advice is not None and one.advice.code == code]


KEY = ("A", "v", "o", PLAIN)
ORDER = order("o", PLAIN, "03-02")
FIRST = {"A": date(2026, 3, 1)}


def _billed(name: str, *lines: ClaimLine) -> Claim:
    return visit(name, *lines, encounter_id="v")


def test_a_line_that_two_standing_claims_carry_is_one() -> None:
    claims = [_billed(name, line("l", PLAIN, "03-02")) for name in ("b", "c")]
    assert list(differing(Asked([request("1", "03-02", ORDER), *claims], FIRST, {}))) == []


def test_a_line_without_a_told_day_names_no_order() -> None:
    asked_about = request("1", "03-02", replace(ORDER, standing=True))
    claim = _billed("c", line("l", PLAIN, "2091-01-01", order_id="o"))
    assert list(differing(Asked([asked_about, claim], FIRST, {}))) == []


def test_of_requests_of_one_instant_the_last_is_that_of_the_greatest_event_id() -> None:
    requests = [_judged_in_time(request(name, "03-02", ORDER), as_of=int(name)) for name in ("1", "2")]
    beside = [reference.Beside(2, ())]
    silence = Silence(KEY, requests, "rule", frozenset({"during"}), {"set": frozenset({"rule"})}, beside)
    assert reference.why_silent(*vars(silence).values()) == IN_WORDS[_why(silence, {})] == "billed otherwise"


def test_what_was_said_was_said_whatever_the_phase() -> None:
    warning = Warning("w", "rule", 1, ("x",), (WarnedOrder("o", PLAIN),), "1", "0", "1")
    before = _judged_in_time(request("1", "03-02", ORDER, phase="before"), warnings=(warning,))
    requests = [before, _judged_in_time(request("2", "03-03", ORDER))]
    silence = Silence(KEY, requests, "rule", frozenset({"during"}), {"set": frozenset({"rule"})}, ())
    assert reference.why_silent(*vars(silence).values()) == IN_WORDS[_why(silence, {})] == "was said"


def _judged_in_time(of: Prescription, **fields: Any) -> Prescription:
    return replace(of, advice=Advice(of.event_id, of.happened_at, rule_set="set", **fields))
