"""Scenes of orders: the claims of a story are asked about instead of billed, or before, and what happens to them then.

Each way is aimed at sentences of section 7 of docs/what-counts.md.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Order, Prescription

from .dates import civil_day
from .lines import is_own
from .story import AREA, CENT, MILLIONTH, Story

MANY = 20
MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)


def requests_of(story: Story) -> list[Prescription]:
    return [event for event in story.events if isinstance(event, Prescription)]


def asked_about(story: Story) -> None:
    """Of a claim: it stays as it is, is asked about instead, was asked about before, or is so in part. Of many claims
    some are left as they are, since each request is one that everything is judged for."""
    for claim in story.random.sample(story.claims, k=min(MANY, len(story.claims))):
        lines = [line for line in claim.lines if is_own(line) and Decimal(line.quantity) > 0]
        how = story.random.choice(["billed", "asked", "asked", "asked", "asked", "both", "parted", "parted"])
        if not lines or how == "billed":
            continue
        if how == "both":
            request = request_for(story, claim, lines)
            _bill(story, request)
        elif how == "parted":
            of_orders = story.random.sample(lines, k=story.random.randrange(1, len(lines) + 1))
            request_for(story, claim, of_orders)
            rest = tuple(line for line in claim.lines if line not in of_orders)
            _leave(story, claim, rest)
        else:
            request_for(story, claim, lines)
        if how in ("asked", "both"):
            story.events.remove(claim)


def _leave(story: Story, claim: Claim, lines: tuple[ClaimLine, ...]) -> None:
    """What is billed of a claim whose other lines are orders, mostly in the middle, so that these are not over."""
    way = story.random.choice(["mid-stay", "mid-stay", "before", "after"])
    told: dict[str, Any] = {"lines": lines}
    if way == "mid-stay":
        told |= {"mid_stay": True, "discharged_at": None}
    elif way == "before":
        told |= {"happened_at": min(line.at for line in claim.lines) - DAY / 2}
    put(story, claim, **told)


def request_for(story: Story, claim: Claim, lines: Sequence[ClaimLine]) -> Prescription:
    """A request that says of the encounter what the claim says of it."""
    ends = [line.at for line in lines]
    phase = story.random.choice(["before", "during", "during", "during"])
    if phase == "during" and claim.discharged_at is not None and likely(story, 0.7):
        ends.append(claim.discharged_at)
    asked_at = max(ends) + story.random.choice([-DAY, timedelta(0), timedelta(0), timedelta(hours=1), DAY])
    prescription = story.fresh("RX")
    request = Prescription(
        event_id=story.fresh("E"),
        area=AREA,
        kind="prescription",
        happened_at=asked_at,
        sender="S3",
        phase=phase,
        encounter_id=claim.encounter_id,
        patient=claim.patient,
        institution=claim.institution,
        visit_type=claim.visit_type,
        orders=tuple(_order(story, line, prescription) for line in lines),
        sex=claim.sex,
        birth_date=claim.birth_date,
        admitted_at=claim.admitted_at,
        discharged_at=claim.discharged_at,
        diagnoses=claim.diagnoses,
        operations=claim.operations,
    )
    story.events.append(request)
    return request


def _order(story: Story, line: ClaimLine, prescription: str) -> Order:
    """The order of a line; what a drug covers in several days runs over them."""
    scope = line.amount if line.in_fund_scope is None else line.in_fund_scope
    runs = line.days is not None and line.days > 1 and story.random.random() < 0.8
    return Order(
        order_id=story.fresh("O"),
        quantity=line.quantity,
        amount=line.amount,
        at=line.at,
        item_code=line.item_code,
        item_kind=line.item_kind,
        prescription_id=story.random.choice([prescription, prescription, None]),
        own_pay=Decimal(line.amount) - Decimal(scope),  # type: ignore[arg-type]
        stops_at=line.at + (line.days - 1) * DAY if runs and line.days is not None else None,
    )


def happen(story: Story, times: int) -> None:
    """So many ways, each to one of the requests."""
    for _ in range(times):
        requests = [request for request in requests_of(story) if request.orders]
        if requests:
            story.random.choice(_WAYS)(story, story.random.choice(requests))


def _ask_again(story: Story, request: Prescription) -> None:
    """All or some of the orders once more, before, at the same instant or later; one of them may have changed."""
    orders = list(request.orders)
    if story.random.random() < 0.7 and orders:
        orders = story.random.sample(orders, k=story.random.randrange(1, len(orders) + 1))
    if story.random.random() < 0.6 and orders:
        orders[0] = _changed(story, orders[0])
    ask_again_with(story, request, orders=tuple(orders), phase=story.random.choice(["before", "during"]))


def _changed(story: Story, order: Order) -> Order:
    quantity = Decimal(order.quantity)
    ways: list[dict[str, Any]] = [
        {"quantity": quantity + 1},
        {"quantity": max(Decimal("0.5"), quantity - 1)},
        {"at": order.at + story.random.choice([-1, 1]) * DAY, "stops_at": None},
        {"own_pay": order.amount},
        {"current": not order.current},
        {"item_code": story.code("daily_caps")},
    ]
    return replace(order, **story.random.choice(ways))


def _only_tell(story: Story, request: Prescription) -> None:
    """Orders that are told beside what is asked about."""
    change_some(story, request, lambda order: replace(order, current=False))


def _run_on(story: Story, request: Prescription) -> None:
    """Orders over days, up to a year and a day, with the units of a day that they had or those of the whole."""

    def run(order: Order) -> Order:
        days = story.random.choice([2, 2, 3, 7, 14, 366, 366, 367])
        whole = Decimal(order.quantity) * days + story.random.choice([Decimal(0), Decimal(0), MILLIONTH])
        units = story.random.choice([whole, whole, whole, Decimal(order.quantity)])
        money = {"amount": Decimal(order.amount) * days, "own_pay": Decimal(order.own_pay or 0) * days}
        return replace(order, quantity=units, stops_at=order.at + (days - 1) * DAY, **money)  # type: ignore[arg-type]

    change_some(story, request, run)


def _stand(story: Story, request: Prescription) -> None:
    """Standing orders without a stop date, with one, or with one before they begin."""
    away = story.random.choice([None, None, None, 2, -2])
    change_some(
        story,
        request,
        lambda order: replace(order, standing=True, stops_at=None if away is None else order.at + away * DAY),
    )


def _pay_oneself(story: Story, request: Prescription) -> None:
    """The patient pays: all, half, all but a cent, what is outside the catalogue, or the whole encounter."""
    how = story.random.choice(["all", "half", "cent", "more", "outside", "not reimbursed"])
    if how == "not reimbursed":
        put(story, request, reimbursed=False)
    elif how == "outside":
        change_some(story, request, lambda order: replace(order, in_catalogue=False))
    else:
        change_some(story, request, lambda order: replace(order, own_pay=_own_pay(how, Decimal(order.amount))))


def _own_pay(how: str, amount: Decimal) -> Any:
    return {"all": amount, "half": (amount / 2).quantize(CENT), "cent": amount - CENT, "more": amount + CENT}[how]


def _bill(story: Story, request: Prescription) -> None:
    """Some of the orders are billed, by their number, their prescription's or none, as they are or as something else;
    what is billed may be taken back, reversed or corrected."""
    billed = story.random.sample(request.orders, k=story.random.randrange(1, len(request.orders) + 1))
    how = story.random.choice(["order", "order", "prescription", "none", "none", "unknown"])
    lines = [line_of(story, order, how) for order in billed for _ in range(story.random.choice([1, 1, 1, 2]))]
    if story.random.random() < 0.15:
        lines.append(taking_back(story, lines[0], named=story.random.random() < 0.5))
    place = {"institution": request.institution, "encounter_id": request.encounter_id}
    if story.random.random() < 0.15:
        place |= story.random.choice([{"encounter_id": story.fresh("M")}, {"institution": story.elsewhere()}])
    told = {"visit_type": request.visit_type, "admitted_at": request.admitted_at, "mid_stay": likely(story, 0.6)}
    claim = story.claim(lines, diagnoses=request.diagnoses, sex=request.sex, **place, **told)
    way = story.random.choice(["", "", "", "reverses", "corrects", "taken back"])
    after = {"event_id": story.fresh("E"), "claim_id": story.fresh("C")}
    after["happened_at"] = after["settled_at"] = claim.settled_at + story.random.choice([timedelta(0), DAY])  # type: ignore[assignment]
    if way == "reverses":
        story.events.append(replace(claim, reverses=claim.claim_id, lines=(), **after))  # type: ignore[arg-type]
    elif way == "corrects":
        fewer = tuple(replace(line, line_id=story.fresh("L")) for line in lines[1:] if is_own(line))
        story.events.append(replace(claim, corrects=claim.claim_id, lines=fewer, **after))  # type: ignore[arg-type]
    elif way == "taken back":
        back = taking_back(story, lines[0], named=story.random.random() < 0.5)
        story.events.append(replace(claim, lines=(back,), **after))  # type: ignore[arg-type]


def line_of(story: Story, order: Order, how: str) -> ClaimLine:
    """The line of an order, on its day, on one of its run, or just outside."""
    run = 0 if order.stops_at is None else (order.stops_at - order.at).days
    away = story.random.choice([0, 0, 0, 0, run, run // 2, run + 1, -1])
    code = order.item_code if story.random.random() < 0.85 else story.code("sex_of_services")
    names = {"order": order.order_id, "prescription": order.prescription_id, "unknown": "nothing"}
    return ClaimLine(
        story.fresh("L"),
        order.quantity,
        order.amount,
        order.at + away * DAY + story.random.choice([timedelta(0), timedelta(0), MICROSECOND]),
        item_code=code,
        item_kind=order.item_kind,
        in_fund_scope=order.amount,
        order_id=names.get(how),
    )


def taking_back(story: Story, line: ClaimLine, *, named: bool) -> ClaimLine:
    """What takes a line back names its order, too, and takes nobody's place."""
    money = {"quantity": -Decimal(line.quantity), "amount": -Decimal(line.amount), "in_fund_scope": -CENT}
    return replace(line, line_id=story.fresh("L"), refund_of=line.line_id if named else None, **money)  # type: ignore[arg-type]


