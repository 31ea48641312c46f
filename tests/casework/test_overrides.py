"""What doctors did about warnings: no share of few, and what is left over of the told."""

from decimal import Decimal

from casework.overrides import LEAST_ANSWERED, Overrides


def test_a_share_is_of_the_answered_and_told_of_enough_of_them() -> None:
    enough = Overrides(told=100, changed=LEAST_ANSWERED - 12, continued=12)
    assert enough.share == Decimal(12) / LEAST_ANSWERED
    assert (enough.answered, enough.unanswered) == (LEAST_ANSWERED, 100 - LEAST_ANSWERED)
    assert enough._replace(continued=11).share is None
    assert Overrides(told=100).share is None


def test_whoever_goes_on_gives_a_reason_or_none() -> None:
    assert Overrides(told=5, continued=4, reasoned=1).unreasoned == 3
