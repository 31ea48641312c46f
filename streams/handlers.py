"""Handlers: what is done with a batch of one partition, in one transaction. They know no bus.

decode -> lock persons -> enter events -> read windows -> judge -> compare
-> ONE transaction: events + finding versions + dead letters + outbox + offset
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import zstandard

from knowledge_base.days import as_date, day_of
from knowledge_base.digests import span_of
from knowledge_base.events import Claim, Event, PatientStatus
from knowledge_base.findings import FindingVersion
from rules_lib.rules import RuleSet
from streams.bus import Batch, Message, Record
from streams.codec import (
    Undecodable,
    content_hash,
    decode_event,
    digest_of,
    encode_digest,
    money_of,
    readable_money,
)
from streams.pipeline import Outcome, judge_again, merged_persons
from streams.reports import Report
from streams.store import findings, history, intake, leads, offsets
from streams.store.history import Arrival
from streams.store.intake import DeadLetter, Tally
from streams.store.sessions import Connection
from streams.topics import FINDINGS
from streams.vault import Vault
from streams.windows import find_windows

_encode_version = msgspec.json.Encoder().encode
_decode_version = msgspec.json.Decoder(FindingVersion).decode
_compress = zstandard.ZstdCompressor(level=1).compress


class Incoming(msgspec.Struct, frozen=True):
    """A decoded message on its way in."""

    record: Record
    event: Event
    unknown_fields: int
    content_hash: bytes


class ClaimsHandler:
    """Takes in batches of the topic "claims": claims, reversals, corrections, changes of a patient's status."""

    def __init__(self, rule_set: RuleSet, vault: Vault, judging: bool = True):
        self._rule_set = rule_set
        self._vault = vault
        self._judging = judging

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        """One batch in one transaction. Raises ``Fenced``, with nothing written, where the partition was taken over."""
        tallies: dict[str, Tally] = {}
        letters: list[DeadLetter] = []
        report = Report()
        incoming = self._decode(batch.records, tallies, letters)
        async with connection.transaction():
            for area in sorted({item.event.area for item in incoming}):
                of_area = [item for item in incoming if item.event.area == area]
                await self._take_in(connection, area, of_area, tallies, letters, report)
            await intake.save_dead_letters(connection, batch.lease, letters)
            await intake.save_tallies(connection, batch.lease, _today(), tallies)
            await offsets.step(connection, batch)
        report.count_messages(tallies.values())
        return report

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters the one record of a batch that cannot be stored or judged, and moves the offset past it."""
        (record,) = batch.records
        money = readable_money(record.value or b"")
        tally = Tally()
        tally.count("dead", money)
        async with connection.transaction():
            letter = _letter(self._vault, record, "dead", [reason], money)
            await intake.save_dead_letters(connection, batch.lease, [letter])
            await intake.save_tallies(connection, batch.lease, _today(), {record.source: tally})
            await offsets.step(connection, batch)
        return Report(outcomes=Counter(dead=1))

    def _decode(
        self, records: Sequence[Record], tallies: dict[str, Tally], letters: list[DeadLetter]
    ) -> list[Incoming]:
        incoming = []
        for record in records:
            tally = tallies.setdefault(record.source, Tally())
            try:
                decoded = decode_event(record.value or b"")
            except Undecodable as error:
                tally.count("dead", error.money)
                letters.append(_letter(self._vault, record, "dead", error.faults, error.money))
                continue
            tally.unknown_fields += decoded.unknown_fields
            incoming.append(Incoming(record, decoded.event, decoded.unknown_fields, content_hash(decoded.event)))
        return incoming

    async def _take_in(
        self,
        connection: Connection,
        area: str,
        incoming: Sequence[Incoming],
        tallies: dict[str, Tally],
        letters: list[DeadLetter],
        report: Report,
    ) -> None:
        merges = [item.event for item in incoming if isinstance(item.event, PatientStatus) and item.event.same_as]
        patients = {item.event.patient for item in incoming} | {merge.same_as for merge in merges if merge.same_as}
        await history.lock_area(connection, area, exclusive=bool(merges))
        members = await history.find_persons(connection, area, patients)
        await history.lock_persons(connection, area, members)
        accepted = await self._accept(connection, area, incoming, tallies, letters)
        if not accepted:
            return
        joined = merged_persons(members, (arrival.digest for arrival in accepted.values()))
        if joined:
            await history.save_merges(connection, area, joined, max(accepted))
        if self._judging:
            await self._judge(connection, area, {**_apart(members, joined), **joined}, accepted, report)

    async def _accept(
        self,
        connection: Connection,
        area: str,
        incoming: Sequence[Incoming],
        tallies: dict[str, Tally],
        letters: list[DeadLetter],
    ) -> dict[int, Arrival]:
        """Enters what is new; known ids with the same content are duplicates, with other content conflicts."""
        first: dict[str, Incoming] = {}
        for item in incoming:
            first.setdefault(item.event.event_id, item)
        hashes = {name: item.content_hash for name, item in first.items()}
        new, known = await history.save_event_ids(connection, area, hashes)
        accepted: dict[int, Arrival] = {}
        for item in incoming:
            event_id, money = item.event.event_id, money_of(item.event)
            seq = new.get(event_id)
            tally = tallies[item.record.source]
            if seq is not None and first[event_id] is item:
                accepted[seq] = _arrival(item, money)
                tally.count("accepted", money)
            elif item.content_hash == known.get(event_id, hashes[event_id]):
                tally.count("duplicate", money)
            else:
                tally.count("conflict", money)
                letters.append(
                    _letter(self._vault, item.record, "conflict", ["event_id: known with other content"], money)
                )
        await history.save_events(connection, area, accepted)
        return accepted

    async def _judge(
        self,
        connection: Connection,
        area: str,
        members: dict[str, list[str]],
        accepted: dict[int, Arrival],
        report: Report,
    ) -> None:
        person_of = {patient: person for person, together in members.items() for patient in together}
        new: dict[str, set[int]] = {}
        for seq, arrival in accepted.items():
            new.setdefault(person_of[arrival.patient], set()).add(seq)
        found, digests = await find_windows(connection, area, members, new, accepted, self._rule_set)
        names = [name for person in new for name in members[person]]
        stored = await findings.find_findings(connection, area, names)
        undecided = await findings.find_not_evaluated(connection, area, names)
        outcomes: dict[str, Outcome] = {}
        for window in found:
            together = members[window.person.person]
            outcomes[window.person.person] = judge_again(
                window.person,
                [digests[seq] for seq in window.seqs],
                window.everything,
                window.scope,
                self._rule_set,
                [entry for name in together for entry in stored.get(name, ())],
                [entry for name in together for entry in undecided.get(name, ())],
            )
        versions = [version for outcome in outcomes.values() for version in outcome.versions]
        await findings.save_versions(connection, area, versions)
        await findings.save_not_evaluated(connection, area, outcomes)
        await intake.save_outbox(connection, FINDINGS, map(finding_message, versions))
        report.count_versions(versions)
        report.count_not_evaluated(entry for outcome in outcomes.values() for _, entry in outcome.now_not_evaluated)


class LeadsHandler:
    """Takes in batches of the topic "findings" and keeps the leads: their one writer."""

    def __init__(self, rule_set: RuleSet, vault: Vault):
        self._rule_set = rule_set
        self._vault = vault

    async def handle(self, connection: Connection, batch: Batch) -> Report:
        versions = [_decode_version(record.value or b"") for record in batch.records]
        async with connection.transaction():
            await leads.apply_findings(connection, versions, self._rule_set)
            await offsets.step(connection, batch)
        return Report()

    async def bury(self, connection: Connection, batch: Batch, reason: str) -> Report:
        """Dead-letters a message of our own that cannot be applied: reconciliation counts it as missing."""
        (record,) = batch.records
        letter = _letter(self._vault, record, "dead", [reason], None)
        async with connection.transaction():
            await intake.save_dead_letters(connection, batch.lease, [letter])
            await offsets.step(connection, batch)
        return Report(outcomes=Counter(dead=1))


def _letter(vault: Vault, record: Record, outcome: str, reasons: list[str], money: Decimal | None) -> DeadLetter:
    return DeadLetter(
        record.offset, outcome, record.source, reasons, record.key, vault.seal(record.value or b""), money
    )


def _today() -> date:
    return as_date(day_of(datetime.now(UTC)))


def finding_message(version: FindingVersion) -> Message:
    """A finding version as it is sent on, keyed by the person so that a person's findings stay in order."""
    return Message(f"{version.area}/{version.person}".encode(), _encode_version(version), "judge")


def _apart(members: dict[str, list[str]], joined: dict[str, list[str]]) -> dict[str, list[str]]:
    merged = {patient for together in joined.values() for patient in together}
    return {person: together for person, together in members.items() if person not in merged}


def _arrival(item: Incoming, money: Decimal) -> Arrival:
    event = item.event
    digest = digest_of(event)
    first_day, last_day = span_of(digest)
    claim = event if isinstance(event, Claim) else None
    return Arrival(
        event_id=event.event_id,
        content_hash=item.content_hash,
        kind=event.kind,
        patient=event.patient,
        digest=digest,
        digest_bytes=encode_digest(digest),
        first_day=first_day,
        last_day=last_day,
        claim_id=claim.claim_id if claim else None,
        encounter_id=claim.encounter_id if claim else None,
        institution=claim.institution if claim else None,
        reverses=claim.reverses if claim else None,
        corrects=claim.corrects if claim else None,
        money=money,
        source=item.record.source,
        body=_compress(item.record.value or b""),
    )
