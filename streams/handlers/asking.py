"""Asking: what the rules say of orders that are not stored yet, over what is stored of their patient.

    orders -> requests of before -> window of claims -> which orders are billed -> judge

It reads and writes nothing else: what was answered is kept by whoever asks.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from knowledge_base.days import Day, microseconds
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.details import ClaimDetails
from knowledge_base.digests.head import Digest, Links
from knowledge_base.digests.prescriptions import PrescriptionDigest
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, Prescription, guilty_of
from knowledge_base.events.replies import Reply
from rules_lib.asking import Known, Said, judge_orders
from rules_lib.histories.orders import COUNTED_FOR, REACH, OrderIds, Replied
from rules_lib.rules_of import RulesOf
from rules_lib.scope import Interval
from streams.handlers.reading import Asked, Read, find_with, hull, near_days, read_everybody
from streams.messages.codec import decode_stored
from streams.messages.packing import decode_details
from streams.store.events import histories, stored
from streams.store.events.histories import Remembered, key_of
from streams.store.events.prescriptions import SaidBefore, find_told
from streams.store.sessions import Connection


class Told(NamedTuple):
    """A request that was answered, and may not be stored yet."""

    request: Prescription
    digest: PrescriptionDigest


class Judged(msgspec.Struct, frozen=True):
    """What the rules say, and the greatest arrival number of what they looked at; 0 where nothing stored mattered."""

    said: Said
    as_of: int


async def ask(
    connection: Connection,
    area: str,
    asked: Sequence[PrescriptionDigest],
    remembered: Sequence[Told],
    replies: Mapping[str, Reply],
    rules: RulesOf,
) -> Judged:
    """What rules of a phase say of a request, which names encounters of one patient.

    ``remembered`` are requests of before that may not be stored yet, ``replies`` such to warnings by their name.
    """
    name = asked[0].patient
    about = Asked(area, name, "prescription", asked)
    read = await _read_before(connection, about, asked)
    requests = {of.event_id: of for of in read.requests.values()}
    requests = {of.digest.event_id: of.digest for of in remembered} | requests
    for of in asked:
        requests.pop(of.event_id, None)
    together = [*asked, *requests.values()]
    days = _first_billed(together, max(of.asked_on for of in asked)), max(of.asked_on for of in together)
    window, digests, events = await find_with(connection, about._replace(days=days), rules, read)
    known = Known(
        [digest for digest in digests.values() if not isinstance(digest, PrescriptionDigest)],
        [*requests.values()],
        await _find_order_ids(connection, area, {of.institution for of in together}, days[0], digests, events),
        [*_stored_replies(read.said), *_replies_in_memory(read.said, remembered, replies)],
        window.supplement,
        window.chains,
    )
    as_of = max([0, *read.requests, *(event.head.seq for event in events)])
    return Judged(judge_orders(window.matter.subject, asked, known, rules), as_of)


def _stored_replies(said: Iterable[SaidBefore]) -> Iterator[Replied]:
    for of in said:
        if of.way is not None and of.at is not None and of.event_id is not None:
            guilty = guilty_of(of.orders)
            yield Replied(of.warning_id, of.institution, guilty, of.way == "change", of.at, of.event_id)


def _replies_in_memory(
    said: Iterable[SaidBefore], remembered: Iterable[Told], replies: Mapping[str, Reply]
) -> Iterator[Replied]:
    """Replies that may not be stored yet, to warnings that are or are not."""
    warned = [(of.warning_id, of.institution, of.orders) for of in said]
    warned += [
        (warning.warning_id, told.request.institution, warning.orders)
        for told in remembered
        if told.request.advice is not None
        for warning in told.request.advice.warnings
    ]
    for warning_id, institution, orders in warned:
        reply = replies.get(warning_id)
        if reply is not None and reply.institution == institution:
            at = microseconds(reply.happened_at)
            yield Replied(warning_id, institution, guilty_of(orders), reply.way == "change", at, reply.event_id)


async def _read_before(connection: Connection, about: Asked, asked: Sequence[PrescriptionDigest]) -> Read:
    """The patient's events and the requests that may matter to what orders of now count as.

    Those of which an order may count still, those that may say such an order anew, and those that lines of its days may
    name instead. One read of the store, unless an order began long ago.
    """
    today = max(of.asked_on for of in asked)
    since = today - COUNTED_FOR - REACH
    read = await _read_since(connection, about, (since, today))
    found = [*read.requests.values()]
    first = min([_first_billed([*asked, *found], today), *(of.asked_on for of in _counting(found, today))])
    return read if first >= since else await _read_since(connection, about, (first, today))


async def _read_since(connection: Connection, about: Asked, days: Interval) -> Read:
    return await read_everybody(connection, about, hull(near_days(about.digests), days), days[0])


async def find_advices(connection: Connection, asked: Sequence[Prescription]) -> list[Advice]:
    """What was answered to requests of these names before, as far as it is stored.

    What this process answered, or another, is known once the bus and a worker have passed it on.
    """
    stored_before = await find_stored(connection, asked)
    events = [stored_before[of.event_id] for of in asked if of.event_id in stored_before]
    return [of.advice for of in events if isinstance(of, Prescription) and of.advice is not None]


async def find_stored(connection: Connection, named: Sequence[Event]) -> dict[str, Event]:
    """What is stored under the names of some events, by name."""
    by_area: dict[str, list[str]] = {}
    for of in named:
        by_area.setdefault(of.area, []).append(of.event_id)
    bodies: dict[str, bytes] = {}
    for area, event_ids in by_area.items():
        bodies |= await stored.load_bodies(connection, area, event_ids)
    return {name: decode_stored(body) for name, body in bodies.items()}


async def rehearse(connection: Connection) -> None:
    """Asks what orders will ask, about nobody: the session has planned it then, before somebody waits for it."""
    await histories.read_person(connection, "", "", (0, 0), Links(), 0)
    await stored.load_bodies(connection, "", [""])
    await find_told(connection, "", "", [""])


def _counting(found: Iterable[PrescriptionDigest], today: Day) -> list[PrescriptionDigest]:
    return [of for of in found if any(order.last_day >= today - COUNTED_FOR for order in of.orders)]


def _first_billed(requests: Iterable[PrescriptionDigest], today: Day) -> Day:
    """The first day on which a line may lie that takes the place of an order that counts still."""
    orders = [order for of in requests for order in of.orders]
    return min([today, *(of.line.day for of in orders if of.last_day >= today - COUNTED_FOR)]) - REACH


async def _find_order_ids(
    connection: Connection,
    area: str,
    institutions: Container[str],
    first: Day,
    digests: Mapping[int, Digest],
    events: Iterable[Remembered],
) -> OrderIds:
    """What the lines of some institutions' claims were ordered as that reach to a day or beyond it."""
    billing = {
        seq: digest.event_id
        for seq, digest in digests.items()
        if isinstance(digest, ClaimDigest) and digest.institution in institutions and digest.span[1] >= first
    }
    of_billing = [event for event in events if event.head.seq in billing]
    read = {of.head.seq: decode_details(of.head.kind, of.details) for of in of_billing if of.details is not None}
    missing = [key_of(event) for event in of_billing if event.details is None]
    details = read | (await stored.load_details(connection, area, missing) if missing else {})
    return {billing[seq]: of.order_ids for seq, of in details.items() if isinstance(of, ClaimDetails)}
