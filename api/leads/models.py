"""What the JSON interface takes and gives. Money is in yuan, decimals in strings; days are civil days in China."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.frame.addresses import MOST_WHOLE
from casework.decisions import Decision, Ground, Scope
from casework.reasons import LONGEST_REASON
from knowledge_base.days import as_date
from knowledge_base.findings import Amounts, Finding, LineKey, billed_lines
from rules_lib.law import Law
from rules_lib.wording import finding_day
from streams.store.casework.listing import Chosen, Listed
from streams.store.casework.queue import Beside, Lead, Neighbour

MOST_CHOSEN = 1000
"""Findings that a decision through the interface may name."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AmountsOut(_Part):
    """Three amounts that are never mixed up."""

    in_question: Decimal = Field(description="Amount in question (违规费用 once confirmed), yuan")
    in_fund: Decimal = Field(description="Of that inside the fund's scope (统筹内), yuan")
    loss: Decimal | None = Field(description="Loss to the fund (基金损失), yuan; null where not computable")

    @classmethod
    def of(cls, amounts: Amounts | Lead) -> "AmountsOut":
        return cls(in_question=amounts.in_question, in_fund=amounts.in_fund, loss=amounts.loss)


class ExpectedOut(_Part):
    """Money by the rule or detector that is right most surely of those that dispute it."""

    maker: str
    bound: Decimal = Field(description="Share of its findings that is right at least, 0 to 1")
    money: Decimal = Field(description="Money in question and at stake, yuan")


class LeadOut(_Part):
    """A lead (线索) as it counts today."""

    lead_id: str
    area: str
    institution: str
    institution_name: str | None
    topic: str
    lane: Literal["inspection", "data_quality"] = Field(
        description="Among what is to be inspected, or with what says something of data quality alone"
    )
    service_year: int
    version: int = Field(description="A decision carries the version that was seen")
    state: Literal["open", "snoozed", "confirmed", "dismissed", "returned"]
    snoozed_until: date | None = Field(description="Until which day it is or was put off; null where it never was")
    assignee: str | None = Field(description="Who has it today")
    held_until: date | None = Field(description="Until which day somebody has it; null without an end")
    sentence: str
    findings: int = Field(description="Findings in the lead's own state: of an open lead those still to be decided")
    people: int = Field(description="Patients of these findings; the amounts are theirs, too")
    amounts: AmountsOut
    lines_without_loss: int = Field(description="Lines in dispute that the loss leaves out")
    newest_day: date | None
    severity: int = Field(ge=1, le=4, description="Official grade of the most serious rule, 1 明确违规 to 4 监测分析")
    at_stake: Decimal = Field(description="Money at stake by detectors' findings, yuan; never part of the amounts")
    expected: Decimal | None = Field(
        description="Money expected to be confirmed at least, yuan: the queue's order; null until it was summed"
    )
    expected_of: list[ExpectedOut] = Field(description="What that consists of, by the maker that money is told of")
    undecided: int = Field(description="Findings that count and are to be decided")
    decided: int = Field(description="Findings that count and on which a decision holds")
    fresh: int = Field(description="Undecided findings that came after the last decision on the lead")
    changed: int = Field(description="Decided findings that were revised or withdrawn since")
    waiting: int = Field(description="Findings that a later event may still explain; they do not count yet")

    @classmethod
    def of(cls, lead: Lead, sentence: str) -> "LeadOut":
        other = ("sentence", "amounts", "expected_of")
        shared = {name: getattr(lead, name) for name in cls.model_fields if name not in other}
        expected = [ExpectedOut(maker=of.maker, bound=of.bound, money=of.money) for of in lead.expected_of or ()]
        return cls(**shared, sentence=sentence, amounts=AmountsOut.of(lead), expected_of=expected)


class LeadList(_Part):
    """One page of the queue."""

    leads: list[LeadOut]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


class LineOut(_Part):
    """A billed line: (institution, encounter_id, line_id)."""

    institution: str
    encounter_id: str
    line_id: str
    amounts: AmountsOut | None = Field(default=None, description="Share in dispute; absent where only compared with")

    @classmethod
    def of(cls, key: LineKey, amounts: Amounts | None = None) -> "LineOut":
        shared = None if amounts is None else AmountsOut.of(amounts)
        return cls(institution=key[0], encounter_id=key[1], line_id=key[2], amounts=shared)


class LawOut(_Part):
    """A basis of the rule, or a notice with the points of knowledge that the finding uses of it."""

    text: str
    since: date = Field(description="The day from which it holds")
    points: list[str] = Field(description="Catalogue, first item code and first day of each point")
    note: str | None

    @classmethod
    def of(cls, law: Law) -> "LawOut":
        return cls(text=law.text, since=law.since, points=[point.point_id for point in law.points], note=law.note)


