"""Reading: the windows of subjects before they are judged again; of a whole batch's patients in a handful of queries.

What lies near the new events, and what is linked to others, comes with one query, and what the new ones are linked to
with another. Farther days, the rest of the digests, all events of an item whose rule asks for those, and details where
an item's rule needs them cost a query more each, for all who need it together.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day
from knowledge_base.digests.head import Details, Digest
from knowledge_base.digests.prescriptions import PrescriptionDigest
from knowledge_base.events.head import Event
from knowledge_base.subjects import Subject, patient
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS, Interval
from rules_lib.supplement import Supplement
from streams.messages.identifiers import least
from streams.messages.kinds import KINDS, details_of, digest_of
from streams.messages.packing import decode_digest, decode_request
from streams.pipeline.arrivals import Arrival
from streams.pipeline.touching import Head, Matter, head_of_digest, in_company_of
from streams.pipeline.windows import (
    Window,
    find_linked,
    find_old,
    needs_chains,
    needs_details,
    whole_window,
    window_of,
    with_chains,
)
from streams.store.events import histories, stored, wider
from streams.store.events.histories import MARGIN, Remembered, key_of
from streams.store.events.prescriptions import SaidBefore, decode_said
from streams.store.events.stored import Key
from streams.store.sessions import Connection

NEAR = timedelta(days=62).days
"""How far around new events digests are read at once."""

_ASKED = 2**62
"""The arrival number of an event that is not stored: later than any that is."""

Members = Mapping[str, Sequence[str]]
"""Persons, each with all of its pseudonyms."""


async def find_windows(
    connection: Connection,
    area: str,
    members: Members,
    new: Mapping[str, set[int]],
    accepted: Mapping[int, Arrival],
    rules: RulesOf,
) -> tuple[list[Window], dict[int, Digest]]:
    """The windows of persons with new events, and the digests in them by arrival number.

    ``new`` are the arrival numbers of each person's accepted events.
    """
    near = {name: near_days([accepted[seq].digest for seq in seqs]) for name, seqs in new.items()}
    events = await _find_events(connection, area, members, near)
    await _add_partners(connection, area, members, new, accepted, events)
    matters = {name: _matter(area, name, events[name], seqs) for name, seqs in new.items()}
    await histories.save_linked(connection, area, _newly_linked(matters, events))
    found = {name: window_of(matter, rules) for name, matter in matters.items()}
    while far := [name for name in _alone(new, members) if not _hold(near[name], found[name].days)]:
        near |= {name: hull(near[name], found[name].days) for name in far}
        events |= await _find_events(connection, area, members, {name: near[name] for name in far})
        found |= {name: window_of(_matter(area, name, events[name], new[name]), rules) for name in far}
    digests = await _load_digests(connection, area, events, _seqs(found.values()), accepted)
    needing = [name for name, window in found.items() if _needs_chains(window, digests, rules)]
    if needing:
        chained = await _add_chained(connection, area, {name: members[name] for name in needing}, events, rules)
        found |= {name: with_chains(found[name], _heads(events[name]), chained) for name in needing}
        digests |= await _load_digests(connection, area, events, _seqs(found.values()) - digests.keys(), accepted)
    details = {seq: arrival.details for seq, arrival in accepted.items()} if rules.need_details else {}
    await _supply(connection, area, [*found.values()], digests, events, details, rules)
    return [*found.values()], digests


class Asked(NamedTuple):
    """Events of one patient that are not stored and are judged as if they came now, all of one kind.

    What is stored on or after the first of ``days`` is wanted besides the window.
    """

    area: str
    patient: str
    kind: str
    digests: Sequence[Digest]
    details: Sequence[Details] = ()
    days: Interval | None = None


class Beside(NamedTuple):
    """The window of what is asked, the digests in it and of the days that are wanted, and what is known of events."""

    window: Window
    digests: Mapping[int, Digest]
    events: Sequence[Remembered]


def asked_about(event: Event) -> Asked:
    """One event that is asked about alone."""
    (area, subject), *_ = KINDS[event.kind].subjects(event)
    return Asked(area, subject.name, event.kind, [digest_of(event)], [details_of(event)])


class Read(NamedTuple):
    """What was read of everybody who is one person with a patient: events by pseudonym, requests, and what was said.

    ``near`` are the days of which events came with digests.
    """

    near: Interval
    by_name: Mapping[str, Sequence[Remembered]]
    requests: Mapping[int, PrescriptionDigest]
    said: Sequence[SaidBefore]


async def find_with(connection: Connection, asked: Asked, rules: RulesOf, read: Read | None = None) -> Beside:
    """The window of a patient with events that are not stored, and what is stored in it.

    One read of the store where all that matters lies near and in one encounter, as nearly always; none where ``read``
    of the same patient holds it. Nothing is written.
    """
    area = asked.area
    new = {_ASKED + number: digest for number, digest in enumerate(asked.digests)}
    heads = [head_of_digest(seq, asked.kind, digest) for seq, digest in new.items()]
    near = near_days(asked.digests)
    if asked.days is not None:
        near = hull(near, asked.days)
    window: Window | None = None
    while window is None or not _hold(near, window.days):
        near = near if window is None else hull(near, window.days)
        if read is None or not (read.near[0] <= near[0] and near[1] <= read.near[1]):
            read = await read_everybody(connection, asked, near)
        near, by_name = read.near, read.by_name
        person = least(by_name)
        events = {person: [event for of in by_name.values() for event in of]}
        window = window_of(Matter(area, patient(person), [*_heads(events[person]), *heads], frozenset(new)), rules)
    digests = {**new, **await _load_digests(connection, area, events, _wanted(window, asked) - new.keys(), {})}
    if _needs_chains(window, digests, rules):
        chained = await _add_chained(connection, area, {person: [*by_name]}, events, rules)
        window = with_chains(window, [*_heads(events[person]), *heads], chained)
        digests |= await _load_digests(connection, area, events, _seqs([window]) - digests.keys(), {})
    await _supply(connection, area, [window], digests, events, dict(zip(new, asked.details, strict=False)), rules)
    return Beside(window, digests, events[person])


async def read_everybody(
    connection: Connection, asked: Asked, near: Interval, ordered_since: Day | None = None
) -> Read:
    """What of everybody who is one person with a patient lies near or has to do with what is asked.

    With a day the requests too that were asked on it or later, or run then, and details of what was billed from then on
    where something is asked.
    """
    found: dict[str, dict[int, Remembered]] = {}
    requests: dict[int, bytes] = {}
    said: dict[int, bytes] = {}
    for links in dict.fromkeys(digest.links for digest in asked.digests):
        person = await histories.read_person(connection, asked.area, asked.patient, near, links, ordered_since)
        for name, events in person.events.items():
            found.setdefault(name, {}).update({event.head.seq: event for event in events})
        requests |= person.requests
        said |= person.said
    return Read(
        near,
        {name: [*events.values()] for name, events in found.items()},
        {seq: decode_request(body) for seq, body in requests.items()},
        [of for body in said.values() for of in decode_said(body)],
    )


def _wanted(window: Window, asked: Asked) -> set[int]:
    """The events of a window, and those of the days that are wanted besides."""
    if asked.days is None:
        return _seqs([window])
    late = [head for head in window.matter.heads if head.last_day >= asked.days[0]]
    return _seqs([window]) | {head.seq for head in in_company_of(late, window.matter.heads)}


async def find_whole(
    connection: Connection, area: str, members: Members, cause: str, rules: RulesOf
) -> tuple[list[Window], dict[int, Digest]]:
    """The whole histories of persons, with all of their digests, to be judged again for a cause.

    Their events are known to be linked and chained or not from then on.
    """
    events = await _find_events(connection, area, members, dict.fromkeys(members, ALL_DAYS.hull))
    matters = {name: _matter(area, name, events[name], (), cause) for name in members}
    await histories.save_linked(connection, area, _newly_linked(matters, events))
    found = [whole_window(matter) for matter in matters.values()]
    digests = await _load_digests(connection, area, events, _seqs(found), {})
    await _look_at_chains(connection, area, [event for of in events.values() for event in of], digests, rules)
    await _supply(connection, area, found, digests, events, {}, rules)
    return found, digests


async def find_wider(
    connection: Connection, area: str, subject: Subject, new: frozenset[int], cause: str | None, rules: RulesOf
) -> tuple[Window, dict[int, Digest]]:
    """The window of a subject wider than a patient, and the digests in it by their numbers there.

    With a ``cause`` of its own it is read as a whole.
    """
    matter = Matter(area, subject, await wider.find_subject_heads(connection, area, subject), new, cause)
    window = window_of(matter, rules) if cause is None else whole_window(matter)
    digests = await wider.load_subject_digests(connection, area, subject, window.seqs)
    if _needs_chains(window, digests, rules):
        window = with_chains(window, matter.heads, {head.seq for head in matter.heads})
        digests |= await wider.load_subject_digests(connection, area, subject, window.seqs - digests.keys())
    if needs_details(digests.values(), rules):
        details = await wider.load_subject_details(connection, area, subject, window.seqs)
        window.supplement = _supplement(window, digests, details)
    return window, digests


def near_days(digests: Iterable[Digest]) -> Interval:
    """The days of some events and those around them, on which the rest of a window nearly always lies."""
    spans = [digest.span for digest in digests]
    return min(first for first, _ in spans) - NEAR, max(last for _, last in spans) + NEAR


def hull(one: Interval, other: Interval) -> Interval:
    """The days from the first to the last of both."""
    return min(one[0], other[0]), max(one[1], other[1])


def _hold(near: Interval, days: Interval) -> bool:
    """Whether all that may lie on some days was read with those near; nothing lies before the first day of all."""
    return near[0] - MARGIN <= max(days[0], FIRST_DAY) and near[1] + MARGIN >= min(days[1], LAST_DAY)


def _matter(area: str, name: str, events: Iterable[Remembered], new: Iterable[int], cause: str | None = None) -> Matter:
    return Matter(area, patient(name), _heads(events), frozenset(new), cause)


def _needs_chains(window: Window, digests: Mapping[int, Digest], rules: RulesOf) -> bool:
    """Whether a touched event holds an item whose rule asks for every event of it."""
    return not window.chains and needs_chains((digests[seq] for seq in window.touching), rules)


async def _add_chained(
    connection: Connection, area: str, members: Members, events: dict[str, list[Remembered]], rules: RulesOf
) -> set[int]:
    """Adds the chained events of some persons to those that are read, and returns their numbers."""
    person_of = {name: person for person, together in members.items() for name in together}
    read = {person: {event.head.seq: event for event in events[person]} for person in members}
    chained = await histories.find_chained(connection, area, person_of, rules.of_whole_items)
    for event in chained:
        read[person_of[event.name]][event.head.seq] = event
    events.update({person: list(of.values()) for person, of in read.items()})
    return {event.head.seq for event in chained}


async def _look_at_chains(
    connection: Connection, area: str, events: Sequence[Remembered], digests: Mapping[int, Digest], rules: RulesOf
) -> None:
    """Says of events whether they are chained, by the rules of now."""
    chained = {event.head.seq: digests[event.head.seq].holds_any(rules.whole_item_codes) for event in events}
    for value in (True, False):
        changed = [of for of in events if chained[of.head.seq] is value and of.chained is not value]
        await histories.save_chained(connection, area, changed, value)


def _heads(events: Iterable[Remembered]) -> list[Head]:
    return [event.head for event in events]


async def _supply(
    connection: Connection,
    area: str,
    found: Iterable[Window],
    digests: Mapping[int, Digest],
    events: Mapping[str, Iterable[Remembered]],
    known: Mapping[int, Details],
    rules: RulesOf,
) -> None:
    """Gives the windows with an item whose rule needs details those of their events; ``known`` are not in the store."""
    asking = [window for window in found if needs_details((digests[seq] for seq in window.seqs), rules)]
    if not asking:
        return
    wanted = _seqs(asking) - known.keys()
    keys = [key_of(event) for of in events.values() for event in of if event.head.seq in wanted]
    details = {**known, **await stored.load_details(connection, area, keys)}
    for window in asking:
        window.supplement = _supplement(window, digests, details)


def _supplement(window: Window, digests: Mapping[int, Digest], details: Mapping[int, Details]) -> Supplement:
    of_events = {digests[seq].event_id: details[seq] for seq in window.seqs if seq in details}
    return Supplement(of_events, find_old(window.matter.heads, window.seqs))


def _seqs(found: Iterable[Window]) -> set[int]:
    return {seq for window in found for seq in window.seqs}


async def _find_events(
    connection: Connection, area: str, members: Members, near: Mapping[str, Interval]
) -> dict[str, list[Remembered]]:
    """What matters of some persons' events near the days given for each; all of those who have several pseudonyms."""
    of_names = {name: days for person, days in near.items() for name in members[person]}
    entire = [name for person in near if len(members[person]) > 1 for name in members[person]]
    by_name = await histories.find_events(connection, area, of_names, entire)
    return {person: [event for name in members[person] for event in by_name[name]] for person in near}


