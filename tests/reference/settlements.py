"""Which claims stand: section 2 of docs/what-counts.md, sentences 1 to 4."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from knowledge_base.events.claims import Claim

from .persons import rank

Name = tuple[str, str]
"""(institution, claim_id): “A claim_id is unique within its institution.”"""
Arrows = Mapping[Name, Name]


@dataclass(frozen=True)
class Settlements:
    """The claims of one person, least rank first: those that hold, that stand, that fell although the fund paid."""

    held: Mapping[Name, Claim]
    standing: tuple[Claim, ...]
    fell_although_paid: tuple[Claim, ...]


def settlements(claims: list[Claim]) -> Settlements:
    """“A claim stands when it holds, is no reversal, is not reversed nor taken along, is no target of an applied
    arrow and no losing rival.”"""
    last = {name_of(claim): claim for claim in sorted(claims, key=rank)}
    held = {name_of(claim): claim for claim in sorted(last.values(), key=rank)}
    arrows = _applied(held)
    replaced = _replaced(held, arrows)
    reversals = {name for name, claim in held.items() if claim.reverses is not None}
    reversed_ = {target for name in reversals if (target := link_of(held[name])) is not None}
    taken_along = _leading_to(reversed_, arrows)
    gone = replaced | reversals | reversed_
    return Settlements(
        held=held,
        standing=tuple(claim for name, claim in held.items() if name not in gone | taken_along),
        fell_although_paid=tuple(
            claim for name, claim in held.items() if name in taken_along - gone and (fund_paid(claim) or 0) > 0
        ),
    )


def name_of(claim: Claim) -> Name:
    return claim.institution, claim.claim_id


def link_of(claim: Claim) -> Name | None:
    """What a claim reverses or corrects: “links reach claims of the same institution”."""
    target = claim.corrects if claim.reverses is None else claim.reverses
    return None if target is None else (claim.institution, target)


def fund_paid(claim: Claim) -> Decimal | None:
    """What pooled fund, serious illness and aid paid together, in yuan; ``None`` where not told."""
    if claim.paid is None:
        return None
    return Decimal(claim.paid.pooled_fund) + Decimal(claim.paid.serious_illness) + Decimal(claim.paid.aid)


def on_cycle(start: Name, arrows: Arrows) -> bool:
    seen: set[Name] = set()
    at = arrows.get(start)
    while at is not None and at not in seen:
        if at == start:
            return True
        seen.add(at)
        at = arrows.get(at)
    return False


def _applied(held: Mapping[Name, Claim]) -> Arrows:
    """“Each names one target, so they form arrows. Arrows that lie on a cycle do not apply.”"""
    arrows: dict[Name, Name] = {}
    for name, claim in held.items():
        target = link_of(claim)
        if claim.corrects is not None and target in held:
            arrows[name] = target
    return {source: target for source, target in arrows.items() if not on_cycle(source, arrows)}


def _replaced(held: Mapping[Name, Claim], arrows: Arrows) -> set[Name]:
    """“Of the remaining arrows to one target, the greatest rank wins; the target and the losing rivals count for
    nothing.”"""
    gone = set(arrows.values())
    for target in arrows.values():
        rivals = sorted((source for source, aim in arrows.items() if aim == target), key=lambda name: rank(held[name]))
        gone |= set(rivals[:-1])
    return gone


def _leading_to(targets: set[Name], arrows: Arrows) -> set[Name]:
    """“every claim from which arrows that apply (also those of losing rivals) lead to it”"""
    found: set[Name] = set()
    ends = targets
    while ends:
        ends = {source for source, target in arrows.items() if target in ends} - found
        found |= ends
    return found
