"""The handler of topics that carry events: a batch of one partition, in one transaction. It knows no bus.

decode -> lock subjects -> enter events -> read windows -> judge -> compare
-> ONE transaction: events + finding versions + dead letters + outbox + offset

Patients are judged here. Other subjects that an event touches are only noted (``streams.jobs.judging_subjects``).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from knowledge_base.subjects import PATIENT, patient
from rules_lib.rule_set import RuleSet
from streams.bus import Batch
from streams.handlers.accepting import accept, bury, by_area, close_batch
from streams.handlers.judging import judge_windows, patients_of
from streams.handlers.reading import find_whole, find_windows
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.pipeline.account import Account, decode_records
from streams.pipeline.arrivals import Arrival, Incoming
from streams.pipeline.persons import joined_pairs, pair_of, persons_of
from streams.pipeline.reports import Report
from streams.store.events import order_ledger, persons, stored, wider
from streams.store.sessions import Connection


class EventsHandler:
    """Takes in events of every kind.

    Raises ``RuleSetUnusable`` where the store names a set as in force that this program does not judge as it was
    published.
    """

    def __init__(self, rule_sets: RuleSets, vault: Vault, judging: bool = True):
        self._rule_sets = rule_sets
        self._vault = vault
        self._judging = judging

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        """One batch in one transaction. Raises ``Fenced``, with nothing written, where the partition was taken over."""
        account, report = Account(self._vault), Report()
        incoming = decode_records(batch.records, account, batch.lease.topic)
        async with connection.transaction():
            rule_set = await self._rule_sets.hold(connection) if self._judging else None
            for area, of_area in sorted(by_area(incoming).items()):
                people, accepted = await _take_in(connection, area, of_area, account, rule_set)
                if accepted and rule_set is not None:
                    await _judge(connection, area, people, accepted, rule_set, report)
            await close_batch(connection, batch, account)
        report.count_messages(account.tallies.values())
        return report

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        return await bury(connection, batch, reason, self._vault)


class _People(NamedTuple):
    """All pseudonyms of each person concerned by a batch, and those persons whom merges and unmerges in it made, with
    the last of these."""

    members: Mapping[str, Sequence[str]]
    became: Sequence[str] = ()
    cause: str = ""


async def _take_in(
    connection: Connection, area: str, incoming: Sequence[Incoming], account: Account, rule_set: RuleSet | None
) -> tuple[_People, dict[int, Arrival]]:
    """Enters an area's events: who is concerned, and what was accepted by arrival number.

    ``rule_set`` is what they are judged by next, when it is found what they are linked to.
    """
    joining = [item for item in incoming if item.joins is not None]
    patients = {name for item in incoming for name in item.patients}
    await persons.lock_area(connection, area, exclusive=bool(joining))
    members = await persons.find_persons(connection, area, patients)
    await persons.lock_subjects(connection, area, [patient(name) for name in members])
    whole_items = None if rule_set is None else rule_set.of(PATIENT).whole_item_codes
    save = partial(stored.save_events, connection, area, whole_items=whole_items)
    accepted = await accept(connection, area, incoming, account, save)
    await wider.save_touched(connection, area, accepted)
    await order_ledger.touch_billed(connection, area, _billed(accepted.values()))
    seq_of = {arrival.event_id: seq for seq, arrival in accepted.items()} if joining else {}
    speaking = [item for item in joining if item.event.event_id in seq_of]
    if not speaking:
        return _People(members), accepted
    spoken_of = {name for item in speaking for name in item.patients}
    last = max((item.event.event_id for item in speaking), key=seq_of.__getitem__)
    after, became = await _join_and_part(connection, area, members, spoken_of, max(accepted))
    return _People(after, became, f"event {last}"), accepted


def _billed(arrivals: Iterable[Arrival]) -> set[tuple[str, str]]:
    """Which patients have bills among some events, and of which institutions."""
    return {
        (arrival.subject.name, arrival.links.encounter[0])
        for arrival in arrivals
        if arrival.subject.kind == PATIENT and arrival.links.encounter[0]
    }


async def _join_and_part(
    connection: Connection, area: str, members: Mapping[str, Sequence[str]], spoken_of: set[str], seq: int
) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """All persons as merges and unmerges leave them, of which new ones speak of some pseudonyms, and who changed."""
    concerned = {person: of for person, of in members.items() if not spoken_of.isdisjoint(of)}
    names = sorted(name for of in concerned.values() for name in of)
    statuses = await persons.load_statuses(connection, area, names)
    pairs = {status.event_id: pair_of(status) for status in statuses if status.change == "unmerge"}
    merged = {pair_of(status) for status in statuses if status.change == "merge"}
    await persons.save_unmerges(connection, area, pairs, {name for name, pair in pairs.items() if pair in merged})
    after = persons_of(names, joined_pairs(statuses))
    await persons.save_persons(connection, area, after, seq)
    others = {person: of for person, of in members.items() if person not in concerned}
    became = [person for person, of in after.items() if set(of) != set(concerned.get(person, ()))]
    await order_ledger.touch_asking(connection, area, names)
    return {**others, **after}, became


async def _judge(
    connection: Connection,
    area: str,
    people: _People,
    accepted: Mapping[int, Arrival],
    rule_set: RuleSet,
    report: Report,
) -> None:
    members = people.members
    person_of = {name: person for person, together in members.items() for name in together}
    new: dict[str, set[int]] = {}
    for seq, arrival in accepted.items():
        if arrival.subject.kind == PATIENT:
            new.setdefault(person_of[arrival.subject.name], set()).add(seq)
    rules, became = rule_set.of(PATIENT), {person: members[person] for person in people.became}
    as_before = {person: seqs for person, seqs in new.items() if person not in became}
    found, digests = await find_windows(connection, area, members, as_before, accepted, rules)
    if became:
        whole, theirs = await find_whole(connection, area, became, people.cause, rules)
        found, digests = [*found, *whole], digests | theirs
    await judge_windows(
        connection, area, patients_of(members), found, digests, rule_set, report, became=[*map(patient, became)]
    )
