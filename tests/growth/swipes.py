"""A kind of event of its own: a card swiped at a terminal, about that terminal and no patient."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from knowledge_base.days import Day, day_at, microseconds
from knowledge_base.digests.head import Digest, Links
from knowledge_base.events.head import Code, Id, Instant
from knowledge_base.subjects import Subject
from streams.messages.kinds import Kind, Place
from streams.topics import Topic


class Swipe(Struct, frozen=True, gc=False):
    """``voids`` names an earlier swipe that it takes back; the terminal stands in another area than the card's."""

    event_id: Id
    area: Code
    kind: Literal["swipe"]
    happened_at: Instant
    sender: Id
    swipe_id: Id
    terminal: Id
    institution: Id
    treated_in: Code
    voids: Id | None = None
    received_at: Instant | None = None


class SwipeDigest(Digest, array_like=True, frozen=True, gc=False):
    swipe_id: str
    terminal: str
    institution: str
    voids: str | None

    @property
    def day(self) -> Day:
        return day_at(self.happened_at)

    @property
    def span(self) -> tuple[Day, Day]:
        return self.day, self.day

    @property
    def links(self) -> Links:
        return Links(self.swipe_id, reverses=self.voids)


def digest_of(swipe: Swipe) -> SwipeDigest:
    at = microseconds(swipe.happened_at)
    return SwipeDigest(swipe.event_id, at, swipe.swipe_id, swipe.terminal, swipe.institution, swipe.voids)


def subjects(swipe: Swipe) -> Sequence[Place]:
    return ((swipe.treated_in, Subject("terminal", swipe.terminal)),)


def faults(swipe: Swipe) -> Iterator[str]:
    if swipe.voids == swipe.swipe_id:
        yield "voids: a swipe cannot void itself"


SWIPE = Kind(Swipe, "swipes", ("treated_in", "terminal"), subjects, SwipeDigest, digest_of, faults)
TOPIC = Topic("swipes", 2, "swipe-judges")
