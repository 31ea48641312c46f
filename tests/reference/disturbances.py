"""What goes astray between a hospital and a fund: refunds, reversals, corrections, merges, missing fields, repeats."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from msgspec.structs import replace

from knowledge_base.events.claims import Claim, ClaimLine, Paid
from knowledge_base.events.persons import PatientStatus

from .dates import civil_day
from .story import AREA, CENT, MILLIONTH, Story


def disturb(story: Story, times: int) -> None:
    """Changes or adds to a story's events that many times, each time in a way that its chance picks."""
    for _ in range(times):
        if story.claims:
            story.random.choice(_WAYS)(story, story.random.choice(story.claims))


def _refund(story: Story, claim: Claim) -> None:
    """Takes some or all of a line back, in the same encounter, at once or much later, with or without its scope."""
    lines = [line for line in claim.lines if line.refund_of is None]
    if not lines:
        return
    line = story.random.choice(lines)
    part = story.random.choice([Decimal("0.5"), Decimal(1), Decimal(1), Decimal("0.001"), Decimal("1.5")])
    scope = None if line.in_fund_scope is None else -(line.in_fund_scope * part).quantize(CENT)
    back = replace(
        line,
        line_id=story.fresh("L"),
        quantity=-(line.quantity * part).quantize(MILLIONTH),
        amount=-(line.amount * part).quantize(CENT),
        in_fund_scope=scope if story.random.random() < 0.85 else None,
        at=line.at + timedelta(days=story.random.choice([0, 1, 100])),
        refund_of=line.line_id,
    )
    _again(story, claim, lines=(back,), paid=Paid(pooled_fund=-CENT), corrects=None, reverses=None)


def _reverse(story: Story, claim: Claim) -> None:
    """Undoes a claim, sometimes before it came, sometimes with mirrored lines."""
    lines = tuple(_mirrored(story, line) for line in claim.lines) if story.random.random() < 0.5 else ()
    _again(story, claim, lines=lines, reverses=claim.claim_id, corrects=None)


def _mirrored(story: Story, line: ClaimLine) -> ClaimLine:
    scope = None if line.in_fund_scope is None else -line.in_fund_scope
    return replace(
        line,
        line_id=story.fresh("L"),
        quantity=-line.quantity,
        amount=-line.amount,
        in_fund_scope=scope,
        refund_of=None,
    )


def _correct(story: Story, claim: Claim) -> None:
    """Replaces a claim; the next one may replace the replacement, so that chains and rivals grow."""
    _again(story, claim, lines=_altered(story, claim.lines), corrects=claim.claim_id, reverses=None)


def _correct_with_rivals(story: Story, claim: Claim) -> None:
    for _ in range(2):
        _correct(story, claim)


def _correct_in_a_chain(story: Story, claim: Claim) -> None:
    _correct(story, claim)
    _correct(story, story.claims[-1])


def _correct_in_a_circle(story: Story, claim: Claim) -> None:
    """Two or three claims of which each corrects the next; sometimes one from outside aims at the circle."""
    by_id = list({other.claim_id: other for other in story.claims}.values())
    circle = story.random.sample(by_id, k=min(len(by_id), story.random.choice([2, 3])))
    if len(circle) > 1:
        for one, next_one in zip(circle, [*circle[1:], circle[0]], strict=True):
            _put(story, one, corrects=next_one.claim_id, reverses=None)
    if story.random.random() < 0.5:
        _correct(story, claim)


def _miss_the_target(story: Story, claim: Claim) -> None:
    """A correction or a reversal of a claim that nobody has seen."""
    if story.random.random() < 0.5:
        _put(story, claim, corrects=story.fresh("C"), reverses=None)
    else:
        _again(story, claim, reverses=story.fresh("C"), corrects=None)


def _settle_twice(story: Story, claim: Claim) -> None:
    """The same claim_id under another event_id, with other lines."""
    _again(story, claim, claim_id=claim.claim_id, lines=_altered(story, claim.lines))


def _bill_a_line_twice(story: Story, claim: Claim) -> None:
    """One line_id in two claims of an encounter."""
    if claim.lines:
        line = story.random.choice(claim.lines)
        _again(story, claim, lines=_altered(story, (line,)), corrects=None, reverses=None)


def _merge(story: Story, claim: Claim) -> None:
    """Some claims under one or two other pseudonyms, joined in any order; some merges never come or are taken back."""
    names = [story.patient, *(f"P{story.random.randrange(10**6):06d}x" for _ in range(story.random.choice([1, 2])))]
    for other in story.claims:
        _put(story, other, patient=story.random.choice([story.patient, *names]))
    for one, next_one in pairwise(names):
        if story.random.random() < 0.9:
            one, next_one = story.random.sample([one, next_one], k=2)
            story.events.append(_status(story, claim, one, change="merge", same_as=next_one))
        if story.random.random() < 0.15:
            story.events.append(_status(story, claim, next_one, change="unmerge", same_as=one))


def tell_the_sex(story: Story, claim: Claim) -> None:
    """One or two statuses on a person's sex, before or after the claims."""
    for _ in range(story.random.choice([1, 2])):
        sex = story.random.choice(["1", "2", "1", "2", "9", None])
        story.events.append(_status(story, claim, claim.patient, change="sex", sex=sex))


