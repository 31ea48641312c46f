"""What every digest has: where it came from, its days, what items and links it holds."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day


class Links(NamedTuple):
    """By which names other events of the subject find an event: settlement, encounter, and what it takes back.

    ``reverses`` and ``corrects`` name a claim_id.
    """

    claim_id: str = ""
    encounter: tuple[str, str] = ("", "")
    reverses: str | None = None
    corrects: str | None = None

    @property
    def target(self) -> str | None:
        """The claim_id that is taken back, ``None`` where none is."""
        return self.reverses if self.reverses is not None else self.corrects


_NO_LINKS = Links()


GENERATION = 4
"""Of the digests that this program makes. Those of the first have no details beside them; those of the first two hold
identifiers as they came, padded or not; those of the first three rank by every clock, and span placeholder dates."""

BEFORE_ALL = -(2**53)
"""The rank of an event whose clock is wrong and that tells no better instant: before every other."""


class Details(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What few rules need of an event, kept beside its digest: a type for each kind that has such."""


class Digest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The part of an event that rules may look at. Its own days are all days unless its kind says others."""

    event_id: str
    happened_at: int

    @property
    def span(self) -> tuple[Day, Day]:
        """First and last day: an event touches these, and windows that meet them hold it."""
        return FIRST_DAY, LAST_DAY

    @property
    def links(self) -> Links:
        return _NO_LINKS

    @property
    def item_codes(self) -> Iterable[str | None]:
        """The items that it bills or moves, once a line."""
        return ()

    def holds_any(self, items: frozenset[str]) -> bool:
        """Whether it bills or moves one of some items."""
        return not items.isdisjoint(self.item_codes)
