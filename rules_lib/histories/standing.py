"""Which of a person's claims stand. What-counts section 2, in any order of arrival."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.head import Digest

Name = tuple[str, str]
"""(institution, claim_id), by which settlements know each other."""


class Standing(msgspec.Struct, frozen=True):
    """What became of a person's claims.

    ``held`` are those that hold their claim_id, ``claims`` those of them that stand, and ``taken_along`` those that
    would, had a reversal not taken along what corrects its target.
    """

    held: Sequence[ClaimDigest]
    claims: Sequence[ClaimDigest]
    taken_along: Sequence[ClaimDigest] = ()


def rank(event: Digest) -> tuple[int, str]:
    """By which of two events that contradict one another the greater holds."""
    return (event.happened_at, event.event_id)


def name_of(claim: ClaimDigest) -> Name:
    return (claim.institution, claim.claim_id)


def standing_of(claims: Sequence[ClaimDigest]) -> Standing:
    """The claims that stand: held by their claim_id, no reversal, not reversed, not replaced by a correction."""
    holding = {(claim.institution, claim.claim_id): claim for claim in claims}
    held = claims
    if len(holding) < len(claims):
        holding = {name_of(claim): claim for claim in sorted(claims, key=rank)}
        held = [claim for claim in claims if holding[name_of(claim)] is claim]
    reversals = [claim for claim in held if claim.reverses is not None]
    corrections = _corrections(held, holding)
    if not reversals and not corrections:
        return Standing(held, held)
    fallen = {name_of(claim) for claim in reversals}
    reversed_ = {(claim.institution, claim.reverses) for claim in reversals if claim.reverses is not None}
    fallen |= reversed_ | _replaced(corrections)
    along = _leading_to(reversed_, corrections)
    return Standing(
        held,
        [claim for claim in held if name_of(claim) not in fallen and name_of(claim) not in along],
        [claim for claim in held if name_of(claim) in along and name_of(claim) not in fallen],
    )


Corrections = Mapping[Name, Sequence[ClaimDigest]]
"""The corrections that apply, rivals and all, by what they correct."""


def _corrections(held: Iterable[ClaimDigest], holding: Mapping[Name, ClaimDigest]) -> Corrections:
    found: dict[Name, list[ClaimDigest]] = defaultdict(list)
    for claim in held:
        if claim.corrects is not None:
            target = target_of(claim)
            if target in holding and not _on_a_cycle(claim, holding):
                found[target].append(claim)
    return found


def target_of(claim: ClaimDigest) -> Name:
    """What a claim corrects."""
    return (claim.institution, claim.corrects or "")


def _replaced(corrections: Corrections) -> set[Name]:
    """What corrections replace: each target, and every rival but the greatest."""
    replaced = set(corrections)
    for rivals in corrections.values():
        winner = max(rivals, key=rank)
        replaced.update(name_of(claim) for claim in rivals if claim is not winner)
    return replaced


def _leading_to(targets: Collection[Name], corrections: Corrections) -> set[Name]:
    """Every claim from which corrections lead to one of some claims."""
    found: set[Name] = set()
    following = list(targets)
    while following:
        nearer = [name_of(claim) for claim in corrections.get(following.pop(), ())]
        following += [name for name in nearer if name not in found]
        found.update(nearer)
    return found


def _on_a_cycle(claim: ClaimDigest, holding: Mapping[Name, ClaimDigest]) -> bool:
    passed: set[Name] = set()
    following = target_of(claim)
    while following in holding and following not in passed:
        if following == name_of(claim):
            return True
        passed.add(following)
        following = target_of(holding[following])
    return False
