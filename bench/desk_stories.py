"""Stories: what rules find of people of the simulated county, with their claims, told again of as many others.

A story is judged once, by the rules in force; told again it has other names, another year and other institutions.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import NamedTuple

from msgspec.structs import replace

from deploy.county import CountyPlan, simulate
from knowledge_base.days import Day, as_date
from knowledge_base.digests.head import Details, Digest
from knowledge_base.events.claims import Claim, ClaimLine, Diagnosis
from knowledge_base.findings import Finding
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.engine import judge
from rules_lib.histories.patient import PatientHistory
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from streams.messages.kinds import details_of, digest_of

_COUNTY = CountyPlan(scale=1 / 350, first=date(2026, 1, 1), last=date(2026, 10, 31))
"""Ten months of one year, so that a story lies in the year of its leads."""
_A_YEAR = 364
"""Days, which keep their weekday."""
_OTHERS = 1
"""Claims of a person that no finding names, beside those that one does."""
_MOST_LINES = 6
"""Lines of a claim that no finding names: a stay has hundreds."""
_MOST_PARTS = 60
"""Lines in dispute by one finding; two stays at once dispute hundreds."""
_ODD = 20
"""People of whom a diagnosis is told that no list knows: the simulated county has none."""
_ODD_DIAGNOSIS = Diagnosis("4019")


class Told(NamedTuple):
    """A claim with what the store keeps of it beside its bytes; ``details`` hold no names."""

    claim: Claim
    digest: Digest
    details: Details


class Story(NamedTuple):
    """One person's claims and what is found of them. ``houses`` are the institutions, first that of the finding from
    which it has its ``topic``."""

    topic: str
    houses: Sequence[str]
    claims: Sequence[Told]
    findings: Sequence[Finding]

    @property
    def parts(self) -> int:
        """Lines in dispute."""
        return sum(len(finding.guilty) for finding in self.findings)


Stories = Mapping[str, Sequence[Sequence[Story]]]
"""By topic: each story as it happened in the county's year, a year before, and so on."""


def find_stories(rule_set: RuleSet, years: int) -> Stories:
    """What is found of the people of the county, told of so many years."""
    claims: dict[str, list[Claim]] = defaultdict(list)
    for event in simulate(_COUNTY):
        if isinstance(event, Claim):
            claims[event.patient].append(event)
    stories: dict[str, list[list[Story]]] = defaultdict(list)
    for of_person in (*claims.values(), *_odd(claims.values())):
        story = _story(of_person, rule_set)
        if story is not None:
            stories[story.topic].append([_earlier(story, _A_YEAR * ago) for ago in range(years)])
    return dict(stories)


def _odd(people: Iterable[Sequence[Claim]]) -> Iterator[list[Claim]]:
    alone = (claims[:1] for claims in people if not claims[0].reverses)
    for (claim,) in islice(alone, _ODD):
        yield [replace(claim, diagnoses=(_ODD_DIAGNOSIS,))]


def _story(claims: Sequence[Claim], rule_set: RuleSet) -> Story | None:
    """What is found of the claims that findings name and few others; ``None`` where that is nothing, or too long."""
    named = {part for finding in _judged(claims, rule_set) for part in _parts(finding)}
    visits = {part[:2] for part in named}
    chosen = [claim for claim in claims if (claim.institution, claim.encounter_id) in visits]
    chosen += [claim for claim in claims if (claim.institution, claim.encounter_id) not in visits][:_OTHERS]
    chosen = [_shortened(claim, named) for claim in chosen]
    findings = _judged(chosen, rule_set)
    if not findings or any(len(finding.guilty) > _MOST_PARTS for finding in findings):
        return None
    own = findings[0].institution
    others = {part[0] for finding in findings for part in _parts(finding)} | {claim.institution for claim in chosen}
    return Story(rule_set.by_id[findings[0].maker_id].topic, (own, *sorted(others - {own})), _told(chosen), findings)


def _told(claims: Iterable[Claim]) -> list[Told]:
    return [Told(claim, digest_of(claim), details_of(claim)) for claim in claims]


