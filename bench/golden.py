"""The golden month: a simulated county in March 2026, always the same, and what the rules of a checkout find in it.

``python -m bench.golden EVENTS`` prints it as JSON, judged in memory by the checkout that it stands in.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from deploy.county import CountyPlan, write_county
from knowledge_base.catalogues.files import load_facts
from knowledge_base.days import as_date
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.events.head import Event
from knowledge_base.findings import Finding
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.engine import judge
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet
from rules_lib.scope import ALL_DAYS
from rules_lib.supplement import Supplement
from rules_lib.wording import Names, finding_sentence, item_names, item_units
from streams.messages.codec import decode_event
from streams.messages.kinds import details_of, digest_of
from streams.pipeline.persons import joined_pairs, persons_of

GOLDEN = CountyPlan(scale=1 / 50, seed=7, first=date(2026, 3, 1), last=date(2026, 3, 31))


class Found(msgspec.Struct, frozen=True):
    """A finding of the golden month; ``says`` is all of it but its name and its sentence."""

    rule: str
    occurrence: tuple[str, ...]
    says: dict[str, Any]
    zh: str
    en: str


class Month(msgspec.Struct, frozen=True):
    """What rules found in the golden month, and how many anchors they could not decide, by rule."""

    titles: dict[str, str]
    found: list[Found]
    not_evaluated: dict[str, int]


def save_golden_month(path: Path) -> int:
    """Writes the events as JSON Lines, beside them the truth that nobody reads; answers how many events there are."""
    return write_county(GOLDEN, path, path.with_suffix(".truth"))


def judged_month(path: Path) -> Month:
    """What the rules say of the events of a file."""
    rule_set = load_rule_set(load_facts())
    rules = rule_set.of(PATIENT)
    names = Names({}, item_names(rule_set.facts), item_units(rule_set.facts))
    found: list[Found] = []
    not_evaluated: Counter[str] = Counter()
    for name, events in _by_person([decode_event(line) for line in path.read_bytes().splitlines()]):
        digests: list[Digest] = [digest_of(event) for event in events]
        history = HISTORIES[PATIENT](Subject(PATIENT, name), digests, rules.by_code)
        supplement = Supplement({event.event_id: details_of(event) for event in events})
        judgement = judge(history, ALL_DAYS, rules, supplement)
        found += [_found(finding, rule_set, names) for finding in judgement.findings]
        not_evaluated.update(rule for of in judgement.not_evaluated for rule in of.rules)
    titles = {rule.id: rule.title.zh for rule in rule_set.rules}
    return Month(titles, found, dict(not_evaluated))


def _by_person(events: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
    """The events of each person, as the merges that hold join pseudonyms."""
    of_pseudonym: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        of_pseudonym[event.patient].append(event)
    digests = [digest_of(event) for event in events]
    joined = joined_pairs(digest for digest in digests if isinstance(digest, StatusDigest))
    for name, pseudonyms in sorted(persons_of(of_pseudonym, joined).items()):
        yield name, [event for pseudonym in pseudonyms for event in of_pseudonym[pseudonym]]


def _found(finding: Finding, rule_set: RuleSet, names: Names) -> Found:
    said = {lang: finding_sentence(rule_set.by_id[finding.maker_id], finding, names, lang) for lang in ("zh", "en")}
    days = {"first_day": as_date(finding.first_day), "last_day": as_date(finding.last_day)}
    says = {**msgspec.to_builtins(finding), **days}
    return Found(finding.maker_id, finding.occurrence, says, said["zh"], said["en"])


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(judged_month(Path(sys.argv[1]))))
