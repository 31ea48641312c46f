"""The rows of a lead's list: a line in dispute each, with its bill, its finding's sentence and the law.

Read in portions from one ``snapshot``, so that a list of any length takes no more memory than a portion.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from api.frame.desk import Shown
from api.frame.formats import day, instant, money
from api.frame.sentences import loss_words, method_words, topic_name
from api.frame.texts import Texts
from api.leads.evidence import MarkedLine, lines_of, marked_claims, seen_beside, sources_of
from api.leads.view import find_names
from casework.sight import Sight
from knowledge_base.days import as_date
from knowledge_base.digests.head import Digest
from knowledge_base.events.claims import Claim, Department
from knowledge_base.findings import Amounts, Finding, FindingVersion, LineKey
from knowledge_base.signs import neutral
from knowledge_base.subjects import PATIENT
from rules_lib.histories.patient import PatientHistory
from rules_lib.law import law_of
from rules_lib.wording import Names, finding_sentence, number
from streams.store.casework.lists import ListSum, find_range, find_sum, line_id, walk_findings
from streams.store.casework.queue import Lead
from streams.store.events.evidence import find_events_of_persons, load_numbered_claims
from streams.store.sessions import Connection

PORTION = 200
"""Findings that are read at once."""


@dataclass(frozen=True)
class ListHead:
    """What stands above a list and on each of its sheets, and below its rows; ``span`` are the first and last day of
    what it speaks of."""

    lead: Lead
    institution: str
    topic: str
    span: tuple[date, date] | None
    made_on: date
    total: ListSum

    @property
    def words(self) -> dict[str, object]:
        """The same as words of texts."""
        first, last = self.span or (None, None)
        return {
            "institution": self.institution,
            "code": neutral(self.lead.institution),
            "topic": self.topic,
            "year": self.lead.service_year,
            "first": day(first),
            "last": day(last),
            "made_on": day(self.made_on),
        }

    def last_cells(self, texts: Texts) -> dict[str, str | Decimal | int]:
        """What stands in the last row, by column: the loss where it is known, told as "at least" where it is of some
        lines alone."""
        of = self.total
        loss: str | Decimal = of.loss
        if of.lines_without_loss:
            is_known = of.lines > of.lines_without_loss
            loss = texts("list.at_least", money=money(of.loss)) if is_known else texts("amounts.unknown")
        return {
            "problem": texts("list.sum", lines=number(of.lines)),
            "in_question": of.in_question,
            "in_fund": of.in_fund,
            "loss": loss,
        }


@dataclass(frozen=True)
class Bill:
    """A billed line with the claim that holds it."""

    claim: Claim
    marked: MarkedLine


@dataclass(frozen=True)
class Said:
    """What a list says of a finding: what its rule is called, its sentence, and the law that holds for it."""

    title: str
    sentence: str
    law: str


@dataclass(frozen=True)
class ListRow:
    """A line in dispute with its share of the money, or a finding that has none (``ordinal`` 0).

    ``ordinal`` says which of the finding's lines it is, ``line_id`` what it is called; ``first`` is the number of the
    finding's first row, beside which a page says what holds for all of them; ``bill`` is ``None`` where its
    claim is not to be seen, or does not rest in the store.
    """

    number: int
    first: int
    version: FindingVersion
    ordinal: int
    line_id: str
    encounter_id: str
    bill: Bill | None
    amounts: Amounts
    said: Said

    def cells(self, texts: Texts) -> dict[str, str | Decimal | int]:
        """What stands in its columns (texts ``list.columns``); answer and remark are the institution's."""
        return {
            "number": self.number,
            "problem": self.said.title,
            "encounter": self.encounter_id,
            "line": self.line_id,
            **(_NO_BILL if self.bill is None else _bill_cells(self.bill)),
            "in_question": self.amounts.in_question,
            "in_fund": self.amounts.in_fund,
            "loss": loss_words(self.amounts, texts) if self.amounts.loss is None else self.amounts.loss,
            "sentence": self.said.sentence,
            "law": self.said.law,
            "position": "",
            "remark": "",
            "method": method_words(self.amounts.method, texts),
            "finding": self.version.finding_id,
            "version": self.version.version,
            "ordinal": self.ordinal,
        }


_NO_BILL: dict[str, str | Decimal | int] = dict.fromkeys(
    ("bill", "department", "at", "item_code", "item", "quantity", "amount"), ""
)


