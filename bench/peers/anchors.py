"""Anchors: what the nine rules ask about, joined in plain Python, ready to be decided.

Which claims stand, net lines, the points in force, groups by place and day, windows, visits, stays and courses: all
that neither zen-engine nor CLIPS does well. Nothing here knows of ``rules_lib``; what is left open is whether an
anchor is a hit.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

import msgspec

from knowledge_base.days import Day
from knowledge_base.dictionaries import EMERGENCY_VISITS, INPATIENT_VISITS, VISIT_TYPES
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.facts import Facts, Point
from rules_lib.scope import Scope

BED_DAYS, DAILY_CAP, PAIRS = "FW10000001", "GZ10000102014000", "GZ10000102012000"
SEX = {"sex_of_services": "GZ10000302004000", "sex_of_drugs": "GZ10000301004000"}
OUTSIDE, PERIOD, COURSE = "FW10000002", "FW10000003", "GZ10000101010000"
ELSEWHERE, TWO_STAYS = "FW10000005", "FW10000006"
RULES = {BED_DAYS, DAILY_CAP, PAIRS, *SEX.values(), OUTSIDE, PERIOD, ELSEWHERE, COURSE, TWO_STAYS}

NOWHERE: tuple[str, ...] = ()

_GAP = 7
_NEWBORN = 28


class Anchor(msgspec.Struct):
    """One question: its rule and occurrence, the form of the question, and what is known for it.

    Forms: ``sum`` (units against a limit), ``pair`` (parts beside wholes), ``visit_pair`` (parts of a visit, each with
    whether the whole or another operation lies on its day), ``sex``, ``outside`` and ``elsewhere`` (lines, each with
    what excuses it), ``two_stays`` (the claims of both, each with what excuses the pair).
    """

    rule: str
    occurrence: tuple[str | Day, ...]
    form: str
    limit: Any = 0
    lines: Sequence[dict[str, Any]] = ()
    known: bool = True


class _Line(msgspec.Struct):
    claim: ClaimDigest
    digest: LineDigest
    units: Decimal
    decided: bool


class _Stay(msgspec.Struct):
    """A stay; ``days`` are those of a closed one."""

    place: tuple[str, str]
    admitted: Day | None
    days: tuple[Day, Day] | None
    in_fund: bool


class _Lines:
    """Lines that count or are undecided, net of refunds; of lines that stand in two claims those of the later one."""

    def __init__(self, claims: Iterable[ClaimDigest]):
        by_place: dict[tuple[str, str], list[ClaimDigest]] = defaultdict(list)
        for claim in claims:
            by_place[_place(claim)].append(claim)
        self._holders: dict[tuple[str, ...], str] = {}
        for place, together in by_place.items():
            if len(together) > 1:
                for claim in sorted(together, key=lambda claim: (claim.happened_at, claim.event_id)):
                    self._holders.update({(*place, line.line_id): claim.event_id for line in claim.lines})
        self._refunds: dict[tuple[str, ...], list[LineDigest]] = defaultdict(list)
        for claim in claims:
            for line in claim.lines:
                if line.refund_of is not None and self._holds(claim, line):
                    self._refunds[*_place(claim), line.refund_of].append(line)

    def _holds(self, claim: ClaimDigest, line: LineDigest) -> bool:
        return not self._holders or self._holders.get((*_place(claim), line.line_id), claim.event_id) == claim.event_id

    def net(self, claim: ClaimDigest, line: LineDigest) -> _Line | None:
        if line.refund_of is not None or (claim.fund_paid is not None and claim.fund_paid <= 0):
            return None
        if not self._holds(claim, line):
            return None
        units, in_fund = Decimal(line.quantity), _told(line.in_fund_scope)
        if self._refunds:
            for refund in self._refunds.get((*_place(claim), line.line_id), ()):
                units -= abs(Decimal(refund.quantity))
                back = _told(refund.in_fund_scope)
                in_fund = None if in_fund is None or back is None else in_fund - abs(back)
        if units <= 0 or (in_fund is not None and in_fund <= 0):
            return None
        return _Line(claim, line, units, in_fund is not None and claim.fund_paid is not None)


class Joiner:
    """Joins a person's digests with the facts; the facts are indexed once."""

    def __init__(self, facts: Facts):
        self._facts = facts
        self._speaking: dict[str | None, set[str]] = defaultdict(set)
        for point in facts.points:
            for code in point.row.all_codes:
                self._speaking[code].add(point.catalogue)

    def anchors(self, digests: Sequence[ClaimDigest], scope: Scope) -> Iterator[Anchor]:
        """The anchors of the nine rules that are to be judged."""
        claims = _standing(digests)
        lines = _Lines(claims)
        stays = _stays(claims)
        by_catalogue: dict[str, list[_Line]] = defaultdict(list)
        for claim in claims:
            for digest in claim.lines:
                catalogues = self._speaking.get(digest.item_code)
                line = lines.net(claim, digest) if catalogues is not None else None
                if line is not None:
                    for catalogue in catalogues or ():
                        by_catalogue[catalogue].append(line)
        person = digests[0].patient
        yield from self._bed_days(person, by_catalogue["bed_items"], claims, stays, scope)
        yield from self._daily_caps(person, by_catalogue["daily_caps"], stays, scope)
        yield from self._pairs_of_a_day(person, by_catalogue["pairs_of_a_day"], scope)
        yield from self._pairs_of_a_visit(person, by_catalogue["pairs_of_a_visit"], claims, scope)
        for catalogue, rule in SEX.items():
            yield from self._sex(person, rule, catalogue, by_catalogue[catalogue], scope)
        yield from self._outside(person, by_catalogue["drugs_only_in_hospital"], claims, stays, scope)
        yield from self._periods(person, by_catalogue["periods"], scope)
        yield from self._elsewhere(person, lines, claims, stays, scope)
        yield from self._courses(person, by_catalogue["courses"], stays, scope)
        yield from self._two_stays(person, claims, stays, scope)

    def _point(self, catalogue: str, line: _Line) -> Point | None:
        return self._facts.in_force(catalogue, line.digest.item_code or "", line.digest.day)

    def _bed_days(
        self,
        person: str,
        lines: Iterable[_Line],
        claims: Iterable[ClaimDigest],
        stays: dict[tuple[str, str], _Stay],
        scope: Scope,
    ) -> Iterator[Anchor]:
        beds: dict[tuple[str, str], list[_Line]] = defaultdict(list)
        for line in lines:
            if self._point("bed_items", line) is not None:
                beds[_place(line.claim)].append(line)
        for place, of_stay in beds.items():
            stay = stays.get(place)
            if stay is None or stay.days is None:
                continue
            days = [line.day for claim in claims if _place(claim) == place for line in claim.lines]
            if scope.meets(min([*stay.days, *days]), max([*stay.days, *days])):
                limit = max(1, stay.days[1] - stay.days[0])
                yield Anchor(BED_DAYS, (person, *place), "sum", limit, _units(of_stay))

    def _daily_caps(
        self, person: str, lines: Iterable[_Line], stays: dict[tuple[str, str], _Stay], scope: Scope
    ) -> Iterator[Anchor]:
        groups = _grouped(lines, lambda line: (line.claim.institution, line.digest.item_code, line.digest.day))
        by_visit = _grouped(lines, lambda line: (*_place(line.claim), line.digest.item_code))
        for (institution, code, day), together in groups.items():
            point = self._point("daily_caps", together[0])
            if point is None or not scope.meets(day, day):
                continue
            for place in {_place(line.claim) for line in together}:
                stay, posted = stays.get(place), by_visit[*place, code]
                at_once = all(line.digest.day == day for line in posted)
                more_than_a_day = sum(line.units for line in posted) > point.row.limit
                if stay is not None and stay.days and stay.days[1] == day and at_once and more_than_a_day:
                    together = [line for line in together if line not in posted]
                    limit = point.row.limit * (day - stay.days[0] + 1)
                    yield Anchor(DAILY_CAP, (person, institution, code, place[1]), "sum", limit, _units(posted))
            known = not any(line.decided and _unclear(line, stays) for line in together)
            occurrence = (person, institution, code, day)
            yield Anchor(DAILY_CAP, occurrence, "sum", point.row.limit, _units(together), known)

    def _pairs_of_a_day(self, person: str, lines: Iterable[_Line], scope: Scope) -> Iterator[Anchor]:
        groups = _grouped(lines, lambda line: (line.claim.institution, line.digest.day))
        for (institution, day), together in groups.items():
            if len(together) > 1 and scope.meets(day, day):
                by_code = _grouped(together, lambda line: line.digest.item_code)
                for main, wholes in by_code.items():
                    point = self._point("pairs_of_a_day", wholes[0])
                    for part in point.row.included.keys() & by_code.keys() if point is not None else ():
                        occurrence = (person, institution, "day", day, main, part)
                        known = any(line.decided for line in wholes)
                        yield Anchor(PAIRS, occurrence, "pair", 0, _units(by_code[part]), known)

    def _pairs_of_a_visit(
        self, person: str, lines: Iterable[_Line], claims: Sequence[ClaimDigest], scope: Scope
    ) -> Iterator[Anchor]:
        for place, together in _grouped(lines, lambda line: _place(line.claim)).items():
            by_code = _grouped(together, lambda line: line.digest.item_code)
            for main in by_code.keys() & self._facts.codes("pairs_of_a_visit").keys():
                wholes = by_code[main]
                for part in by_code.keys() - {main}:
                    parts = [line for line in by_code[part] if self._includes(main, part, line)]
                    days = [line.digest.day for line in [*wholes, *parts]]
                    if parts and scope.meets(min(days), max(days)):
                        occurrence = (person, place[0], "visit", place[1], main, part)
                        known, described = _with_operations(place, wholes, parts, claims)
                        yield Anchor(PAIRS, occurrence, "visit_pair", 0, described, known)

    def _includes(self, main: str, part: str, line: _Line) -> bool:
        point = self._facts.in_force("pairs_of_a_visit", main, line.digest.day)
        return point is not None and part in point.row.included

    def _sex(self, person: str, rule: str, catalogue: str, lines: Iterable[_Line], scope: Scope) -> Iterator[Anchor]:
        groups = _grouped(lines, lambda line: (line.claim.institution, line.digest.day, line.digest.item_code))
        for (institution, day, code), together in groups.items():
            point = self._point(catalogue, together[0])
            if point is not None and scope.meets(day, day):
                described = [
                    {
                        "units": line.units,
                        "decided": line.decided,
                        "sex": line.claim.sex,
                        "diagnoses": None
                        if line.claim.diagnoses is None
                        else [
                            {"code": code.partition(".")[0], "name": name or ""} for code, name in line.claim.diagnoses
                        ],
                    }
                    for line in together
                ]
                yield Anchor(rule, (person, institution, day, code), "sex", point.row.sex, described)

    def _outside(
        self,
        person: str,
        lines: Iterable[_Line],
        claims: Sequence[ClaimDigest],
        stays: dict[tuple[str, str], _Stay],
        scope: Scope,
    ) -> Iterator[Anchor]:
        admissions = {(stay.place[0], stay.admitted) for stay in stays.values()}
        groups = _grouped(lines, lambda line: (line.claim.institution, line.digest.day, line.digest.item_code))
        for (institution, day, code), together in groups.items():
            point = self._point("drugs_only_in_hospital", together[0])
            ends = {_place(line.claim): _visit_end(line.claim, claims) for line in together}
            last = max(end or day for end in ends.values())
            if point is None or not scope.meets(day, last + 1):
                continue
            described = []
            for line in together:
                end = ends[_place(line.claim)]
                admitted = end is not None and not admissions.isdisjoint({(institution, end), (institution, end + 1)})
                described.append(
                    {
                        "units": line.units,
                        "decided": line.decided,
                        "visit": line.claim.visit_type,
                        "known_visit": line.claim.visit_type in VISIT_TYPES,
                        "admitted": admitted,
                    }
                )
            yield Anchor(OUTSIDE, (person, institution, day, code), "outside", point.row.emergency, described)

    def _periods(self, person: str, lines: Iterable[_Line], scope: Scope) -> Iterator[Anchor]:
        for code, together in _grouped(lines, lambda line: line.digest.item_code).items():
            for day in {line.digest.day for line in together if line.decided}:
                point = self._facts.in_force("periods", code, day) if scope.meets(day - 14, day) else None
                if point is not None:
                    window = [line for line in together if day - point.row.days < line.digest.day <= day]
                    yield Anchor(PERIOD, (person, code, day), "sum", point.row.count, _units(window))

    def _elsewhere(
        self,
        person: str,
        lines: _Lines,
        claims: Sequence[ClaimDigest],
        stays: dict[tuple[str, str], _Stay],
        scope: Scope,
    ) -> Iterator[Anchor]:
        for stay in stays.values():
            if stay.days is None or not stay.in_fund or not scope.meets(*stay.days):
                continue
            sent, described = _sent_out(stay, claims), []
            for claim, line in _inside(stay.days, stay.place[0], lines, claims, stays):
                to_them = {(line.digest.day, claim.institution), (line.digest.day, None)}
                about = {"kind": line.digest.item_kind or "", "sent": not sent.isdisjoint(to_them)}
                described.append({**about, "dialysis": self._has_dialysis(claim)})
            if described:
                yield Anchor(ELSEWHERE, (person, *stay.place), "elsewhere", 0, described)

    def _two_stays(
        self, person: str, claims: Sequence[ClaimDigest], stays: dict[tuple[str, str], _Stay], scope: Scope
    ) -> Iterator[Anchor]:
        closed = [stay for stay in stays.values() if stay.days is not None and stay.in_fund]
        for one, other in combinations(sorted(closed, key=lambda stay: stay.place), 2):
            shared = _shared(one.days, other.days) if one.days and other.days else None
            if one.place[0] == other.place[0] or shared is None or not scope.meets(*shared):
                continue
            described = [
                {
                    "dialysis": self._has_dialysis(claim),
                    "mid_stay": claim.mid_stay,
                    "newborn": _is_newborn(claim, stay),
                }
                for stay in (one, other)
                for claim in claims
                if _place(claim) == stay.place
            ]
            sent = _is_sent(one, other, shared, claims) or _is_sent(other, one, shared, claims)
            yield Anchor(TWO_STAYS, (person, *one.place, *other.place), "two_stays", 0, described, known=not sent)

    def _has_dialysis(self, claim: ClaimDigest) -> bool:
        codes = self._facts.codes("dialysis_items")
        return any(
            line.item_code in codes and self._facts.in_force("dialysis_items", line.item_code or "", line.day)
            for line in claim.lines
        )

    def _courses(
        self, person: str, lines: Iterable[_Line], stays: dict[tuple[str, str], _Stay], scope: Scope
    ) -> Iterator[Anchor]:
        series: dict[tuple[str, Any], list[tuple[_Line, int]]] = defaultdict(list)
        for line in lines:
            point = self._point("courses", line)
            if point is not None and line.decided:
                place = _place(line.claim) if point.row.per_stay else NOWHERE
                series[point.name, place].append((line, point.row.days))
        for (name, place), together in series.items():
            stay = stays.get(place)
            if place and (stay is None or stay.days is None):
                continue
            last_day = stay.days[1] if stay is not None and stay.days is not None else None
            for course in _runs(together, last_day):
                if scope.meets(course[0] - _GAP - 1, course[-1] + _GAP + 1):
                    limit = max(days for line, days in together if course[0] <= line.digest.day <= course[-1])
                    occurrence = (person, name, course[0], *place)
                    yield Anchor(COURSE, occurrence, "sum", limit, [{"units": len(course), "decided": True}])


