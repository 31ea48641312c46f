"""The county's year from beginning to end: who comes when, what is billed, in which order it is sent."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import zstandard
from msgspec.structs import replace

from deploy.county.acts.cheating import arrange
from deploy.county.acts.padding import pad
from deploy.county.care.contacts import Bill, Contact
from deploy.county.care.institutions import Institutions, found_institutions
from deploy.county.care.ordinary_year import come_by_emergency, live
from deploy.county.care.settlements import settle
from deploy.county.care.visits import Charts, bill_visit
from deploy.county.care.wards import bill_stay
from deploy.county.clock import instant, minute_of
from deploy.county.innocents.look_alikes import befall
from deploy.county.orders.asking import Question, ask
from deploy.county.orders.habits import Ordering, Temper, orderings, tempers
from deploy.county.orders.sending import messages
from deploy.county.orders.traffic import Asking
from deploy.county.orders.writing import named, write_orders
from deploy.county.people.insured import Person, insure_people
from deploy.county.people.statuses import day_of_death, report_statuses
from deploy.county.plan import CountyPlan
from deploy.county.truth import Act
from knowledge_base.days import LAST_DAY, Day
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus

Acts = dict[str, Act]
Row = Event | Asking
Name = Callable[[str], str]
"""How somebody is called in what is written, by the number that hospitals know."""


class _Sending(NamedTuple):
    """What is sent when; the name decides between what is sent at once, and is one for each."""

    at: datetime
    name: str
    sent: Event | Question


class _Orderings(NamedTuple):
    """Who writes orders and how, by institution, the habits of doctors, and from which day on hospitals ask."""

    of_institution: Mapping[str, Ordering]
    tempers: Mapping[str, Temper]
    asked_from: Day


def simulate(plan: CountyPlan) -> Iterator[Event]:
    """The county's events in the order in which they are sent; the same plan always gives the same events."""
    return (sent for sent in _play(plan, {}, LAST_DAY) if not isinstance(sent, Question))


def write_county(plan: CountyPlan, claims_path: Path, truth_path: Path, name: Name = str) -> int:
    """Write events and truth as JSON Lines, zstd where a path ends in ``.zst``; answers the number of events."""
    acts: Acts = {}
    with _open_lines(claims_path) as file:
        number = _write_rows(file, messages(_play(plan, acts, LAST_DAY)), name)
    _write_truth(acts, truth_path, name)
    return number


def write_traffic(
    plan: CountyPlan, claims_path: Path, truth_path: Path, traffic_path: Path, asked_from: date, name: Name = str
) -> tuple[int, int]:
    """The same, but what is sent from a day on goes into the traffic, with what hospitals ask from that day on.

    Answers the number of events before it, and of rows of the traffic. Both files together hold every event once; that
    of claims is finished before the other is begun, so whoever reads it from a pipe need not wait.
    """
    acts: Acts = {}
    begins = instant(minute_of(asked_from.toordinal(), 0))
    rows = messages(_play(plan, acts, asked_from.toordinal()))
    later: list[Row] = []
    with _open_lines(claims_path) as file:
        before = _write_rows(file, _until(begins, rows, later), name)
    with _open_lines(traffic_path) as file:
        traffic = _write_rows(file, chain(later, rows), name)
    _write_truth(acts, truth_path, name)
    return before, traffic


def _until(begins: datetime, rows: Iterator[Row], later: list[Row]) -> Iterator[Row]:
    """The rows before an instant; the first of later ones, which has been read by then, goes into ``later``."""
    for row in rows:
        if _sent_at(row) >= begins:
            later.append(row)
            return
        yield row


def _sent_at(row: Row) -> datetime:
    if isinstance(row, Asking):
        return row.sent_at
    assert row.received_at is not None
    return row.received_at


def _write_rows(file: IO[bytes], rows: Iterable[Row], name: Name) -> int:
    encoder = msgspec.json.Encoder()
    number = 0
    for row in rows:
        file.write(encoder.encode(_called(row, name)) + b"\n")
        number += 1
    return number


def _called(row: Row, name: Name) -> Row:
    """A row under the names that its patients have in what is written."""
    if isinstance(row, Asking):
        return replace(row, encounters=tuple(replace(of, patient=name(of.patient)) for of in row.encounters))
    if isinstance(row, PatientStatus) and row.same_as is not None:
        return replace(row, patient=name(row.patient), same_as=name(row.same_as))
    assert isinstance(row, Claim | PatientStatus)
    return replace(row, patient=name(row.patient))


def _write_truth(acts: Acts, path: Path, name: Name) -> None:
    encoder = msgspec.json.Encoder()
    with _open_lines(path) as file:
        for _, act in sorted(acts.items()):
            file.write(encoder.encode(replace(act, persons=list(map(name, act.persons)))) + b"\n")


