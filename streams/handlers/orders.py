"""The handler of what hospitals ask before they bill: requests with what was answered, and replies to warnings.

The gateway judged before it answered; what it could not in time is judged here, and told nobody. Rules of the phase
after see claims alone. What the gateway refused comes the same way and lands in dead letters.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from knowledge_base.days import Day, day_of
from knowledge_base.digests.prescriptions import prescription_digest
from knowledge_base.events.head import Event
from knowledge_base.events.prescriptions import Advice, Prescription
from knowledge_base.events.replies import Reply
from knowledge_base.subjects import PATIENT
from rules_lib.advising import Book, book_of, warnings_of
from streams.bus import Batch, Record
from streams.handlers.accepting import accept, bury, by_area, close_batch
from streams.handlers.asking import ask
from streams.handlers.rule_sets import RuleSets
from streams.messages.kinds import ASKED, Sending, is_sender
from streams.messages.refusals import KEY, NOBODY, decode_refusal
from streams.messages.vault import Vault, WrongKey
from streams.pipeline.account import Account, decode_records
from streams.pipeline.arrivals import Arrival
from streams.pipeline.reports import Report
from streams.store.events import order_ledger, persons, prescriptions, replies
from streams.store.sessions import Connection


class OrdersHandler:
    """Takes in requests about orders, and replies."""

    def __init__(self, rule_sets: RuleSets, vault: Vault):
        self._rule_sets = rule_sets
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        """One batch in one transaction. Raises ``Fenced``, with nothing written, where the partition was taken over."""
        account, report = Account(self._vault), Report()
        told = _without_refused(batch.records, account, self._vault)
        incoming = decode_records(told, account, batch.lease.topic)
        async with connection.transaction():
            for area, of_area in sorted(by_area(incoming).items()):
                events: dict[str, Event] = {}
                for item in of_area:
                    events.setdefault(item.event.event_id, item.event)
                await _note_asking(connection, area, events.values())
                accepted = await accept(connection, area, of_area, account, partial(_save, connection, area, events))
                late = {seq: of for seq in accepted if (of := _left_open(events[accepted[seq].event_id])) is not None}
                if late:
                    book = book_of(await self._rule_sets.hold(connection), {})
                    advices = {seq: (of, await _judge(connection, of, book)) for seq, of in late.items()}
                    await prescriptions.save_late(connection, area, advices)
            await close_batch(connection, batch, account)
        report.count_messages(account.tallies.values())
        return report

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        return await bury(connection, batch, reason, self._vault)


async def _note_asking(connection: Connection, area: str, events: Iterable[Event]) -> None:
    """Notes since when institutions ask.

    The area is locked for it: every batch with bills of such an institution has ended by then, or sees that it asks.
    """
    first: dict[str, Day] = {}
    for event in events:
        if isinstance(event, Prescription):
            day = day_of(event.happened_at)
            first[event.institution] = min(day, first.get(event.institution, day))
    known = await order_ledger.find_asking(connection, area) if first else {}
    earlier = {name: day for name, day in first.items() if name not in known or day < known[name]}
    if earlier:
        await persons.lock_area(connection, area, exclusive=True)
        await order_ledger.save_asking(connection, area, earlier)


def _left_open(event: Event) -> Prescription | None:
    """A request that was answered without what the rules say."""
    is_open = isinstance(event, Prescription) and event.advice is not None and event.advice.rule_set is None
    return event if is_open and isinstance(event, Prescription) else None


async def _judge(connection: Connection, request: Prescription, book: Book) -> Advice:
    """What the rules would have said, under the receipt that was given."""
    rules = book.rule_set.of(PATIENT, request.phase)
    judged = await ask(connection, request.area, [prescription_digest(request)], (), {}, rules)
    given = request.advice.code if request.advice is not None else ""
    code = f"{request.area}-{given}-{request.event_id.rpartition(':')[2]}"
    warnings = tuple(warning for _, warning in warnings_of(judged.said, [request], book, code))
    return Advice(given, request.happened_at, "", book.rule_set.hash, judged.as_of, warnings)


def _without_refused(records: Sequence[Record], account: Account, vault: Vault) -> list[Record]:
    """What is left of some records when those that the gateway refused are accounted for."""
    left = []
    for record in records:
        if record.key != KEY or record.value is None:
            left.append(record)
            continue
        try:
            refusal, body = decode_refusal(record.value, vault)
        except (ValueError, WrongKey):
            left.append(record)
            continue
        is_known = refusal.infno in ASKED and is_sender(refusal.sender) and refusal.sender != NOBODY
        sending = Sending(refusal.sender.strip(), refusal.infno, refusal.at) if is_known else None
        account.dead(replace(record, value=body, packed=None), refusal.reasons, None, sending)
    return left


async def _save(
    connection: Connection, area: str, events: Mapping[str, Event], accepted: Mapping[int, Arrival]
) -> None:
    of = {seq: (arrival, events[arrival.event_id]) for seq, arrival in accepted.items()}
    asked = {seq: (arrival, event) for seq, (arrival, event) in of.items() if isinstance(event, Prescription)}
    replied = {seq: (arrival, event) for seq, (arrival, event) in of.items() if isinstance(event, Reply)}
    await prescriptions.save_prescriptions(connection, area, asked)
    await order_ledger.touch_patients(connection, area, {event.patient for _, event in asked.values()})
    await replies.save_replies(connection, area, replied)
