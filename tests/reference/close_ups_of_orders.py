"""Close-ups of orders: people made for one sentence of section 7 of docs/what-counts.md, where chance seldom leads."""

from datetime import date, timedelta
from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.prescriptions import Prescription

from .courses import COURSE
from .generators import SCENES_OF_RULES
from .scenes_by_the_clock import pair_by_the_clock
from .scenes_of_orders import change_some, leave_the_house, likely, line_of, put, request_for, requests_of, taking_back
from .scenes_of_two_houses import seen_elsewhere, two_stays_at_once
from .story import CENT, Story

DAY = timedelta(days=1)
NOWHERE = (date(1900, 1, 1), date(2091, 1, 1))


def running_stay(story: Story) -> None:
    """Nobody has left yet: bed by bed up to the last day, at the limit, with what else is billed or ordered later; the
    admission may be unlikely, not told, after the beds, or told by the claim alone."""
    days = story.random.choice([1, 2, 3, 5])
    beds = story.split(story.near(days))
    code = story.code("bed_items")
    lines = [story.line(code, story.day(story.random.randrange(days)), part) for part in beds]
    lines.append(story.line(code, story.day(days - 1)))
    if likely(story, 0.4):
        capped = story.some("daily_caps")
        lines += [story.line(capped.codes[0], story.day(0), part) for part in story.split(story.near(capped.row.limit))]
    admitted = story.random.choice([story.day(0)] * 6 + [NOWHERE[0], None, story.day(1), story.day(days + 2)])
    told = {"visit_type": "21", "admitted_at": admitted and story.at(admitted)}
    claim = story.claim(lines, **told)
    billed = story.random.sample(lines, k=story.random.choice([0, 0, 1, 1, 2]) if len(lines) > 2 else 0)
    request = request_for(story, claim, [line for line in lines if line not in billed])
    later = story.line(story.code("sex_of_services"), story.day(days + 1))
    ways = ["", "", "billed later", "billed never", "taken back later", "ordered later", "paid later", "runs later"]
    way = story.random.choice(ways)
    if way == "taken back later":
        back = taking_back(story, replace(later, item_code=code), named=likely(story, 0.5))
        billed.append(replace(back, quantity=Decimal(-1), amount=-CENT))  # type: ignore[arg-type]
    elif way == "billed later":
        billed.append(later)
    elif way == "billed never":
        billed.append(replace(later, at=story.at(NOWHERE[1])))
    elif way in ("ordered later", "paid later"):
        own_pay = {"in_fund_scope": Decimal(0)} if way == "paid later" else {}
        request_for(story, claim, [replace(later, **own_pay)])  # type: ignore[arg-type]
    elif way == "runs later":
        change_some(story, request, lambda order: replace(order, stops_at=order.at + 3 * DAY))
    if way != "runs later" and likely(story, 0.3):
        leave_the_house(story, request)
    _bill_in_the_middle(story, claim, billed)


def _bill_in_the_middle(story: Story, claim: Claim, billed: list[ClaimLine]) -> None:
    """In place of a claim one in the middle, with an earlier admission now and then, or none at all."""
    story.events.remove(claim)
    if billed:
        admitted_at = story.random.choice([claim.admitted_at, story.at(story.day(-1))])
        told = {"institution": claim.institution, "encounter_id": claim.encounter_id, "visit_type": claim.visit_type}
        story.claim(billed, mid_stay=likely(story, 0.8), admitted_at=admitted_at, **told)


def posted_at_once(story: Story) -> None:
    """Pairs by the clock as orders, with others at the instant of one of them that the patient pays, that are billed,
    that are over, or that are only told."""
    pair_by_the_clock(story)
    for claim in [claim for claim in story.claims if claim.lines]:
        line = story.random.choice(claim.lines)
        beside = [replace(story.line(story.code("daily_caps"), story.day(1)), at=line.at) for _ in range(2)]
        put(story, claim, lines=(*claim.lines, *beside[: story.random.choice([0, 1, 2, 2])]))
    for request in _all_asked_about(story):
        _let_some_be_paid(story, request)


def _all_asked_about(story: Story, visit_type: str | None = None) -> list[Prescription]:
    """Requests in place of all claims, or of those of one visit type, for their lines with units."""
    for claim in [claim for claim in story.claims if visit_type in (None, claim.visit_type)]:
        lines = [line for line in claim.lines if Decimal(line.quantity) > 0]
        if lines:
            request_for(story, claim, lines)
            story.events.remove(claim)
    return requests_of(story)


def _let_some_be_paid(story: Story, request: Prescription) -> None:
    """The patient pays the last of the orders, it is billed, or it is told in a request that somebody settled since."""
    last, way = request.orders[-1], story.random.choice(["", "own pay", "own pay", "outside", "told", "billed"])
    changed = {"own pay": {"own_pay": last.amount}, "outside": {"in_catalogue": False}, "told": {"current": False}}
    if way in changed:
        put(story, request, orders=(*request.orders[:-1], replace(last, **changed[way])))  # type: ignore[arg-type]
    elif way == "billed":
        here = {"institution": request.institution, "encounter_id": request.encounter_id}
        story.claim([line_of(story, last, "order")], visit_type=request.visit_type, mid_stay=True, **here)


