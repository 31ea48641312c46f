"""Handlers: what is done with a batch of one partition, in one transaction. They know no bus.

decode -> lock persons -> enter events -> read windows -> judge -> compare
-> ONE transaction: events + finding versions + dead letters + outbox + offset
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from knowledge_base.events import PatientStatus
from knowledge_base.findings import FindingVersion
from rules_lib.rules import RuleSet
from streams.arrivals import Account, Incoming, decode_records, letter_of
from streams.bus import Batch
from streams.faults import readable_money
from streams.judging import judge_windows
from streams.pipeline import merged_persons
from streams.reports import Report
from streams.rule_sets import RuleSets
from streams.store import history, intake, leads, offsets
from streams.store.history import Arrival
from streams.store.sessions import Connection
from streams.vault import Vault
from streams.windows import find_windows

_decode_version = msgspec.json.Decoder(FindingVersion).decode


class ClaimsHandler:
    """Takes in batches of the topic "claims": claims, reversals, corrections, changes of a patient's status.

    ``rule_set`` is judged by where the store names none as in force. Raises ``RuleSetUnusable`` where it names one
    that this program does not have the checks for.
    """

    def __init__(self, rule_set: RuleSet, vault: Vault, judging: bool = True):
        self._rule_sets = RuleSets(rule_set)
        self._vault = vault
        self._judging = judging

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        """One batch in one transaction. Raises ``Fenced``, with nothing written, where the partition was taken over."""
        account, report = Account(self._vault), Report()
        incoming = decode_records(batch.records, account)
        async with connection.transaction():
            rule_set = await self._rule_sets.hold(connection) if self._judging else None
            for area, of_area in sorted(_by_area(incoming).items()):
                members, accepted = await _take_in(connection, area, of_area, account)
                if accepted and rule_set is not None:
                    await _judge(connection, area, members, accepted, rule_set, report)
            await intake.save_account(connection, batch.lease, account.letters, account.tallies)
            await offsets.step(connection, batch)
        report.count_messages(account.tallies.values())
        return report

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters the one record of a batch that cannot be stored or judged, and moves the offset past it."""
        (record,) = batch.records
        account, report = Account(self._vault), Report()
        account.dead(record, [reason], readable_money(record.value or b""))
        async with connection.transaction():
            await intake.save_account(connection, batch.lease, account.letters, account.tallies)
            await offsets.step(connection, batch)
        report.count_messages(account.tallies.values())
        return report


async def _take_in(
    connection: Connection, area: str, incoming: Sequence[Incoming], account: Account
) -> tuple[dict[str, list[str]], dict[int, Arrival]]:
    """Enters an area's events: all pseudonyms of each person concerned, and what was accepted by arrival number."""
    events = [item.event for item in incoming]
    joining = {event.same_as for event in events if isinstance(event, PatientStatus) and event.change == "merge"}
    patients = {event.patient for event in events} | {patient for patient in joining if patient}
    await history.lock_area(connection, area, exclusive=bool(joining))
    members = await history.find_persons(connection, area, patients)
    await history.lock_persons(connection, area, members)
    accepted = await _accept(connection, area, incoming, account)
    joined = merged_persons(members, (arrival.digest for arrival in accepted.values()))
    if joined:
        await history.save_merges(connection, area, joined, max(accepted))
        apart = {patient for together in joined.values() for patient in together}
        members = {person: of for person, of in members.items() if person not in apart} | joined
    return members, accepted


async def _accept(
    connection: Connection, area: str, incoming: Sequence[Incoming], account: Account
) -> dict[int, Arrival]:
    """Enters what is new; known ids with the same content are duplicates, with other content conflicts."""
    first: dict[str, Incoming] = {}
    for item in incoming:
        first.setdefault(item.event.event_id, item)
    new, known = await history.save_event_ids(connection, area, {name: item.hash for name, item in first.items()})
    accepted: dict[int, Arrival] = {}
    doubtful: list[Incoming] = []
    for item in incoming:
        event_id = item.event.event_id
        if first[event_id] is item and event_id in new:
            accepted[new[event_id]] = account.accepted(item)
        elif item.hash == known.get(event_id, first[event_id].hash):
            account.duplicate(item)
        else:
            doubtful.append(item)
    await history.save_events(connection, area, accepted)
    if doubtful:
        bodies = await history.load_bodies(connection, area, {item.event.event_id for item in doubtful})
        for item in doubtful:
            account.known(item, bodies[item.event.event_id])
    return accepted


async def _judge(
    connection: Connection,
    area: str,
    members: Mapping[str, Sequence[str]],
    accepted: Mapping[int, Arrival],
    rule_set: RuleSet,
    report: Report,
) -> None:
    person_of = {patient: person for person, together in members.items() for patient in together}
    new: dict[str, set[int]] = {}
    for seq, arrival in accepted.items():
        new.setdefault(person_of[arrival.patient], set()).add(seq)
    found, digests = await find_windows(connection, area, members, new, accepted, rule_set)
    await judge_windows(connection, area, members, found, digests, rule_set, report)


def _by_area(incoming: Sequence[Incoming]) -> dict[str, list[Incoming]]:
    by_area: dict[str, list[Incoming]] = {}
    for item in incoming:
        by_area.setdefault(item.event.area, []).append(item)
    return by_area


class LeadsHandler:
    """Takes in batches of the topic "findings" and keeps the leads: their one writer."""

    def __init__(self, rule_set: RuleSet, vault: Vault):
        self._rule_sets = RuleSets(rule_set)
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        versions = [_decode_version(record.value or b"") for record in batch.records]
        async with connection.transaction():
            in_force = await self._rule_sets.hold_to_show(connection)
            rules = {
                (hash, rule): await self._rule_sets.find_rule(connection, hash, rule)
                for hash, rule in {(version.rule_set, version.finding.rule_id) for version in versions}
            }
            await leads.apply_findings(connection, versions, rules, in_force)
            await offsets.step(connection, batch)
        return Report()

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters a message of our own that cannot be applied: reconciliation counts it as missing."""
        (record,) = batch.records
        async with connection.transaction():
            letter = letter_of(self._vault, record, "dead", [reason], None)
            await intake.save_account(connection, batch.lease, [letter], {})
            await offsets.step(connection, batch)
        return Report(outcomes=Counter(dead=1))
