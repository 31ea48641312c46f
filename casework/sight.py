"""Sight: what somebody may see, on which day. Every query that shows something to people takes one."""

import msgspec

from knowledge_base.days import Day


class Sight(msgspec.Struct, frozen=True):
    """The civil day in China on which somebody looks, and the pooling areas that they may see (``None``: all).

    What counts on a day follows from it: a finding whose excuse may still come is shown from the day after.
    """

    today: Day
    areas: frozenset[str] | None = None
