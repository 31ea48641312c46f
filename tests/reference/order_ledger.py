"""What became of what was asked about: section 8 of docs/what-counts.md, order by order and line by line.

Written from that page alone, in plain loops over all events. Days are civil days in China, scopes are in yuan.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Order, Prescription, Warning
from knowledge_base.events.replies import Reply
from knowledge_base.findings import LineKey

from .dates import told_day
from .encounters import number_of
from .lines import is_own
from .orders import NAMING, Held, How, OrderKey, Place, holding, is_of, looked_at, naming, places
from .persons import person_names, rank
from .settlements import Settlements, settlements

Answered = Literal["in time", "late", "not judged", "told only"]
Way = Literal["continue", "change"]
Late = Mapping[str, Sequence[Warning]]
"""What late judging found, by the event_id of each request that was judged late; none for one that found nothing."""

ShareDay = tuple[str, str, date]
"""The patient as the claim has it, which is no person where several names are one; institution; civil day."""


@dataclass(frozen=True)
class Entry:
    """What became of one order.

    ``holds`` and ``asked_by`` are event_ids of requests, the latter by (happened_at, event_id); ``warned`` and
    ``found_late`` are warning ids, and ``replies`` has the way of the reply that counts by those of ``warned``.
    """

    holds: str
    asked_by: tuple[str, ...]
    answered: Answered
    warned: frozenset[str]
    found_late: frozenset[str]
    replies: Mapping[str, Way]
    billed: tuple[LineKey, How] | None


@dataclass(frozen=True)
class Share:
    """Lines of a day, and how many of them were ordered as something that was asked about."""

    lines: int
    asked_about: int


@dataclass(frozen=True)
class Ledger:
    """The ledger of one person: orders, lines that were ordered, by the number of their encounter, and shares."""

    orders: Mapping[OrderKey, Entry]
    lines: Mapping[LineKey, tuple[OrderKey, How]]
    shares: Mapping[ShareDay, Share]


def ledgers(events: Iterable[Event], asking: Mapping[str, date], late: Late) -> dict[str, Ledger]:
    """The ledgers of one area's events by the person's name; ``asking`` has the first day on which each institution
    asked, about whomever. A reply names no patient: it is to a warning, whoever was warned of."""
    accepted = list({event.event_id: event for event in events}.values())
    replies = [event for event in accepted if isinstance(event, Reply)]
    others = [event for event in accepted if not isinstance(event, Reply)]
    names = person_names(others)
    return {
        name: _ledger([event for event in others if names[event.patient] == name], replies, asking, late)
        for name in set(names.values())
    }


def _ledger(events: Sequence[Event], replies: Sequence[Reply], asking: Mapping[str, date], late: Late) -> Ledger:
    requests = [event for event in events if isinstance(event, Prescription)]
    settled = settlements([event for event in events if isinstance(event, Claim)])
    held = holding(requests)
    taken = places(held, settled)
    orders = {order.key: _entry(order, requests, replies, late, taken.get(order.key)) for order in held}
    lines = _ordered_lines(held, orders, settled, taken)
    return Ledger(orders, lines, _shares(settled, orders, lines, asking))


def _entry(
    held: Held, requests: Sequence[Prescription], replies: Sequence[Reply], late: Late, place: Place | None
) -> Entry:
    """“Each order that some request names is in it, as the request that holds says it.”"""
    asking = asking_about(held.key, requests)
    said = {counted: request for request, _, counted in said_of(held.key, requests)}
    return Entry(
        holds=held.request.event_id,
        asked_by=tuple(request.event_id for request in asking),
        answered=_answered(asking, late),
        warned=frozenset(said),
        found_late=frozenset(_found_late(held.key, requests, late)),
        replies={
            warning_id: reply.way
            for warning_id, request in said.items()
            if (reply := _last_reply(warning_id, request.institution, replies)) is not None
        },
        billed=None if place is None else ((*number_of(place[0]), place[1].line_id), place[2]),
    )


def asking_about(key: OrderKey, requests: Iterable[Prescription]) -> list[Prescription]:
    """“A request *asks about* it that names it with `curr_drord_flag` 1, in its last place there”, the first first."""
    found = []
    for request in requests:
        named = [order for order in request.orders if _key(request, order) == key]
        if named and named[-1].current:
            found.append(request)
    return sorted(found, key=lambda request: (request.happened_at, request.event_id))


def _key(request: Prescription, order: Order) -> OrderKey:
    """“An order is known by (institution, encounter, `rx_id`, item code).”"""
    return request.institution, request.encounter_id, order.order_id, order.item_code


def is_judged_in_time(request: Prescription) -> bool:
    """Whether “the rules were judged before” the request “was answered”: without a set nothing was."""
    return request.advice is not None and request.advice.rule_set is not None


def _answered(asking: Sequence[Prescription], late: Late) -> Answered:
    """“an order that none asks about was *told only*. It was asked about *in time* where the rules were judged before
    one of these requests was answered; else *late* where they were judged after; else it was *not judged*.”"""
    if not asking:
        return "told only"
    if any(is_judged_in_time(request) for request in asking):
        return "in time"
    return "late" if any(request.event_id in late for request in asking) else "not judged"


def said_of(key: OrderKey, requests: Sequence[Prescription]) -> Iterator[tuple[Prescription, Warning, str]]:
    """“those said of the requests that ask about it, or of another encounter in the same message, that hold its `rx_id`
    and item code as in question”: each with the request of which it was said, and as which warning it counts."""
    for request in _in_messages_about(key, requests):
        for warning in () if request.advice is None else request.advice.warnings:
            if _is_in_question(key, warning):
                yield request, warning, _counted(warning)


def _found_late(key: OrderKey, requests: Sequence[Prescription], late: Late) -> Iterator[str]:
    """“What requests found that were judged late is kept apart: nobody was told.”"""
    for request in _in_messages_about(key, requests):
        for warning in late.get(request.event_id, ()):
            if _is_in_question(key, warning):
                yield _counted(warning)


def _in_messages_about(key: OrderKey, requests: Sequence[Prescription]) -> list[Prescription]:
    """The requests that ask about an order, and those of other encounters in their messages."""
    asking = asking_about(key, requests)
    return [request for request in requests if any(_of_one_message(request, other) for other in asking)]


def _of_one_message(one: Prescription, other: Prescription) -> bool:
    """What was answered at once has one receipt; what was not answered stands alone."""
    if one.event_id == other.event_id:
        return True
    return one.advice is not None and other.advice is not None and one.advice.code == other.advice.code


def _is_in_question(key: OrderKey, warning: Warning) -> bool:
    return any((of.order_id, of.item_code) == key[2:] and of.guilty for of in warning.orders)


def _counted(warning: Warning) -> str:
    """“One that repeats another counts as that one.”"""
    return warning.warning_id if warning.repeats is None else warning.repeats


def _last_reply(warning_id: str, institution: str, replies: Iterable[Reply]) -> Reply | None:
    """“Of several replies to one warning by its institution that of the greatest (happened_at, event_id) counts.”"""
    own = [reply for reply in replies if (reply.warning_id, reply.institution) == (warning_id, institution)]
    return max(own, key=lambda reply: (reply.happened_at, reply.event_id), default=None)


def _ordered_lines(
    held: Iterable[Held], orders: Mapping[OrderKey, Entry], settled: Settlements, taken: Mapping[OrderKey, Place]
) -> dict[LineKey, tuple[OrderKey, How]]:
    """Of each line “of claims that hold, standing or not, each name once, not those that take back” as which order it
    was ordered; “any other line was *never asked about*” and is left out."""
    found: dict[LineKey, tuple[OrderKey, How]] = {}
    taking_part = [order for order in held if order.takes_part]
    for claim, line in looked_at(settled):
        how, such = _such_orders(claim, line, taking_part, taken)
        if such:
            first = min(such, key=lambda order: (not is_asked_about(orders[order.key]), order.turn))
            found[*number_of(claim), line.line_id] = first.key, how
    return found


def _such_orders(
    claim: Claim, line: ClaimLine, orders: Sequence[Held], taken: Mapping[OrderKey, Place]
) -> tuple[How, list[Held]]:
    """“A line *was ordered* if it names an order by 1, else by 2, else if by 3 it took one's place, or was one of those
    that an order had that runs over several days.”"""
    for how in NAMING:
        named = [order for order in orders if naming(order, claim, line) == how]
        if named:
            return how, named
    fitting = [order for order in orders if is_of(order, claim, line)]
    of_its_day = [order for order in fitting if order.last_day == order.day]
    took = [order for order in of_its_day if _took(claim, line, taken.get(order.key))]
    return "item and day", took or [order for order in fitting if order.last_day != order.day]


def _took(claim: Claim, line: ClaimLine, place: Place | None) -> bool:
    return place is not None and place == (claim, line, "item and day")


def is_asked_about(entry: Entry) -> bool:
    return entry.answered != "told only"


def _shares(
    settled: Settlements,
    orders: Mapping[OrderKey, Entry],
    lines: Mapping[LineKey, tuple[OrderKey, How]],
    asking: Mapping[str, date],
) -> dict[ShareDay, Share]:
    """“By patient, institution and civil day, for institutions that ever asked and from the day on which they asked
    first: the lines of standing claims with a told day that have something in the fund's scope, as billed, and do not
    take back, and how many of these were ordered as something that was asked about. Of lines of one name (institution,
    encounter number, line_id) that of the claim of the greatest rank is looked at alone.”
    """
    named: dict[LineKey, tuple[Claim, ClaimLine]] = {}
    for claim in sorted(settled.standing, key=rank):
        for line in claim.lines:
            named[*number_of(claim), line.line_id] = claim, line
    found: dict[ShareDay, Share] = {}
    for key, (claim, line) in named.items():
        first, day = asking.get(claim.institution), told_day(line.at)
        if first is None or day is None or day < first or not is_own(line) or Decimal(line.in_fund_scope or 0) <= 0:
            continue
        of_day = claim.patient, claim.institution, day
        so_far = found.get(of_day, Share(0, 0))
        was_asked = key in lines and is_asked_about(orders[lines[key][0]])
        found[of_day] = Share(so_far.lines + 1, so_far.asked_about + was_asked)
    return found


Reason = Literal[
    "never asked about", "after alone", "not in time", "was said", "not in force", "not known", "billed otherwise"
]


@dataclass(frozen=True)
class Beside:
    """Another line in question or involved in a finding: the arrival number of the event that billed it, and the
    requests that ask about the order as which it was ordered."""

    arrived: int
    asked_by: Sequence[Prescription]


def why_silent(
    key: OrderKey | None,
    requests: Sequence[Prescription],
    rule_id: str,
    phases: Collection[str],
    live: Mapping[str, Collection[str]],
    beside: Iterable[Beside],
) -> Reason:
    """Why nothing was said of a line in question: “the first that holds”.

    ``key`` is the order as which the line was ordered, ``phases`` are those of the rule, ``live`` has the rules that
    each set holds as live, and ``beside`` the other lines of the finding.
    """
    asking = [] if key is None else asking_about(key, requests)
    if key is None or not asking:
        return "never asked about"
    in_phase = [request for request in asking if request.phase in phases]
    if not in_phase:
        return "after alone"
    judged = [request for request in in_phase if is_judged_in_time(request)]
    if not judged:
        return "not in time"
    if any(warning.rule_id == rule_id for _, warning, _ in said_of(key, requests)):
        return "was said"
    if not any(rule_id in live[_rule_set(request)] for request in judged):
        return "not in force"
    if not all(_was_known(other, judged[-1]) for other in beside):
        return "not known"
    return "billed otherwise"


def _rule_set(request: Prescription) -> str:
    assert request.advice is not None
    assert request.advice.rule_set is not None
    return request.advice.rule_set


def _was_known(other: Beside, last: Prescription) -> bool:
    """“billed by an event up to the arrival number up to which the last of those requests was judged, (or) ordered as
    something that had been asked about by then”: by a request that was asked no later."""
    assert last.advice is not None
    by_then = [request for request in other.asked_by if request.happened_at <= last.happened_at]
    return other.arrived <= last.advice.as_of or bool(by_then)
