"""Rules 7 and 10 of docs/what-counts.md, section 5: one person in two institutions at once. Days are civil days."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations

from knowledge_base.codes import INSTITUTION_CODE_FORMATS
from knowledge_base.dictionaries import ITEM_KINDS
from knowledge_base.events.claims import Claim

from .dates import ONE_DAY, told, told_day
from .judged import Judged, counting, missed
from .knowledge import Knowledge
from .lines import Line
from .rules import NOT_COUNTING
from .standing import Person
from .stays import Stay

ELSEWHERE = "FW10000005"
TWO_STAYS = "FW10000006"
NEWBORN = timedelta(days=28)
NOT_IN_FUND, NOBODY_NAMED = "the stay is not in the fund", "sent out, nobody named"


def elsewhere(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """Rule 7: “For each closed stay in the fund and each day strictly between admission and discharge, take the lines
    of other institutions on that day that count and need the body, except ...”"""
    for stay, admitted, discharged in person.closed_stays():
        outside = [line for line in person.lines if line.institution != stay.institution]
        inside = [line for line in outside if admitted <= line.day <= discharged]
        grounds = {line: _grounds(person, stay, line, knowledge) for line in inside}
        seen = [line for line in inside if not grounds[line]]
        occurrence = (person.name, *stay.encounter)
        if seen:
            days = {line.day for line in seen}
            own = [line for line in counting(person.lines_in(stay.encounter)) if line.source.item_kind == "service"]
            guilty = [line for line in own if line.day in days]
            yield _found(ELSEWHERE, occurrence, len(days), stay.institution, guilty, seen)
        else:
            for alone in [found[0] for found in grounds.values() if len(found) == 1][:1]:
                yield missed(ELSEWHERE, occurrence, stay.institution, alone)


def _found(
    rule_id: str, occurrence: tuple[str, ...], days: int, institution: str, guilty: list[Line], involved: list[Line]
) -> Judged:
    """A number of days, limit 0, share 1; “where there is no guilty line the finding states the institution”."""
    shares = tuple((line, Fraction(1)) for line in guilty)
    return Judged(rule_id, occurrence, Decimal(days), Decimal(0), institution, shares, tuple(involved))


def _grounds(person: Person, stay: Stay, line: Line, knowledge: Knowledge) -> list[str]:
    """What keeps a line of another institution from making its day one seen elsewhere."""
    kind = line.source.item_kind
    sent = [
        own.source.sent_to for own in person.lines_in(stay.encounter) if own.day == line.day and own.source.sent_out
    ]
    grounds = {
        NOT_COUNTING: not line.counts,
        NOT_IN_FUND: not stay.in_fund,
        "transfer day": line.day in (stay.admitted, stay.discharged),
        "does not need the body": kind in ITEM_KINDS and kind != "service",
        "kind of item not told": kind not in ITEM_KINDS,
        "a pharmacy": _is_pharmacy(line.institution),
        "sent out": line.source.sent_out,
        "mid-stay settlement": line.claim.mid_stay,
        "dialysis": _holds_dialysis(line.claim, knowledge),
        "sent there": line.institution in sent,
        NOBODY_NAMED: None in sent,
        "two stays at once": _is_at_once(person, stay, line),
        "in hospital there, the stay is not closed": person.lacks_closed_stay(line.encounter),
    }
    return [ground for ground, holds in grounds.items() if holds]


def _is_pharmacy(institution: str) -> bool:
    """“a code of the official format that begins with P”"""
    official = any(re.fullmatch(form, institution) for form in INSTITUTION_CODE_FORMATS.values())
    return official and institution.startswith("P")


def _sent_to(person: Person, stay: Stay, days: list[date]) -> list[str | None]:
    """Where the stay's lines of some days that are flagged sent_out went; ``None`` where nobody is named."""
    lines = [line for line in person.lines_in(stay.encounter) if line.day in days]
    return [line.source.sent_to for line in lines if line.source.sent_out]


def _holds_dialysis(claim: Claim, knowledge: Knowledge) -> bool:
    """“any line of the standing claim; a line without a code is none”"""
    items = [(line.item_code, told_day(line.at)) for line in claim.lines]
    return any(day is not None and knowledge.point("dialysis_items", code, day) for code, day in items)


def _is_at_once(person: Person, stay: Stay, line: Line) -> bool:
    """“an encounter that is a closed stay itself and has a day in common with this one other than a day on which one
    ends and the other begins”"""
    return any(other.encounter == line.encounter and _shared(stay, other) for other, _, _ in person.closed_stays())


def _shared(one: Stay, other: Stay) -> list[date]:
    """“from the greater admission to the lesser discharge, both counted; a single day on which one of the two ends and
    the other begins is a transfer and no shared day”"""
    first, last = max(one.span[0], other.span[0]), min(one.span[1], other.span[1])
    days = [first + number * ONE_DAY for number in range((last - first).days + 1)]
    is_transfer = first == last and (one.span[1] == other.span[0] or other.span[1] == one.span[0])
    return [] if is_transfer else days


def two_stays(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """Rule 10: “For each two closed stays of P in the fund, at different institutions.”"""
    for pair in combinations([stay for stay, _, _ in person.closed_stays()], 2):
        one, other = sorted(pair, key=lambda stay: stay.encounter)
        if one.institution == other.institution:
            continue
        # “The later one is that with the greater admission day, of equal ones that with the greater institution code.”
        earlier, later = sorted(pair, key=lambda stay: (stay.span[0], stay.institution))
        days, occurrence = _shared(one, other), (person.name, *one.encounter, *other.encounter)
        grounds = _grounds_of_pair(person, one, other, days, knowledge)
        if days and not grounds:
            guilty = [line for line in counting(person.lines_in(later.encounter)) if line.day in days]
            involved = [line for line in counting(person.lines_in(earlier.encounter)) if line.day in days]
            yield _found(TWO_STAYS, occurrence, len(days), later.institution, guilty, involved)
        elif days and len(grounds) == 1:
            yield missed(TWO_STAYS, occurrence, later.institution, grounds[0])
        elif not days and not grounds and later.span[0] == earlier.span[1]:
            yield missed(TWO_STAYS, occurrence, later.institution, "transfer day")


def _grounds_of_pair(person: Person, one: Stay, other: Stay, days: list[date], knowledge: Knowledge) -> list[str]:
    claims = [claim for stay in (one, other) for claim in person.claims_in(stay.encounter)]
    sent, back = _sent_to(person, one, days), _sent_to(person, other, days)
    grounds = {
        NOT_IN_FUND: not (one.in_fund and other.in_fund),
        "sent there": other.institution in sent or one.institution in back,
        NOBODY_NAMED: None in [*sent, *back],
        "mid-stay settlement": any(claim.mid_stay for claim in claims),
        "dialysis": any(_holds_dialysis(claim, knowledge) for claim in claims),
        "a newborn": _is_newborn(person, one) or _is_newborn(person, other),
    }
    return [ground for ground, holds in grounds.items() if holds]


def _is_newborn(person: Person, stay: Stay) -> bool:
    """“a claim of either tells a birth at most 28 days before that stay's admission, or after it”"""
    births = [told(claim.birth_date) for claim in person.claims_in(stay.encounter)]
    return any(born >= stay.span[0] - NEWBORN for born in births if born is not None)
