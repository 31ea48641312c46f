"""Close-ups of the places that orders lose and of what is left: people made for one sentence of section 7 of
docs/what-counts.md about which line reaches which order, or about an order that counts for nothing."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Order, Prescription

from .scenes_of_orders import ask_again_with, likely, put, request_for, requests_of
from .story import Story

DAY = timedelta(days=1)
MONTH = (29, 30, 30, 31, 31, 32)


def _asked(story: Story, days: Sequence[int], code: str | None = None, **told: Any) -> Prescription:
    """A request for orders of one item beyond or near its daily cap, one on each of some days; a visit unless told."""
    point = story.some("daily_caps")
    lines = [
        story.line(code or point.codes[0], story.day(day), story.random.choice([point.row.limit, point.row.limit + 1]))
        for day in days
    ]
    claim = story.claim(lines, **told)
    story.events.remove(claim)
    return request_for(story, claim, lines)


def _billed(
    story: Story, request: Prescription, lines: Sequence[ClaimLine], *, mid_stay: bool = True, **told: Any
) -> Claim:
    """A settlement of a request's encounter, in the middle unless told."""
    here = {"institution": request.institution, "encounter_id": request.encounter_id, "visit_type": request.visit_type}
    return story.claim(lines, **{**here, "mid_stay": mid_stay, **told})


def _named(story: Story, order: Order) -> str | None:
    """By its number, its prescription's, somebody else's, or none."""
    return story.random.choice([order.order_id, order.order_id, order.prescription_id, "nothing", None])


def around_its_days(story: Story) -> None:
    """Lines 29 to 32 days before the first and after the last day of an order that they name, which may run, or stand;
    in its encounter or another one."""
    request = _asked(story, [0])
    (order,) = request.orders
    run = story.random.choice([0, 0, 2, 30])
    changed = {"stops_at": order.at + run * DAY} if run else {"standing": likely(story, 0.3)}
    put(story, request, orders=(replace(order, prescription_id=story.fresh("RX"), **changed),))  # type: ignore[arg-type]
    (request,) = requests_of(story)
    for _ in range(story.random.choice([1, 1, 2])):
        away = story.random.choice([*(-days for days in MONTH), *(run + days for days in MONTH)])
        code = order.item_code if likely(story, 0.8) else story.code("sex_of_services")
        line = story.line(code, story.day(away), order_id=_named(story, request.orders[0]))
        told: dict[str, Any] = {} if likely(story, 0.5) else {"encounter_id": story.fresh("M")}
        _billed(story, request, [line], **told)


def under_one_number(story: Story) -> None:
    """Orders of one number, of one item or two, told by one request or two, and lines that name it with an item of
    theirs or another one; the number of an order may be that of another's prescription."""
    request = _asked(story, [0, 0, 1])
    first, second, third = request.orders
    other = {"order_id": first.order_id, "item_code": story.code("daily_caps")}
    second = replace(second, **other) if likely(story, 0.6) else second  # type: ignore[arg-type]
    third = replace(third, prescription_id=story.random.choice([first.order_id, third.prescription_id]))
    if likely(story, 0.5):
        put(story, request, orders=(first, second, third))
    else:
        put(story, request, orders=(first, third))
        ask_again_with(story, request, orders=(second,))
    codes = [first.item_code, second.item_code, third.item_code, story.code("sex_of_services"), None]
    lines = [
        story.line(
            story.random.choice(codes), story.day(day), order_id=_named(story, story.random.choice([first, third]))
        )
        for day in story.random.choice([[0], [0, 0], [0, 1], [0, 0, 1]])
    ]
    _billed(story, request, lines)


