"""Scenes of one person in two institutions at once, at the edges of rules 7 and 10 and of their excuses."""

from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import ClaimLine, Paid

from .story import INSTITUTIONS, PHARMACY, Story

HOME = INSTITUTIONS[0]
FAR_AWAY = "H42010000009"


def seen_elsewhere(story: Story) -> None:
    """Treated elsewhere around and in a stay: transfer days, drugs, pharmacies, dialysis, sent out, mid-stay, stays."""
    days, other = story.random.choice([1, 2, 3, 3, 14, 60, 200]), story.elsewhere()
    other = story.random.choice([other] * 15 + [PHARMACY])
    visited = story.random.choice([0, 1, 1, 1, 1, max(0, days - 1), max(0, days - 1), days, days + 1])
    story.stay(0, days, _own_lines(story, days, visited, other), paid=_paid_or_not(story))
    kind = story.random.choice(["service"] * 8 + ["drug", "consumable", None, "other"])
    lines = [story.line(story.code("daily_caps"), story.day(visited), item_kind=kind) for _ in range(2)]
    how = story.random.choice(["visit"] * 5 + ["dialysis", "flagged", "mid-stay", "open stay", "second stay"])
    if how == "dialysis":
        lines.append(story.line(story.code("dialysis_items"), story.day(visited)))
    elif how == "flagged":
        lines = [replace(line, sent_out=True) for line in lines]
    if how == "second stay":
        story.stay(visited, visited + 3, lines, institution=other)
    elif how == "open stay":
        admitted_at = story.random.choice([None, story.at(story.day(visited))])
        story.claim(lines, institution=other, visit_type="21", admitted_at=admitted_at)
    else:
        story.claim(lines[: story.random.choice([1, 2, 3])], institution=other, mid_stay=how == "mid-stay")


def _own_lines(story: Story, days: int, visited: int, other: str) -> list[ClaimLine]:
    """What the stay bills itself: services day by day or all at discharge, now and then one that is sent out."""
    code, posted = story.code("bed_items"), story.random.random() < 0.3
    lines = [story.line(code, story.day(days if posted else day)) for day in range(max(1, min(days, 4)))]
    if story.random.random() < 0.3:
        lines.append(story.line(story.code("courses"), story.day(min(visited, days))))
    day = min(days, visited + story.random.choice([0, 0, 0, 1]))
    return lines + _sent_out(story, other, day)


def _sent_out(story: Story, other: str, day: int) -> list[ClaimLine]:
    """Mostly nothing; sometimes an examination that the other institution makes, or a third one, or nobody named."""
    to = story.random.choice(["nothing"] * 8 + [other, None, FAR_AWAY])
    if to == "nothing":
        return []
    return [story.line(story.code("sex_of_services"), story.day(day), sent_out=True, sent_to=to)]


def _paid_or_not(story: Story) -> Paid | None:
    """Mostly the fund pays; sometimes nothing, and sometimes nobody says."""
    return story.random.choice([Paid(pooled_fund=Decimal(90))] * 12 + [Paid(pooled_fund=Decimal(0)), None])  # type: ignore[arg-type]


def two_stays_at_once(story: Story) -> None:
    """Two stays, mostly at two institutions, that share no day, the day of transfer, or more; one excuse at most."""
    days, places = story.random.choice([0, 1, 2, 3, 3, 3]), story.random.sample(INSTITUTIONS, k=2)
    began = story.random.choice([0, 0, max(0, days - 1), max(0, days - 1), max(0, days - 1), days, days + 1])
    left = story.random.choice([began, began + 1, max(began, days)])
    if story.random.random() < 0.05:
        places[1] = places[0]
    hows = ["plain", story.random.choice(["plain"] * 5 + ["sent out", "dialysis", "mid-stay", "newborn"])]
    story.random.shuffle(hows)
    _one_of_two(story, 0, days, hows[0], places)
    _one_of_two(story, began, left, hows[1], places[::-1])


def _one_of_two(story: Story, first: int, last: int, how: str, places: list[str]) -> None:
    """A stay of at most four days with a bed on each, of which now and then only some are billed."""
    lines = [story.line(story.code("bed_items"), story.day(day)) for day in range(first, last + 1)]
    lines, (institution, other) = lines[: story.random.choice([1, 1, 9, 9, 9])], places
    told: dict[str, object] = {"paid": _paid_or_not(story)}
    if how == "sent out":
        to = story.random.choice([other, other, None, FAR_AWAY])
        day = story.day(story.random.choice([first, last]))
        lines.append(story.line(story.code("sex_of_services"), day, sent_out=True, sent_to=to))
    elif how == "dialysis":
        lines.append(story.line(story.code("dialysis_items"), story.day(last)))
    elif how == "newborn":
        told["birth_date"] = story.day(first - story.random.choice([-1, 0, 1, 27, 28, 28, 29, 29]))
    (claim,) = story.stay(first, last, lines, institution=institution, **told)
    if how == "mid-stay":
        story.claim([], institution=institution, encounter_id=claim.encounter_id, visit_type="21", mid_stay=True)
