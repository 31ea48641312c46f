"""What became of claims, held against the reference's settlements and against what the claims themselves say."""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest
from msgspec.structs import replace

from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.events.claims import Claim
from rules_lib.histories.fates import Fate, fates_of
from rules_lib.histories.standing import rank
from streams.messages.kinds import digest_of
from tests.reference.histories import SCENES, history
from tests.reference.settlements import settlements


def _digests(claims: Sequence[Claim]) -> list[ClaimDigest]:
    return [digest for claim in claims if isinstance(digest := digest_of(claim), ClaimDigest)]


def _claims(about: str, seed: int) -> list[Claim]:
    """The claims of a history as if they were one person's, each event_id once."""
    return list({event.event_id: event for event in history(seed, about) if isinstance(event, Claim)}.values())


def _linked_at_random(seed: int) -> list[Claim]:
    """Claims of one history that reverse and correct one another at random: rivals, chains, circles, names twice."""
    chance = Random(seed)
    claims = [claim for near in range(4) for claim in _claims("names and dates", 4 * seed + near)][:8]
    claims = [replace(claim, event_id=f"e{number}") for number, claim in enumerate(claims)]
    names = [f"c{number}" for number in range(5)]
    linked = []
    for claim in claims:
        how = chance.choice(["reverses", "corrects", "corrects", "neither"])
        name, target = chance.choice(names), chance.choice(names)
        links: dict[str, str | None] = {"reverses": None, "corrects": None}
        if target != name and how != "neither":
            links[how] = target
        linked.append(replace(claim, claim_id=name, institution="H1", **links))
    return linked


def _chain(claim: ClaimDigest, claims: Sequence[ClaimDigest]) -> Iterator[str]:
    """The claim_ids that a claim corrects, one after another."""
    last = {of.claim_id: of for of in sorted(claims, key=rank) if of.institution == claim.institution}
    for _ in claims:
        if claim.corrects is None:
            return
        yield claim.corrects
        if claim.corrects not in last:
            return
        claim = last[claim.corrects]


def _last_correction(institution: str, target: str | None, claims: Sequence[ClaimDigest]) -> ClaimDigest | None:
    """The last of those that correct a claim; those on a circle apply to nothing."""
    last = {(of.institution, of.claim_id): of for of in sorted(claims, key=rank)}
    correcting = [of for of in last.values() if (of.institution, of.corrects) == (institution, target)]
    return max((of for of in correcting if of.claim_id not in _chain(of, claims)), key=rank, default=None)


def _is_so(claim: ClaimDigest, fate: Fate, claims: Sequence[ClaimDigest]) -> bool:
    """Whether the claims themselves say what a fate says."""
    by = fate.by
    if fate.kind in ("stands", "reversal"):
        return by is None and (fate.kind == "reversal") <= (claim.reverses is not None)
    assert by is not None
    assert by.institution == claim.institution
    return {
        "repeated": by.claim_id == claim.claim_id and rank(by) > rank(claim),
        "reversed": by.reverses == claim.claim_id,
        "corrected": by is _last_correction(claim.institution, claim.claim_id, claims),
        "outdone": by is _last_correction(claim.institution, claim.corrects, claims) and rank(by) > rank(claim),
        "taken_along": by.reverses in _chain(claim, claims),
    }[fate.kind]


def _assert_told_rightly(histories: Sequence[list[Claim]]) -> set[str]:
    kinds = set[str]()
    for claims in histories:
        digests = _digests(claims)
        fates = fates_of(digests)
        settled = settlements(claims)
        stand = {claim.event_id for claim in settled.standing}
        assert {name for name, fate in fates.items() if fate.kind == "stands"} == stand
        held = {claim.event_id for claim in settled.held.values()}
        assert {name for name, fate in fates.items() if fate.kind == "repeated"} == fates.keys() - held
        assert all(_is_so(digest, fates[digest.event_id], digests) for digest in digests)
        assert fates_of(digests[::-1]) == fates
        kinds |= {fate.kind for fate in fates.values()}
    return kinds


@pytest.mark.parametrize("about", SCENES)
def test_of_histories(about: str) -> None:
    _assert_told_rightly([_claims(about, seed) for seed in range(200)])


def test_of_claims_linked_at_random(samples: Callable[[int], int]) -> None:
    kinds = _assert_told_rightly([_linked_at_random(seed) for seed in range(samples(2000))])
    assert kinds == {"stands", "repeated", "reversal", "reversed", "corrected", "outdone", "taken_along"}