def _shortened(claim: Claim, named: Collection[tuple[str, ...]]) -> Claim:
    """A claim with the lines that findings name and few others."""
    keys = {line.line_id: (claim.institution, claim.encounter_id, line.line_id) for line in claim.lines}
    others = [line.line_id for line in claim.lines if keys[line.line_id] not in named]
    kept = {line.line_id for line in claim.lines if keys[line.line_id] in named} | set(others[:_MOST_LINES])
    return replace(claim, lines=tuple(line for line in claim.lines if line.line_id in kept))


def _judged(claims: Sequence[Claim], rule_set: RuleSet) -> Sequence[Finding]:
    rules = rule_set.of(PATIENT)
    history = PatientHistory(Subject(PATIENT, claims[0].patient), map(digest_of, claims), rules.by_code)
    return judge(history, ALL_DAYS, rules).findings


def _parts(finding: Finding) -> Iterator[tuple[str, ...]]:
    yield from (guilty.part for guilty in finding.guilty)
    yield from finding.involved


def _earlier(story: Story, days: int) -> Story:
    """The same story so many days before."""
    before = timedelta(days=days)
    claims = [
        replace(
            claim,
            happened_at=claim.happened_at - before,
            settled_at=claim.settled_at - before,
            admitted_at=claim.admitted_at and claim.admitted_at - before,
            discharged_at=claim.discharged_at and claim.discharged_at - before,
            lines=tuple(_line_earlier(line, before) for line in claim.lines),
        )
        for claim, *_ in story.claims
    ]
    return story._replace(
        claims=_told(claims), findings=[_finding_earlier(finding, days) for finding in story.findings]
    )


def _line_earlier(line: ClaimLine, before: timedelta) -> ClaimLine:
    return replace(line, at=line.at - before)


def _finding_earlier(finding: Finding, days: Day) -> Finding:
    moved = {as_date(day).isoformat(): as_date(day - days).isoformat() for day in _days_of(finding)}
    return _renamed(
        replace(
            finding,
            first_day=finding.first_day - days,
            last_day=finding.last_day - days,
            excuse_until=None if finding.excuse_until is None else finding.excuse_until - days,
        ),
        moved,
    )


def _days_of(finding: Finding) -> range:
    """Every day that the words of a finding may name."""
    return range(finding.first_day - 400, finding.last_day + 400)


def _renamed(finding: Finding, names: Mapping[str, str]) -> Finding:
    """A finding in which some words are others."""

    def named(words: Iterable[str]) -> tuple[str, ...]:
        return tuple([names.get(word, word) for word in words])

    return replace(
        finding,
        occurrence=named(finding.occurrence),
        guilty=tuple([replace(guilty, part=named(guilty.part)) for guilty in finding.guilty]),
        involved=tuple([named(part) for part in finding.involved]),
        evidence={key: _renamed_value(value, names) for key, value in finding.evidence.items()},
        institution=names.get(finding.institution, finding.institution),
    )


def _renamed_value(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, list | tuple):
        return [_renamed_value(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def told_again(story: Story, area: str, number: int, houses: Sequence[str]) -> Story:
    """The story of the ``number``-th person, of another area and at other institutions, as many as it has."""
    names = dict(zip(story.houses, houses, strict=True))
    names[story.claims[0].claim.patient] = f"b{number:07}"
    encounters = dict.fromkeys(of.claim.encounter_id for of in story.claims)
    names |= {encounter: f"E{number:07}{at:02}" for at, encounter in enumerate(encounters)}
    names |= {of.claim.claim_id: f"S{number:07}{at:02}" for at, of in enumerate(story.claims)}
    claims = [_told_again(of, area, names) for of in story.claims]
    return Story(story.topic, houses, claims, [_renamed(finding, names) for finding in story.findings])


def _told_again(told: Told, area: str, names: Mapping[str, str]) -> Told:
    claim = told.claim
    house, claim_id = names[claim.institution], names[claim.claim_id]
    own = {
        "event_id": f"{house}:{claim_id}",
        "patient": names[claim.patient],
        "claim_id": claim_id,
        "encounter_id": names[claim.encounter_id],
        "institution": house,
        "reverses": _named(claim.reverses, names),
        "corrects": _named(claim.corrects, names),
    }
    return Told(replace(claim, area=area, sender=house, **own), replace(told.digest, **own), told.details)


def _named(name: str | None, names: Mapping[str, str]) -> str | None:
    return None if name is None else names.get(name, name)
