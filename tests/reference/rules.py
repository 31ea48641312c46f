"""The first six rules of docs/what-counts.md, section 5, each sentence in its own loop.

Every function takes one person and the knowledge and yields the anchors that it can judge: hits, and what
comes near to one. Lines come in line order, (at, event_id, line_id), throughout.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS, VISIT_TYPES

from .dates import ONE_DAY, admission_and_discharge, told_day
from .judged import Judged, by_grounds, counting, missed, summed, units, whole
from .knowledge import Knowledge
from .lines import Line
from .standing import Person
from .stays import Stay

BED_DAYS = "FW10000001"
DAILY_CAP = "GZ10000102014000"
PAIRS = "GZ10000102012000"
SEX_OF_SERVICES = "GZ10000302004000"
SEX_OF_DRUGS = "GZ10000301004000"
PLACE = "FW10000002"
PERIOD = "FW10000003"

INTERSEX_CODES = {"Q56", *(f"Q{number}" for number in range(90, 100))}
INTERSEX_NAMES = ("性别不清", "两性畸形", "染色体异常", "性发育异常")
NOT_COUNTING = "the line does not count"


def bed_days(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“value = units of all bed items that count; limit = discharge day - admission day, at least 1.”"""
    for stay, admitted, discharged in person.closed_stays():
        lines = counting(person.lines_in(stay.encounter))
        beds = [line for line in lines if knowledge.point("bed_items", line.code, line.day)]
        if beds:
            limit = Decimal(max(1, (discharged - admitted).days))
            yield summed(BED_DAYS, (person.name, *stay.encounter), beds, limit)


