"""What stands: persons, claims, lines and stays, by sections 1 to 4 of docs/what-counts.md.

Written from that page alone, in plain loops over all events; days are ``date`` objects of the civil day
in China (UTC+8), quantities billing units, amounts yuan.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cached_property
from typing import Literal

from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.findings import LineKey

CHINA = timezone(timedelta(hours=8))
StayState = Literal["closed", "open", "unclear"]


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a standing claim after refunds; ``in_fund_scope`` is ``None`` where it is unknown."""

    claim: Claim
    source: ClaimLine
    day: date
    quantity: Decimal
    amount: Decimal
    in_fund_scope: Decimal | None
    counts: bool
    undecided: bool

    @property
    def key(self) -> LineKey:
        return line_key(self.claim, self.source.line_id)

    @property
    def institution(self) -> str:
        return self.claim.institution

    @cached_property
    def encounter(self) -> tuple[str, str]:
        return encounter_of(self.claim)

    @property
    def code(self) -> str | None:
        return self.source.item_code

    @property
    def order(self) -> tuple[datetime, str, str]:
        return self.source.at, self.claim.event_id, self.source.line_id


@dataclass(frozen=True)
class Stay:
    """A stay in hospital; ``discharged`` is ``None`` unless the stay is closed."""

    institution: str
    encounter_id: str
    state: StayState
    admitted: date
    discharged: date | None
    in_fund: bool

    @property
    def encounter(self) -> tuple[str, str]:
        return self.institution, self.encounter_id


@dataclass(frozen=True)
class Person:
    """One person with everything that stands; ``lines`` are in line order and hold no refunds."""

    name: str
    claims: tuple[Claim, ...]
    lines: tuple[Line, ...]
    doubled: tuple[Line, ...]  # one line_id in two standing claims; here refunds too
    stays: tuple[Stay, ...]
    sex_on_file: PatientStatus | None

    def claims_in(self, encounter: tuple[str, str]) -> list[Claim]:
        return [claim for claim in self.claims if encounter_of(claim) == encounter]

    def lines_in(self, encounter: tuple[str, str]) -> list[Line]:
        return [line for line in self.lines if line.encounter == encounter]

    def closed_stays(self) -> Iterator[tuple[Stay, date]]:
        """Each closed stay with its day of discharge."""
        for stay in self.stays:
            if stay.discharged is not None:
                yield stay, stay.discharged

    def lacks_closed_stay(self, encounter: tuple[str, str]) -> bool:
        """Whether an encounter is an inpatient one whose stay is open, unclear or without admission."""
        inpatient = any(claim.visit_type in INPATIENT_VISITS for claim in self.claims_in(encounter))
        return inpatient and not any(stay.encounter == encounter for stay, _ in self.closed_stays())


def civil_day(instant: datetime) -> date:
    return instant.astimezone(CHINA).date()


def encounter_of(claim: Claim) -> tuple[str, str]:
    return claim.institution, claim.encounter_id


def line_key(claim: Claim, line_id: str) -> LineKey:
    return claim.institution, claim.encounter_id, line_id


def rank(event: Event) -> tuple[datetime, str]:
    return event.happened_at, event.event_id


def fund_paid(claim: Claim) -> Decimal | None:
    """What pooled fund, serious illness and aid paid together, in yuan; ``None`` where not told."""
    if claim.paid is None:
        return None
    return Decimal(claim.paid.pooled_fund) + Decimal(claim.paid.serious_illness) + Decimal(claim.paid.aid)


def people(events: Iterable[Event]) -> list[Person]:
    """All persons of one area's events."""
    accepted = list({event.event_id: event for event in events}.values())
    names = person_names(accepted)
    return [
        _person(name, [event for event in accepted if names[event.patient] == name])
        for name in sorted(set(names.values()))
    ]


def person_names(events: Iterable[Event]) -> dict[str, str]:
    """The person behind each pseudonym: the least pseudonym of those joined by merges."""
    events = list(events)
    merges = [(e.patient, e.same_as) for e in events if isinstance(e, PatientStatus) and e.change == "merge"]
    names = {event.patient: event.patient for event in events}
    for one, other in merges:
        if other is None:
            continue
        names.setdefault(other, other)
        least, greatest = sorted((names[one], names[other]))
        for pseudonym, name in names.items():
            if name == greatest:
                names[pseudonym] = least
    return names


