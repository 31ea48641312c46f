"""People at the edges: for each rule somebody whose events meet its limit, its gap, its excuses, its odd hours.

Seeded: the same seed, rule and points give the same events. What a sample turned out to be, hits or near
misses, is for the reference judge to say; nothing here knows a rule's answer.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from msgspec.structs import replace

from knowledge_base.catalogues.files import load_facts
from knowledge_base.events.claims import ClaimLine, Diagnosis, Operation
from knowledge_base.events.head import Event
from knowledge_base.facts import Point

from .courses import COURSE
from .disturbances import disturb, tell_the_sex
from .oddities import ODD_DETAILS
from .rules import BED_DAYS, DAILY_CAP, PAIRS, PERIOD, PLACE, SEX_OF_DRUGS, SEX_OF_SERVICES
from .scenes_by_the_clock import pair_by_the_clock
from .scenes_of_details import odd_detail
from .scenes_of_two_houses import seen_elsewhere, two_stays_at_once
from .spelling import spelled
from .story import INSTITUTIONS, Story, begin
from .two_houses import ELSEWHERE, TWO_STAYS

HOME = INSTITUTIONS[0]


def persons(seed: int, rule_id: str | None, points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one person, under a few pseudonyms, aimed at one rule; ``None`` lets the seed choose it.

    ``points`` default to the published catalogues.
    """
    story = begin(f"{rule_id}/{seed}", points or published())
    SCENES_OF_RULES[rule_id or story.random.choice(list(SCENES_OF_RULES))](story)
    disturb(story, story.random.choice([0, 0, 1, 1, 2, 3]))
    return [spelled(event) for event in story.events]


def mixed(seed: int, points: Sequence[Point] | None = None) -> list[Event]:
    """The events of one person who meets two to five rules at once, with more that went astray."""
    story = begin(f"mixed/{seed}", points or published())
    for scene in story.random.choices(list(SCENES_OF_RULES.values()), k=story.random.randrange(2, 6)):
        scene(story)
        story.start += timedelta(days=story.random.randrange(4))
    disturb(story, story.random.randrange(1, 8))
    return [spelled(event) for event in story.events]


@cache
def published() -> tuple[Point, ...]:
    return load_facts().points


def _beds(story: Story) -> None:
    """Bed units at the days of the stay -1, 0, +1; day after day, in one line, or posted at discharge."""
    days = story.random.choice([0, 1, 1, 2, 5, 9, 40])
    how = story.random.choice(["daily", "posted", "split"])
    total = story.near(max(1, days))
    parts = [Decimal(1)] * int(total) + [total % 1] if how == "daily" else story.split(total)
    codes = [story.code("bed_items") for _ in range(2)]
    lines = []
    for number, part in enumerate(part for part in parts if part > 0):
        day = days if how == "posted" else min(number, days)
        lines.append(story.line(story.random.choice(codes), story.day(day), part))
    unfinished = {"mid_stay": True, "discharged_at": None}
    story.stay(0, days, lines, **(unfinished if story.random.random() < 0.1 else {}))


def _capped(story: Story) -> None:
    """Units of one day at the cap, over one or two visits or institutions, in a stay, or posted at discharge."""
    point, days = story.some("daily_caps"), story.random.choice([0, 1, 3, 12])
    code, limit = point.codes[0], point.row.limit
    how = story.random.choice(["visits", "visits", "stay", "posted", "open", "two places"])
    total = story.near(limit * (days + 1) if how == "posted" else limit)
    day = story.day(days if how == "posted" else story.random.randrange(days + 1))
    lines = [story.line(code, day, part) for part in story.split(total)]
    if how in ("stay", "posted"):
        story.stay(0, days, lines)
    elif how == "open":
        story.stay(0, days, lines, mid_stay=True)
    else:
        other = story.elsewhere() if how == "two places" else HOME
        story.claim(lines[:1])
        story.claim(lines[1:] or [story.line(code, day, 1)], institution=other)


def _paired(story: Story) -> None:
    """A main item and one that it includes: same day, next day, other place, other visit; operations in between."""
    story.random.choice([_pair_of_a_day, _pair_of_a_visit, pair_by_the_clock, pair_by_the_clock])(story)


