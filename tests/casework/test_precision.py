"""The share of a maker's findings that is right at least."""

from decimal import Decimal

import pytest

from casework.precision import LEAST_DECIDED, PRIOR, Precision


def test_what_few_decided_on_says_nothing_yet() -> None:
    assert {Precision(right, of).bound for of in range(LEAST_DECIDED) for right in range(of + 1)} == {PRIOR}
    assert Precision(30, 30).bound > PRIOR > Precision(0, 30).bound


@pytest.mark.parametrize("of", [30, 31, 52, 400, 20_000])
@pytest.mark.parametrize("tenths", range(11))
def test_the_bound_is_the_least_share_that_a_score_test_does_not_refuse(of: int, tenths: int) -> None:
    """Wilson's interval holds the shares p with (hits/n - p)^2 <= z^2 p (1 - p) / n: the bound is one percent below its
    end at most."""
    hits = of * tenths // 10
    bound = float(Precision(hits, of).bound)

    def is_refused(share: float) -> bool:
        return hits / of > share and (hits / of - share) ** 2 > 1.959964**2 * share * (1 - share) / of

    assert not is_refused(bound + 0.01)
    assert bound == 0 or is_refused(bound - 1e-9)


def test_the_bound_is_told_in_whole_percents_and_grows_with_what_is_confirmed() -> None:
    bounds = [Precision(right, 60).bound for right in range(61)]
    assert bounds == sorted(bounds)
    assert all(bound == bound.quantize(Decimal("0.01")) for bound in bounds)
