"""The supplement of a history: details of its events, and which of its digests are of an earlier generation."""

from collections.abc import Mapping
from typing import Any

import msgspec

from knowledge_base.days import Day


class Old(msgspec.Struct, frozen=True, gc=False):
    """An event whose digest lacks what later ones hold: its encounter, with that one's first day and last."""

    generation: int
    encounter: tuple[str, str]
    first_day: Day
    last_day: Day


class Supplement(msgspec.Struct, frozen=True):
    """What is known of a subject's events beside their digests, for rules that need it; details by event_id."""

    details: Mapping[str, Any] = {}
    old: tuple[Old, ...] = ()


NO_SUPPLEMENT = Supplement()