def _pair_of_a_day(story: Story) -> None:
    point = story.some("pairs_of_a_day")
    apart = story.random.choice([0, 0, 0, 1, -1])
    main = story.line(point.codes[0], story.day(1))
    part = story.line(_included(story, point), story.day(1 + apart), story.near(1))
    if story.random.random() < 0.4:
        story.stay(0, 3, [main, part])
    else:
        story.claim([main])
        story.claim([part], institution=story.random.choice([HOME, HOME, HOME, story.elsewhere()]))


def _pair_of_a_visit(story: Story) -> None:
    point = story.some("pairs_of_a_visit")
    main_day, part_day = story.random.choice([(1, 1), (1, 3), (3, 1), (1, 5)])
    operated = story.random.choice([None, (), (), (main_day,), (part_day,), (main_day, part_day), (None,)])
    operations = None if operated is None else tuple(_operation(story, day) for day in operated)
    lines = [story.line(point.codes[0], story.day(main_day))]
    lines += [story.line(_included(story, point), story.day(part_day)) for _ in range(story.random.choice([1, 2]))]
    for claim in story.stay(0, 6, lines, operations=operations):
        if story.random.random() < 0.1:
            story.events.remove(claim)
            story.events.append(replace(claim, operations=None))


def _operation(story: Story, day: int | None) -> Operation:
    return Operation("06.4x00", main=True, at=None if day is None else story.at(story.day(day)))


def _included(story: Story, point: Point) -> str:
    return str(story.random.choice(sorted(point.row.included)))


def _services_by_sex(story: Story) -> None:
    _by_sex(story, "sex_of_services")


def _drugs_by_sex(story: Story) -> None:
    _by_sex(story, "sex_of_drugs")


def _by_sex(story: Story, catalogue: str) -> None:
    """An item for one sex on somebody of the other, of none, or with a diagnosis that excuses or nearly does."""
    point = story.some(catalogue)
    other = {"1": "2", "2": "1"}[point.row.sex]
    diagnoses = [
        (),
        (Diagnosis("I10.x00"),),
        (Diagnosis("Q56.300"),),
        (Diagnosis("Q91.000"), Diagnosis("I10.x00")),
        (Diagnosis("Q55.000"),),
        (Diagnosis("Q89.900", "先天性畸形"),),
        (Diagnosis("Z00.000", "性发育异常待查"),),
        None,
    ]
    for _ in range(story.random.choice([1, 2])):
        sex = story.random.choice([other, other, other, point.row.sex, "0", "9", "5", None])
        lines = [story.line(story.random.choice(point.codes), story.day(1), story.near(1)) for _ in range(2)]
        claim = story.claim(lines, sex=sex, diagnoses=story.random.choice([(), *diagnoses]))
    if story.random.random() < 0.2:
        tell_the_sex(story, claim)


def _placed(story: Story) -> None:
    """A drug of hospitals outside one: plain visit, pharmacy, emergency that ends 0, 1, 2 days before a stay."""
    point = story.some("drugs_only_in_hospital")
    visit_type = story.random.choice(["11", "13", "13", "13", "41", "21", "99"])
    lines = [story.line(story.random.choice(point.codes), story.day(number)) for number in (0, 1)]
    left = story.random.choice([None, story.at(story.day(1)), story.at(story.day(2))])
    lines = lines[: story.random.choice([1, 2])]
    story.claim(lines, visit_type=visit_type, admitted_at=story.at(story.day(0)), discharged_at=left)
    if story.random.random() < 0.8:
        began = story.random.choice([0, 1, 2, 3, 4])
        story.stay(began, began + 3, [], institution=story.random.choice([HOME, HOME, HOME, story.elsewhere()]))


def _repeated(story: Story) -> None:
    """Units of one item n-1, n and n+1 days apart, at one or several institutions."""
    point = story.some("periods")
    when = 0
    for _ in range(story.random.choice([2, 3, 4])):
        place = story.random.choice([HOME, HOME, story.elsewhere()])
        quantity = story.random.choice([Decimal(1), Decimal(1), Decimal("0.5"), Decimal(2)])
        story.claim([story.line(point.codes[0], story.day(when), quantity)], institution=place)
        when += story.random.choice([0, 1, point.row.days - 1, point.row.days, point.row.days + 1])