def _settle(story: Story, request: Prescription) -> None:
    """A settlement of the encounter without its orders, in the middle or final, just before, at or after the asking."""
    mid_stay = likely(story, 0.4)
    happened_at = request.happened_at + story.random.choice([-MICROSECOND, timedelta(0), MICROSECOND, DAY])
    number = request.encounter_id if story.random.random() < 0.9 else story.fresh("M")
    lines = [] if likely(story, 0.3) else [story.line(story.code("sex_of_services"), civil_day(happened_at))]
    told = {
        "institution": request.institution,
        "visit_type": request.visit_type,
        "admitted_at": request.admitted_at,
        "discharged_at": None if mid_stay else story.random.choice([request.discharged_at, happened_at, None]),
    }
    claim = story.claim(lines, encounter_id=number, mid_stay=mid_stay, **told)
    put(story, claim, happened_at=happened_at, settled_at=happened_at)


def _wait(story: Story, request: Prescription) -> None:
    """The orders are billed by nobody for 29 to 32 days, and then somebody asks again, about something else."""
    order = story.random.choice(request.orders)
    days = story.random.choice([29, 30, 30, 31, 31, 32])
    last = order.at if order.stops_at is None else max(order.at, order.stops_at)
    other = replace(order, order_id=story.fresh("O"), at=last + days * DAY, item_code=story.code("daily_caps"))
    told = {
        "encounter_id": story.fresh("M"),
        "institution": story.random.choice([request.institution, story.elsewhere()]),
    }
    ask_again_with(story, request, orders=(replace(other, stops_at=None),), happened_at=last + days * DAY, **told)