def of_one_day_or_running(story: Story) -> None:
    """Orders of one item that have a day alone, run over it, or stand, and more or fewer lines of that item, some of
    which name one of the orders."""
    request = _asked(story, story.random.choice([[0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1, 2]]))
    ways: list[dict[str, Any]] = [{}, {}, {"run": 1}, {"run": 3}, {"standing": True}, {"standing": True, "run": 0}]
    orders = tuple(_running(order, story.random.choice(ways)) for order in request.orders)
    put(story, request, orders=orders)
    lines = []
    for _ in range(story.random.choice([1, 1, 2, 2, 3, 4])):
        of = story.random.choice(orders)
        name = _named(story, of) if likely(story, 0.4) else None
        lines.append(story.line(of.item_code, story.day(story.random.choice([-1, 0, 0, 0, 1, 2, 3, 4])), order_id=name))
    _billed(story, request, lines)


def _running(order: Order, way: dict[str, Any]) -> Order:
    stop = {"stops_at": order.at + way["run"] * DAY} if "run" in way else {}
    return replace(order, standing="standing" in way, **stop)  # type: ignore[arg-type]


def said_again(story: Story) -> None:
    """Lines of one name: in a claim and what corrects it, in another claim, or in another encounter; later, earlier,
    for another order, or as something that takes back."""
    request = _asked(story, story.random.choice([[0, 0], [0, 0, 1], [0, 1, 2]]))
    lines = [
        story.line(order.item_code, story.day(0), order_id=story.random.choice([order.order_id, None, None]))
        for order in request.orders[:2]
    ]
    again = [_again(story, line, story.random.choice(request.orders)) for line in lines]
    way = story.random.choice(["corrected", "corrected", "beside", "elsewhere"])
    claim = _billed(story, request, lines)
    corrects = claim.claim_id if way == "corrected" else None
    number = story.fresh("M") if way == "elsewhere" else request.encounter_id
    _billed(story, request, again, corrects=corrects, encounter_id=number)


def _again(story: Story, line: ClaimLine, of: Order) -> ClaimLine:
    """A line with the name of one, as it is or changed."""
    ways: list[dict[str, Any]] = [
        {},
        {"at": line.at + story.random.choice([-1, 1, 2]) * DAY},
        {"order_id": of.order_id, "at": line.at + story.random.choice([-1, 1]) * timedelta(microseconds=1)},
        {"quantity": -Decimal(line.quantity), "amount": -Decimal(line.amount)},
    ]
    return replace(line, **story.random.choice(ways))


def for_nothing(story: Story) -> None:
    """A stay, or a visit, whose orders the patient pays, have no units, or no told day: all of them or some; with beds
    or an item of the daily cap that is billed, at another house, too."""
    inpatient: dict[str, Any] = {"visit_type": "21", "admitted_at": story.at(story.day(0))}
    told = story.random.choice([inpatient, inpatient, {}])
    request = _asked(story, [1, 1, 2], code=story.random.choice([story.code("bed_items"), None]), **told)
    ways: list[dict[str, Any]] = [{"paid": 0}, {"paid": 0}, {"paid": 1}, {"quantity": Decimal(0)}]
    ways += [{"in_catalogue": False}, {"amount": Decimal(0), "own_pay": None}]
    last = story.day(story.random.choice([3, 6]))
    left = story.random.choice([None, story.at(last)]) if told else None
    orders = [_for_nothing(order, story.random.choice(ways)) for order in request.orders]
    number = story.random.choice([1, 2, 3, 3])
    put(
        story,
        request,
        orders=(*orders[:number], *request.orders[number:]),
        phase="during",
        discharged_at=left,
        happened_at=max(request.happened_at, story.at(last + DAY)),
    )
    if likely(story, 0.5):
        code = story.random.choice([request.orders[0].item_code, story.code("bed_items")])
        _billed(story, request, [story.line(code, story.day(day), 2) for day in (0, 1)], **told)
    if likely(story, 0.5):
        other = story.line(story.code("sex_of_services"), story.day(2), item_kind="service")
        stay = {**inpatient, "discharged_at": story.at(story.day(4)), "institution": story.elsewhere()}
        story.claim([other], **story.random.choice([stay, {"institution": story.elsewhere()}]))


def _for_nothing(order: Order, way: dict[str, Any]) -> Order:
    money = {"own_pay": Decimal(order.amount) + way["paid"]} if "paid" in way else way
    return replace(order, **money)  # type: ignore[arg-type]


