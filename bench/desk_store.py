"""The store of the desk's benchmark: a million findings in a hundred thousand leads, with their claims, part decided.

Everything is written by what writes it at work (events, findings, leads with their sums, decisions), each area in a
process of its own. The same scale gives the same store, but for the day on which it was made. Open first: ``fill``.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from random import Random
from typing import NamedTuple

import zstandard
from msgspec.structs import replace

from api.access.passwords import hash_of
from api.frame.formats import today_in_china
from bench.desk_stories import Stories, Story, Told, find_stories, told_again
from casework.accounts import Account
from casework.decisions import GROUNDS, Decision, Verdict
from casework.leads import LeadKey, lead_id
from casework.rights import Role
from casework.sight import Sight
from deploy.runtime import own_rule_set
from deploy.settings import Settings
from knowledge_base.days import as_date
from knowledge_base.findings import Change, FindingVersion, finding_id
from knowledge_base.subjects import PATIENT, patient
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names
from streams.acts.decide import Said, decide, undo
from streams.handlers.rule_sets import publish_first
from streams.messages.codec import encode_event
from streams.messages.kinds import KINDS
from streams.messages.packing import encode_details, encode_digest
from streams.pipeline.arrivals import Arrival
from streams.store.casework.holders import Place, save_holder, save_snoozed
from streams.store.casework.leads import apply_findings
from streams.store.casework.listing import Chosen
from streams.store.events.stored import save_event_ids, save_events
from streams.store.judgements.findings import save_versions
from streams.store.migrations import migrate
from streams.store.people.users import save_account
from streams.store.sessions import Connection, connect

_compress = zstandard.ZstdCompressor(level=1).compress

AREAS = ("420281", "420222")
YEARS = 8
PASSWORD = "the desk is measured"
INSPECTORS = [f"inspector-{number:02}" for number in range(15)]
_TOGETHER = 2_000
"""Findings of a transaction, at least."""
_DECIDED = 10
_HELD = 20
_PUT_OFF = 100
"""Of so many leads one is decided, somebody has one, one is put off."""
_TO_COME = 50
"""Of so many people of this year with a finding that a later event may excuse, one may still be excused."""


class Plan(NamedTuple):
    """How large a store is: with scale 1 a million findings. An institution has 112 leads, one in each area, of each
    topic and year."""

    scale: float

    @property
    def findings(self) -> int:
        return round(1_000_000 * self.scale)

    @property
    def houses(self) -> int:
        return max(9, round(893 * self.scale))

    @property
    def weights(self) -> list[float]:
        """How much happens at each institution: a few have most."""
        return [1 / (house + 10) for house in range(self.houses)]

    @property
    def long_leads(self) -> Mapping[tuple[str, int], int]:
        """How many lines leads of the first area and institution have at least, by topic and years ago."""
        return {lead: round(count * self.scale) for lead, count in LONG_LEADS.items()}


LONG_LEADS = {
    ("patients", 3): 1_000,
    ("duplicates", 3): 10_000,
    ("stays", 0): 100_000,
    ("limits", 0): 20_000,
    ("courses", 1): 20_000,
    ("places", 2): 20_000,
}
"""Lines by topic and years ago."""
DECIDED_TWICE = ("places", 2)
"""The long lead that was decided on, undone, and decided on again but for one finding."""


def long_lead(topic: str, ago: int) -> str:
    """The name of a long lead."""
    year = as_date(today_in_china()).year - ago
    return lead_id(LeadKey(AREAS[0], house_code(0), topic, year))


def house_code(house: int) -> str:
    return f"H42{house:09}"


_KINDS = (("人民医院", "3"), ("中医院", "2"), ("镇中心卫生院", "1"), ("社区卫生服务中心", "1"))


def house_name(house: int) -> str:
    return f"虚构第{house}{_KINDS[house % len(_KINDS)][0]}"


def accounts(plan: Plan) -> list[Account]:
    """Five inspectors who see everything, seven who see an area, three who see some institutions."""
    some = (range(5), range(5, 9), range(plan.houses // 2, plan.houses, 3))
    areas = [None] * 5 + [frozenset({AREAS[number % 2]}) for number in range(7)] + [None] * len(some)
    houses = [None] * 12 + [frozenset(map(house_code, of)) for of in some]
    roles = frozenset({Role.INSPECTOR})
    return [Account(*of) for of in zip(INSPECTORS, INSPECTORS, [roles] * len(INSPECTORS), areas, houses, strict=True)]


def fill(dsn: str, plan: Plan) -> None:
    """Fills an empty database and brings its statistics up to date."""
    rules = own_rule_set(Settings())
    asyncio.run(_begin(dsn, plan, rules))
    stories = find_stories(rules, YEARS)
    with ProcessPoolExecutor(len(AREAS)) as processes:
        for done in [processes.submit(_fill_area, dsn, plan, area, stories) for area in AREAS]:
            done.result()
    asyncio.run(_end(dsn))


async def _begin(dsn: str, plan: Plan, rules: RuleSet) -> None:
    await migrate(dsn)
    connection = await connect(dsn)
    async with connection.transaction():
        await publish_first(connection, rules)
    houses = [(house_code(n), house_name(n), _KINDS[n % len(_KINDS)][1], "hospital") for n in range(plan.houses)]
    columns = ("institution", "name", "level", "kind")
    await connection.copy_records_to_table("institutions", records=houses, columns=columns)
    await connection.execute(_LEDGER)
    hashed = await hash_of(PASSWORD)
    for account in accounts(plan):
        await save_account(connection, account, hashed, password_given=False)
    await connection.close()


_LEDGER = """
    insert into ledger (topic, partition, source, day, accepted, accepted_money)
    select 'claims', partition, 'bench ' || source, date '2024-11-01' + day, 1000, 100000
    from generate_series(0, 3) as partition, generate_series(1, 3) as source, generate_series(0, 729) as day
