"""Sight: what somebody may see, on which day. Every query that shows something to people takes one."""

from typing import Protocol

import msgspec

from knowledge_base.days import Day


class Onlooker(Protocol):
    """Somebody who looks: the pooling areas and the institutions that they may see (``None``: all)."""

    @property
    def areas(self) -> frozenset[str] | None: ...

    @property
    def institutions(self) -> frozenset[str] | None: ...


class Sight(msgspec.Struct, frozen=True):
    """The civil day in China on which somebody looks, and the pooling areas and institutions they may see (``None``:
    all).

    A lead is in sight where its area and its institution are, a finding where its lead is. What counts on a day follows
    from it: a finding whose excuse may still come is shown from the day after.
    """

    today: Day
    areas: frozenset[str] | None = None
    institutions: frozenset[str] | None = None