@contextmanager
def _open_lines(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix != ".zst":
            yield file
            return
        with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as packed:
            yield packed


def _play(plan: CountyPlan, acts: Acts, asked_from: Day) -> Iterator[Event | Question]:
    """Bills each contact when it begins and holds its claims and questions back until they are sent."""
    places, people = found_institutions(plan), insure_people(plan)
    deaths = {person.pseudonym: day_of_death(plan, person) for person in people}
    habits = _Orderings(orderings(plan, places), tempers(plan, places), asked_from)
    waiting = [_sending(status) for who in people for status in report_statuses(plan, who, deaths[who.pseudonym])]
    heapq.heapify(waiting)
    charts: Charts = {}
    # A claim may wait for months until it is settled; only what is sent before the next contact can go out.
    for contact in _all_contacts(plan, people, places, deaths):
        begins = instant(minute_of(contact.day, contact.minute))
        while waiting and waiting[0].at < begins:
            yield heapq.heappop(waiting).sent
        bill = _bill(plan, contact, places, charts)
        for sending in _settle_and_ask(plan, bill, habits, acts):
            heapq.heappush(waiting, sending)
    while waiting:
        yield heapq.heappop(waiting).sent


def _sending(event: Event) -> _Sending:
    assert event.received_at is not None
    return _Sending(event.received_at, event.event_id, event)


def _settle_and_ask(plan: CountyPlan, bill: Bill, habits: _Orderings, acts: Acts) -> Iterator[_Sending]:
    contact = bill.contact
    words = contact.person.pseudonym, contact.key
    pad(bill, plan.chance("padding", *words))
    claims = settle(bill, plan.chance("settlement", *words))
    acts.update((act.act_id, act) for act, _ in bill.planted)
    ordering = habits.of_institution.get(contact.institution.code)
    if ordering is None:
        yield from map(_sending, claims)
        return
    is_asked = contact.last_day + contact.settled_after >= habits.asked_from
    chance = plan.chance("orders", *words)
    written = write_orders(bill, claims, ordering, habits.tempers, chance, names_alone=not is_asked)
    yield from map(_sending, named(claims, written))
    if not is_asked:
        return
    questions = ask(bill, claims, written.orders, ordering, habits.tempers, plan.chance("asking", *words))
    for number, question in enumerate(questions):
        if question.minute >= minute_of(habits.asked_from, 0):
            place = contact.institution.code
            yield _Sending(instant(question.minute), f"{place}:{contact.encounter_id}:{number:03d}", question)


def _bill(plan: CountyPlan, contact: Contact, places: Institutions, charts: Charts) -> Bill:
    chance = plan.chance("bill", contact.person.pseudonym, contact.key)
    if contact.is_stay:
        return bill_stay(contact, chance, charts, places.by_role["level_3"][0])
    return bill_visit(contact, chance, charts)


def _all_contacts(
    plan: CountyPlan, people: list[Person], places: Institutions, deaths: dict[str, Day | None]
) -> list[Contact]:
    """Everybody's contacts that really take place, in order of their beginning."""
    special: defaultdict[str, list[Contact]] = defaultdict(list)
    for contact in (*arrange(plan, people, places), *befall(plan, people, places)):
        special[contact.person.pseudonym].append(contact)
    contacts: list[Contact] = []
    for person in people:
        wished = [*special[person.pseudonym], *live(plan, person, places)]
        contacts += _take_place(plan, wished, deaths[person.pseudonym])
    contacts.sort(key=lambda contact: (contact.day, contact.minute, contact.encounter_id))
    return contacts


def _take_place(plan: CountyPlan, wished: list[Contact], died: Day | None) -> list[Contact]:
    """Of one person's contacts those that are possible, numbered; nobody is on two wards at once, but on paper."""
    alive = [contact for contact in wished if died is None or contact.last_day < died]
    stays: list[Contact] = []
    # What was arranged comes first in the wishes, so an ordinary stay gives way to it and not the other way round.
    for stay in (contact for contact in alive if contact.is_stay):
        if stay.in_any_case or not any(_overlap(stay, other) for other in stays):
            stays.append(stay)
    visits = [contact for contact in alive if not contact.is_stay and _is_free(contact, stays)]
    arrivals = [visit for stay in stays for visit in come_by_emergency(plan, stay)]
    possible = sorted((*stays, *visits, *arrivals), key=lambda contact: (contact.day, contact.minute, contact.key))
    for number, contact in enumerate(possible, 1):
        contact.encounter_id = f"E{contact.person.pseudonym[1:]}{number:04d}"
    return possible


def _overlap(stay: Contact, other: Contact) -> bool:
    """Whether two stays share a day, other than the one on which a patient is moved from one to the other."""
    if stay.moved_on or other.moved_on:
        return stay.day < other.last_day and other.day < stay.last_day
    return stay.day <= other.last_day and other.day <= stay.last_day


def _is_free(visit: Contact, stays: list[Contact]) -> bool:
    return visit.in_any_case or not any(stay.day <= visit.day <= stay.last_day for stay in stays)
