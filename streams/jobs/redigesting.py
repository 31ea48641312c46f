"""Redigesting: digests of an earlier generation are made anew from the bytes as they were received; before that the
identifiers that doors of before kept padded become the trimmed ones; after it events of before are looked at for what
they have to do with others.

Piece by piece, each a transaction, beside the workers and in several processes at once; what is done is told by the
digests themselves, so that a stopped run is gone on with. Nobody has to wait: who still judged by an old digest did so
before what its successor may change became outstanding, or noted as touched, and so is judged again
(``streams.jobs.rejudging``).
"""

from collections.abc import AsyncIterator, Container, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import msgspec
from msgspec.structs import replace

from knowledge_base.digests.head import GENERATION, Digest
from knowledge_base.events.head import Event
from knowledge_base.subjects import PATIENT, patient
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from streams.messages.codec import decode_stored
from streams.messages.faults import Undecodable
from streams.messages.identifiers import trimmed
from streams.messages.kinds import KINDS, Place, details_of, digest_of
from streams.messages.packing import decode_digest, encode_details, encode_digest
from streams.pipeline.persons import merged_persons
from streams.store.events import generations, histories, padded, persons, stored, wider
from streams.store.events.generations import NewDigest, OldDigest, Own
from streams.store.events.padded import Trimmed
from streams.store.judgements import published
from streams.store.sessions import Connection, through_deadlocks

MOST = 200
"""Subjects a piece."""
_CAUSE = f"digests of generation {GENERATION}"


class Redigested(msgspec.Struct):
    """What became of digests: made anew, and those that stay as they are, by why, with the ids of their events."""

    anew: int = 0
    without_bytes: list[str] = []
    unreadable: list[str] = []

    @property
    def events(self) -> int:
        return self.anew + len(self.without_bytes) + len(self.unreadable)

    def add(self, piece: "Redigested") -> None:
        self.anew += piece.anew
        self.without_bytes += piece.without_bytes
        self.unreadable += piece.unreadable


async def trim(connection: Connection, sets: RuleSets, most: int = MOST) -> AsyncIterator[Redigested]:
    """Joins padded pseudonyms with the trimmed ones as merges do, renames what else is padded, and makes the digests of
    such events anew. Says after each piece what became of those in it. Raises ``RuleSetUnusable``.

    What it changes is outstanding from then on; what became of each name is kept (``streams.store.events.padded``).
    """
    after = ("", "")
    while upcoming := await padded.find_next_padded(connection, after, most):
        for area, together in groupby(upcoming, key=lambda place: place[0]):
            names = [name for _, name in together]
            yield await through_deadlocks(partial(_trim_piece, connection, sets, area, names))
        after = upcoming[-1]


class _Padded(msgspec.Struct, frozen=True):
    """Events of an area that hold padded names, each with what its message says, and padded pseudonyms."""

    area: str
    pseudonyms: Sequence[str]
    events: Sequence[tuple[OldDigest, Event]]


async def _trim_piece(connection: Connection, sets: RuleSets, area: str, names: Sequence[str]) -> Redigested:
    """The padded names of some pseudonyms of an area, and of their events.

    They are read before anything is locked; where there is something to do the area is held alone for a moment, as by a
    merge, because whose event an id names may change.
    """
    read = [(old, _read_again(old, Redigested())) for old in await padded.load_padded(connection, area, names)]
    events = [(old, event) for old, event in read if event is not None]
    of = _Padded(area, [name for name in names if trimmed(name) != name], events)
    async with connection.transaction():
        rule_set = await sets.hold(connection)
        everybody = {*names, *map(trimmed, of.pseudonyms)}
        members = await persons.find_persons(connection, area, everybody)
        if not _joined(members, of) and not await _find_renameable(connection, of, rule_set):
            await padded.save_report(connection, _known_twice(of, set()))
            return Redigested()
        await published.hold_outstanding(connection, area)  # before the locks, as who judges again does
        await persons.lock_area(connection, area, exclusive=True)
        members = await persons.find_persons(connection, area, everybody)
        await persons.lock_subjects(connection, area, [patient(name) for name in members])
        joined = _joined(members, of)
        if joined:
            mark = await stored.find_last_seq(connection, area)
            await persons.save_persons(connection, area, joined, mark)
        anew, report = await _rename(connection, of, rule_set)
        report += [Trimmed(area, "patient", name, trimmed(name), "joined") for name in of.pseudonyms]
        await padded.save_report(connection, report)
        await padded.link_all(connection, area, names)
        await published.mark_people_outstanding(connection, area, [rule.id for rule in rule_set.rules], "")
        return Redigested(anew=anew)


def _joined(members: Mapping[str, Sequence[str]], of: _Padded) -> dict[str, list[str]]:
    """Persons as they become by joining padded pseudonyms with the trimmed ones, of those that are not so already."""
    merged = merged_persons(members, [(name, trimmed(name)) for name in of.pseudonyms])
    return {person: together for person, together in merged.items() if set(members.get(person, ())) != set(together)}


async def _find_renameable(connection: Connection, of: _Padded, rule_set: RuleSet) -> bool:
    """Whether an event may get another id, or gets another digest."""
    ids = {trimmed(old.event_id) for old, _ in of.events if trimmed(old.event_id) != old.event_id}
    known = await stored.find_event_ids(connection, of.area, ids)
    return ids != known or any(
        _anew(old, event, old.event_id, rule_set).digest != old.digest for old, event in of.events
    )