"""
"""What two years of three sources leave in it: each page sums it up."""


async def _end(dsn: str) -> None:
    connection = await connect(dsn)
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")
    await connection.close()


def _fill_area(dsn: str, plan: Plan, area: str, stories: Stories) -> None:
    asyncio.run(_Filling(plan, area, stories).fill(dsn))


class _Filling:
    """The filling of one area."""

    def __init__(self, plan: Plan, area: str, stories: Stories):
        self.plan = plan
        self.area = area
        self.number = 5_000_000 * AREAS.index(area)
        self.chance = Random(area)
        self.rules = own_rule_set(Settings())
        self.items = item_names(self.rules.facts)
        self.whole_items = self.rules.of(PATIENT).whole_item_codes
        self.stories = stories
        self.sight = Sight(today_in_china())
        self.long = {long_lead(*lead) for lead in LONG_LEADS}

    async def fill(self, dsn: str) -> None:
        connection = await connect(dsn)
        await connection.execute("set synchronous_commit = off")
        told: list[Story] = []
        for (house, _), stories in sorted(self._planned().items()):
            told += [self._tell(story, house) for story in stories]
            if sum(len(story.findings) for story in told) >= _TOGETHER:
                await self._save(connection, told)
                told.clear()
        await self._save(connection, told)
        await connection.execute("analyze")
        await self._act(connection)
        await connection.close()

    def _planned(self) -> Mapping[tuple[int, int], list[Story]]:
        """The stories by institution and years ago: one of each topic, the long leads', and as many as are left."""
        planned: dict[tuple[int, int], list[Story]] = defaultdict(list)
        for house in range(self.plan.houses):
            for ago in range(YEARS):
                planned[house, ago] = [self.chance.choice(of_topic)[ago] for of_topic in self.stories.values()]
        if self.area == AREAS[0]:
            for (topic, ago), lines in self.plan.long_leads.items():
                planned[0, ago] += self._long(topic, ago, lines)
        left = self.plan.findings // len(AREAS) - sum(len(story.findings) for of in planned.values() for story in of)
        every = [story for of_topic in self.stories.values() for story in of_topic]
        while left > 0:
            (house,) = self.chance.choices(range(self.plan.houses), self.plan.weights)
            ago = self.chance.randrange(YEARS)
            story = self.chance.choice(every)[ago]
            planned[house, ago].append(story)
            left -= len(story.findings)
        return planned

    def _long(self, topic: str, ago: int, lines: int) -> Iterator[Story]:
        """Stories of one topic, each of them again and again, until they dispute so many lines of it."""
        for of_years in cycle(self.stories[topic]):
            if lines <= 0:
                return
            story = of_years[ago]
            own = [of for of in story.findings if self.rules.by_id[of.maker_id].topic == topic]
            lines -= sum(len(of.guilty) for of in own if of.institution == story.houses[0])
            yield story

    def _tell(self, story: Story, house: int) -> Story:
        self.number += 1
        others = [at for at in self.chance.sample(range(self.plan.houses), len(story.houses)) if at != house]
        houses = [house_code(at) for at in (house, *others)][: len(story.houses)]
        told = told_again(story, self.area, self.number, houses)
        this_year = as_date(told.findings[0].last_day).year == as_date(self.sight.today).year
        if story.topic != "places" or not this_year or self.number % _TO_COME:
            return told
        until = self.sight.today + 3
        return told._replace(findings=[replace(finding, excuse_until=until) for finding in told.findings])

    async def _save(self, connection: Connection, stories: Sequence[Story]) -> None:
        """Takes in claims and what is found of them, in one transaction."""
        arrivals = {told.claim.event_id: _arrival(told) for story in stories for told in story.claims}
        hashes = {name: hashlib.blake2b(of.body, digest_size=16).digest() for name, of in arrivals.items()}
        async with connection.transaction():
            seqs, _ = await save_event_ids(connection, self.area, hashes)
            await save_events(
                connection, self.area, {seqs[name]: of for name, of in arrivals.items()}, self.whole_items
            )
            versions = [version for story in stories for version in self._versions(story, seqs)]
            await save_versions(connection, self.area, versions)
            await apply_findings(connection, versions, self.items)

    def _versions(self, story: Story, seqs: Mapping[str, int]) -> Iterator[FindingVersion]:
        last, subject = story.claims[-1].claim.event_id, patient(story.claims[0].claim.patient)
        as_of = max(seqs[told.claim.event_id] for told in story.claims)
        for finding in story.findings:
            rule = self.rules.by_id[finding.maker_id]
            name, maker = finding_id(self.area, rule.id, finding.occurrence), self.rules.maker(rule.id)
            said = (name, 1, Change.RAISED, subject, maker, rule.topic, finding)
            yield FindingVersion(self.area, *said, cause=last, as_of=as_of)

    async def _act(self, connection: Connection) -> None:
        """Decides on leads, hands some out, and puts some off."""
        verdicts = cycle([(verdict, grounds[0]) for verdict, grounds in GROUNDS.items()])
        for number, lead in enumerate(await connection.fetch(_FOUND, self.area, as_date(self.sight.today))):
            place = Place(self.area, lead["lead_id"], lead["institution"])
            if place.lead_id == long_lead(*DECIDED_TWICE):
                await self._decide_twice(connection, place, lead["least"])
            elif number % _DECIDED == 0 and place.lead_id not in self.long:
                # Of every other lead one finding is left to be decided.
                left_out = (lead["least"],) if number % (2 * _DECIDED) and lead["undecided"] > 1 else ()
                await self._decide(connection, place, left_out, Said(*next(verdicts)))
            if number % _HELD == 1:
                await save_holder(connection, place, self._somebody(), self.sight.today + number % 15)
            if number % _PUT_OFF == 2:
                await save_snoozed(connection, place, self.sight.today + 9)

    async def _decide_twice(self, connection: Connection, place: Place, left_out: str) -> None:
        said = Said(Verdict.CONFIRMED, GROUNDS[Verdict.CONFIRMED][0])
        decision = await self._decide(connection, place, (), said)
        await undo(connection, place.lead_id, decision.decision_id, "撤销", self._somebody(), self.sight)
        await self._decide(connection, place, (left_out,), said)

    async def _decide(self, connection: Connection, place: Place, left_out: tuple[str, ...], said: Said) -> Decision:
        version = await connection.fetchval("select version from leads where lead_id = $1", place.lead_id)
        chosen = Chosen(everything=True, left_out=left_out)
        return await decide(connection, place.lead_id, version, chosen, said, self._somebody(), self.sight)

    def _somebody(self) -> str:
        return self.chance.choice(INSPECTORS)


_FOUND = """
    select lead_id, institution, undecided, (
        select min(finding_id) from lead_findings f where f.area = l.area and f.lead_id = l.lead_id) as least
    from leads l where area = $1 and undecided > 0 and counts_from <= $2 order by lead_id
"""


def _arrival(told: Told) -> Arrival:
    claim, digest, details = told
    first, last = digest.span
    return Arrival(
        event_id=claim.event_id,
        kind=claim.kind,
        subject=patient(claim.patient),
        wider=(),
        digest=digest,
        digest_bytes=encode_digest(digest),
        details=details,
        details_bytes=encode_details(details),
        first_day=first,
        last_day=last,
        links=digest.links,
        money=KINDS[claim.kind].money(claim),
        source="bench",
        body=_compress(encode_event(claim)),
    )