def _treated(story: Story) -> None:
    """A drug for its limit of days -1, 0, +1 or far more, over makers and visits, with pauses of 7 and 8 days."""
    point, lines = story.some("courses"), list[ClaimLine]()
    left = max(1, point.row.days + story.random.choice([-1, -1, 0, 0, 1, 1, 1, 3, 2 * point.row.days]))
    pause, thin = story.random.choice([0, 0, 0, 7, 8]), story.random.random() < 0.2
    when = 0
    while left > 0:
        days = 1 if thin else min(left, story.random.choice([1, 3, 7, 14]))
        told = story.random.choice([0, None]) if days == 1 else days
        lines.append(story.line(story.random.choice(point.codes), story.day(when), days, days=told))
        paused = pause if thin or len(lines) == 1 else 0
        when, left = when + days + paused - story.random.choice([0, 0, 0, 0 if paused else 1]), left - days
    _dispense(story, lines, when, in_a_stay=story.random.random() < (0.9 if point.row.per_stay else 0.3))


def _dispense(story: Story, lines: list[ClaimLine], until: int, *, in_a_stay: bool) -> None:
    """A supply in one stay that ends about when the drug does, the last for taking home; or visit by visit."""
    if in_a_stay:
        lines[-1] = replace(lines[-1], discharge_drug=True)
        story.stay(0, max(0, until + story.random.choice([-2, -1, -1, 0])), lines)
        return
    for line in lines:
        story.claim([line], institution=story.random.choice(INSTITUTIONS))


def _odd(story: Story) -> None:
    """A claim with an odd detail, or with one at the very edge of odd."""
    if story.random.random() < 0.4:
        odd_detail(story)
        return
    line = story.line(story.code("daily_caps"), story.day(3))
    kind = story.random.randrange(9)
    day: date = story.day(story.random.choice([2, 3, 3, 4]))
    if kind == 0:
        story.claim([line], settled=day)
    elif kind == 1:
        story.claim([line], birth_date=day)
    elif kind == 2:
        story.claim([line], visit_type="21", admitted_at=story.at(story.day(3)), discharged_at=story.at(day))
    elif kind == 3:
        story.claim([line], sex=story.random.choice(["0", "9", "3", "M"]))
    elif kind == 4:
        story.claim([line], visit_type=story.random.choice(["11", "9901", "99"]))
    elif kind == 5:
        story.claim([replace(line, item_kind=story.random.choice([None, "drug", "other"]))])
    elif kind == 6:
        born = ["0001-01-01", "1899-12-30", "1900-01-01", "1900-01-02", "2090-12-31", "2091-01-01"]
        story.claim([line], birth_date=date.fromisoformat(story.random.choice(born)))
    elif kind == 7:
        sign = story.random.choice([" ", "\t", "\u3000", "\u200b", "\uff0d", "-", "\u4e00"])
        where = story.random.choice(["line_id", "refund_of", "sent_to", "corrects", "encounter_id"])
        odd_name = {where: f"{line.line_id}{sign}1"}
        of_line = hasattr(line, where)
        story.claim([replace(line, **odd_name) if of_line else line], **({} if of_line else odd_name))
    else:
        odd = story.random.choice([None, "A000000001", "00110900001", "XB01AXA223B00201010015", "hospital-17"])
        story.claim([replace(line, item_code=odd), story.line(line.item_code, story.day(3))])


SCENES_OF_RULES: dict[str, Callable[[Story], None]] = {
    BED_DAYS: _beds,
    DAILY_CAP: _capped,
    PAIRS: _paired,
    SEX_OF_SERVICES: _services_by_sex,
    SEX_OF_DRUGS: _drugs_by_sex,
    PLACE: _placed,
    PERIOD: _repeated,
    ELSEWHERE: seen_elsewhere,
    COURSE: _treated,
    ODD_DETAILS: _odd,
    TWO_STAYS: two_stays_at_once,
}
