"""Rule 9 of docs/what-counts.md, section 5: odd settlement details. Data quality; nothing is in dispute."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction

from knowledge_base.codes import ITEM_CODE_FORMATS
from knowledge_base.dictionaries import ITEM_KINDS, SEXES, VISIT_TYPES
from knowledge_base.events.claims import Claim

from .judged import Judged, missed
from .knowledge import Knowledge
from .standing import Line, Person, civil_day

ODD_DETAILS = "GZ10000201002000"


def odd_details(person: Person, _: Knowledge) -> Iterator[Judged]:
    """Rule 9: “Value = number of standing lines or claims concerned, limit 0.”"""
    for encounter in dict.fromkeys((claim.institution, claim.encounter_id) for claim in person.claims):
        claims, lines = person.claims_in(encounter), person.lines_in(encounter)
        doubled = [line for line in person.doubled if line.encounter == encounter]
        odd_lines = {"line_twice": doubled, **{kind: list(map_lines) for kind, map_lines in _odd_lines(lines)}}
        odd_claims = dict(_odd_claims(claims))
        for kind in (*odd_lines, *odd_claims):
            concerned = odd_lines.get(kind, [])
            value = Decimal(len(concerned) or len(odd_claims.get(kind, [])))
            if value:
                shares = tuple((line, Fraction(0)) for line in concerned)
                occurrence = (person.name, *encounter, kind)
                yield Judged(ODD_DETAILS, occurrence, value, Decimal(0), encounter[0], shares)
        for kind, reason in _nearly_odd(claims, lines):
            yield missed(ODD_DETAILS, (person.name, *encounter, kind), encounter[0], reason)


def _odd_lines(lines: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    """The kinds that are about lines, each with the lines concerned."""
    yield "line_after_settlement", [line for line in lines if line.day > civil_day(line.claim.settled_at)]
    yield "born_after_line", [line for line in lines if (_birth_date(line.claim) or line.day) > line.day]
    kinds = [line for line in lines if line.source.item_kind is not None]
    yield "unknown_item_kind", [line for line in kinds if line.source.item_kind not in ITEM_KINDS]
    yield "unknown_item_code", [line for line in lines if line.code is not None and not _is_official(line.code)]


def _odd_claims(claims: list[Claim]) -> Iterator[tuple[str, list[Claim]]]:
    """The kinds that are about claims, each with the claims concerned."""
    yield "discharged_before_admitted", [claim for claim in claims if (_length(claim) or 0) < 0]
    yield "unlikely_birth_date", [claim for claim in claims if claim.birth_date and not _birth_date(claim)]
    yield "odd_identifier", [claim for claim in claims if any(map(_is_odd, _identifiers(claim)))]
    yield "unknown_visit_type", [claim for claim in claims if claim.visit_type not in VISIT_TYPES]
    yield "unknown_sex_code", [claim for claim in claims if claim.sex is not None and claim.sex not in SEXES]


def _nearly_odd(claims: list[Claim], lines: list[Line]) -> Iterator[tuple[str, str]]:
    """Kinds of which an encounter stands at the very edge."""
    if any(line.day == civil_day(line.claim.settled_at) for line in lines):
        yield "line_after_settlement", "the line lies on the settlement day"
    if any(claim.birth_date in (date(1900, 1, 2), date(2090, 12, 31)) for claim in claims):
        yield "unlikely_birth_date", "the first or last day that counts"
    if any(line.day == line.claim.birth_date for line in lines):
        yield "born_after_line", "the line lies on the day of birth"
    if any(_length(claim) == 0 for claim in claims):
        yield "discharged_before_admitted", "discharged on the day of admission"
    if any(claim.sex in ("0", "9") for claim in claims):
        yield "unknown_sex_code", "an official code for an unknown sex"


def _length(claim: Claim) -> int | None:
    """Days from admission to discharge; ``None`` where either is absent."""
    if claim.admitted_at is None or claim.discharged_at is None:
        return None
    return (civil_day(claim.discharged_at) - civil_day(claim.admitted_at)).days


def _birth_date(claim: Claim) -> date | None:
    """“before 1900-01-02 or after 2090-12-31; it counts as not told”"""
    likely = claim.birth_date is not None and date(1900, 1, 1) < claim.birth_date < date(2091, 1, 1)
    return claim.birth_date if likely else None


def _identifiers(claim: Claim) -> list[str]:
    """“event, patient, claim, encounter, institution, what it corrects; of a line its line_id, refund_of, sent_to”"""
    names = [claim.event_id, claim.patient, claim.claim_id, claim.encounter_id, claim.institution, claim.corrects]
    for line in claim.lines:
        names += [line.line_id, line.refund_of, line.sent_to]
    return [name for name in names if name is not None]


def _is_odd(name: str) -> bool:
    """Whether white space, a control, a sign of no shape or one of full width stands between the ends of a name."""
    shapeless = ("Cc", "Cf", "Zs", "Zl", "Zp")
    return any(
        unicodedata.category(sign) in shapeless or unicodedata.east_asian_width(sign) == "F" for sign in name.strip()
    )


def _is_official(code: str) -> bool:
    return any(re.fullmatch(pattern, code) for pattern in ITEM_CODE_FORMATS.values())
