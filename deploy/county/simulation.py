"""The county's year from beginning to end: who comes when, what is billed, in which order it is sent."""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec
import zstandard

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
from deploy.county.people.insured import Person, insure_people
from deploy.county.people.statuses import day_of_death, report_statuses
from deploy.county.plan import CountyPlan
from deploy.county.truth import Act
from knowledge_base.days import Day
from knowledge_base.events.head import Event

Acts = dict[str, Act]
_Sending = tuple[datetime, str, Event]


def simulate(plan: CountyPlan) -> Iterator[Event]:
    """The county's events in the order in which they are sent; the same plan always gives the same events."""
    return _play(plan, {})


def write_county(plan: CountyPlan, claims_path: Path, truth_path: Path) -> int:
    """Write events and truth as JSON Lines, zstd where a path ends in ``.zst``; answers the number of events."""
    acts: Acts = {}
    encoder = msgspec.json.Encoder()
    with _open_lines(claims_path) as file:
        number = 0
        for event in _play(plan, acts):
            file.write(encoder.encode(event) + b"\n")
            number += 1
    with _open_lines(truth_path) as file:
        for _, act in sorted(acts.items()):
            file.write(encoder.encode(act) + b"\n")
    return number


@contextmanager
def _open_lines(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix != ".zst":
            yield file
            return
        with zstandard.ZstdCompressor(level=3).stream_writer(file, closefd=False) as packed:
            yield packed


def _play(plan: CountyPlan, acts: Acts) -> Iterator[Event]:
    """Bills each contact when it begins and holds its claims back until they are received."""
    places, people = found_institutions(plan), insure_people(plan)
    deaths = {person.pseudonym: day_of_death(plan, person) for person in people}
    waiting = [_sending(status) for who in people for status in report_statuses(plan, who, deaths[who.pseudonym])]
    heapq.heapify(waiting)
    charts: Charts = {}
    # A claim may wait for months until it is settled; only what is received before the next contact can go out.
    for contact in _all_contacts(plan, people, places, deaths):
        begins = instant(minute_of(contact.day, contact.minute))
        while waiting and waiting[0][0] < begins:
            yield heapq.heappop(waiting)[2]
        for event in _bill_and_settle(plan, contact, places, charts, acts):
            heapq.heappush(waiting, _sending(event))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _sending(event: Event) -> _Sending:
    assert event.received_at is not None
    return event.received_at, event.event_id, event


def _bill_and_settle(
    plan: CountyPlan, contact: Contact, places: Institutions, charts: Charts, acts: Acts
) -> Iterable[Event]:
    bill = _bill(plan, contact, places, charts)
    pad(bill, plan.chance("padding", contact.person.pseudonym, contact.key))
    claims = settle(bill, plan.chance("settlement", contact.person.pseudonym, contact.key))
    acts.update((act.act_id, act) for act, _ in bill.planted)
    return claims


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
