"""Rule 9 of docs/what-counts.md, section 5: odd settlement details. Data quality; nothing is in dispute."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache

from knowledge_base.codes import (
    DIAGNOSIS_CODE_FORMATS,
    ITEM_CODE_FORMATS,
    OPERATION_CODE_FORMATS,
)
from knowledge_base.dictionaries import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.events.claims import Claim, Diagnosis, Operation

from .dates import FIRST_TOLD, LAST_TOLD, civil_day, leaves_before_it_comes, told, told_day, too_long
from .encounters import Encounter
from .judged import Judged, missed
from .knowledge import Knowledge
from .lines import Line
from .standing import Person

ODD_DETAILS = "GZ10000201002000"
FAR_DAYS = 30
CENT = Decimal("0.01")


def odd_details(person: Person, _: Knowledge) -> Iterator[Judged]:
    """Rule 9: “Occurrence: P, institution, encounter, kind. Value = number of lines or claims concerned, limit 0;
    lines are guilty only where the kind is about lines.”"""
    for kind, lines in _odd_lines(person):
        for encounter in dict.fromkeys(line.encounter for line in lines):
            concerned = [line for line in lines if line.encounter == encounter]
            shares = tuple((line, Fraction(0)) for line in concerned)
            yield _judged(person, encounter, kind, len(concerned), shares)
    for kind, claims in _odd_claims(person):
        for encounter in dict.fromkeys(map(person.encounter_of, claims)):
            yield _judged(person, encounter, kind, sum(person.encounter_of(claim) == encounter for claim in claims))
    for encounter in dict.fromkeys(map(person.encounter_of, person.claims)):
        for kind, reason in _nearly_odd(person.claims_in(encounter), person.lines_in(encounter)):
            yield missed(ODD_DETAILS, (person.name, *encounter, kind), encounter[0], reason)


def _judged(
    person: Person, encounter: Encounter, kind: str, value: int, shares: tuple[tuple[Line, Fraction], ...] = ()
) -> Judged:
    return Judged(ODD_DETAILS, (person.name, *encounter, kind), Decimal(value), Decimal(0), encounter[0], shares)


def _odd_lines(person: Person) -> Iterator[tuple[str, Iterable[Line]]]:
    """The kinds that are about lines, each with the lines concerned: “without refunds where nothing else is said”."""
    every = person.all_lines
    lines = [*every.own, *every.negative]
    yield "line_twice", every.doubled
    yield "line_after_settlement", [line for line in lines if _is_after_settlement(line)]
    yield "born_after_line", [line for line in lines if _is_before_birth(line)]
    yield "unlikely_line_day", [line for line in [*lines, *every.refunds] if not line.is_dated]
    yield "opposite_signs", [line for line in lines if _signs(line) in ((1, -1), (-1, 1))]
    yield "no_units", [line for line in lines if _signs(line) in ((0, 1), (0, -1))]
    yield "refund_elsewhere", every.refunded_elsewhere
    yield "return_without_line", every.returned_without_line
    yield "over_refund", every.over_refunded
    yield "line_far_outside_stay", list(_far_outside(person))
    kinds = [line for line in lines if line.source.item_kind is not None]
    yield "unknown_item_kind", [line for line in kinds if line.source.item_kind not in ITEM_KINDS]
    yield "unknown_item_code", [line for line in lines if not _all_in(ITEM_CODE_FORMATS, [line.code])]
    yield "scope_above_amount", [line for line in lines if _has_scope_above_amount(line)]
    yield "amount_not_price_by_quantity", [line for line in lines if _is_wrongly_priced(line)]


def _odd_claims(person: Person) -> Iterator[tuple[str, Iterable[Claim]]]:
    """The kinds that are about claims, each with the claims concerned."""
    claims = person.claims
    again = person.encounters.used_again
    yield "discharged_before_admitted", [claim for claim in claims if leaves_before_it_comes(claim)]
    yield "unlikely_date", [claim for claim in claims if _has_placeholder(claim)]
    yield "unlikely_birth_date", [claim for claim in claims if claim.birth_date and told(claim.birth_date) is None]
    yield "wrong_clock", person.wrong_clocks
    yield "corrects_reversed", person.fell_although_paid
    yield "encounter_used_again", [claim for claim in claims if person.encounter_of(claim) in again]
    yield "odd_identifier", [claim for claim in claims if any(map(_is_odd, _identifiers(claim)))]
    yield "unknown_visit_type", [claim for claim in claims if claim.visit_type not in VISIT_TYPES]
    yield "unknown_sex_code", [claim for claim in claims if claim.sex is not None and claim.sex not in SEXES]
    yield "unknown_diagnosis_code", [of for of in claims if not _all_in(DIAGNOSIS_CODE_FORMATS, _codes(of.diagnoses))]
    yield "unknown_operation_code", [of for of in claims if not _all_in(OPERATION_CODE_FORMATS, _codes(of.operations))]


def _is_after_settlement(line: Line) -> bool:
    """“lines whose day is after the settlement day (both told)”"""
    settled = told_day(line.claim.settled_at)
    return line.is_dated and settled is not None and line.day > settled


def _is_before_birth(line: Line) -> bool:
    """“lines before the day of birth of their claim (both told)”"""
    born = told(line.claim.birth_date)
    return line.is_dated and born is not None and line.day < born


def _signs(line: Line) -> tuple[int, int]:
    """The signs of quantity and amount, as billed: -1, 0 or 1."""
    quantity, amount = Decimal(line.source.quantity), Decimal(line.source.amount)
    return (quantity > 0) - (quantity < 0), (amount > 0) - (amount < 0)


def _has_placeholder(claim: Claim) -> bool:
    """“an admission, discharge or settlement that is a placeholder”, an admission long before the discharge, too."""
    stated = (claim.admitted_at, claim.discharged_at, claim.settled_at)
    if any(instant is not None and told_day(instant) is None for instant in stated):
        return True
    admitted, discharged = told_day(claim.admitted_at), told_day(claim.discharged_at)
    return admitted is not None and discharged is not None and too_long(admitted, discharged)


def _nearly_odd(claims: list[Claim], lines: list[Line]) -> Iterator[tuple[str, str]]:
    """Kinds of which an encounter stands at the very edge."""
    if any(line.day == civil_day(line.claim.settled_at) for line in lines):
        yield "line_after_settlement", "the line lies on the settlement day"
    if any(claim.birth_date in (FIRST_TOLD, LAST_TOLD) for claim in claims):
        yield "unlikely_birth_date", "the first or last day that counts"
    if any(line.day == line.claim.birth_date for line in lines):
        yield "born_after_line", "the line lies on the day of birth"
    if any(told_day(claim.admitted_at) == told_day(claim.discharged_at) is not None for claim in claims):
        yield "discharged_before_admitted", "discharged on the day of admission"
    if any(claim.sex in ("0", "9") for claim in claims):
        yield "unknown_sex_code", "an official code for an unknown sex"


def _far_outside(person: Person) -> Iterator[Line]:
    """“lines that take nothing back, whose told day lies more than 30 days before the told admission of the
    encounter's stay, or after its discharge where it is closed”"""
    for stay in person.stays:
        for line in person.lines_in(stay.encounter):
            before = stay.admitted is not None and (stay.admitted - line.day).days > FAR_DAYS
            after = stay.discharged is not None and (line.day - stay.discharged).days > FAR_DAYS
            if line.is_dated and (before or after):
                yield line


