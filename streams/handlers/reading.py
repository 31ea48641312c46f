"""Windows: what is read of persons before they are judged again, in at most three queries for a whole batch.

Digests near the new events come with the events themselves. What lies farther off and matters is read by a second
query, and by a third the whole history of those with an item whose rule asks for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec

from knowledge_base.digests.kinds import Digest
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS, Scope
from streams.messages.packing import decode_digest
from streams.pipeline.arrivals import Arrival
from streams.pipeline.touching import Person, touched
from streams.pipeline.windows import needs_everything, windows
from streams.store.events import stored
from streams.store.events.stored import Remembered
from streams.store.sessions import Connection

_NEAR = timedelta(days=62).days
"""How far around new events digests are read at once."""


class Window(msgspec.Struct):
    """A person with what is touched and the events that are read; ``everything`` says that those are all."""

    person: Person
    scope: Scope
    touching: frozenset[int]
    seqs: frozenset[int]
    everything: bool = False


async def find_windows(
    connection: Connection,
    area: str,
    members: Mapping[str, Sequence[str]],
    new: Mapping[str, set[int]],
    accepted: Mapping[int, Arrival],
    rule_set: RuleSet,
) -> tuple[list[Window], dict[int, Digest]]:
    """The windows of persons with new events, and the digests in them by arrival number.

    ``members`` holds all pseudonyms of each person, ``new`` the arrival numbers of its accepted events.
    """
    remembered = await _find_events(connection, area, members, new, accepted)
    found = [
        _window(Person(area, name, [event.head for event in remembered[name]], frozenset(seqs)), rule_set)
        for name, seqs in new.items()
    ]
    events = [event for together in remembered.values() for event in together]
    digests = await _load_digests(connection, area, events, _seqs(found), accepted)
    for window in found:
        if needs_everything((digests[seq] for seq in window.touching), rule_set):
            window.everything = True
            window.seqs = frozenset(head.seq for head in window.person.heads)
    return found, digests | await _load_digests(connection, area, events, _seqs(found) - digests.keys(), accepted)


async def find_whole(
    connection: Connection, area: str, members: Mapping[str, Sequence[str]], cause: str
) -> tuple[list[Window], dict[int, Digest]]:
    """The whole histories of persons, with all of their digests, to be judged again for a cause."""
    everything = {patient: ALL_DAYS.hull for together in members.values() for patient in together}
    by_patient = await stored.find_events(connection, area, everything)
    found = []
    for name, together in members.items():
        heads = [event.head for patient in together for event in by_patient[patient]]
        seqs = frozenset(head.seq for head in heads)
        found.append(Window(Person(area, name, heads, frozenset(), cause), ALL_DAYS, seqs, seqs, everything=True))
    events = [event for of in by_patient.values() for event in of]
    return found, await _load_digests(connection, area, events, _seqs(found), {})


def _window(person: Person, rule_set: RuleSet) -> Window:
    scope, touching = touched(person)
    return Window(person, scope, touching, windows(person, scope, rule_set) | touching)


def _seqs(found: Iterable[Window]) -> set[int]:
    return {seq for window in found for seq in window.seqs}


async def _find_events(
    connection: Connection,
    area: str,
    members: Mapping[str, Sequence[str]],
    new: Mapping[str, set[int]],
    accepted: Mapping[int, Arrival],
) -> dict[str, list[Remembered]]:
    """Every event of some persons, with the digests that lie near the new ones."""
    near: dict[str, tuple[int, int]] = {}
    for name, seqs in new.items():
        first = min(accepted[seq].first_day for seq in seqs) - _NEAR
        last = max(accepted[seq].last_day for seq in seqs) + _NEAR
        near.update(dict.fromkeys(members[name], (first, last)))
    by_patient = await stored.find_events(connection, area, near)
    return {name: [event for patient in members[name] for event in by_patient[patient]] for name in new}


async def _load_digests(
    connection: Connection,
    area: str,
    events: Iterable[Remembered],
    wanted: set[int],
    accepted: Mapping[int, Arrival],
) -> dict[int, Digest]:
    """The digests of some events: those just accepted, those read already, and the rest by a query of their own."""
    digests: dict[int, Digest] = {}
    missing: list[tuple[str, int]] = []
    for event in events if wanted else ():
        seq = event.head.seq
        if seq not in wanted:
            continue
        if seq in accepted:
            digests[seq] = accepted[seq].digest
        elif event.digest is not None:
            digests[seq] = decode_digest(event.head.kind, event.digest)
        else:
            missing.append((event.patient, seq))
    if missing:
        digests |= await stored.load_digests(connection, area, missing)
    return digests