def admitted_earlier(story: Story) -> None:
    """Beds of a running stay at their limit, of which a bill tells an earlier or a later admission than the request,
    or alone tells one; in the middle of the stay or at its end."""
    days = story.random.choice([1, 2, 3])
    lines = [story.line(story.code("bed_items"), story.day(days - 1), part) for part in story.split(story.near(days))]
    before = story.random.choice([-3, -1, -1, 1])
    admitted = story.random.choice([story.at(story.day(0)), story.at(story.day(0)), None])
    claim = story.claim(lines, visit_type="21", admitted_at=admitted)
    story.events.remove(claim)
    request = request_for(story, claim, lines)
    beds = [
        story.line(
            lines[0].item_code, story.day(max(before, 0)), story.random.choice([1, -before if before < 0 else 1])
        )
    ]
    told = story.random.choice(
        [story.at(story.day(before)), story.at(story.day(before)), None, story.at(date(1900, 1, 1))]
    )
    _billed(story, request, beds, mid_stay=likely(story, 0.6), admitted_at=told, settled=story.day(0))


def running_elsewhere(story: Story) -> None:
    """A stay that is asked about with its discharge, and a bill of a day of it from a stay in another house, in the
    middle or final, whose discharge nobody tells, and which orders keep running, or count for nothing there."""
    own = {"visit_type": "21", "admitted_at": story.at(story.day(0)), "discharged_at": story.at(story.day(5))}
    request = _asked(story, [1, 2, 3], **own)
    put(story, request, phase="during", happened_at=story.at(story.day(6)))
    there: dict[str, Any] = {"institution": story.elsewhere(), "encounter_id": story.fresh("M")}
    there |= {"visit_type": story.random.choice(["21", "21", "11"]), "admitted_at": story.at(story.day(1))}
    left = story.random.choice([None, None, None, story.at(story.day(3))])
    seen = story.line(story.code("sex_of_services"), story.day(2), item_kind="service")
    story.claim([seen], mid_stay=likely(story, 0.2), settled=story.day(2), discharged_at=left, **there)
    own_pay: dict[str, Any] = {"in_fund_scope": Decimal(0)} if likely(story, 0.3) else {}
    ordered = story.claim([story.line(story.code("sex_of_services"), story.day(4), **own_pay)], **there)
    request_for(story, ordered, ordered.lines)
    story.events.remove(ordered)


def settled_long_before(story: Story) -> None:
    """A final settlement of the encounter that comes after the asking, and whose last day lies 29 to 32 days before the
    order's first, or within: by its lines, its discharge, or the day of settlement; by a clock that may be wrong."""
    request = _asked(story, [40])
    away = story.random.choice([40, 40 + 29, *(40 - days for days in MONTH)])
    way = story.random.choice(["line", "taken back", "discharged", "nothing"])
    line = story.line(story.code("sex_of_services"), story.day(away))
    lines = {"line": [line], "taken back": [replace(line, quantity=Decimal(-1), amount=-Decimal(line.amount))]}
    told = {"discharged_at": story.at(story.day(away)), "admitted_at": story.at(story.day(away - 1))}
    claim = _billed(story, request, lines.get(way, []), mid_stay=False, **(told if way == "discharged" else {}))
    late = request.happened_at + story.random.choice([-1, 0, 1, 1, 1]) * timedelta(microseconds=1)
    settled = claim.settled_at if likely(story, 0.3) else late
    if way == "nothing":
        settled = story.at(story.day(away))
    clock = story.random.choice([late, late, late, story.at(date(2091, 1, 1)), settled - 2 * DAY])
    put(story, claim, happened_at=clock, settled_at=settled)


CLOSE_UPS_OF_PLACES = {
    scene.__name__: scene
    for scene in (
        around_its_days,
        under_one_number,
        of_one_day_or_running,
        said_again,
        for_nothing,
        admitted_earlier,
        running_elsewhere,
        settled_long_before,
    )
}