def daily_caps(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“For P, institution, full item code, day: value = units that count; limit = the point's.”"""
    capped = [line for line in person.lines if knowledge.names("daily_caps", line.code)]
    for institution, item in dict.fromkeys((line.institution, str(line.code)) for line in capped):
        lines = [line for line in capped if (line.institution, line.code) == (institution, item)]
        posted: set[Line] = set()
        for stay, admitted, discharged in person.closed_stays():
            batch = _posted_at_discharge(stay, lines, knowledge)
            point = knowledge.point("daily_caps", item, discharged)
            if point and counting(batch):
                limit = point.row.limit * ((discharged - admitted).days + 1)
                yield summed(DAILY_CAP, (person.name, institution, item, stay.encounter[1]), counting(batch), limit)
            posted.update(batch)
        yield from _caps_by_day(person, [line for line in counting(lines) if line not in posted], knowledge)


def _posted_at_discharge(stay: Stay, lines: list[Line], knowledge: Knowledge) -> list[Line]:
    """“all lines of an item that count or are undecided lie on the discharge day and their units exceed the cap”"""
    batch = [line for line in lines if line.encounter == stay.encounter and (line.counts or line.undecided)]
    if not batch or any(line.day != stay.discharged for line in batch):
        return []
    point = knowledge.point("daily_caps", batch[0].code, batch[0].day)
    return batch if point and units(batch) > point.row.limit else []


def _caps_by_day(person: Person, lines: list[Line], knowledge: Knowledge) -> Iterator[Judged]:
    """Lines of one institution and item, by day; where a stay cannot be told the day beyond is not evaluated."""
    for day in dict.fromkeys(line.day for line in lines):
        here = [line for line in lines if line.day == day]
        point = knowledge.point("daily_caps", here[0].code, day)
        if not point:
            continue
        occurrence = (person.name, here[0].institution, str(here[0].code), day.isoformat())
        judged = summed(DAILY_CAP, occurrence, here, point.row.limit)
        if judged.is_hit and any(person.lacks_closed_stay(line.encounter) for line in here):
            yield missed(DAILY_CAP, occurrence, here[0].institution, "the stay is open, unclear or without admission")
        else:
            yield judged


def pairs_of_a_day(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“main and included both have lines that count; all the included item's lines of that day are guilty”"""
    lines = counting(person.lines)
    mains_anywhere = [line for line in lines if knowledge.names("pairs_of_a_day", line.code)]
    for institution, day in dict.fromkeys((line.institution, line.day) for line in lines):
        here = [line for line in lines if (line.institution, line.day) == (institution, day)]
        for main, included in _known_pairs("pairs_of_a_day", mains_anywhere, here, knowledge):
            occurrence = (person.name, institution, "day", day.isoformat(), main, included)
            mains = [line for line in here if line.code == main]
            parts = [line for line in here if line.code == included]
            if mains:
                yield whole(PAIRS, occurrence, parts, mains)
            elif any(line.code == main and _one_step_apart(line, parts[0]) for line in mains_anywhere):
                yield missed(PAIRS, occurrence, institution, "the main item lies a day or an institution apart")


def pairs_of_a_visit(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“an included line on a day on which the main counts too is guilty; on another day it is guilty when
    operations are known and none lies on that day, excused when one does, else not evaluated.”"""
    for encounter in dict.fromkeys(line.encounter for line in person.lines):
        lines = counting(person.lines_in(encounter))
        known, operated = _operations(person, encounter)
        for main, included in _known_pairs("pairs_of_a_visit", lines, lines, knowledge):
            occurrence = (person.name, encounter[0], "visit", encounter[1], main, included)
            mains = [line for line in lines if line.code == main]
            main_days = {line.day for line in mains}
            parts = [line for line in lines if line.code == included]
            parts = [line for line in parts if included in knowledge.included("pairs_of_a_visit", main, line.day)]
            guilty = [line for line in parts if line.day in main_days or (known and line.day not in operated)]
            if guilty:
                yield whole(PAIRS, occurrence, guilty, mains)
            else:
                reason = "another operation that day" if known else "operations are not known"
                yield missed(PAIRS, occurrence, encounter[0], reason)


def _known_pairs(
    catalogue: str, mains: list[Line], parts: list[Line], knowledge: Knowledge
) -> Iterator[tuple[str, str]]:
    """Main and included item of each pair in force on the day of an included line."""
    for main in sorted({line.code for line in mains if line.code and knowledge.names(catalogue, line.code)}):
        found = {line.code for line in parts if line.code in knowledge.included(catalogue, main, line.day)}
        yield from ((main, included) for included in sorted(code for code in found if code))


def _one_step_apart(line: Line, other: Line) -> bool:
    next_day = abs(line.day - other.day) == ONE_DAY
    return (line.institution != other.institution) + next_day == 1 and (next_day or line.day == other.day)


def _operations(person: Person, encounter: tuple[str, str]) -> tuple[bool, set[date]]:
    """“known when every standing claim of the encounter carries the field and each operation has its day”"""
    fields = [claim.operations for claim in person.claims_in(encounter)]
    days = [told_day(operation.at) for operations in fields for operation in operations or ()]
    return None not in fields and None not in days, {day for day in days if day is not None}


def sex_of_services(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    return _sex(SEX_OF_SERVICES, "sex_of_services", person, knowledge)


def sex_of_drugs(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    return _sex(SEX_OF_DRUGS, "sex_of_drugs", person, knowledge)


def _sex(rule_id: str, catalogue: str, person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“lines that count whose person is of the other sex are guilty”"""
    for institution, day, item in _anchors(person.lines):
        point = knowledge.point(catalogue, item, day)
        if point:
            lines = _at(person.lines, institution, day, item)
            # A woman's item on a woman whom nobody took for a man is nobody's near miss.
            told_otherwise = [line for line in lines if {line.claim.sex, _sex_of(person, line)} != {point.row.sex}]
            grounds = {line: _grounds_of_sex(person, line, point.row.sex) for line in told_otherwise}
            yield from by_grounds(rule_id, (person.name, institution, day.isoformat(), item), grounds)


def _sex_of(person: Person, line: Line) -> str | None:
    """“The sex is that of the latest `sex` status, else that of the line's claim.”"""
    return person.sex_on_file.sex if person.sex_on_file else line.claim.sex


def _grounds_of_sex(person: Person, line: Line, sex_of_item: str) -> list[str]:
    sex, diagnoses = _sex_of(person, line), line.claim.diagnoses
    grounds = {
        NOT_COUNTING: not line.counts,
        "sex unknown": sex not in ("1", "2"),
        "of the item's sex by the status on file": sex == sex_of_item,
        "diagnoses absent": diagnoses is None,
        "a diagnosis excuses": any(_is_intersex(found.code, found.name) for found in diagnoses or ()),
    }
    return [ground for ground, holds in grounds.items() if holds]


def _is_intersex(code: str, name: str | None) -> bool:
    return code.split(".")[0] in INTERSEX_CODES or any(word in (name or "") for word in INTERSEX_NAMES)


def place(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“lines that count on claims whose visit type is not an inpatient one (nor 13, where the point allows it)”"""
    for institution, day, item in _anchors(person.lines):
        point = knowledge.point("drugs_only_in_hospital", item, day)
        if point:
            lines = [line for line in _at(person.lines, institution, day, item) if not _in_hospital(line)]
            grounds = {line: _grounds_of_place(person, line, point.row.emergency) for line in lines}
            yield from by_grounds(PLACE, (person.name, institution, day.isoformat(), item), grounds)


def _in_hospital(line: Line) -> bool:
    return line.claim.visit_type in INPATIENT_VISITS


def _grounds_of_place(person: Person, line: Line, emergency_allowed: bool) -> list[str]:
    visit_type = line.claim.visit_type
    grounds = {
        NOT_COUNTING: not line.counts,
        "visit type unknown": visit_type not in VISIT_TYPES,
        "allowed in an emergency": emergency_allowed and visit_type in EMERGENCY_VISITS,
        "the emergency visit became a stay": _became_stay(person, line.encounter),
    }
    return [ground for ground, holds in grounds.items() if holds]


def _became_stay(person: Person, encounter: tuple[str, str]) -> bool:
    """“a stay at the same institution begins on the day on which that visit ends or on the next”"""
    claims = [claim for claim in person.claims_in(encounter) if claim.visit_type in EMERGENCY_VISITS]
    if not claims:
        return False
    days = [day for claim in claims if (day := admission_and_discharge(claim)[1]) is not None]
    emergency = [line for line in person.lines_in(encounter) if line.claim.visit_type in EMERGENCY_VISITS]
    days += [line.day for line in emergency if line.is_dated]
    begins = {stay.admitted for stay in person.stays if stay.institution == encounter[0]}
    return bool(days) and not begins.isdisjoint({max(days), max(days) + ONE_DAY})


def periods(person: Person, knowledge: Knowledge) -> Iterator[Judged]:
    """“on each day d with lines that count, value = units on the days d-n+1 to d, at all institutions; limit = c;
    days before the point's own first day are none of the window”"""
    lines = counting(person.lines)
    for item, day in dict.fromkeys((line.code, line.day) for line in lines if line.code):
        point = knowledge.point("periods", item, day)
        if not point:
            continue
        first = max(day - timedelta(days=point.row.days - 1), date.fromordinal(point.valid_from))
        window = [line for line in lines if line.code == item and first <= line.day <= day]
        occurrence = (person.name, item, day.isoformat())
        yield summed(PERIOD, occurrence, window, point.row.count, on_day=day)


def _anchors(lines: tuple[Line, ...]) -> list[tuple[str, date, str]]:
    return list(dict.fromkeys((line.institution, line.day, line.code) for line in lines if line.code))


def _at(lines: tuple[Line, ...], institution: str, day: date, item: str) -> list[Line]:
    return [line for line in lines if (line.institution, line.day, line.code) == (institution, day, item)]
