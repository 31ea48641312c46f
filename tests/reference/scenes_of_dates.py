"""Scenes of dates that stand for nothing and of clocks that go wrong, at the edges of sections 1 and 4."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine
from knowledge_base.events.persons import PatientStatus

from .scenes_of_settlement import later, over_the_cap
from .story import AREA, Story

PLACEHOLDERS = (
    date(1, 1, 1),
    date(1900, 1, 1),
    date(1900, 1, 2),
    date(2090, 12, 31),
    date(2091, 1, 1),
    date(9999, 12, 31),
)
MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)


def placeholder_dates(story: Story) -> None:
    """A stay whose dates stand for nothing or nearly, another claim of it that tells them, and a visit elsewhere."""
    days, number = story.random.choice([2, 5, 40]), story.fresh("M")
    bed = story.line(story.code("bed_items"), story.day(1), days + story.random.choice([0, 1]))
    far = [story.day(days - 1100), story.day(days - 1101)] * 3
    edges = [*PLACEHOLDERS, *far, story.day(days + 1), story.day(0)]
    first, last = story.day(0), story.day(days)
    odd = story.random.choice(["first", "first", "first", "last", "none", "none"])
    if odd == "first":
        first = story.random.choice(edges)
    elif odd == "last":
        last = story.random.choice([*PLACEHOLDERS, story.day(-1)])
    settled = story.day(days) if story.random.random() < 0.9 else story.random.choice(PLACEHOLDERS[1:5])
    _stayed(story, number, first, last, [bed], settled)
    if story.random.random() < 0.6:
        again = story.random.choice([0, 0, 1, days + 29, days + 30, days + 30])
        _stayed(story, number, story.day(again), story.day(max(days, again)), [], story.day(max(days, again)))
    seen = story.line(story.code("daily_caps"), story.day(story.random.choice([1, -500])))
    if story.random.random() < 0.3:
        seen = replace(seen, at=story.at(story.random.choice(PLACEHOLDERS[1:5])))
    story.claim([seen], institution=story.elsewhere(), settled=story.day(2))


def _stayed(story: Story, number: str, first: date, last: date, lines: list[ClaimLine], settled: date) -> None:
    told = {"admitted_at": at_noon(first), "discharged_at": at_noon(last), "visit_type": "21"}
    claim = story.claim(lines, encounter_id=number, settled=story.start, **told)
    told_at = at_noon(settled)
    story.events[-1] = replace(claim, settled_at=told_at, happened_at=told_at)


def at_noon(day: date) -> datetime:
    """Noon in China, also on the first and the last day of the calendar."""
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def wrong_clocks(story: Story) -> None:
    """One settlement told twice, or two rivals; one has a clock that is just wrong, or just not. A sex told in 2099."""
    first = over_the_cap(story, 0)
    early = story.random.choice([DAY, DAY + MICROSECOND, DAY - MICROSECOND, 30 * DAY])
    late = at_noon(story.random.choice([date(2090, 12, 31), date(2091, 1, 1), date(2099, 1, 1)]))
    clock = story.random.choice([first.settled_at - early, first.settled_at - early, late])
    story.events[-1] = first = replace(first, happened_at=clock)
    beside = story.random.choice([-DAY, -MICROSECOND, timedelta(0), MICROSECOND, DAY])
    told = {"settled_at": first.settled_at, "happened_at": first.settled_at + beside}
    units = tuple(replace(line, quantity=Decimal(line.quantity) * 2) for line in first.lines)  # type: ignore[arg-type]
    if story.random.random() < 0.6:
        later(story, first, 0, claim_id=first.claim_id, lines=units, **told)
    else:
        base = later(story, first, -1, settled_at=first.settled_at - DAY, happened_at=first.settled_at - DAY)
        story.events[story.events.index(first)] = replace(first, corrects=base.claim_id)
        later(story, first, 0, lines=units, corrects=base.claim_id, **told)
    if story.random.random() < 0.3:
        _tell_two_sexes(story)


def _tell_two_sexes(story: Story) -> None:
    lines = [story.line(story.code("sex_of_services"), story.day(0))]
    claim: Claim = story.claim(lines, settled=story.day(0), diagnoses=())
    for sex, when in (("1", at_noon(date(2099, 1, 1))), ("2", claim.happened_at)):
        status = PatientStatus(story.fresh("E"), AREA, "patient_status", when, "S2", story.patient, "sex", sex=sex)
        story.events.append(status)