class FindingOut(_Part):
    """A finding (疑点) in the version that holds; ``change`` withdrawn means that it does not stand any more."""

    finding_id: str
    version: int
    change: Literal["raised", "revised", "withdrawn"]
    lead_id: str
    state: Literal["open", "confirmed", "dismissed", "returned"] = Field(description="What was decided on it")
    decision_id: int | None = Field(description="The decision that holds on it")
    cited_version: int | None = Field(
        description="Its version that was decided on; 0 where it goes on with the finding that was decided on"
    )
    rule_id: str
    rule_title: str
    sentence: str
    day: date = Field(description="The day that names it, else its last day: the law of that day holds for it")
    law: list[LawOut] = Field(description="What holds for it: points of knowledge by notice, then the rule's bases")
    person: str = Field(description="Name of the subject: a patient's pseudonym, unless subject_kind says otherwise")
    subject_kind: str = Field(description="patient, practitioner, institution, item ...")
    maker_kind: Literal["rule", "detector"]
    at_stake: Decimal | None = Field(description="Money at stake by a detector, yuan; never part of the amounts")
    institution: str
    first_day: date
    last_day: date
    value: Decimal
    limit: Decimal
    amounts: AmountsOut
    method: str = Field(description="How the loss was computed, or why not")
    guilty: list[LineOut] = Field(description="Lines in dispute")
    involved: list[LineOut] = Field(description="Lines that they were compared with")
    other_parts: list[list[str]] = Field(description="Parts in dispute of other kinds of events, kind first")

    @classmethod
    def of(cls, listed: Listed, lead_id: str, rule_title: str, sentence: str, law: Sequence[Law]) -> "FindingOut":
        version = listed.version
        finding: Finding = version.finding
        return cls(
            finding_id=version.finding_id,
            version=version.version,
            change=version.change.value,
            lead_id=lead_id,
            state=listed.state,
            decision_id=listed.decision_id,
            cited_version=listed.cited_version,
            rule_id=finding.maker_id,
            rule_title=rule_title,
            sentence=sentence,
            day=date.fromisoformat(finding_day(finding)),
            law=[LawOut.of(entry) for entry in law],
            subject_kind=version.subject.kind,
            maker_kind=version.maker.kind,
            at_stake=finding.at_stake if isinstance(finding.at_stake, Decimal) else None,
            person=version.subject.name,
            institution=finding.institution,
            first_day=as_date(finding.first_day),
            last_day=as_date(finding.last_day),
            value=finding.value,
            limit=finding.limit,
            amounts=AmountsOut.of(finding.amounts),
            method=finding.amounts.method,
            guilty=[LineOut.of(key, g.amounts) for g in finding.guilty for key in billed_lines([g.part])],
            other_parts=[list(g.part) for g in finding.guilty if not billed_lines([g.part])],
            involved=[LineOut.of(key) for key in billed_lines(finding.involved)],
        )


class CitationOut(_Part):
    """A finding in the version that was seen."""

    finding_id: str
    version: int


class DecisionOut(_Part):
    """A decision (决定). ``undoes`` names the decision that it takes back."""

    decision_id: int
    lead_id: str
    lead_version: int
    decision: Literal["confirmed", "dismissed", "returned", "undone"]
    reason: str
    decided_by: str
    undoes: int | None
    cites: list[CitationOut]
    recorded_at: datetime
    scope: Scope = Field(description="findings, or lead: of before, on the whole lead; counts in no precision")
    ground: Ground | None = Field(description="Why, by the fixed list; null where only words say it")

    @classmethod
    def of(cls, decision: Decision) -> "DecisionOut":
        plain = (
            "decision_id",
            "lead_id",
            "lead_version",
            "reason",
            "decided_by",
            "undoes",
            "recorded_at",
            "scope",
            "ground",
        )
        cites = [CitationOut(finding_id=cited.finding_id, version=cited.version) for cited in decision.cites]
        shared = {name: getattr(decision, name) for name in plain}
        return cls(**shared, decision=decision.decision.value, cites=cites)


class NeighbourOut(_Part):
    """A lead of another institution that has findings which name lines of this one."""

    lead_id: str
    institution: str
    institution_name: str | None
    topic: str
    service_year: int
    findings: int = Field(description="Open findings of that lead that name lines of this institution")
    finding_id: str = Field(description="One of these findings")

    @classmethod
    def of(cls, neighbour: Neighbour) -> "NeighbourOut":
        return cls(**{name: getattr(neighbour, name) for name in cls.model_fields})


class BesideOut(_Part):
    """Open findings in leads of other institutions that name lines of this one, in dispute or compared with."""

    findings: int
    leads: int
    first: list[NeighbourOut] = Field(description="Leads with most of them first; five at most")

    @classmethod
    def of(cls, beside: Beside) -> "BesideOut":
        return cls(findings=beside.findings, leads=beside.leads, first=[NeighbourOut.of(of) for of in beside.first])


class LeadDetail(_Part):
    """A lead with one page of its findings and all decisions on it."""

    lead: LeadOut
    page: int
    pages: int
    findings: list[FindingOut]
    beside: BesideOut
    decisions: list[DecisionOut]


class DecisionIn(_Part):
    """A decision on findings of a lead as it was seen."""

    version: int = Field(
        ge=0,
        le=MOST_WHOLE,
        description="The lead's version that was seen; refused with 409 only where one of the findings changed since",
    )
    findings: list[str] | None = Field(
        default=None,
        max_length=MOST_CHOSEN,
        description="Names of the findings; absent: all that were undecided when that version was seen",
    )
    decision: Literal["confirmed", "dismissed", "returned"]
    ground: Ground = Field(default=Ground.OTHER, description="Why, by the fixed list; `other` is said in words")
    reason: str = Field(default="", max_length=LONGEST_REASON)

    @property
    def chosen(self) -> Chosen:
        return Chosen(everything=True) if self.findings is None else Chosen(findings=tuple(self.findings))


class UndoIn(_Part):
    """Takes a decision back."""

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class SessionOut(_Part):
    """Who is signed in. Requests that change something carry ``csrf`` in the header ``X-CSRF-Token``."""

    login: str
    csrf: str


class Problem(_Part):
    """Why nothing was done."""

    detail: str