def _standing(claims: Sequence[ClaimDigest]) -> list[ClaimDigest]:
    """Without reversed and corrected ones; one event a claim_id, no rivals and no cycles, as in the sample."""
    gone = {claim.corrects for claim in claims} | {claim.reverses for claim in claims}
    return [claim for claim in claims if claim.reverses is None and claim.claim_id not in gone]


def _stays(claims: Iterable[ClaimDigest]) -> dict[tuple[str, str], _Stay]:
    """Stays of claims whose dates are likely and whose numbers are used once, as in the sample."""
    inpatient: dict[tuple[str, str], list[ClaimDigest]] = defaultdict(list)
    for claim in claims:
        if claim.admitted is not None and claim.visit_type in INPATIENT_VISITS:
            inpatient[_place(claim)].append(claim)
    return {place: _stay(place, together) for place, together in inpatient.items()}


def _inside(
    days: tuple[Day, Day],
    institution: str,
    lines: _Lines,
    claims: Iterable[ClaimDigest],
    stays: dict[tuple[str, str], _Stay],
) -> Iterator[tuple[ClaimDigest, _Line]]:
    """Lines of other institutions that count strictly between two days, but those of somebody in bed there."""
    for claim in claims:
        if claim.institution == institution or claim.mid_stay or _may_be_in_bed_there(claim, days, stays):
            continue
        for digest in claim.lines:
            if days[0] < digest.day < days[1] and not digest.sent_out:
                line = lines.net(claim, digest)
                if line is not None and line.decided:
                    yield claim, line