def _has_scope_above_amount(line: Line) -> bool:
    """“above its amount, or above 0 where that is negative”"""
    scope = line.source.in_fund_scope
    return scope is not None and Decimal(scope) > max(Decimal(0), Decimal(line.source.amount))


def _is_wrongly_priced(line: Line) -> bool:
    """“by more than one cent a unit, and by more than one cent”"""
    if line.source.unit_price is None:
        return False
    quantity = Decimal(line.source.quantity)
    off = abs(Decimal(line.source.amount) - quantity * Decimal(line.source.unit_price))
    return off > CENT and off > CENT * abs(quantity)


def _identifiers(claim: Claim) -> list[str]:
    """“event, patient, claim, encounter, institution, what it corrects; of a line its line_id, refund_of, sent_to”"""
    names = [claim.event_id, claim.patient, claim.claim_id, claim.encounter_id, claim.institution, claim.corrects]
    for line in claim.lines:
        names += [line.line_id, line.refund_of, line.sent_to]
    return [name for name in names if name is not None]


@cache
def _is_odd(name: str) -> bool:
    """Whether white space, a control, a sign of no shape or one of full width stands between the ends of a name."""
    shapeless = ("Cc", "Cf", "Zs", "Zl", "Zp")
    return any(
        unicodedata.category(sign) in shapeless or unicodedata.east_asian_width(sign) == "F" for sign in name.strip()
    )


def _codes(told: Iterable[Diagnosis | Operation] | None) -> list[str]:
    return [of.code for of in told or ()]


def _all_in(formats: Mapping[str, str], codes: Iterable[str | None]) -> bool:
    """Whether every code that is told has one of some formats."""
    return all(code is None or any(re.fullmatch(form, code) for form in formats.values()) for code in codes)