def _bill_cells(bill: Bill) -> dict[str, str | Decimal | int]:
    claim, line = bill.claim, bill.marked.line
    department = line.department or claim.department or Department()
    return {
        "bill": neutral(claim.claim_id),
        "department": neutral(department.name or department.code or ""),
        "at": instant(line.at),
        "item_code": neutral(line.item_code or ""),
        "item": neutral(line.item_name or ""),
        "quantity": Decimal(line.quantity),
        "amount": Decimal(line.amount),
    }


async def load_head(connection: Connection, shown: Shown, lead: Lead, texts: Texts) -> ListHead:
    """What stands above the list of a lead."""
    institution = neutral(lead.institution_name or lead.institution)
    span = await find_range(connection, lead, shown.sight)
    topic, made_on = topic_name(lead.topic, shown.topics, texts), as_date(shown.sight.today)
    return ListHead(lead, institution, topic, span, made_on, await find_sum(connection, lead, shown.sight))


async def walk_rows(connection: Connection, shown: Shown, lead: Lead, texts: Texts) -> AsyncIterator[list[ListRow]]:
    """The rows of a list, portion by portion, in its order."""
    number = 0
    async for versions in walk_findings(connection, lead, shown.sight, PORTION):
        names = await find_names(connection, shown, versions)
        bills = await _find_bills(connection, shown, lead.area, versions)
        # Made beside the loop: others are answered meanwhile.
        rows = await asyncio.to_thread(_rows, versions, shown, names, bills, texts, number)
        number += len(rows)
        yield rows


async def _find_bills(
    connection: Connection, shown: Shown, area: str, versions: Sequence[FindingVersion]
) -> dict[str, dict[LineKey, Bill]]:
    """The bills of the lines in dispute, by finding and line, as far as they may be seen."""
    of_patients = [version for version in versions if version.subject.kind == PATIENT and version.finding.guilty]
    events = await find_events_of_persons(connection, area, {version.subject.name for version in of_patients})
    traced = await asyncio.to_thread(_traced, of_patients, events, shown.sight)
    claims = await load_numbered_claims(connection, area, {seq for of in traced.values() for seq in of.seqs})
    return await asyncio.to_thread(_bills, traced, claims)


class _Traced(NamedTuple):
    """Where the lines in dispute by a finding are: in which events of a history."""

    finding: Finding
    history: PatientHistory
    seqs: Sequence[int]


def _traced(
    versions: Iterable[FindingVersion], events: Mapping[str, Mapping[int, Digest]], sight: Sight
) -> dict[str, _Traced]:
    whole: dict[str, PatientHistory] = {}
    traced = {}
    for version in versions:
        subject, finding = version.subject, replace(version.finding, involved=())
        of_person = events[subject.name]
        if subject.name not in whole:
            whole[subject.name] = PatientHistory(subject, of_person.values(), ())
        history, seen = seen_beside(finding, whole[subject.name], of_person, sight)
        traced[version.finding_id] = _Traced(finding, history, sources_of(finding, history, seen).seqs)
    return traced


def _bills(traced: Mapping[str, _Traced], claims: Mapping[int, Claim]) -> dict[str, dict[LineKey, Bill]]:
    bills = {}
    for name, (finding, history, seqs) in traced.items():
        marked, _ = marked_claims(finding, history, [claims[seq] for seq in seqs if seq in claims])
        bills[name] = {line.key: Bill(of.claim, line) for of in marked for line in of.guilty.lines}
    return bills


def _rows(
    versions: Iterable[FindingVersion],
    shown: Shown,
    names: Names,
    bills: Mapping[str, Mapping[LineKey, Bill]],
    texts: Texts,
    number: int,
) -> list[ListRow]:
    """The rows of some findings, numbered on from ``number``."""
    rows = []
    for version in versions:
        finding, card = version.finding, shown.cards[version.maker.id]
        said = Said(
            getattr(card.title, texts.lang),
            finding_sentence(card, finding, names, texts.lang),
            texts("list.comma").join(law.text for law in law_of(finding, card, shown.points)),
        )
        first = number + 1
        for ordinal, part in enumerate(finding.guilty, 1):
            number += 1
            key = next(iter(lines_of([part.part])), None)
            bill = bills.get(version.finding_id, {}).get(key) if key is not None else None
            encounter = "" if key is None else neutral(key[1])
            rows.append(ListRow(number, first, version, ordinal, line_id(part), encounter, bill, part.amounts, said))
        if not finding.guilty:
            number += 1
            rows.append(ListRow(number, first, version, 0, "", "", None, finding.amounts, said))
    return rows