def leave_the_house(story: Story, request: Prescription) -> None:
    """A discharge: before the admission, on its day, before, at or after the asking; by either kind of request."""
    admitted = request.admitted_at or request.happened_at
    asked = request.happened_at
    away = [
        admitted - DAY,
        admitted - MICROSECOND,
        admitted,
        asked - DAY,
        asked,
        asked + MICROSECOND,
        asked + DAY,
        None,
    ]
    left, phase = story.random.choice(away), story.random.choice(["before", "during", "during", "during"])
    put(story, request, discharged_at=left, phase=phase)


def _misdate(story: Story, request: Prescription) -> None:
    """Dates that stand for nothing: of an order, of its stop, of an admission."""
    nowhere = story.at(story.random.choice([date(1900, 1, 1), date(2091, 1, 1)]))
    way = story.random.choice(["at", "stops_at", "stops_at", "admitted_at"])
    if way == "admitted_at":
        put(story, request, admitted_at=nowhere)
    else:
        change_some(story, request, lambda order: replace(order, **{way: nowhere}))


def _at_another_house(story: Story, request: Prescription) -> None:
    """The numbers of an encounter and its orders are another house's, too."""
    house = story.elsewhere(request.institution)
    orders = story.random.sample(request.orders, k=story.random.randrange(1, len(request.orders) + 1))
    ask_again_with(story, request, institution=house, orders=tuple(orders))