def _alone(persons: Iterable[str], members: Members) -> list[str]:
    """Those of some persons that have one pseudonym: of the others all events are read."""
    return [name for name in persons if len(members[name]) == 1]


async def _add_partners(
    connection: Connection,
    area: str,
    members: Members,
    new: Mapping[str, set[int]],
    accepted: Mapping[int, Arrival],
    events: dict[str, list[Remembered]],
) -> None:
    """Adds what new events are linked to, wherever it lies."""
    alone = _alone(new, members)
    if not alone:
        return
    links = [(name, accepted[seq].links) for name in alone for seq in new[name]]
    for partner in await histories.find_partners(connection, area, links, min(min(new[name]) for name in alone)):
        of_person = events[partner.name]
        if partner.head.seq not in {event.head.seq for event in of_person}:
            of_person.append(partner)


def _newly_linked(matters: Mapping[str, Matter], events: Mapping[str, Iterable[Remembered]]) -> list[Remembered]:
    """Events of which is known now that they are linked to others."""
    found = []
    for name, matter in matters.items():
        linked = find_linked(matter)
        found += [event for event in events[name] if event.head.seq in linked and not event.linked] if linked else []
    return found


async def _load_digests(
    connection: Connection,
    area: str,
    events: Mapping[str, Iterable[Remembered]],
    wanted: set[int],
    accepted: Mapping[int, Arrival],
) -> dict[int, Digest]:
    """The digests of some events: those just accepted, those read already, and the rest by a query of their own."""
    digests: dict[int, Digest] = {}
    missing: list[Key] = []
    for event in (event for of in events.values() for event in of) if wanted else ():
        seq = event.head.seq
        if seq not in wanted:
            continue
        if seq in accepted:
            digests[seq] = accepted[seq].digest
        elif event.digest is not None:
            digests[seq] = decode_digest(event.head.kind, event.digest)
        else:
            missing.append(key_of(event))
    if missing:
        digests |= await stored.load_digests(connection, area, missing)
    return digests
