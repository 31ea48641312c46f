"""A kind of subject of its own: a terminal, with what a check may read of it, and a rule about terminals."""

from collections import defaultdict
from collections.abc import Container, Iterable
from datetime import date
from typing import Any

from knowledge_base.days import Day
from knowledge_base.digests.head import Digest
from knowledge_base.subjects import Subject
from rules_lib.histories.history import History
from rules_lib.rule import Rule

from .swipes import SwipeDigest


class TerminalHistory(History):
    """Standing swipes of a terminal by day: those that nothing voids."""

    def __init__(self, subject: Subject, digests: Iterable[Digest], codes: Container[str]):
        super().__init__(subject)
        swipes = [digest for digest in digests if isinstance(digest, SwipeDigest)]
        void = {swipe.voids for swipe in swipes} | {swipe.swipe_id for swipe in swipes if swipe.voids}
        self.by_day: dict[Day, list[SwipeDigest]] = defaultdict(list)
        for swipe in sorted(swipes, key=lambda swipe: (swipe.happened_at, swipe.event_id)):
            if swipe.swipe_id not in void:
                self.by_day[swipe.day].append(swipe)


def _words(text: str) -> dict[str, str]:
    return {"zh": text, "en": text}


_RULE: dict[str, Any] = {
    "id": "FW90000001",
    "name": "a terminal swiped in rows",
    "title": _words("Swiped in rows"),
    "category": "management",
    "phases": ["after"],
    "severity": 3,
    "suggested_action": "investigate",
    "competence": "handling_agency",
    "basis": [{"text": "of the test", "since": date(2020, 1, 1)}],
    "looks_at": "terminal",
    "anchor": "day",
    "always": True,
    "definition": _words("More swipes on a day than the limit"),
    "check": "terminals.swiped_in_rows",
    "reach": {},
    "needs": [],
    "limits": {"swipes": {date(2020, 1, 1): 2}},
    "message": _words("{value} swipes at {institution}"),
    "advice": {"assumed": _words("a"), "evaded": _words("e"), "check_next": _words("c")},
    "status": "live",
    "cases": [{}, {}],
    "topic": "terminals",
    "file": "swiped_in_rows.yaml",
    "file_hash": "0",
}
RULE = Rule.model_validate(_RULE)
