"""Scenes of a main item and one that it includes, hours apart or in one hour, and of what was posted at once."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import ClaimLine

from .dates import CHINA, civil_day
from .story import INSTITUTIONS, Story

HOME = INSTITUTIONS[0]
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
CLOCKS = (
    "10:00",
    "10:59",
    "10:59:59.999999",
    "11:01",
    "21:30",
    "23:30",
    "23:59:59",
    "00:00",
    "00:00:00.000001",
    "03:00",
)
AWAY = {
    "pairs_of_hours": (0 * HOUR, 2 * HOUR, 6 * HOUR - SECOND, 6 * HOUR, 6 * HOUR, 6 * HOUR + SECOND, 7 * HOUR),
    "pairs_of_the_same_hour": (0 * HOUR, SECOND, 2 * MINUTE, 2 * MINUTE, 59 * MINUTE, HOUR),
}


def pair_by_the_clock(story: Story) -> None:
    """Both at the edges of their hours, in visits or in a stay; now and then among others posted at once."""
    catalogue = story.random.choice(list(AWAY))
    point = story.some(catalogue)
    instant = datetime.combine(story.day(1), time.fromisoformat(story.random.choice(CLOCKS)), CHINA)

    def nearby(code: str, quantity: Decimal | int = 1) -> ClaimLine:
        away = story.random.choice(AWAY[catalogue]) * story.random.choice([-1, 1])
        return _line_at(story, code, instant + away, quantity)

    mains = [_line_at(story, point.codes[0], instant)]
    if story.random.random() < 0.2:
        mains.append(nearby(point.codes[0]))
    included = sorted(point.row.included)
    parts = [nearby(story.random.choice(included), story.near(1)) for _ in range(story.random.choice([1, 1, 2]))]
    if story.random.random() < 0.4:
        _in_a_stay(story, mains, parts)
    else:
        _in_visits(story, mains, parts)


def _in_visits(story: Story, mains: list[ClaimLine], parts: list[ClaimLine]) -> None:
    """One claim, or two of which the second is another visit or, now and then, at another institution."""
    if story.random.random() < 0.4:
        story.claim([*mains, *parts, *_posted_beside(story, mains[0])])
        return
    place = story.random.choice([HOME, HOME, HOME, story.elsewhere()])
    story.claim([*mains, *_posted_beside(story, mains[0])])
    story.claim([*parts, *_posted_beside(story, parts[0])], institution=place)


def _in_a_stay(story: Story, mains: list[ClaimLine], parts: list[ClaimLine]) -> None:
    """A stay that ends with the last of them or later; at its end the items may have been there before, unpaid or not
    told."""
    last = max(civil_day(line.at) for line in (*mains, *parts))
    days = (last - story.start).days + story.random.choice([0, 0, 0, 2])
    lines = [*mains, *parts]
    if story.random.random() < 0.6:
        earlier = story.random.choice(lines)
        scope = story.random.choice([earlier.in_fund_scope, Decimal(0), None])
        lines.append(replace(_line_at(story, earlier.item_code, story.at(story.day(0))), in_fund_scope=scope))
    began = story.random.choice([0, 0, 0, days])
    story.stay(min(began, days), days, lines)


def _posted_beside(story: Story, line: ClaimLine) -> list[ClaimLine]:
    """Mostly nothing; sometimes one or two other items at the very instant of a line, paid or not, or a refund."""
    beside = []
    for _ in range(story.random.choice([0, 0, 0, 0, 1, 2])):
        other = _line_at(story, story.code("sex_of_services"), line.at)
        taken = {"quantity": Decimal(-1), "amount": -other.amount, "in_fund_scope": -other.amount}
        way: dict[str, object] = story.random.choice([{}, {}, {"in_fund_scope": Decimal(0)}, taken])
        if way is taken and story.random.random() < 0.5:
            way = {**taken, "refund_of": line.line_id}
        beside.append(replace(other, **way))  # type: ignore[arg-type]
    return beside


def _line_at(story: Story, code: str | None, instant: datetime, quantity: Decimal | int = 1) -> ClaimLine:
    return replace(story.line(code, civil_day(instant), quantity), at=instant.astimezone(UTC))
