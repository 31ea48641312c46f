"""Answering: the requests of a person get answers, with warnings that nobody judged, are judged late, or are not; and
doctors reply. The ledger does not ask whether what was said is right."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from msgspec.structs import replace

from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, Order, Prescription, WarnedOrder, Warning
from knowledge_base.events.replies import Reply

from .rules import DAILY_CAP, PAIRS
from .story import AREA, INSTITUTIONS

RULE_SETS = ("set 1", "set 2")
RULES = (DAILY_CAP, PAIRS)
MOMENTS = (timedelta(0), timedelta(0), timedelta(microseconds=1), timedelta(days=1))

Found = dict[str, tuple[Warning, ...]]
"""Warnings by the event_id of the request of which they are said."""


def answered(events: Sequence[Event], random: Random) -> tuple[list[Event], Found]:
    """The events with advices on their requests, and what late judging found, for requests that were judged late."""
    requests = [event for event in events if isinstance(event, Prescription)]
    advices: dict[str, Advice] = {}
    late: Found = {}
    told: list[tuple[Prescription, Warning]] = []
    for number, message in enumerate(_messages(requests, random)):
        code, how = f"R{number}", random.choice(["in time", "in time", "in time", "late", "late", "not judged"])
        if how == "in time":
            found = _warnings(code, message, requests, told, random)
            told += [(of, warning) for of in message for warning in found[of.event_id] if warning.repeats is None]
            rule_set = random.choice(RULE_SETS)
            for of in message:
                at, warnings = of.happened_at, found[of.event_id]
                advices[of.event_id] = Advice(code, at, rule_set=rule_set, as_of=number, warnings=warnings)
            continue
        if how == "late":
            late |= _warnings(f"late {code}", message, requests, told, random)
        if random.random() < 0.8:
            advices |= {of.event_id: Advice(code, of.happened_at) for of in message}
    return [
        replace(event, advice=advices.get(event.event_id)) if isinstance(event, Prescription) else event
        for event in events
    ], late


def _messages(requests: Sequence[Prescription], random: Random) -> list[list[Prescription]]:
    """The requests by (happened_at, event_id), those of one institution, phase and instant in one message or several;
    a message names an encounter once."""
    messages: list[list[Prescription]] = []
    for request in sorted(requests, key=lambda request: (request.happened_at, request.event_id)):
        open_ = [message for message in messages if _joins(request, message)]
        if open_ and random.random() < 0.8:
            open_[0].append(request)
        else:
            messages.append([request])
    return messages


def _joins(request: Prescription, message: Sequence[Prescription]) -> bool:
    at, of = (request.institution, request.phase, request.happened_at, request.patient), message[0]
    is_one = (of.institution, of.phase, of.happened_at, of.patient) == at
    return is_one and all(other.encounter_id != request.encounter_id for other in message)


def _warnings(
    code: str,
    message: Sequence[Prescription],
    requests: Sequence[Prescription],
    told: Sequence[tuple[Prescription, Warning]],
    random: Random,
) -> Found:
    """Up to three warnings on each request of a message, about orders of the message and seldom of others."""
    found: dict[str, tuple[Warning, ...]] = {}
    own, all_orders = _orders(message), _orders(requests)
    for number, of in enumerate(message):
        earlier = [warning for other, warning in told if _is_same_encounter(of, other)]
        found[of.event_id] = tuple(
            Warning(
                f"{code}-{number}-{place}",
                random.choice(RULES),
                1,
                ("somebody",),
                _warned(all_orders if random.random() < 0.1 else own, random),
                "1",
                "0",
                "1",
                repeats=random.choice(earlier).warning_id if earlier and random.random() < 0.4 else None,
            )
            for place in range(random.choice([0, 1, 1, 2, 3]) if own else 0)
        )
    return found


def _is_same_encounter(one: Prescription, other: Prescription) -> bool:
    return (one.institution, one.encounter_id) == (other.institution, other.encounter_id)


def _orders(requests: Sequence[Prescription]) -> list[Order]:
    return [order for request in requests for order in request.orders]


def _warned(orders: Sequence[Order], random: Random) -> tuple[WarnedOrder, ...]:
    """Some of the orders, in question or not; seldom under another item."""
    chosen = random.sample(orders, k=min(len(orders), random.choice([1, 1, 2, 3])))
    codes = {order.item_code for order in orders} | {"another item"}
    return tuple(
        WarnedOrder(
            order.order_id,
            order.item_code if random.random() < 0.9 else random.choice(sorted(codes, key=str)),
            guilty=random.random() < 0.7,
        )
        for order in chosen
    )


def replies(events: Sequence[Event], late: Found, random: Random) -> list[Reply]:
    """Up to four replies to each warning, of its institution and seldom of another, in no order."""
    found: list[Reply] = []
    for of in [event for event in events if isinstance(event, Prescription)]:
        said = () if of.advice is None else of.advice.warnings
        for warning in (*said, *late.get(of.event_id, ())):
            for number in range(random.choice([0, 1, 1, 2, 3, 4])):
                found.append(
                    Reply(
                        f"reply {random.randrange(10**6)}-{warning.warning_id}-{number}",
                        AREA,
                        "reply",
                        of.happened_at + random.choice(MOMENTS),
                        "S3",
                        of.institution if random.random() < 0.8 else random.choice(INSTITUTIONS),
                        warning.warning_id,
                        random.choice(["continue", "change"]),
                    )
                )
    random.shuffle(found)
    return found