def _person(name: str, events: list[Event]) -> Person:
    claims = standing_claims([event for event in events if isinstance(event, Claim)])
    sexes = [event for event in events if isinstance(event, PatientStatus) and event.change == "sex"]
    lines = _held_lines(claims)
    copies = Counter(line_key(claim, line.line_id) for claim in claims for line in claim.lines)
    return Person(
        name=name,
        claims=tuple(claims),
        lines=tuple(sorted((line for line in lines if line.source.refund_of is None), key=lambda line: line.order)),
        doubled=tuple(line for line in lines if copies[line.key] > 1),
        stays=tuple(_stays(claims)),
        sex_on_file=max(sexes, key=rank, default=None),
    )


def standing_claims(claims: list[Claim]) -> list[Claim]:
    """The claims of one person that stand (section 2), the least (happened_at, event_id) first."""
    held = {claim.claim_id: claim for claim in sorted(claims, key=rank)}
    gone = _corrected_away(held)
    for claim in held.values():
        if claim.reverses is not None:
            gone |= {claim.claim_id, claim.reverses}
    return sorted((claim for claim_id, claim in held.items() if claim_id not in gone), key=rank)


def _corrected_away(held: dict[str, Claim]) -> set[str]:
    """The targets and losing rivals of the corrections that apply."""
    arrows = {claim.claim_id: claim.corrects for claim in held.values() if claim.corrects in held}
    applied = {source: target for source, target in arrows.items() if not _on_cycle(source, arrows)}
    gone: set[str] = set()
    for target in applied.values():
        rivals = sorted((held[source] for source, aim in applied.items() if aim == target), key=rank)
        gone |= {claim.claim_id for claim in rivals[:-1]}
        if target is not None:
            gone.add(target)
    return gone


def _on_cycle(start: str, arrows: Mapping[str, str | None]) -> bool:
    seen: set[str] = set()
    at = arrows.get(start)
    while at is not None and at not in seen:
        if at == start:
            return True
        seen.add(at)
        at = arrows.get(at)
    return False


def _held_lines(claims: list[Claim]) -> list[Line]:
    """One line for each key, refunds among them, each with what refunds leave of it."""
    held = {line_key(claim, line.line_id): (claim, line) for claim in claims for line in claim.lines}
    refunds: dict[LineKey, list[ClaimLine]] = {}
    for claim, line in held.values():
        if line.refund_of is not None:
            refunds.setdefault(line_key(claim, line.refund_of), []).append(line)
    return [_net_line(claim, line, refunds.get(key, [])) for key, (claim, line) in held.items()]


def _net_line(claim: Claim, line: ClaimLine, refunds: list[ClaimLine]) -> Line:
    quantity, amount, scope = Decimal(line.quantity), Decimal(line.amount), _told(line.in_fund_scope)
    if refunds:
        quantity = max(Decimal(0), quantity - sum(abs(Decimal(refund.quantity)) for refund in refunds))
        amount = max(Decimal(0), amount - sum(abs(Decimal(refund.amount)) for refund in refunds))
        scope = _net_scope(scope, [_told(refund.in_fund_scope) for refund in refunds])
    paid = fund_paid(claim)
    ruled_out = quantity <= 0 or (paid is not None and paid <= 0) or (scope is not None and scope <= 0)
    alive = line.refund_of is None and not ruled_out
    known = paid is not None and scope is not None
    return Line(claim, line, civil_day(line.at), quantity, amount, scope, alive and known, alive and not known)


def _told(number: str | None) -> Decimal | None:
    return None if number is None else Decimal(number)


def _net_scope(scope: Decimal | None, refunded: list[Decimal | None]) -> Decimal | None:
    for part in refunded:
        if scope is None or part is None:
            return None
        scope -= abs(part)
    return scope if scope is None else max(Decimal(0), scope)


def _stays(claims: list[Claim]) -> Iterator[Stay]:
    inpatient = [claim for claim in claims if claim.visit_type in INPATIENT_VISITS and claim.admitted_at is not None]
    for encounter in dict.fromkeys(encounter_of(claim) for claim in inpatient):
        yield _stay([claim for claim in inpatient if encounter_of(claim) == encounter])


def _stay(claims: list[Claim]) -> Stay:
    """The stay that these claims of one encounter shape; an open stay begins with its mid-stay claims."""
    final = [claim for claim in claims if not claim.mid_stay]
    admitted = min(civil_day(claim.admitted_at) for claim in final or claims if claim.admitted_at is not None)
    discharges = [civil_day(claim.discharged_at) for claim in final if claim.discharged_at is not None]
    discharged = max(discharges, default=None)
    state: StayState = "open" if not final else "closed"
    if final and (discharged is None or discharged < admitted):
        state, discharged = "unclear", None
    in_fund = any((fund_paid(claim) or 0) > 0 for claim in claims)
    return Stay(claims[0].institution, claims[0].encounter_id, state, admitted, discharged, in_fund)
