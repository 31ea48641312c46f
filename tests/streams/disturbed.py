"""Messages on a disturbed way, the real handler and store that take them in, and what must be true of the store.

Everything is seeded. Messages are shuffled, repeated, written otherwise, contradicted and held back; batches of
random sizes come from partitions in random turns. The store is read with queries of its own, apart from streams/store.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from random import Random

import asyncpg
import msgspec
import zstandard
from msgspec.structs import replace

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.findings import Change, Finding, FindingVersion, LineKey, Maker, NotEvaluated
from rules_lib.rule_set import RuleSet
from streams.bus import Batch, Message, Record, partition_of
from streams.handlers.events import EventsHandler
from streams.messages.codec import encode_event
from streams.messages.versions import pack_finding, unpack_finding, unpack_version
from streams.store.transport import offsets
from streams.topics import CLAIMS, FINDINGS, JUDGES
from tests.reference.dates import CHINA
from tests.reference.judge import Expected, by_rule, hits_and_near_misses
from tests.reference.persons import person_names
from tests.rules_lib.in_memory import Key, differences, findings_of, judgements, undecided_of

Name = tuple[str, str]
"""(area, finding_id)"""

#: Shares of messages that come after all others; that come again, in the same and in other bytes; that are denied.
HELD_BACK = 0.25
REPEATED = 0.1
CONTRADICTED = 0.04

_LEASE = timedelta(minutes=5)
_decode_sent = msgspec.json.Decoder(FindingVersion).decode
_decompress = zstandard.ZstdDecompressor().decompress


def message_of(event: Event) -> Message:
    return _message(event, encode_event(event))


def _message(event: Event, body: bytes) -> Message:
    return Message(f"{event.area}/{event.patient}".encode(), body, "tests")


def disturbed(events: Iterable[Event], random: Random) -> list[Message]:
    """The messages of some events as they might arrive: in any order, some twice or contradicted, some very late."""
    on_time: list[Message] = []
    late: list[Message] = []
    for event in events:
        for body in [encode_event(event), *_repeats(event, random)]:
            (late if random.random() < HELD_BACK else on_time).append(_message(event, body))
    random.shuffle(on_time)
    random.shuffle(late)
    return on_time + late


def _repeats(event: Event, random: Random) -> Iterable[bytes]:
    if random.random() < REPEATED:
        yield encode_event(event)
    if random.random() < REPEATED:
        yield written_otherwise(event, random)
    if random.random() < CONTRADICTED:
        yield encode_event(_contradicting(event))


def written_otherwise(event: Event, random: Random) -> bytes:
    """The same content in other bytes: other order, zeros after the point, another zone, a moment of receipt."""
    words = json.loads(encode_event(event))
    parts = [words, *words.get("lines", ())]
    for part in parts:
        for name in ("happened_at", "settled_at", "admitted_at", "discharged_at", "at"):
            if part.get(name) is not None:
                part[name] = _in_china(part[name])
        for name in ("amount", "in_fund_scope"):
            if part.get(name) is not None:
                part[name] += "0" if "." in part[name] else ".00"
    words["received_at"] = f"2026-12-01T00:00:{random.randrange(60):02}Z"
    return json.dumps(words, sort_keys=True, indent=1, ensure_ascii=random.random() < 0.5).encode()


def _in_china(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(CHINA).isoformat()


def _contradicting(event: Event) -> Event:
    """The same id with another content."""
    if isinstance(event, Claim) and event.lines:
        more = replace(event.lines[0], quantity=str(Decimal(event.lines[0].quantity) + 1))
        return replace(event, lines=(more, *event.lines[1:]))
    return replace(event, happened_at=event.happened_at + timedelta(days=1))


async def take_in(
    connection: asyncpg.Connection,
    handler: EventsHandler,
    messages: Sequence[Message],
    partitions: int,
    most: int,
    random: Random,
) -> None:
    """Feeds messages to a handler in batches of up to ``most``, of one partition each, partitions in random turns.

    Some come compressed too, as from one bus, and some not, as from another.
    """
    queues: dict[int, list[Message]] = defaultdict(list)
    for sent in messages:
        queues[partition_of(sent.key, partitions)].append(sent)
    held = {}
    for partition in queues:
        taken = await offsets.take(connection, JUDGES, CLAIMS, partition, "tests", None, _LEASE)
        assert taken is not None
        held[partition] = taken
    while held:
        partition = random.choice(list(held))
        lease, start = held[partition]
        size = random.randint((most + 1) // 2, most)
        records = [
            Record(start + number, sent.key, sent.value, sent.source, _packed_or_not(sent, random))
            for number, sent in enumerate(queues[partition][start : start + size])
        ]
        await handler.handle(connection, Batch(lease, start, records))
        held[partition] = (lease, start + len(records))
        if start + len(records) == len(queues[partition]):
            del held[partition]


def _packed_or_not(message: Message, random: Random) -> bytes | None:
    return zstandard.compress(message.value) if message.value and random.random() < 0.5 else None


@dataclass(frozen=True)
class Kept:
    """All that a store holds of findings, and of the events that they follow from, by area where that matters."""

    events: dict[str, list[Event]]
    findings: dict[str, dict[Key, Finding]]
    rows: dict[Name, asyncpg.Record]
    versions: dict[Name, list[FindingVersion]]
    undecided: dict[str, set[tuple[str, NotEvaluated]]]
    outbox: Counter[tuple[str, str, int]]
    outcomes: dict[str, int]


async def load_kept(connection: asyncpg.Connection) -> Kept:
    """Reads a store with queries of its own, apart from those of streams/store."""
    rows = {(row["area"], row["finding_id"]): row for row in await connection.fetch("select * from findings")}
    return Kept(
        events=await _load_events(connection),
        findings=_open_findings(rows.values()),
        rows=rows,
        versions=await _load_versions(connection),
        undecided=await _load_undecided(connection),
        outbox=await _load_outbox(connection),
        outcomes=await _load_outcomes(connection),
    )


async def load_kept_in(url: str) -> Kept:
    """The same of a store that nobody has open."""
    connection = await asyncpg.connect(url)
    try:
        return await load_kept(connection)
    finally:
        await connection.close()


async def _load_events(connection: asyncpg.Connection) -> dict[str, list[Event]]:
    events: dict[str, list[Event]] = defaultdict(list)
    for row in await connection.fetch("select area, body from received order by seq"):
        events[row["area"]].append(_decode_event(_decompress(row["body"])))
    return events


async def load_open_findings(connection: asyncpg.Connection) -> dict[str, dict[Key, Finding]]:
    """The findings that stand, by area: all that is looked at where a store holds very many people."""
    return _open_findings(await connection.fetch("select area, body, is_open from findings where is_open"))


def _open_findings(rows: Iterable[asyncpg.Record]) -> dict[str, dict[Key, Finding]]:
    found: dict[str, dict[Key, Finding]] = defaultdict(dict)
    for row in rows:
        if row["is_open"]:
            finding = unpack_finding(row["body"])
            found[row["area"]][finding.maker_id, finding.occurrence] = finding
    return found


async def _load_versions(connection: asyncpg.Connection) -> dict[Name, list[FindingVersion]]:
    versions: dict[Name, list[FindingVersion]] = defaultdict(list)
    for row in await connection.fetch("select area, finding_id, body from finding_versions order by version"):
        versions[row["area"], row["finding_id"]].append(unpack_version(row["body"]))
    return versions


async def _load_undecided(connection: asyncpg.Connection) -> dict[str, set[tuple[str, NotEvaluated]]]:
    undecided: dict[str, set[tuple[str, NotEvaluated]]] = defaultdict(set)
    for row in await connection.fetch("select * from not_evaluated"):
        days = row["first_day"].toordinal(), row["last_day"].toordinal()
        entry = NotEvaluated(tuple(row["rules"]), tuple(row["occurrence"]), row["reason"], *days)
        undecided[row["area"]].add((row["person"], entry))
    return undecided


async def _load_outbox(connection: asyncpg.Connection) -> Counter[tuple[str, str, int]]:
    rows = await connection.fetch("select value from outbox where topic = $1", FINDINGS)
    versions = [_decode_sent(row["value"]) for row in rows]
    return Counter((version.area, version.finding_id, version.version) for version in versions)


async def _load_outcomes(connection: asyncpg.Connection) -> dict[str, int]:
    sums = ", ".join(f"sum({name})::int as {name}" for name in ("accepted", "duplicate", "conflict", "dead"))
    row = await connection.fetchrow(f"select {sums} from ledger")
    assert row is not None
    return dict(row)


def _decode_event(body: bytes) -> Event:
    if json.loads(body)["kind"] == "claim":
        return msgspec.json.decode(body, type=Claim)
    return msgspec.json.decode(body, type=PatientStatus)


def unlike_reference(kept: Kept, rule_set: RuleSet) -> dict[Key, str]:
    """Where the stored open findings are not what the reference judge says of the accepted events."""
    return unlike_and_near_misses(kept, rule_set)[0]


def unlike_and_near_misses(kept: Kept, rule_set: RuleSet) -> tuple[dict[Key, str], Counter[str]]:
    """The same, with the near misses of each rule that the judge met on its way."""
    found: dict[Key, str] = {}
    missed = Counter[str]()
    for area in {*kept.events, *kept.findings}:
        expected: dict[Key, Expected] = {}
        for events in some_people(kept.events.get(area, ())):
            hits, reasons = hits_and_near_misses(events, rule_set.facts.points)
            expected |= hits
            missed += by_rule(reasons)
        found |= differences(kept.findings.get(area, {}), expected)
    return found, missed


def some_people(events: Iterable[Event], together: int = 50) -> Iterator[list[Event]]:
    """An area's events, some people at a time: the reference judge holds each event against each of its people.

    Whom some merge joins stay together, also where it was taken back: what holds is for the judge to find.
    """
    of_people: dict[str, list[Event]] = defaultdict(list)
    events = list(events)
    names = person_names(event for event in events if getattr(event, "change", "") != "unmerge")
    names = {event.patient: names.get(event.patient, event.patient) for event in events}
    for event in events:
        of_people[names[event.patient]].append(event)
    everybody = iter(of_people.values())
    while some := list(islice(everybody, together)):
        yield list(chain.from_iterable(some))


def assert_accepted(kept: Kept, messages: Sequence[Message]) -> None:
    """Of the messages of each id just one was accepted, and as it was sent; the ledger says the same."""
    sent: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in (_decode_event(message.value or b"") for message in messages):
        sent[event.area, event.event_id].append(event)
    accepted = [(area, event) for area, events in kept.events.items() for event in events]
    assert Counter((area, event.event_id) for area, event in accepted) == Counter(sent.keys())
    assert all(event in sent[area, event.event_id] for area, event in accepted)
    assert (kept.outcomes["accepted"], kept.outcomes["dead"]) == (len(sent), 0), kept.outcomes
    assert sum(kept.outcomes.values()) == len(messages), kept.outcomes


def assert_equals_engine(kept: Kept, rule_set: RuleSet) -> None:
    """Every word of what is stored, evidence and what is not evaluated too, is that of judging once over all days."""
    for area, events in kept.events.items():
        judged = judgements(events, rule_set)
        found = {key: unpack_finding(pack_finding(finding)) for key, finding in findings_of(judged).items()}
        stored = kept.findings.get(area, {})
        assert found == stored, [key for key in {*found, *stored} if found.get(key) != stored.get(key)]
        undecided = undecided_of(judged) ^ kept.undecided.get(area, set())
        assert not undecided, undecided


def assert_versions(kept: Kept) -> None:
    """Replayed, versions give the current state; numbers have no gap; each was sent on once; heirs are heirs."""
    assert kept.versions.keys() == kept.rows.keys()
    names = [(*name, version.version) for name, of in kept.versions.items() for version in of]
    assert kept.outbox == Counter(names)
    for name, versions in kept.versions.items():
        assert [version.version for version in versions] == list(range(1, len(versions) + 1)), name
        _assert_replayed(versions, kept.rows[name])
    _assert_continued([version for versions in kept.versions.values() for version in versions])


def _assert_replayed(versions: Sequence[FindingVersion], row: asyncpg.Record) -> None:
    state: Finding | None = None
    for version in versions:
        if version.change is Change.RAISED:
            assert state is None, "raised while open"
            state = version.finding
        elif version.change is Change.REVISED:
            assert state is not None, "revised while withdrawn"
            assert version.finding != state, "revised without a change"
            state = version.finding
        else:
            assert state is not None, "withdrawn while withdrawn"
            assert version.finding == state, "a withdrawal says what was said last"
            state = None
    last = versions[-1]
    assert row["is_open"] is (state is not None)
    assert (row["version"], row["subject"], row["rule_id"]) == (last.version, last.subject.name, last.finding.maker_id)
    assert unpack_finding(row["body"]) == last.finding
    assert row["institution"] == last.finding.institution


def _assert_continued(versions: Sequence[FindingVersion]) -> None:
    """A withdrawn finding names one with a line of it that the same judgement raised or revised, or else one of
    another person whom the same event joined or parted, if there is one."""
    of_line: dict[tuple[str, Maker, LineKey], list[FindingVersion]] = defaultdict(list)
    for version in versions:
        if version.change is not Change.WITHDRAWN:
            for line in _guilty_lines(version):
                of_line[version.area, version.maker, line].append(version)
    for version in versions:
        if version.change is not Change.WITHDRAWN:
            assert version.continued_by is None, version
            continue
        heirs = [heir for line in _guilty_lines(version) for heir in of_line[version.area, version.maker, line]]
        same = [heir for heir in heirs if heir.cause == version.cause]
        own = {
            heir.finding_id for heir in same if heir.as_of == version.as_of
        }  # a person's newest event, nobody else's
        if required := own or {heir.finding_id for heir in same}:
            assert version.continued_by in required, version
        elif version.continued_by is not None:  # another person's newest event in one batch need not be the same
            assert version.continued_by in {heir.finding_id for heir in heirs if heir.subject != version.subject}, (
                version
            )


def _guilty_lines(version: FindingVersion) -> set[LineKey]:
    return {guilty.part for guilty in version.finding.guilty}
