"""Made-up rules, their checks, and histories of chance; and a store in memory that takes events in batch by batch.

The checks are as nosy as the contract allows: the evidence of a finding is everything that its anchor may see, so an
event that is missing from a window, or a touched day that is forgotten, shows as another finding.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from knowledge_base.catalogues.rows import AnyRow
from knowledge_base.days import FIRST_DAY, Day
from knowledge_base.digests.claims import ClaimDigest, LineDigest, span_of_claim
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.facts import Facts, Point
from knowledge_base.findings import Change, Finding, NotEvaluated, finding_id
from knowledge_base.subjects import PATIENT, Subject, patient
from rules_lib.engine import Judgement, judge
from rules_lib.histories.history import Encounter, Line, line_order
from rules_lib.histories.patient import PatientHistory
from rules_lib.questions import Measure, Question, Undecided, whole
from rules_lib.rule import Rule
from rules_lib.rule_set import Published, RuleSet, Suspended
from rules_lib.rules_of import RulesOf
from rules_lib.scope import ALL_DAYS, Scope
from streams.messages.versions import pack_finding, unpack_finding
from streams.pipeline.comparing import Changed, StoredFinding, StoredNotEvaluated
from streams.pipeline.judge import changed_by, concerned_by, judge_again
from streams.pipeline.touching import Head, Matter, head_of_digest, touched
from streams.pipeline.windows import Window, needs_chains, windows, with_chains

AREA = "330100"
PERSON = patient("p1")
DAY: Day = 739_700


def _point(catalogue: str, code: str) -> Point:
    return Point(
        catalogue, AnyRow(name=code, codes=(code,)), (code,), code, FIRST_DAY, None, FIRST_DAY, "made up", False
    )


FACTS = Facts((_point("of_days", "A"), _point("of_encounters", "B"), _point("of_days", "B"), _point("of_chains", "C")))


def rule(number: int, check: str, back: int = 0, ahead: int = 0, **words: Any) -> Rule:
    """A rule of a check of this page, or of a test's own."""
    said = {"zh": "某", "en": "made up"}
    document = {
        "id": f"FW{number:08}",
        "title": said,
        "definition": said,
        "message": said,
        "advice": {"assumed": said, "evaded": said, "check_next": said},
        "topic": "made_up",
        "severity": 2,
        "status": "live",
        "file_hash": "f",
        "name": "made up",
        "category": "policy",
        "phases": ["after"],
        "suggested_action": "investigate",
        "competence": "handling_agency",
        "basis": [{"text": "made up", "since": "2026-01-01"}],
        "looks_at": PATIENT,
        "anchor": "day",
        "check": f"made_up.{check}",
        "reach": {"back": back, "ahead": ahead, "whole_item": words.pop("whole_item", False)},
        "needs": [],
        "cases": [{}, {}],
        "file": "made_up.yaml",
    }
    return Rule.model_validate({**document, **words})


def about_days(number: int, back: int = 0, ahead: int = 0, **words: Any) -> Rule:
    return rule(number, "seen_from_a_day", back, ahead, catalogues=["of_days"], **words)


def about_encounters(number: int, back: int = 0, ahead: int = 0, **words: Any) -> Rule:
    return rule(number, "seen_from_an_encounter", back, ahead, anchor="encounter", always=True, **words)


def about_chains(number: int, gap: int, **words: Any) -> Rule:
    """Chains of days of one item, which may run on without end while no more than ``gap`` days lie between."""
    words = {"whole_item": True, "anchor": "course", "catalogues": ["of_chains"], **words}
    return rule(number, "seen_from_a_chain", gap + 1, gap + 1, **words)


def rules_of(*rules: Rule) -> RulesOf:
    return set_of(*rules).of(PATIENT)


def set_of(*rules: Rule, suspended: Iterable[str] = ()) -> RuleSet:
    sources = {rule.id: "source" for rule in rules}
    stopped = tuple(Suspended(rule_id, "made_up", "made_up.yaml", "", "", {}) for rule_id in suspended)
    return RuleSet(rules, FACTS, suspended=stopped, published=Published("set", sources))


