"""Scenes of the ledger of orders: people made for a sentence of section 8 of docs/what-counts.md, where those of
section 7 seldom lead."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.persons import PatientStatus
from knowledge_base.events.prescriptions import Order, Prescription

from .scenes_of_orders import MICROSECOND, ask_again_with, likely, put, request_for, requests_of, taking_back
from .story import AREA, CENT, Story

DAY = timedelta(days=1)


def _asked(story: Story, days: Sequence[int], code: str, **told: Any) -> Prescription:
    """A request for one order of an item on each of some days; a visit unless told."""
    claim = story.claim([story.line(code, story.day(day)) for day in days], **told)
    story.events.remove(claim)
    return request_for(story, claim, claim.lines)


def _billed(story: Story, request: Prescription, lines: Sequence[ClaimLine], **told: Any) -> Claim:
    """A settlement of a request's encounter, in the middle unless told."""
    here = {"institution": request.institution, "encounter_id": request.encounter_id, "visit_type": request.visit_type}
    return story.claim(lines, **{"mid_stay": True, **here, **told})


def _of(story: Story, order: Order, **fields: Any) -> ClaimLine:
    """A line of an order's item, by its number, its prescription's or none."""
    named = story.random.choice([order.order_id, order.prescription_id, None])
    line = story.line(order.item_code, story.day(0), **{"order_id": named, **fields})
    return replace(line, at=order.at)


def asked_again_and_again(story: Story) -> None:
    """Two to five requests name an order, before, at once or after, and ask about it, only tell it, do both in one
    list, or leave it out; it is billed, or is not."""
    request = _asked(story, [0, 0], story.code("daily_caps"))
    put(story, request, orders=_told_or_asked(story, request.orders))
    for _ in range(story.random.choice([1, 1, 2, 3, 4])):
        (first, *_) = requests_of(story)
        phase = story.random.choice(["before", "during"])
        ask_again_with(story, first, orders=_told_or_asked(story, request.orders), phase=phase)
    if likely(story, 0.5):
        _billed(story, request, [_of(story, story.random.choice(request.orders))])


def _told_or_asked(story: Story, orders: Sequence[Order]) -> tuple[Order, ...]:
    """Of each order: asked about, only told, first the one and then the other, or neither."""
    ways = [(True,), (True,), (False,), (False,), (True, False), (False, True), ()]
    return tuple(replace(order, current=current) for order in orders for current in story.random.choice(ways))


def of_one_message(story: Story) -> None:
    """Two or three encounters of one institution are asked about at one instant; now and then an order of one has its
    number and item in another, too, and now and then another house asks at that instant."""
    first = _asked(story, [0, 0], story.code("daily_caps"))
    for _ in range(story.random.choice([1, 1, 2])):
        request = _asked(story, [0], story.code("daily_caps"))
        shared = replace(story.random.choice(first.orders), current=likely(story, 0.7))
        orders = story.random.choice([request.orders, (*request.orders, shared), (shared,)])
        house = first.institution if likely(story, 0.85) else story.elsewhere()
        told = {"happened_at": first.happened_at, "phase": first.phase, "institution": house}
        put(story, request, orders=orders, **told)
    if likely(story, 0.5):
        asked = story.random.choice(requests_of(story))
        _billed(story, asked, [_of(story, story.random.choice(asked.orders))])


def day_by_day(story: Story) -> None:
    """An order that runs, or stands, and a line of it on days before, within and after, of which one may name it, or
    have no told day; beside it another that runs, or has a day alone, asked about or only told."""
    request = _asked(story, [0, 0, 1][: story.random.choice([1, 2, 3])], story.code("daily_caps"))
    orders = tuple(
        replace(order, current=likely(story, 0.6), **_running(story, order, number))
        for number, order in enumerate(request.orders)
    )
    put(story, request, orders=orders)
    days = story.random.sample(range(-1, 7), k=story.random.choice([2, 3, 5]))
    lines = [story.line(orders[0].item_code, story.day(day)) for day in days]
    if likely(story, 0.4):
        lines[0] = replace(lines[0], order_id=story.random.choice(orders).order_id)
        if likely(story, 0.5):
            lines[0] = replace(lines[0], at=story.at(story.start.replace(year=2091)))
    _billed(story, request, lines)