def _status(story: Story, claim: Claim, patient: str, **fields: str | None) -> PatientStatus:
    happened_at = claim.happened_at + timedelta(days=story.random.choice([-30, 0, 1, 200]))
    return PatientStatus(story.fresh("E"), AREA, "patient_status", happened_at, "S2", patient, **fields)  # type: ignore[arg-type]


def _forget(story: Story, claim: Claim) -> None:
    """A field of the claim that nobody filled in."""
    field = story.random.choice(["paid", "paid", "operations", "diagnoses", "admitted_at", "discharged_at", "sex"])
    _put(story, claim, **{field: None})


def _forget_the_scope(story: Story, claim: Claim) -> None:
    _put(story, claim, lines=_with_one_changed(story, claim.lines, in_fund_scope=None))


def _pay_a_line_oneself(story: Story, claim: Claim) -> None:
    _put(story, claim, lines=_with_one_changed(story, claim.lines, in_fund_scope=Decimal(0)))


def _pay_from_the_family_account(story: Story, claim: Claim) -> None:
    """The fund pays nothing of the claim."""
    total = sum((line.amount for line in claim.lines), Decimal(0))
    _put(story, claim, paid=Paid(pooled_fund=Decimal(0), shared_family_account=total))


def _pay_otherwise(story: Story, claim: Claim) -> None:
    """The pooled fund pays nothing, but serious illness insurance or aid does."""
    serious = story.random.choice([Decimal(0), Decimal("12.34")])
    _put(story, claim, paid=Paid(Decimal(0), serious_illness=serious, aid=Decimal("12.34") - serious))


def _move_a_line(story: Story, claim: Claim) -> None:
    """The encounter goes on: a line a day later, in a claim of its own."""
    if claim.lines:
        line = story.random.choice(claim.lines)
        moved = replace(line, line_id=story.fresh("L"), at=story.at(civil_day(line.at) + timedelta(days=1)))
        _again(story, claim, lines=(moved,), corrects=None, reverses=None)


def _book_a_negative_line(story: Story, claim: Claim) -> None:
    """Money taken back by a negative line that names no other."""
    if claim.lines:
        line = replace(_mirrored(story, claim.lines[0]), quantity=Decimal(-1), amount=-CENT, in_fund_scope=-CENT)
        _put(story, claim, lines=(*claim.lines, line))


def _see_otherwise(story: Story, claim: Claim) -> None:
    """Another type of visit under the same encounter, or the same encounter id at another institution."""
    if story.random.random() < 0.5:
        _put(story, claim, visit_type=story.random.choice(["11", "13", "21", "24", "41"]))
    else:
        _put(story, claim, institution=story.elsewhere(claim.institution))


def _tell_something_else(story: Story, claim: Claim) -> None:
    """A death or an insured period, which no rule of these asks for."""
    story.events.append(_status(story, claim, claim.patient, change=story.random.choice(["death", "insured"])))


def _altered(story: Story, lines: tuple[ClaimLine, ...]) -> tuple[ClaimLine, ...]:
    """The same lines, one of them with one unit more or less, where that leaves any."""
    if not lines or story.random.random() < 0.3:
        return lines
    line = story.random.choice(lines)
    quantity = line.quantity + story.random.choice([-1, 1])
    return tuple(replace(one, quantity=quantity) if one is line and quantity > 0 else one for one in lines)


def _with_one_changed(story: Story, lines: tuple[ClaimLine, ...], **fields: Decimal | None) -> tuple[ClaimLine, ...]:
    if not lines:
        return lines
    line = story.random.choice(lines)
    return tuple(replace(one, **fields) if one is line else one for one in lines)  # type: ignore[arg-type]


def _put(story: Story, claim: Claim, **fields: object) -> None:
    """Replaces an event of the story by one that differs."""
    story.events[story.events.index(claim)] = replace(claim, **fields)  # type: ignore[arg-type]


def _again(story: Story, claim: Claim, **fields: object) -> None:
    """A further event like this one, under new ids unless told, some time before or after it."""
    ago = timedelta(days=story.random.choice([-2, 0, 1, 1, 1, 150]))
    told = {
        "event_id": story.fresh("E"),
        "claim_id": story.fresh("C"),
        "happened_at": claim.happened_at + ago,
        **fields,
    }
    story.events.append(replace(claim, **told))  # type: ignore[arg-type]


_WAYS: tuple[Callable[[Story, Claim], None], ...] = (
    _refund,
    _refund,
    _reverse,
    _correct,
    _correct_with_rivals,
    _correct_in_a_chain,
    _correct_in_a_circle,
    _miss_the_target,
    _settle_twice,
    _bill_a_line_twice,
    _merge,
    _merge,
    tell_the_sex,
    _forget,
    _forget_the_scope,
    _pay_a_line_oneself,
    _pay_from_the_family_account,
    _pay_otherwise,
    _move_a_line,
    _book_a_negative_line,
    _see_otherwise,
    _tell_something_else,
)
