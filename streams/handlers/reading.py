"""Reading: the windows of subjects before they are judged again; of a whole batch's patients in at most four queries.

Digests near the new events come with the events themselves. What lies farther off and matters is read by a second
query, by a third the whole history of those with an item whose rule asks for it, and by a fourth the details of those
with an item whose rule needs them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from knowledge_base.digests.head import Details, Digest
from knowledge_base.events.head import Event
from knowledge_base.subjects import Subject, patient
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS
from rules_lib.supplement import Supplement
from streams.messages.kinds import KINDS, details_of, digest_of
from streams.messages.packing import decode_digest
from streams.pipeline.arrivals import Arrival
from streams.pipeline.touching import Matter, head_of_digest, touched
from streams.pipeline.windows import Window, find_old, needs_details, needs_everything, windows
from streams.store.events import stored, wider
from streams.store.events.stored import Remembered
from streams.store.sessions import Connection

NEAR = timedelta(days=62).days
"""How far around new events digests are read at once."""


async def find_windows(
    connection: Connection,
    area: str,
    members: Mapping[str, Sequence[str]],
    new: Mapping[str, set[int]],
    accepted: Mapping[int, Arrival],
    rules: RulesOf,
) -> tuple[list[Window], dict[int, Digest]]:
    """The windows of persons with new events, and the digests in them by arrival number.

    ``members`` holds all pseudonyms of each person, ``new`` the arrival numbers of its accepted events.
    """
    remembered = await _find_events(connection, area, members, new, accepted)
    found = [
        _window(Matter(area, patient(name), [event.head for event in remembered[name]], frozenset(seqs)), rules)
        for name, seqs in new.items()
    ]
    events = [event for together in remembered.values() for event in together]
    digests = await _load_digests(connection, area, events, _seqs(found), accepted)
    for window in found:
        _widen(window, digests, rules)
    digests |= await _load_digests(connection, area, events, _seqs(found) - digests.keys(), accepted)
    details = {seq: arrival.details for seq, arrival in accepted.items()} if rules.need_details else {}
    await _supply(connection, area, found, digests, events, details, rules)
    return found, digests


async def find_with(connection: Connection, event: Event, rules: RulesOf) -> tuple[Window, dict[int, Digest]]:
    """The window of a patient with an event that is not stored, as if it came now, and the digests in it.

    One read of the store where all that matters lies near the event, as nearly always. Nothing is written.
    """
    digest, area = digest_of(event), event.area
    (_, subject), *_ = KINDS[event.kind].subjects(event)
    first, last = digest.span
    by_name = await stored.read_person(connection, area, subject.name, (first - NEAR, last + NEAR))
    events = [event for together in by_name.values() for event in together]
    seq = 1 + max((event.head.seq for event in events), default=0)
    heads = [*(event.head for event in events), head_of_digest(seq, event.kind, digest)]
    window = _window(Matter(area, patient(min(by_name)), heads, frozenset({seq})), rules)
    digests = {seq: digest} | await _load_digests(connection, area, events, {*window.seqs} - {seq}, {})
    _widen(window, digests, rules)
    digests |= await _load_digests(connection, area, events, {*window.seqs} - digests.keys(), {})
    await _supply(connection, area, [window], digests, events, {seq: details_of(event)}, rules)
    return window, digests


async def find_whole(
    connection: Connection, area: str, members: Mapping[str, Sequence[str]], cause: str, rules: RulesOf
) -> tuple[list[Window], dict[int, Digest]]:
    """The whole histories of persons, with all of their digests, to be judged again for a cause."""
    everything = {name: ALL_DAYS.hull for together in members.values() for name in together}
    by_patient = await stored.find_events(connection, area, everything)
    found = []
    for name, together in members.items():
        heads = [event.head for pseudonym in together for event in by_patient[pseudonym]]
        found.append(_whole(Matter(area, patient(name), heads, frozenset(), cause)))
    events = [event for of in by_patient.values() for event in of]
    digests = await _load_digests(connection, area, events, _seqs(found), {})
    await _supply(connection, area, found, digests, events, {}, rules)
    return found, digests


async def find_wider(
    connection: Connection, area: str, subject: Subject, new: frozenset[int], cause: str | None, rules: RulesOf
) -> tuple[Window, dict[int, Digest]]:
    """The window of a subject wider than a patient, and the digests in it by their numbers there.

    With a ``cause`` of its own it is read as a whole.
    """
    matter = Matter(area, subject, await wider.find_subject_heads(connection, area, subject), new, cause)
    window = _window(matter, rules) if cause is None else _whole(matter)
    digests = await wider.load_subject_digests(connection, area, subject, window.seqs)
    _widen(window, digests, rules)
    digests |= await wider.load_subject_digests(connection, area, subject, window.seqs - digests.keys())
    if needs_details(digests.values(), rules):
        details = await wider.load_subject_details(connection, area, subject, window.seqs)
        window.supplement = _supplement(window, digests, details)
    return window, digests


def _window(matter: Matter, rules: RulesOf) -> Window:
    scope, touching = touched(matter)
    return Window(matter, scope, touching, windows(matter, scope, rules) | touching)


def _whole(matter: Matter) -> Window:
    seqs = frozenset(head.seq for head in matter.heads)
    return Window(matter, ALL_DAYS, seqs, seqs, everything=True)


def _widen(window: Window, digests: Mapping[int, Digest], rules: RulesOf) -> None:
    """Has the whole history read where a touched event holds an item whose rule asks for it."""
    if needs_everything((digests[seq] for seq in window.touching), rules):
        window.everything = True
        window.seqs = frozenset(head.seq for head in window.matter.heads)


async def _supply(
    connection: Connection,
    area: str,
    found: Iterable[Window],
    digests: Mapping[int, Digest],
    events: Iterable[Remembered],
    known: Mapping[int, Details],
    rules: RulesOf,
) -> None:
    """Gives the windows with an item whose rule needs details those of their events; ``known`` are not in the store."""
    asking = [window for window in found if needs_details((digests[seq] for seq in window.seqs), rules)]
    if not asking:
        return
    wanted = _seqs(asking) - known.keys()
    names = [(event.name, event.head.seq) for event in events if event.head.seq in wanted]
    details = {**known, **await stored.load_details(connection, area, names)}
    for window in asking:
        window.supplement = _supplement(window, digests, details)


def _supplement(window: Window, digests: Mapping[int, Digest], details: Mapping[int, Details]) -> Supplement:
    of_events = {digests[seq].event_id: details[seq] for seq in window.seqs if seq in details}
    return Supplement(of_events, find_old(window.matter.heads, window.seqs))


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
        first = min(accepted[seq].first_day for seq in seqs) - NEAR
        last = max(accepted[seq].last_day for seq in seqs) + NEAR
        near.update(dict.fromkeys(members[name], (first, last)))
    by_patient = await stored.find_events(connection, area, near)
    return {name: [event for pseudonym in members[name] for event in by_patient[pseudonym]] for name in new}


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
            missing.append((event.name, seq))
    if missing:
        digests |= await stored.load_digests(connection, area, missing)
    return digests
