"""At which sentences of section 7 of docs/what-counts.md people with orders stand, by name, for scenes to reach."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import combinations

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription

from .answers import Ordered, Warned
from .dates import civil_day, told
from .edges_of_places import edges_of_places
from .encounters import number_of
from .judged import Judged
from .lines import is_own
from .orders import Held, OrderKey
from .rules import BED_DAYS, DAILY_CAP

EDGE_DAYS = {date(1900, 1, 1), date(2091, 1, 1)}


def edges_of_orders(events: Iterable[Event], of: Ordered) -> Iterator[str]:
    """The names of the edges at which one person stands, each as often as it is met; ``events`` are the person's."""
    events = list(events)
    requests = [event for event in events if isinstance(event, Prescription)]
    claims = [event for event in events if isinstance(event, Claim)]
    yield from _of_requests(requests)
    yield from _of_discharges(requests, of)
    for held in of.held:
        yield from _of_an_order(held)
    yield from _of_places(of, claims)
    yield from edges_of_places(claims, of)
    yield from _of_what_is_over(of, requests, claims)
    answers = [(request.phase, warned) for request in requests for warned in of.answer([request])]
    for hit in of.hits:
        answered = [(phase, warned) for phase, warned in answers if warned.occurrence == hit.occurrence]
        yield from _of_a_hit(hit, of, [(phase, warned) for phase, warned in answered if warned.rule_id == hit.rule_id])
    for encounter in of.person.encounters.used_again:
        if any(order.number[0] == encounter[0] and encounter[1].startswith(order.number[1]) for order in of.counting):
            yield "an order in an encounter of a number used again"


def _of_requests(requests: list[Prescription]) -> Iterator[str]:
    said = [{order.order_id: order for order in request.orders} for request in requests]
    for (one, orders), (other, others) in combinations(zip(requests, said, strict=True), 2):
        both = orders.keys() & others.keys()
        if both and one.institution != other.institution:
            yield "one number of an order at two institutions"
        elif both and one.encounter_id != other.encounter_id:
            yield "one number of an order in two encounters"
        elif both:
            yield (
                "told again, unchanged" if all(orders[name] == others[name] for name in both) else "told again, changed"
            )
            if one.happened_at == other.happened_at:
                yield "two requests of one instant name it"
            if orders.keys() != others.keys():
                yield "named no longer, or not yet"
    for request in requests:
        if len({(order.order_id, order.item_code) for order in request.orders}) < len(request.orders):
            yield "twice in one list"
        if len({order.order_id for order in request.orders}) < len({(o.order_id, o.item_code) for o in request.orders}):
            yield "several items under one number"


def _of_discharges(requests: list[Prescription], of: Ordered) -> Iterator[str]:
    for request in requests:
        left, admitted = request.discharged_at, request.admitted_at
        if left is None or not any(order.request is request for order in of.counting):
            continue
        if request.phase == "before":
            yield "a discharge told before"
        elif left > request.happened_at:
            yield "a discharge after the asking"
        elif admitted is not None and left < admitted:
            yield "a discharge before the admission" + (", on its day" if _same_day(left, admitted) else "")
        else:
            yield "a discharge that counts" + (", at the very asking" if left == request.happened_at else "")


def _same_day(one: datetime, other: datetime) -> bool:
    return civil_day(one) == civil_day(other)


def _of_an_order(held: Held) -> Iterator[str]:
    order = held.order
    if held.days > 1:
        yield "runs over 366 days" if held.days == 366 else "runs over days"
    stop = None if order.stops_at is None else civil_day(order.stops_at)
    if stop is not None and held.days == 1 and stop > held.day:
        yield "runs over too many days" if told(stop) else "an unlikely stop"
    if stop is not None and stop < held.day:
        yield "stops before it begins"
    if order.standing:
        yield "standing" + ("" if stop is None else ", with a stop")
    if held.day in EDGE_DAYS:
        yield "an order of an unlikely day"
    if not held.request.reimbursed:
        yield "not reimbursed"
    elif not order.in_catalogue:
        yield "outside the catalogue"
    elif held.in_scope == 0:
        yield "the patient pays it"


def _of_places(of: Ordered, claims: list[Claim]) -> Iterator[str]:
    by_key: dict[OrderKey, Held] = {held.key: held for held in of.held}
    for key, (claim, line, how) in of.taken.items():
        held = by_key[key]
        yield f"taken: {how}"
        if line.item_code != key[3]:
            yield f"taken by something else: {how}"
        if number_of(claim) != held.number:
            yield f"taken from another encounter: {how}"
        if claim not in of.person.claims:
            yield "taken by a line of a claim that does not stand"
        if how == "item and day" and civil_day(line.at) > held.day:
            yield "taken later, by a standing one" if held.order.standing else "taken later in its run"
    lines = [(claim, line) for claim in claims for line in claim.lines]
    named = Counter(line.order_id for _, line in lines if line.order_id is not None and is_own(line))
    yield from ("several lines on one order" for held in of.held if named[held.order.order_id] > 1)
    ids = {held.order.order_id for held in of.held}
    yield from ("what takes back takes no place" for _, line in lines if not is_own(line) and line.order_id in ids)
    for held in of.held:
        near = [line for claim, line in lines if number_of(claim) == held.number and line.item_code == held.key[3]]
        if held.key not in of.taken and any(
            line.order_id is None and not held.runs_on(civil_day(line.at)) for line in near
        ):
            yield "a line of its item lies on none of its days"


def _of_what_is_over(of: Ordered, requests: list[Prescription], claims: list[Claim]) -> Iterator[str]:
    asked = max(civil_day(request.happened_at) for request in requests)
    standing = [claim for claim in claims if claim in of.person.claims]
    for held in of.held:
        if held.key in of.taken:
            continue
        if held.last_day is not None and (asked - held.last_day).days in (30, 31):
            yield f"ended {(asked - held.last_day).days} days before the last asking"
        for claim in standing:
            if number_of(claim) == held.number:
                when = claim.happened_at - held.request.happened_at
                way = "at once" if not when else "later" if when.days >= 0 else "earlier"
                yield f"settled {'in the middle' if claim.mid_stay else 'in the end'}, {way}"


def _of_a_hit(hit: Judged, of: Ordered, answered: list[tuple[str, Warned]]) -> Iterator[str]:
    guilty = [of.of_line.get((line.claim.event_id, line.source.line_id)) for line, _ in hit.guilty]
    involved = [of.of_line.get((line.claim.event_id, line.source.line_id)) for line in hit.involved]
    orders = [order for order in guilty if order]
    for phase, warned in answered:
        yield f"warned {phase}: {hit.rule_id}"
        if len(warned.guilty) < len(orders):
            yield "warned of some of the guilty orders"
    if any(not order.order.current for order in orders):
        yield "an order only told is guilty"
    if None in guilty and orders:
        yield "what is billed and an order are guilty"
    if None in guilty and not orders and any(involved):
        yield "an order is involved, what is billed is guilty"
    if None in involved and orders:
        yield "what is billed makes an order guilty"
    if any(order.days > 1 for order in orders):
        yield "an order over days is guilty"
    for line, _ in hit.guilty:
        if line.encounter in of.running and (line.claim.event_id, line.source.line_id) in of.of_line:
            yield f"running: {hit.rule_id}"
    if hit.rule_id in (BED_DAYS, DAILY_CAP) and len({order.request.event_id for order in orders}) > 1:
        yield "orders of several requests are guilty"