def _running(story: Story, order: Order, number: int) -> dict[str, Any]:
    run: list[dict[str, Any]] = [{"stops_at": order.at + days * DAY} for days in (1, 2, 5)]
    ways = [*run, {"standing": True}, *([{}, {}, {}] if number else [])]
    return story.random.choice(ways)


def of_one_day(story: Story) -> None:
    """One to three orders of an item and a day, and as many lines of it, or fewer, or more."""
    request = _asked(story, [0] * story.random.choice([1, 2, 3]), story.code("daily_caps"))
    put(story, request, orders=tuple(replace(order, current=likely(story, 0.7)) for order in request.orders))
    of = request.orders[0]
    lines = [
        story.line(of.item_code, story.day(0), order_id=of.order_id if likely(story, 0.15) else None)
        for _ in range(story.random.choice([1, 2, 2, 3, 4]))
    ]
    _billed(story, request, lines)


def of_one_prescription(story: Story) -> None:
    """Orders of one item under one prescription, or of one number in several encounters, some of which are asked
    about, the first or a later one; the number of the prescription may be that of an order; a line names them."""
    request = _asked(story, [0, 1, 2], story.code("daily_caps"))
    number = story.random.choice([story.fresh("RX"), request.orders[0].order_id])
    orders = tuple(replace(order, prescription_id=number, current=likely(story, 0.5)) for order in request.orders)
    put(story, request, orders=orders)
    if likely(story, 0.4):
        again = tuple(replace(order, current=likely(story, 0.5), at=order.at - DAY) for order in orders)
        told = {"encounter_id": story.fresh("M"), "orders": again}
        ask_again_with(story, requests_of(story)[0], **told)
    lines = [
        story.line(orders[0].item_code, story.day(1), order_id=story.random.choice([number, orders[1].order_id]))
        for _ in range(story.random.choice([1, 2]))
    ]
    _billed(story, request, lines)


def of_little_use(story: Story) -> None:
    """Orders without units or without a told day are in the ledger, and no line was ordered as one of them."""
    request = _asked(story, [0, 0], story.code("daily_caps"))
    nowhere = story.at(story.start.replace(year=2091))
    ways: list[dict[str, Any]] = [{"quantity": Decimal(0)}, {"at": nowhere}, {}]
    put(story, request, orders=tuple(replace(order, **story.random.choice(ways)) for order in request.orders))
    _billed(story, request, [replace(_of(story, order), at=story.at(story.day(0))) for order in request.orders])


def billed_and_taken_back(story: Story) -> None:
    """What is billed is corrected or reversed, with lines of the same names or others, is billed by two claims that
    stand, or is taken back by lines of which some have the name of one that was billed."""
    request = _asked(story, [0, 0, 1], story.code("daily_caps"))
    lines = [_of(story, order) for order in request.orders[:2]]
    claim = _billed(story, request, lines)
    later = story.random.choice([-1, 0, 1, 2]) * DAY
    told = {"event_id": story.fresh("E"), "claim_id": story.fresh("C"), "happened_at": claim.happened_at + later}
    again = [_again(story, line) for line in lines]
    way = story.random.choice(["corrects", "corrects", "reverses", "beside", "beside", "back", "settled twice"])
    if way == "reverses":
        story.events.append(replace(claim, reverses=claim.claim_id, lines=(), **told))
        if likely(story, 0.5):
            _billed(story, request, again)
        return
    if way == "back":
        again = [taking_back(story, line, named=likely(story, 0.5)) for line in lines]
        again[0] = replace(again[0], line_id=story.random.choice([again[0].line_id, lines[0].line_id]))
    told |= {"corrects": claim.claim_id} if way == "corrects" else {}
    told |= {"claim_id": claim.claim_id} if way == "settled twice" else {}
    story.events.append(replace(claim, lines=tuple(again), **told))


def _again(story: Story, line: ClaimLine) -> ClaimLine:
    """A line as it was, under another name, at another instant, or with nothing in scope."""
    ways: list[dict[str, Any]] = [
        {},
        {"line_id": story.fresh("L")},
        {"at": line.at + story.random.choice([-1, 1]) * story.random.choice([DAY, MICROSECOND])},
        {"in_fund_scope": Decimal(0)},
        {"order_id": None},
    ]
    return replace(line, **story.random.choice(ways))