def _is_sent(stay: _Stay, other: _Stay, shared: tuple[Day, Day], claims: Iterable[ClaimDigest]) -> bool:
    """Whether a stay sent something out to another, or to nobody named, on days that they share."""
    return any(shared[0] <= day <= shared[1] and to in (None, other.place[0]) for day, to in _sent_out(stay, claims))


def _is_newborn(claim: ClaimDigest, stay: _Stay) -> bool:
    return claim.birth is not None and stay.admitted is not None and 0 <= stay.admitted - claim.birth <= _NEWBORN


def _stay(place: tuple[str, str], claims: Sequence[ClaimDigest]) -> _Stay:
    final = [claim for claim in claims if not claim.mid_stay]
    told = [claim.told_stay for claim in final or claims]
    admitted = min((first for first, _ in told if first is not None), default=None)
    discharged = max((last for _, last in told if last is not None), default=None)
    days = None
    if final and admitted is not None and discharged is not None and admitted <= discharged:
        days = (admitted, discharged)
    return _Stay(place, admitted, days, any(claim.fund_paid is not None and claim.fund_paid > 0 for claim in claims))


def _shared(one: tuple[Day, Day], other: tuple[Day, Day]) -> tuple[Day, Day] | None:
    """First and last day that two stays share; ``None`` where there is none but the day of a transfer."""
    first, last = max(one[0], other[0]), min(one[1], other[1])
    is_transfer = first == last and (one[1] == other[0] or other[1] == one[0])
    return None if first > last or is_transfer else (first, last)