def one_of_several(story: Story) -> None:
    """Orders of one item in one encounter, standing or running, some without a day, a stop or a code that is likely,
    and lines of it that name nothing, on days before, within and after."""
    point = story.some("daily_caps")
    told = {"encounter_id": story.fresh("M"), "visit_type": "11"}
    lines = [story.line(point.codes[0], story.day(number), story.near(point.row.limit)) for number in (0, 0, 1, 2)]
    sold = story.random.sample(lines, k=story.random.choice([1, 2, 3]))
    request = request_for(story, claim := story.claim(lines, **told), lines)
    story.events.remove(claim)
    orders = list(request.orders)
    for number in story.random.sample(range(len(orders)), k=2):
        order = orders[number]
        nowhere = story.at(story.random.choice(NOWHERE))
        ways: list[dict[str, object]] = [
            {"standing": True},
            {"standing": True, "at": nowhere},
            {"standing": True, "stops_at": nowhere},
            {"stops_at": order.at + DAY},
            {"at": nowhere},
            {"item_code": None},
        ]
        orders[number] = replace(order, **story.random.choice(ways))  # type: ignore[arg-type]
    put(story, request, orders=tuple(orders))
    billed = [replace(line, line_id=story.fresh("L")) for line in sold]
    if likely(story, 0.2):
        billed[0] = replace(billed[0], **story.random.choice([{"item_code": None}, {"at": story.at(NOWHERE[0])}]))  # type: ignore[arg-type]
    if likely(story, 0.3):
        billed[0] = replace(billed[0], order_id=orders[0].order_id)
    story.claim(billed, mid_stay=True, settled=story.day(2), **told)


def taken_back_beside(story: Story) -> None:
    """What is billed and ordered of one item on a day or two, and a line that takes units back without naming any."""
    point = story.some("daily_caps")
    told = {"encounter_id": story.fresh("M"), "visit_type": "11"}
    lines = [story.line(point.codes[0], story.day(number), story.near(point.row.limit)) for number in (0, 0, 1)]
    claim = story.claim(lines, **told)
    request_for(story, claim, lines[1:])
    story.events.remove(claim)
    back = replace(
        taking_back(story, lines[0], named=likely(story, 0.3)), at=story.at(story.day(story.random.randrange(2)))
    )
    billed = [replace(lines[0], order_id=story.random.choice(["nothing", "nothing", None])), back]
    story.claim(billed, mid_stay=likely(story, 0.8), **told)


def in_two_houses(story: Story) -> None:
    """Two stays at once, or seen elsewhere, as orders, of which the patient pays those of one house; or those of the
    stays alone."""
    story.random.choice([seen_elsewhere, two_stays_at_once])(story)
    requests = _all_asked_about(story, story.random.choice([None, "21", "21"]))
    for request in requests:
        asked_at = max([request.happened_at, request.discharged_at or request.happened_at])
        put(story, request, phase="during", happened_at=asked_at + story.random.choice([timedelta(0), DAY]))
    if requests and likely(story, 0.5):
        request = story.random.choice(requests_of(story))
        put(story, request, orders=tuple(replace(order, own_pay=order.amount) for order in request.orders))


def beside_a_stay(story: Story) -> None:
    """Units of a day in a stay that nobody has ended, and an order of a visit beside it; what is ordered in the stay
    itself may count for nothing."""
    point = story.some("daily_caps")
    first, second = story.split(story.near(point.row.limit))[0], story.random.choice([Decimal(1), point.row.limit])
    here = {"visit_type": "21", "encounter_id": story.fresh("M"), "admitted_at": story.at(story.day(0))}
    story.claim([story.line(point.codes[0], story.day(1), first)], mid_stay=True, settled=story.day(1), **here)
    own_pay = story.random.choice([{}, {"in_fund_scope": Decimal(0)}])
    inside = story.claim([story.line(story.code("sex_of_services"), story.day(1), **own_pay)], **here)
    visit = story.claim([story.line(point.codes[0], story.day(1), second)])
    for claim in (inside, visit):
        request = request_for(story, claim, claim.lines)
        story.events.remove(claim)
        if claim is inside and likely(story, 0.2):
            story.events.remove(request)


def supplied(story: Story) -> None:
    """A course as orders, some of an item kind that is not told or wrong."""
    SCENES_OF_RULES[COURSE](story)
    for request in _all_asked_about(story)[:20]:
        kind = story.random.choice(["drug", "drug", "drug", None, "service"])
        change_some(story, request, lambda order, kind=kind: replace(order, item_kind=kind))


def admitted_from_an_emergency(story: Story) -> None:
    """A hospital's drug ordered in an emergency, after which a stay is told by orders, which the patient may
    pay, or that have no told day."""
    point = story.some("drugs_only_in_hospital")
    line = story.line(story.random.choice(point.codes), story.day(0))
    visit = story.claim([line], visit_type="13", admitted_at=story.at(story.day(0)))
    began = story.random.choice([0, 1, 1, 2])
    bed = story.line(story.code("bed_items"), story.day(began))
    (stay,) = story.stay(began, began + 2, [bed])
    for request in _all_asked_about(story):
        if request.encounter_id == visit.encounter_id and likely(story, 0.3):
            last = story.at(story.day(story.random.choice([0, 1])))
            put(story, request, discharged_at=last, happened_at=max(last, request.happened_at), phase="during")
        if request.encounter_id == stay.encounter_id and likely(story, 0.5):
            nowhere = tuple(replace(order, at=story.at(NOWHERE[1])) for order in request.orders)
            put(story, request, **story.random.choice([{"reimbursed": False}, {"orders": ()}, {"orders": nowhere}]))


CLOSE_UPS = {
    scene.__name__: scene
    for scene in (
        running_stay,
        posted_at_once,
        one_of_several,
        taken_back_beside,
        in_two_houses,
        beside_a_stay,
        supplied,
        admitted_from_an_emergency,
    )
}
