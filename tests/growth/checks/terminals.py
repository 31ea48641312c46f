"""Checks on terminals."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rules_lib.questions import Measure, Question, Undecided


def swiped_in_rows(question: Question[Any]) -> Iterator[Measure | Undecided]:
    """More swipes on one day than the rule's limit."""
    for day, swipes in question.history.by_day.items():
        if question.meets(day, day):
            limit = Decimal(question.rule.limit("swipes", day))
            parts = [("swipe", swipe.swipe_id) for swipe in swipes]
            yield Measure(
                (question.name, day),
                Decimal(len(swipes)),
                limit,
                day,
                day,
                swipes[-1].institution,
                guilty_parts=parts[int(limit) :],
            )
