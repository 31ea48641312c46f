"""What others saw go wrong: the judge finds what it has to in every sibling of every case, and nothing else."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from .cases import NURSING, POINTS, line, visit
from .judge import reference_findings
from .seen_outside import CASES, HERE, Seen, negative_money

SIBLINGS = 25


@pytest.mark.parametrize("case", CASES)
def test_every_sibling_finds_what_it_has_to(case: Callable[[Random], Seen]) -> None:
    for seed in range(SIBLINGS):
        seen = case(Random(seed))
        assert set(reference_findings(seen.events, POINTS)) == seen.found, seed


@pytest.mark.parametrize("case", CASES)
def test_siblings_differ(case: Callable[[Random], Seen]) -> None:
    assert len({str(case(Random(seed)).events) for seed in range(SIBLINGS)}) > 1


def test_negative_money_is_never_in_question() -> None:
    for seed in range(SIBLINGS):
        found = reference_findings(negative_money(Random(seed)).events, POINTS)
        assert {one.in_question for one in found.values()} == {Decimal("0.00")}


def test_a_claim_sent_again_for_another_area_counts_in_both() -> None:
    """Which of them stands is for people."""
    claim = visit("1", line("a", NURSING, "03-02"), line("b", NURSING, "03-02"), institution=HERE)
    moved = replace(claim, area="420299", happened_at=claim.happened_at + timedelta(days=1))
    for area in (claim, moved):
        assert len(reference_findings([area], POINTS)) == 1