def _may_be_in_bed_there(claim: ClaimDigest, days: tuple[Day, Day], stays: dict[tuple[str, str], _Stay]) -> bool:
    """Whether a claim is of another stay on some days, or of one that is not closed."""
    other = stays.get(_place(claim))
    if other is None:
        return claim.visit_type in INPATIENT_VISITS
    return other.days is None or _shared(days, other.days) is not None


def _sent_out(stay: _Stay, claims: Iterable[ClaimDigest]) -> set[tuple[Day, str | None]]:
    """On which days lines of a stay were sent out, and where to."""
    of_stay = [claim for claim in claims if _place(claim) == stay.place]
    return {(line.day, line.sent_to) for claim in of_stay for line in claim.lines if line.sent_out}


def _runs(lines: Iterable[tuple[_Line, int]], last_day: Day | None) -> Iterator[list[Day]]:
    covered: set[Day] = set()
    for line, _ in lines:
        end = line.digest.day + max(1, line.digest.days or 1)
        covered.update(range(line.digest.day, end if last_day is None else min(end, last_day + 1)))
    run: list[Day] = []
    for day in sorted(covered):
        if run and day - run[-1] - 1 > _GAP:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _with_operations(
    place: tuple[str, str], wholes: Iterable[_Line], parts: Iterable[_Line], claims: Iterable[ClaimDigest]
) -> tuple[bool, list[dict[str, Any]]]:
    of_visit = [claim.operation_days for claim in claims if _place(claim) == place]
    known = all(days is not None and None not in days for days in of_visit)
    operated = {day for days in of_visit for day in days or ()}
    whole_days = {line.digest.day for line in wholes if line.decided}
    return known, [
        {
            "units": line.units,
            "decided": line.decided and bool(whole_days),
            "on_day_of_whole": line.digest.day in whole_days,
            "operated": line.digest.day in operated,
        }
        for line in parts
    ]


def _visit_end(claim: ClaimDigest, claims: Iterable[ClaimDigest]) -> Day | None:
    if claim.visit_type not in EMERGENCY_VISITS:
        return None
    of_visit = [other for other in claims if _place(other) == _place(claim) and other.visit_type in EMERGENCY_VISITS]
    days = [line.day for other in of_visit for line in other.lines if line.refund_of is None]
    return max(days + [other.discharged for other in of_visit if other.discharged is not None])


def _unclear(line: _Line, stays: dict[tuple[str, str], _Stay]) -> bool:
    stay = stays.get(_place(line.claim))
    return line.claim.visit_type in INPATIENT_VISITS if stay is None else stay.days is None


def _told(number: str | None) -> Decimal | None:
    return None if number is None else Decimal(number)


def _grouped(lines: Iterable[_Line], key: Any) -> dict[Any, list[_Line]]:
    groups: dict[Any, list[_Line]] = defaultdict(list)
    for line in lines:
        groups[key(line)].append(line)
    return groups


def _units(lines: Iterable[_Line]) -> list[dict[str, Any]]:
    return [{"units": line.units, "decided": line.decided} for line in lines]


def _place(claim: ClaimDigest) -> tuple[str, str]:
    return (claim.institution, claim.encounter_id)