def _number_again(story: Story, request: Prescription) -> None:
    """The number of the encounter is used again, so many days after it."""
    away = story.random.choice([399, 400, 401, 401, 402, 450]) * DAY
    moved = [
        replace(
            order,
            order_id=story.random.choice([order.order_id, story.fresh("O")]),
            at=order.at + away,
            stops_at=order.stops_at and order.stops_at + away,
        )
        for order in request.orders
    ]
    told = {name: day and day + away for name in ("admitted_at", "discharged_at") for day in [getattr(request, name)]}
    if likely(story, 0.5):
        ask_again_with(story, request, happened_at=request.happened_at + away, orders=tuple(moved), **told)
    else:
        lines = [replace(line_of(story, order, "none"), order_id=None) for order in moved]
        here = {"institution": request.institution, "encounter_id": request.encounter_id}
        story.claim(lines, visit_type=request.visit_type, mid_stay=likely(story, 0.5), **here, **told)


def _share_a_number(story: Story, request: Prescription) -> None:
    """Several orders of one number: of several items, or one item told twice, or one item in two encounters."""
    order = story.random.choice(request.orders)
    way = story.random.choice(["items", "twice", "encounters"])
    if way == "encounters":
        ask_again_with(story, request, encounter_id=story.fresh("M"), orders=(order,))
        return
    told = {"item_code": story.code("daily_caps")} if way == "items" else {"quantity": Decimal(order.quantity) + 1}
    other = replace(order, **told)  # type: ignore[arg-type]
    put(story, request, orders=story.random.choice([(*request.orders, other), (other, *request.orders)]))


def change_some(story: Story, request: Prescription, change: Callable[[Order], Order]) -> None:
    """Changes all of a request's orders, or one."""
    one = story.random.choice([None, story.random.choice(request.orders)])
    put(story, request, orders=tuple(change(order) if one in (None, order) else order for order in request.orders))


def ask_again_with(story: Story, request: Prescription, **fields: Any) -> None:
    """A further request like this one, before it, at the same instant, or after it, unless told."""
    away = story.random.choice([-DAY, -MICROSECOND, timedelta(0), timedelta(0), MICROSECOND, DAY, 3 * DAY])
    told = {"event_id": story.fresh("E"), "happened_at": request.happened_at + away, **fields}
    story.events.append(replace(request, **told))


def put(story: Story, event: Claim | Prescription, **fields: Any) -> None:
    story.events[story.events.index(event)] = replace(event, **fields)


def likely(story: Story, chance: float) -> bool:
    return story.random.random() < chance


_WAYS: tuple[Callable[[Story, Prescription], None], ...] = (
    _ask_again,
    _ask_again,
    _only_tell,
    _run_on,
    _run_on,
    _stand,
    _pay_oneself,
    _bill,
    _bill,
    _bill,
    _settle,
    _settle,
    _wait,
    leave_the_house,
    _misdate,
    _at_another_house,
    _number_again,
    _share_a_number,
)
