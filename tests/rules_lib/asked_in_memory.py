"""Orders asked about in memory, over whole histories, in the words of the reference; what differs between the two."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from knowledge_base.days import microseconds
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Prescription, guilty_of
from knowledge_base.events.replies import Reply
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.asking import Known, Said, Warned, judge_orders
from rules_lib.histories.orders import Replied
from rules_lib.rule_set import RuleSet
from streams.messages.kinds import digest_of
from tests.reference import answers
from tests.reference.persons import person_names


def said_of(events: Iterable[Event], asked: Sequence[Prescription], rule_set: RuleSet) -> Said:
    """What the rules of its phase say of a request about one person, with all else of that one as known."""
    told = list(events)
    events = [event for event in told if not isinstance(event, Reply)]
    names = person_names(events)
    name, phase = names[asked[0].patient], asked[0].phase
    own = [event for event in events if names[event.patient] == name]
    known = Known(
        [digest_of(event) for event in own if not isinstance(event, Prescription)],
        [prescription_digest(event) for event in own if isinstance(event, Prescription) and event not in asked],
        {event.event_id: [line.order_id for line in event.lines] for event in own if isinstance(event, Claim)},
        [*_replied([event for event in own if isinstance(event, Prescription)], told)],
    )
    return judge_orders(
        Subject(PATIENT, name), list(map(prescription_digest, asked)), known, rule_set.of(PATIENT, phase)
    )


def _replied(requests: Sequence[Prescription], events: Iterable[Event]) -> Iterator[Replied]:
    said = {
        (request.institution, warning.warning_id): guilty_of(warning.orders)
        for request in requests
        if request.advice is not None
        for warning in request.advice.warnings
    }
    for of in events:
        orders = said.get((of.institution, of.warning_id)) if isinstance(of, Reply) else None
        if isinstance(of, Reply) and orders is not None:
            at = microseconds(of.happened_at)
            yield Replied(of.warning_id, of.institution, orders, of.way == "change", at, of.event_id)


def as_warned(warned: Warned) -> answers.Warned:
    """A warning in the words of the reference."""
    finding = warned.finding
    guilty = [tuple(key) for key in warned.orders]
    assert len(set(guilty)) == len(guilty), "an order stands twice in a warning"
    return answers.Warned(
        finding.maker_id,
        finding.occurrence,
        frozenset(guilty),  # type: ignore[arg-type]
        finding.value,
        finding.limit,
    )


def differences(said: Said, expected: answers.Ordered, asked: Sequence[Prescription]) -> Iterator[str]:
    """Where what is said of a request is not what the reference expects; nothing where both are equal."""
    yield from _difference("places", dict(said.orders.places), expected.places)
    counting = {order.key for order in expected.counting}
    yield from _difference("orders that count", {tuple(key) for key in said.by_line.values()}, counting)
    yield from _difference("warnings", set(map(as_warned, said.warnings)), expected.answer(asked))


def _difference(name: str, found: Any, expected: Any) -> Iterator[str]:
    if found != expected:
        only, missed = _items(found) - _items(expected), _items(expected) - _items(found)
        yield f"{name}: only said {sorted(map(str, only))}, only expected {sorted(map(str, missed))}"


def _items(found: Any) -> set[Any]:
    return set(found.items() if isinstance(found, dict) else found)
