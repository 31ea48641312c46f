"""Scenes of what takes something back, at the edges of sections 2 and 3 of docs/what-counts.md."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine, Paid

from .story import CENT, INSTITUTIONS, MILLIONTH, Story

Parts = Sequence[Decimal]


def over_the_cap(story: Story, day: int, units: Decimal | None = None, **fields: Any) -> Claim:
    """A claim with units of a capped item just within or just beyond what is allowed on one day."""
    point = story.some("daily_caps")
    lines = [
        story.line(point.codes[0], story.day(day), part) for part in story.split(units or story.near(point.row.limit))
    ]
    return story.claim(lines, settled=story.day(day), **fields)


def later(story: Story, claim: Claim, days: int, **fields: Any) -> Claim:
    """A further claim like this one under new ids, settled some days later, with the same lines unless told."""
    moved = timedelta(days=days)
    told = {
        "event_id": story.fresh("E"),
        "claim_id": story.fresh("C"),
        "settled_at": claim.settled_at + moved,
        "happened_at": claim.happened_at + moved,
        "reverses": None,
        "corrects": None,
        **fields,
    }
    story.events.append(replace(claim, **told))
    return story.claims[-1]


def reversed_corrections(story: Story) -> None:
    """A claim and what corrects it: a chain, rivals, a tree, a circle; and one or two reversals of any of them."""
    written = [over_the_cap(story, 0)]
    for _ in range(story.random.choice([1, 1, 2, 2, 3])):
        target = story.random.choice([written[-1], written[-1], *written])
        paid = story.random.choice([target.paid, target.paid, Paid(pooled_fund=Decimal(0)), None])  # type: ignore[arg-type]
        lines = _with_units(target.lines, story.random.choice([Decimal(1), Decimal(1), Decimal("0.5"), Decimal(2)]))
        days = story.random.choice([-1, 0, 1, 1, 2])
        written.append(later(story, target, days, lines=lines, paid=paid, corrects=target.claim_id))
    if story.random.random() < 0.1:
        first = story.events.index(written[0])
        story.events[first] = replace(written[0], corrects=written[-1].claim_id)
    for _ in range(story.random.choice([0, 1, 1, 1, 1, 2])):
        target = story.random.choice([written[0], written[0], *written])
        written.append(later(story, target, story.random.choice([-3, 0, 5]), lines=(), reverses=target.claim_id))
    if story.random.random() < 0.15:
        later(story, written[0], 3, corrects=written[-1].claim_id)


def _with_units(lines: tuple[ClaimLine, ...], times: Decimal) -> tuple[ClaimLine, ...]:
    return tuple(replace(line, quantity=line.quantity * times) for line in lines)  # type: ignore[operator]


def returned_lines(story: Story) -> None:
    """Units of one item on some days, and negative lines that name none of them: some, all, or more than there are."""
    point, encounter = story.some("daily_caps"), story.fresh("M")
    prices = [Decimal(40), Decimal(40), Decimal(55)]
    days = story.random.sample(range(5), k=story.random.choice([1, 2, 3]))
    sold = [
        _priced(story, point.codes[0], day, part, story.random.choice(prices))
        for day in days
        for part in story.split(story.near(point.row.limit))
    ]
    story.claim(sold, encounter_id=encounter, settled=story.day(5))
    for number in range(story.random.choice([1, 1, 2])):
        back = _returned(story, sold, story.random.choice([*days, story.random.randrange(-1, 7)]), prices)
        where = encounter if story.random.random() < 0.9 else story.fresh("M")
        story.claim([back], encounter_id=where, settled=story.day(6 + number), paid=_little_or_nothing(story))
    if story.random.random() < 0.4:
        line = story.random.choice(sold)
        named = replace(_mirror(story, line, Decimal(1)), refund_of=line.line_id)
        story.claim([named], encounter_id=encounter, settled=story.day(9))


def _priced(story: Story, code: str | None, day: int, units: Decimal, price: Decimal) -> ClaimLine:
    amount = (units * price).quantize(CENT)
    return replace(story.line(code, story.day(day), units), amount=amount, in_fund_scope=amount)  # type: ignore[arg-type]


def _returned(story: Story, sold: Sequence[ClaimLine], day: int, prices: Sequence[Decimal]) -> ClaimLine:
    """A negative line: a whole line mirrored, part of it, all units and more; now and then with a detail amiss."""
    line = story.random.choice(sold)
    every = sum((Decimal(one.quantity) for one in sold), Decimal(0))
    units = story.random.choice([Decimal(line.quantity), Decimal(1), Decimal("0.5"), Decimal(3), every, every + 1])
    back = _priced(story, line.item_code, day, -units, story.random.choice(prices))
    amiss: list[dict[str, object]] = [
        {"in_fund_scope": None},
        {"amount": Decimal(40)},
        {"in_fund_scope": Decimal(40)},
        {"item_code": None},
        {"item_code": story.code("bed_items")},
        {"at": story.at(date(1900, 1, 1))},
    ]
    return replace(back, **story.random.choice(amiss)) if story.random.random() < 0.25 else back


def _mirror(story: Story, line: ClaimLine, part: Decimal) -> ClaimLine:
    """The line with its quantity and money negative, all or some of it."""
    scope = None if line.in_fund_scope is None else -(Decimal(line.in_fund_scope) * part).quantize(CENT)
    money = {"amount": -(Decimal(line.amount) * part).quantize(CENT), "in_fund_scope": scope}
    return replace(
        line, line_id=story.fresh("L"), quantity=-(Decimal(line.quantity) * part).quantize(MILLIONTH), **money
    )  # type: ignore[arg-type]


def _little_or_nothing(story: Story) -> Paid | None:
    return story.random.choice([Paid(pooled_fund=CENT), Paid(pooled_fund=Decimal(-40)), None])  # type: ignore[arg-type]


def first_days_of_periods(story: Story) -> None:
    """Units of an item around the first day of its point: the window begins there."""
    point = story.some("periods")
    story.start = date.fromordinal(point.valid_from)
    days = [-point.row.days, -1, -1, 0, 0, 1, point.row.days - 1, point.row.days]
    for day in sorted(story.random.sample(days, k=story.random.choice([2, 3, 4]))):
        quantity = story.random.choice([point.row.count, point.row.count, Decimal(1), Decimal("0.5")])
        line = story.line(point.codes[0], story.day(day), quantity)
        place = story.random.choice([INSTITUTIONS[0], *INSTITUTIONS[:2]])
        story.claim([line], institution=place, settled=story.day(day))


def signs_and_refunds(story: Story) -> None:
    """Amounts of the wrong sign, units of 0, refunds of all, of more, of a line elsewhere or of none."""
    point, encounter = story.some("daily_caps"), story.fresh("M")
    parts = story.split(story.near(point.row.limit))
    sold = [story.line(point.codes[0], story.day(0), part) for part in parts]
    how = story.random.choice(["negative", "negative", "no units", "refund", "refund", "refund", "elsewhere", "none"])
    if how == "negative":
        sold[-1] = replace(sold[-1], amount=-Decimal(sold[-1].amount))  # type: ignore[arg-type]
    elif how == "no units":
        amount = story.random.choice([Decimal(9), Decimal(-9), Decimal(0)])
        sold.append(replace(sold[-1], line_id=story.fresh("L"), quantity=Decimal(0), amount=amount))  # type: ignore[arg-type]
    story.claim(sold, encounter_id=encounter, settled=story.day(0))
    if how in ("refund", "elsewhere", "none"):
        line, times = story.random.choice(sold), story.random.choice([1, 1, 2])
        for _ in range(times):
            part = story.random.choice([Decimal(1), Decimal(1), Decimal("1.001"), Decimal("0.5")])
            back = replace(_mirror(story, line, part), refund_of="nothing" if how == "none" else line.line_id)
            where = story.fresh("M") if how == "elsewhere" else encounter
            story.claim([back], encounter_id=where, settled=story.day(1), paid=_little_or_nothing(story))
