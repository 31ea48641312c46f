"""Scenes of names given twice, at the edges of section 2 of docs/what-counts.md: claim_ids, encounter numbers."""

from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine

from .dates import days_of
from .scenes_of_settlement import later, over_the_cap
from .story import CENT, INSTITUTIONS, Story


def one_claim_id(story: Story) -> None:
    """One claim_id at two institutions, or twice at one, and what reverses or corrects it at either."""
    first = over_the_cap(story, 0)
    place = story.random.choice([*INSTITUTIONS[1:], INSTITUTIONS[0]])
    encounter = first.encounter_id if story.random.random() < 0.3 else story.fresh("M")
    told = {"institution": place, "encounter_id": encounter}
    second = over_the_cap(story, story.random.choice([0, 1]), claim_id=first.claim_id, **told)
    for _ in range(story.random.choice([0, 1, 1, 2])):
        target = story.random.choice([first, second])
        where = story.random.choice([first.institution, second.institution])
        link = story.random.choice(["reverses", "corrects"])
        later(story, target, story.random.choice([0, 1, 2]), institution=where, **{link: first.claim_id})


def numbers_again(story: Story) -> None:
    """A number used again 399 to 402 days after the last day, as stays or visits, and what belongs to one of them."""
    number, in_stays = story.fresh("M"), story.random.random() < 0.5
    laid: list[Claim] = []
    for _ in range(story.random.choice([2, 2, 2, 3])):
        laid.append(_use(story, number, in_stays, laid))
        gap = story.random.choice([30, 399, 400, 400, 401, 401, 401, 402, 401, 800])
        story.start = max(day for claim in laid for day in days_of(claim))
        story.start = story.day(gap)
    for _ in range(story.random.choice([0, 1, 1, 2])):
        _belong(story, laid)


def _use(story: Story, number: str, in_stay: bool, laid: list[Claim]) -> Claim:
    """A stay with beds up to one beyond its days, or a visit over the cap; its line may bear the id of one before."""
    if not in_stay:
        claim = over_the_cap(story, 0, encounter_id=number)
    else:
        days = story.random.choice([1, 3])
        bed = story.line(story.code("bed_items"), story.day(0), days + story.random.choice([0, 1]))
        told = {"visit_type": "21", "admitted_at": story.at(story.day(0)), "discharged_at": story.at(story.day(days))}
        claim = story.claim([bed], encounter_id=number, settled=story.day(days), **told)
    if laid and claim.lines and story.random.random() < 0.5:
        same = replace(claim.lines[0], line_id=laid[0].lines[0].line_id)
        story.events[-1] = replace(claim, lines=(same, *claim.lines[1:]))
    return story.claims[-1]


def _belong(story: Story, laid: list[Claim]) -> None:
    """What has no days of its own in the order: a correction, reversal or refund of one of them, or of nothing."""
    target = story.random.choice(laid)
    how = story.random.choice(
        ["corrects", "reverses", "refund", "refund", "negative", "no target", "settled twice", "another number"]
    )
    days = story.random.choice([0, 1, 300, 500, 900])
    if how in ("corrects", "reverses"):
        later(story, target, days, **{how: target.claim_id})
    elif how == "no target":
        later(
            story,
            target,
            days,
            lines=_moved(story, target, days),
            **{story.random.choice(["corrects", "reverses"]): "C0"},
        )
    elif how == "settled twice":
        later(story, target, days, claim_id=target.claim_id, lines=_moved(story, target, days))
    elif how == "another number":
        _settle_under_another_number(story, target, days)
    else:
        (line, *_) = _moved(story, target, days)
        money = {"quantity": -Decimal(line.quantity), "amount": -CENT, "in_fund_scope": -CENT}
        back = replace(line, refund_of=target.lines[0].line_id if how == "refund" else None, **money)  # type: ignore[arg-type]
        later(story, target, days, lines=(back,), admitted_at=None, discharged_at=None, visit_type="11")


def _settle_under_another_number(story: Story, claim: Claim, days: int) -> None:
    """The same claim_id twice more, under another number and, by a clock far ahead, under this one, which holds not."""
    told = {"claim_id": claim.claim_id, "lines": _moved(story, claim, days)}
    later(story, claim, days + 1, encounter_id=story.fresh("M"), **told)
    later(story, claim, days, happened_at=story.at(date(2095, 1, 1)), **told)


def _moved(story: Story, claim: Claim, days: int) -> tuple[ClaimLine, ...]:
    """The lines of a claim under new ids, so many days after its first."""
    when = story.at(days_of(claim)[0].fromordinal(days_of(claim)[0].toordinal() + days))
    return tuple(replace(line, line_id=story.fresh("L"), at=when) for line in claim.lines)
