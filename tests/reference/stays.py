"""Stays: section 4 of docs/what-counts.md. Days are civil days in China."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.events.claims import Claim

from .dates import admission_and_discharge, too_long
from .settlements import fund_paid

StayState = Literal["closed", "open", "unclear"]
DISCHARGE_MISSING, DATES_UNLIKELY = "discharged_at missing", "dates unlikely"
NUMBER_USED_AGAIN = "number used again"
APART = 30


@dataclass(frozen=True)
class Stay:
    """A stay in hospital; ``discharged`` is ``None`` unless it is closed, ``admitted`` where no claim tells the day.

    ``in_fund`` is ``None`` where it is undecided, ``reason`` says why a stay is unclear.
    """

    encounter: tuple[str, str]
    state: StayState
    admitted: date | None
    discharged: date | None
    in_fund: bool | None
    reason: str | None = None

    @property
    def institution(self) -> str:
        return self.encounter[0]

    @property
    def span(self) -> tuple[date, date]:
        """Admission and discharge of a closed stay."""
        assert self.admitted is not None
        assert self.discharged is not None
        return self.admitted, self.discharged


def stays_of(claims: Iterable[Claim], encounter_of: Callable[[Claim], tuple[str, str]]) -> Iterator[Stay]:
    """“one encounter with at least one standing claim of an inpatient visit type with `admitted_at`”"""
    shaping: dict[tuple[str, str], list[Claim]] = {}
    for claim in claims:
        if claim.visit_type in INPATIENT_VISITS and claim.admitted_at is not None:
            shaping.setdefault(encounter_of(claim), []).append(claim)
    for encounter, together in shaping.items():
        yield _stay(encounter, together)


def _stay(encounter: tuple[str, str], claims: list[Claim]) -> Stay:
    """“of those that are not mid-stay it runs from the least told admission day to the greatest told discharge day”;
    an open stay begins with its mid-stay claims."""
    final = [claim for claim in claims if not claim.mid_stay]
    told = [admission_and_discharge(claim) for claim in final or claims]
    admitted = min((first for first, _ in told if first is not None), default=None)
    discharged = max((last for _, last in told if last is not None), default=None)
    in_fund = _in_fund(claims)
    if not final:
        return Stay(encounter, "open", admitted, None, in_fund)
    reason = _unclear(final, admitted, discharged)
    if reason is not None:
        return Stay(encounter, "unclear", admitted, None, in_fund, reason)
    return Stay(encounter, "closed", admitted, discharged, in_fund)


def _unclear(final: list[Claim], admitted: date | None, discharged: date | None) -> str | None:
    """Why a stay with final claims is unclear, ``None`` where it is closed."""
    if discharged is None:
        stated = any(claim.discharged_at is not None for claim in final)
        return DATES_UNLIKELY if stated else DISCHARGE_MISSING
    if admitted is None or discharged < admitted or too_long(admitted, discharged):
        return DATES_UNLIKELY
    return NUMBER_USED_AGAIN if _lie_apart(final) else None


def _lie_apart(final: list[Claim]) -> bool:
    """“two of its final claims tell admission and discharge each and, laid in the order of admission, one begins 30
    days or more after the greatest discharge of those before it”"""
    before: date | None = None
    whole = [(first, last) for first, last in map(admission_and_discharge, final) if first and last]
    for first, last in sorted(whole):
        if before is not None and (first - before).days >= APART:
            return True
        before = last if before is None else max(before, last)
    return False


def _in_fund(claims: list[Claim]) -> bool | None:
    """“in the fund when one of its standing claims is paid by the fund; where none is known to be, but one has no
    `paid`, it is undecided”"""
    paid = [fund_paid(claim) for claim in claims]
    if any(amount is not None and amount > 0 for amount in paid):
        return True
    return None if None in paid else False