def paid_by_whom(story: Story) -> None:
    """Lines with something, nothing, less than nothing, or nobody knows what in the fund's scope, of claims that the
    fund paid, did not pay, or that do not say so; of no told day; taken back in whole, so that nothing is left."""
    request = _asked(story, [0, 0, 0], story.code("daily_caps"))
    scopes = [Decimal(0), None, -CENT, CENT, Decimal(5), Decimal(5)]
    lines = [_of(story, order, in_fund_scope=story.random.choice(scopes)) for order in request.orders]
    lines.append(story.line(story.code("sex_of_services"), story.day(0)))
    if likely(story, 0.3):
        lines[1] = replace(lines[1], at=story.at(story.start.replace(year=2091)))
    if likely(story, 0.3):
        whole = story.random.choice([line.in_fund_scope for line in lines])
        lines.append(replace(taking_back(story, lines[0], named=likely(story, 0.5)), in_fund_scope=whole and -whole))
    nothing = Paid(pooled_fund=Decimal(0), own=CENT)  # type: ignore[arg-type]
    claim = _billed(story, request, lines)
    put(story, claim, paid=story.random.choice([claim.paid, claim.paid, nothing, None]))


def before_anybody_asked(story: Story) -> None:
    """What is billed days before the first asking of the house, on its day, and after; some by another house, which
    may have asked too, or never."""
    request = _asked(story, [3], story.code("daily_caps"))
    put(story, request, happened_at=story.at(story.day(3)))
    days = story.random.sample([0, 2, 2, 3, 3, 4, 9], k=3)
    lines = [story.line(request.orders[0].item_code, story.day(day)) for day in days]
    _billed(story, request, lines)
    house = story.elsewhere()
    _billed(story, request, [story.line(story.code("bed_items"), story.day(day)) for day in days], institution=house)
    if likely(story, 0.3):
        ask_again_with(story, requests_of(story)[0], institution=house, happened_at=story.at(story.day(4)))


def under_two_names(story: Story) -> None:
    """Requests and claims under two pseudonyms, joined, parted again, or never joined; a line of one was ordered under
    the other."""
    names = [story.patient, story.random.choice(["A", "Z"]) + story.patient]
    request = _asked(story, [0, 0, 1], story.code("daily_caps"))
    put(story, request, patient=story.random.choice(names))
    if likely(story, 0.5):
        ask_again_with(story, requests_of(story)[0], patient=story.random.choice(names), orders=request.orders[:2])
    for order in request.orders[:2]:
        claim = _billed(story, request, [_of(story, order)])
        put(story, claim, patient=story.random.choice(names))
    for change in story.random.choice([["merge"], ["merge"], ["merge"], ["merge", "unmerge"], []]):
        one, other = story.random.sample(names, k=2)
        moment = request.happened_at + story.random.choice([-1, 0, 1]) * DAY
        told = (story.fresh("E"), AREA, "patient_status", moment, "S2", one, change)
        story.events.append(PatientStatus(*told, same_as=other))  # type: ignore[arg-type]


def of_a_number_used_again(story: Story) -> None:
    """The number of an encounter is used again, 400 days later or more, and so is the name of a line, which is another
    one there, that names an order of its own, or none."""
    request = _asked(story, [0], story.code("daily_caps"))
    away = story.random.choice([400, 401, 401, 450]) * DAY
    if likely(story, 0.5):
        orders = tuple(replace(order, at=order.at + away, order_id=story.fresh("O")) for order in request.orders)
        ask_again_with(story, request, orders=orders, happened_at=request.happened_at + away)
    line = _of(story, request.orders[0])
    _billed(story, request, [line])
    again = story.random.choice(requests_of(story)).orders[0]
    _billed(story, request, [replace(_of(story, again), at=line.at + away, line_id=line.line_id)])


SCENES_OF_THE_LEDGER = {
    scene.__name__: scene
    for scene in (
        asked_again_and_again,
        of_one_message,
        day_by_day,
        of_one_day,
        of_one_prescription,
        of_little_use,
        billed_and_taken_back,
        paid_by_whom,
        before_anybody_asked,
        under_two_names,
        of_a_number_used_again,
    )
}
