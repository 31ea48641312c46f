"""What became of each of a person's claims, for people: whether it stands, and which other claim made it fall.

What stands is what ``standing_of`` says; here is told why the others do not. What-counts section 2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from knowledge_base.digests.claims import ClaimDigest
from rules_lib.histories.standing import Name, name_of, rank, standing_of, target_of

FateKind = Literal["stands", "repeated", "reversal", "reversed", "corrected", "outdone", "taken_along"]


class Fate(msgspec.Struct, frozen=True):
    """What became of a claim, and the claim that did it, where one did.

    ``repeated``: a later message holds its claim_id. ``reversal``: it takes back another and counts for nothing itself.
    ``outdone``: a later correction of the same claim holds. ``taken_along``: what it corrects was reversed.
    """

    kind: FateKind
    by: ClaimDigest | None = None


def fates_of(claims: Sequence[ClaimDigest]) -> dict[str, Fate]:
    """The fate of each of a person's claims, by event_id; the same for every order."""
    standing = standing_of(claims)
    stand = {claim.event_id for claim in standing.claims}
    found = _Found(standing.held)
    return {claim.event_id: Fate("stands") if claim.event_id in stand else found.fall_of(claim) for claim in claims}


class _Found:
    """The claims that hold their claim_id, with what reverses and what corrects each."""

    def __init__(self, held: Sequence[ClaimDigest]):
        ordered = sorted(held, key=rank)
        self.holding = {name_of(claim): claim for claim in ordered}
        self.reversals = {(claim.institution, claim.reverses): claim for claim in ordered if claim.reverses is not None}
        self.corrections = {
            target_of(claim): claim
            for claim in ordered
            if claim.corrects is not None and name_of(claim) not in _led_to(claim, self.holding)
        }

    def fall_of(self, claim: ClaimDigest) -> Fate:
        """Why a claim does not stand."""
        name = name_of(claim)
        if self.holding[name] is not claim:
            return Fate("repeated", self.holding[name])
        if claim.reverses is not None:
            return Fate("reversal")
        if name in self.reversals:
            return Fate("reversed", self.reversals[name])
        if name in self.corrections:
            return Fate("corrected", self.corrections[name])
        if self.corrections[target_of(claim)] is not claim:
            return Fate("outdone", self.corrections[target_of(claim)])
        reversed_ = next(target for target in _led_to(claim, self.holding) if target in self.reversals)
        return Fate("taken_along", self.reversals[reversed_])


def _led_to(claim: ClaimDigest, holding: Mapping[Name, ClaimDigest]) -> Sequence[Name]:
    """What a claim corrects, what that corrects, and so on, each once."""
    return list(dict.fromkeys(_steps(claim, holding)))


def _steps(claim: ClaimDigest, holding: Mapping[Name, ClaimDigest]) -> Iterator[Name]:
    passed: set[Name] = set()
    while claim.corrects is not None and target_of(claim) not in passed:
        passed.add(target_of(claim))
        yield target_of(claim)
        if target_of(claim) not in holding:
            return
        claim = holding[target_of(claim)]