def seen_from_a_day(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """The anchor is a day with lines of the rule's items."""
    of_items = question.items.values()
    lines = sorted((line for of_item in of_items for line in question.on_judged_days(of_item)), key=line_order)
    for day in sorted({line.day for line in lines}):
        yield _seen(question, (question.name, day), day, day, [line for line in lines if line.day == day])


def seen_from_an_encounter(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """The anchor is an encounter from its first day to its last."""
    history = question.history
    for encounter, claims in history.by_encounter.items():
        first, last = history.span_of(encounter)
        if question.meets(first, last):
            lines = [line for claim in claims for line in history.lines_of(claim, claim.lines)]
            yield _seen(question, (question.name, *encounter), first, last, lines, [encounter])


def seen_from_a_chain(question: Question[PatientHistory]) -> Iterator[Measure | Undecided]:
    """The anchor is a chain of days with the rule's item; it sees no more than its own lines."""
    for lines in question.items.values():
        chain: list[Line] = []
        for line in [*lines, None]:
            if chain and (line is None or line.day - chain[-1].day >= question.rule.reach.back + 1):
                first, last = chain[0].day, chain[-1].day
                if question.meets(first, last):
                    yield Measure(
                        (question.name, first), Decimal(len(chain)), Decimal(1), first, last, guilty=whole(chain)
                    )
                chain = []
            if line is not None:
                chain.append(line)


def _seen(
    question: Question[PatientHistory],
    occurrence: tuple[str | Day, ...],
    first: Day,
    last: Day,
    lines: Sequence[Line],
    own: Iterable[Encounter] = (),
) -> Measure | Undecided:
    """All that an anchor may see: every claim that its reach meets, its own encounters, and the rest of them all."""
    history, reach = question.history, question.rule.reach
    in_sight = Scope([(first - reach.back, last + reach.ahead)])
    met = {(claim.institution, claim.encounter_id) for claim in history.claims if in_sight.meets(*claim.span)}
    seen = sorted(_told(history, encounter) for encounter in met | {line.encounter for line in lines} | set(own))
    if any(not line.decided for line in lines):
        return Undecided(occurrence, repr(seen), first, last)
    evidence = {"seen": seen, "sex": history.sex_on_file}
    return Measure(occurrence, Decimal(1), Decimal(0), first, last, guilty=whole(lines), evidence=evidence)


def _told(history: PatientHistory, encounter: Encounter) -> list[Any]:
    claims = sorted(history.by_encounter[encounter], key=lambda claim: claim.event_id)
    lines = [line for claim in claims for line in history.lines_of(claim, claim.lines)]
    return [
        *encounter,
        repr(history.stays.get(encounter)),
        [claim.event_id for claim in claims],
        [[line.claim.event_id, line.digest.line_id, str(line.quantity), str(line.amount)] for line in lines],
    ]


def line(line_id: str, day: Day, code: str | None = "A", **words: Any) -> LineDigest:
    words = {"quantity": "2", "amount": "20", "in_fund_scope": "20", "at": day, **words}
    return LineDigest(line_id=line_id, item_code=code, day=day, **words)


def claim(name: str, *lines: LineDigest, encounter: str = "", happened: int = 0, **words: Any) -> ClaimDigest:
    """A claim whose encounter is its own unless another is named; it is settled on its first line's day."""
    settled = words.pop("settled_day", lines[0].day if lines else DAY)
    first, last = span_of_claim(lines, words.get("admitted"), words.get("discharged"), settled)
    words = {"institution": "H1", "visit_type": "21", "claim_id": name, "fund_paid": Decimal(10), **words}
    return ClaimDigest(
        event_id=f"event {name}",
        happened_at=happened,
        patient="p1",
        encounter_id=encounter or f"of {name}",
        settled_day=settled,
        lines=lines,
        payment_method="item",
        first_day=first,
        last_day=last,
        **words,
    )


def billed(name: str, day: Day, code: str | None = "A", **words: Any) -> ClaimDigest:
    """A claim of one line."""
    return claim(name, line(f"line of {name}", day, code), **words)


def status(name: str, sex: str) -> StatusDigest:
    return StatusDigest(event_id=name, happened_at=0, patient="p1", change="sex", sex=sex)


def some_rules(random: Random) -> list[Rule]:
    """Several rules of different reach; one of them may need item codes, or all."""
    makers = [about_days, about_days, about_encounters, about_encounters]
    reaches = [(random.choice([0, 1, 4, 9]), random.choice([0, 1, 3, 8])) for _ in makers]
    needing = random.randrange(len(makers) + 1)
    rules = [
        make(number, back, ahead, needs=["lines.item_code"] if number >= needing else [])
        for number, (make, (back, ahead)) in enumerate(zip(makers, reaches, strict=True))
    ]
    return [*random.sample(rules, random.randint(1, len(rules))), about_chains(9, random.randrange(3))]


def some_history(random: Random) -> list[Digest]:
    """Encounters of several claims with gaps, refunds, reversals and corrections in chains, odd claims, a status."""
    digests: list[Digest] = []
    days = random.choice([60, 200, 500])
    names = [f"c{number:02}" for number in range(random.randint(6, 14))]
    encounters = [f"e{number}" for number in range(random.randint(3, 9))]
    inpatient = {encounter: random.random() < 0.5 for encounter in encounters}
    begins = {encounter: DAY + random.randrange(days) for encounter in encounters}
    for happened, name in enumerate(names):
        encounter = random.choice(encounters)
        day = begins[encounter] + random.choice([0, 0, 1, 3, 12, 40])
        lines = [_some_line(random, day + random.randrange(4)) for _ in range(random.randint(0, 2))]
        if random.random() < 0.15:
            lines.append(line(f"refund {name}", day + random.randrange(30), None, refund_of=f"l{random.randrange(6)}"))
        words: dict[str, Any] = {}
        if random.random() < 0.25:
            words[random.choice(["reverses", "corrects", "corrects"])] = random.choice([*names, "absent"])
        if random.random() < 0.08:
            words["claim_id"] = random.choice(names)
        if inpatient[encounter]:
            words |= {"admitted": day, "discharged": day + random.randrange(5)}
        if random.random() < 0.1:
            words["fund_paid"] = None
        words["visit_type"] = "21" if inpatient[encounter] else "11"
        words["mid_stay"] = random.random() < 0.2
        lines = list({line.line_id: line for line in lines}.values())
        digests.append(claim(name, *lines, encounter=encounter, happened=happened, settled_day=day, **words))
    if random.random() < 0.15:
        digests.append(status("s", random.choice("12")))
    random.shuffle(digests)
    return digests


def _some_line(random: Random, day: Day) -> LineDigest:
    code = random.choice(["A", "A", "A", "B", "B", "C", "C", "X", None])
    return line(f"l{random.randrange(6)}", day, code, days=random.choice([None, None, None, 3]))


def head(seq: int, digest: Digest) -> Head:
    """What the store tells of an event without its digest."""
    return head_of_digest(seq, "claim" if isinstance(digest, ClaimDigest) else "patient_status", digest)


def matter_of(digests: Iterable[Digest], new: Iterable[int] = (), subject: Subject = PERSON) -> Matter:
    """A subject with events that are numbered from 1."""
    return Matter(AREA, subject, [head(seq, digest) for seq, digest in enumerate(digests, 1)], frozenset(new))


def judged(digests: Iterable[Digest], scope: Scope, rules: RulesOf, chains: bool = False) -> Judgement:
    """What the rules say in a scope of a history of exactly these events. No check may have failed."""
    judgement = judge(PatientHistory(PERSON, digests, rules.by_code), scope, rules, chains=chains)
    assert not judgement.left_out
    return judgement


class Store:
    """What a store keeps of one person; ``take_in`` does with new events what a batch does."""

    def __init__(self, rule_set: RuleSet) -> None:
        self.rule_set = rule_set
        self.digests: list[Digest] = []
        self.findings: dict[str, StoredFinding] = {}
        self.not_evaluated: dict[bytes, StoredNotEvaluated] = {}

    def take_in(self, *new: Digest) -> Changed:
        rules = self.rule_set.of(PATIENT)
        self.digests += new
        total = len(self.digests)
        matter = matter_of(self.digests, range(total - len(new) + 1, total + 1))
        scope, touching = touched(matter)
        seqs = windows(matter, scope, rules).seqs | touching
        window = Window(matter, scope, touching, seqs)
        if needs_chains((self.digests[seq - 1] for seq in touching), rules):
            chained = [seq for seq, of in enumerate(self.digests, 1) if of.holds_any(rules.whole_item_codes)]
            window = with_chains(window, matter.heads, chained)
        read = [digest for seq, digest in enumerate(self.digests, 1) if seq in window.seqs]
        return self.judge_again(matter, read, window.chains, scope)

    def judge_again(self, matter: Matter, read: Iterable[Digest], chains: bool, scope: Scope) -> Changed:
        stored, undecided = list(self.findings.values()), list(self.not_evaluated.values())
        window = Window(matter, scope, frozenset(), frozenset(), chains)
        judgement = judge_again(window, read, self.rule_set)
        (first, last), known = concerned_by(judgement, window, self.rule_set.of(matter.subject.kind))
        stored = [
            of
            for of in stored
            if of.finding_id in known or (of.is_open and of.last_day >= first and of.first_day <= last)
        ]
        undecided = [of for of in undecided if of.last_day >= first and of.first_day <= last]
        changed = changed_by(judgement, window, self.rule_set, stored, undecided)
        for version in changed.versions:
            is_open = version.change is not Change.WITHDRAWN
            self.findings[version.finding_id] = stored_finding(version.finding, version.version, is_open)
        for _, name in changed.no_longer_not_evaluated:
            del self.not_evaluated[name]
        for name, entry in changed.now_not_evaluated:
            assert name not in self.not_evaluated
            self.not_evaluated[name] = stored_not_evaluated(name, entry)
        return changed

    @property
    def open_findings(self) -> dict[str, Finding]:
        return {name: unpack_finding(entry.body) for name, entry in self.findings.items() if entry.is_open}

    @property
    def undecided(self) -> set[tuple[tuple[str, ...], Day, Day]]:
        return {(entry.rules, entry.first_day, entry.last_day) for entry in self.not_evaluated.values()}


def stored_finding(
    finding: Finding, version: int = 1, is_open: bool = True, subject: Subject = PERSON, body: bytes | None = None
) -> StoredFinding:
    """A finding as the store gives it back."""
    return StoredFinding(
        finding_id(AREA, finding.maker_id, finding.occurrence),
        subject,
        finding.maker_id,
        version,
        is_open,
        finding.first_day,
        finding.last_day,
        pack_finding(finding) if body is None else body,
    )


def stored_not_evaluated(name: bytes, entry: NotEvaluated, subject: Subject = PERSON) -> StoredNotEvaluated:
    return StoredNotEvaluated(subject, name, entry.rules, entry.first_day, entry.last_day)


def everything_judged(digests: Iterable[Digest], rules: RulesOf) -> Judgement:
    """The brute force: every anchor judged from the whole history."""
    return judged(digests, ALL_DAYS, rules, chains=True)


def as_read_back(finding: Finding) -> Finding:
    return unpack_finding(pack_finding(finding))


def told(judgement: Judgement) -> tuple[list[bytes], list[bytes]]:
    """Findings and undecided anchors in an order of their own, so that they can be compared."""
    encode = msgspec.json.encode
    return sorted(map(encode, judgement.findings)), sorted(map(encode, judgement.not_evaluated))