async def _rename(connection: Connection, of: _Padded, rule_set: RuleSet) -> tuple[int, list[Trimmed]]:
    """Gives events trimmed names, and digests with these: of how many, and what became of names."""
    renamed = await padded.rename_event_ids(connection, of.area, [old.event_id for old, _ in of.events])
    report = _known_twice(of, renamed)
    anew: list[NewDigest] = []
    for old, event in of.events:
        new = _anew(old, event, event.event_id if old.event_id in renamed else old.event_id, rule_set)
        if new.digest != old.digest:
            anew.append(new)
            report += _renamed(of.area, decode_digest(event.kind, old.digest), new)
    await generations.save_new(connection, of.area, anew)
    return len(anew), report


def _known_twice(of: _Padded, renamed: Container[str]) -> list[Trimmed]:
    """The padded ids that were not renamed, because an event is known by the trimmed one."""
    return [
        Trimmed(of.area, "event", old.event_id, trimmed(old.event_id), "known twice")
        for old, _ in of.events
        if trimmed(old.event_id) != old.event_id and old.event_id not in renamed
    ]


def _renamed(area: str, was: Digest, now: NewDigest) -> Iterator[Trimmed]:
    """The names by which others find an event, of those that are trimmed now."""
    names = [
        ("event", was.event_id, now.event_id),
        ("claim", was.links.claim_id, now.links.claim_id),
        ("institution", was.links.encounter[0], now.links.encounter[0]),
        ("encounter", was.links.encounter[1], now.links.encounter[1]),
    ]
    return (Trimmed(area, what, before, after, "renamed") for what, before, after in names if before != after)


async def redigest(connection: Connection, sets: RuleSets, most: int = MOST) -> AsyncIterator[Redigested]:
    """Makes old digests anew, and says after each piece what became of those in it. Raises ``RuleSetUnusable``."""
    after: Own | None = ("", "", "")
    while after is not None:
        piece, after = await through_deadlocks(partial(_redigest_piece, connection, sets, after, most))
        if after is not None:
            yield piece


async def _redigest_piece(
    connection: Connection, sets: RuleSets, after: Own, most: int
) -> tuple[Redigested, Own | None]:
    """The next subjects' digests, and which of them is the last; ``None`` where there are none left."""
    piece = Redigested()
    async with connection.transaction():
        rule_set = await sets.hold(connection)
        upcoming = await generations.find_next_old(connection, after, most)
        for (area, kind), together in groupby(upcoming, key=lambda own: own[:2]):
            names = [name for _, _, name in together]
            before = after[2] if after[0] == area else ""
            await _redigest_some(connection, area, kind, names, before, rule_set, piece)
    return piece, upcoming[-1] if upcoming else None


async def _redigest_some(
    connection: Connection,
    area: str,
    kind: str,
    names: Sequence[str],
    before: str,
    rule_set: RuleSet,
    piece: Redigested,
) -> None:
    """The digests of some subjects of one kind in an area; ``before`` comes before all of their names."""
    anew: list[NewDigest] = []
    rules: set[str] = set()
    places: set[Place] = set()
    for old in await generations.load_old(connection, area, kind, names):
        event = _read_again(old, piece)
        if event is not None:
            new = _anew(old, event, old.event_id, rule_set)
            anew.append(new)
            rules |= _concerned(rule_set, old, new)
            places.update(KINDS[event.kind].subjects(event))
    if not anew:
        return
    await generations.save_new(connection, area, anew)
    piece.anew += len(anew)
    if rules and kind == PATIENT:
        await published.mark_people_outstanding(connection, area, sorted(rules), before)
    kinds = {rule_set.by_id[rule].looks_at for rule in rules} - {PATIENT}
    await wider.touch(connection, (place for place in places if place[1].kind in kinds), _CAUSE)


async def find_apart(connection: Connection, most: int = MOST) -> AsyncIterator[int]:
    """Finds among events of before those that have to do with no other, and says after each piece how many those were.

    Until then every one is read with each window of its patient (``streams.store.events.histories``).
    """
    after = ("", "")
    while upcoming := await histories.find_next_linked(connection, after, most):
        apart = 0
        for area, together in groupby(upcoming, key=lambda place: place[0]):
            async with connection.transaction():
                await persons.lock_area(connection, area, exclusive=False)
                members = await persons.find_persons(connection, area, [name for _, name in together])
                await persons.lock_subjects(connection, area, [patient(name) for name in members])
                alone = [name for name, of in members.items() if len(of) == 1]
                apart += await histories.save_apart(connection, area, alone)
        after = upcoming[-1]
        yield apart


def _read_again(old: OldDigest, piece: Redigested) -> Event | None:
    """The event of a digest from its bytes; ``None``, with its id noted, where it stays as it is."""
    if old.body is None:
        piece.without_bytes.append(old.event_id)
        return None
    try:
        return decode_stored(old.body)
    except Undecodable:
        piece.unreadable.append(old.event_id)
        return None


def _anew(old: OldDigest, event: Event, event_id: str, rule_set: RuleSet) -> NewDigest:
    """A digest anew, and details, with the id under which the event is known."""
    digest, details = replace(digest_of(event), event_id=event_id), details_of(event)
    chained = digest.holds_any(rule_set.of(PATIENT).whole_item_codes)
    return NewDigest(old.name, old.seq, event_id, digest.links, encode_digest(digest), encode_details(details), chained)


def _concerned(rule_set: RuleSet, old: OldDigest, new: NewDigest) -> set[str]:
    """The rules that may say something else by the new digest: all where it differs, else those that need details."""
    if old.digest != new.digest:
        return {rule.id for rule in rule_set.rules}
    known = 1 if old.details is not None and old.details != new.details else old.generation
    return {rule.id for rule in rule_set.rules if rule.generation > known}
