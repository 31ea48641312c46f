"""Touching: which of a subject's days and events new events concern."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day
from knowledge_base.digests.head import GENERATION, Digest
from knowledge_base.subjects import Subject
from rules_lib.scope import ALL_DAYS, Scope


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is known of a stored event without its digest: its number, days, and by which names others find it.

    ``claim_id`` is empty where its kind has none; ``company`` is what it is looked at together with (``company_of``).
    ``generation`` is its digest's.
    """

    seq: int
    event_id: str
    kind: str
    claim_id: str
    company: tuple[str, str]
    first_day: Day
    last_day: Day
    target: str | None
    generation: int = GENERATION

    @property
    def concerns_all_days(self) -> bool:
        return self.first_day <= FIRST_DAY and self.last_day >= LAST_DAY


def company_of(event_id: str, encounter: tuple[str, str]) -> tuple[str, str]:
    """What an event is looked at together with: its encounter; one without (``digests.head.Links``) stands alone."""
    return encounter if encounter != ("", "") else ("", event_id)


def head_of_digest(seq: int, kind: str, digest: Digest) -> Head:
    """The head of an event of which its digest is known."""
    links, (first, last) = digest.links, digest.span
    company = company_of(digest.event_id, links.encounter)
    return Head(seq, digest.event_id, kind, links.claim_id, company, first, last, links.target)


class Matter(msgspec.Struct, frozen=True, dict=True):
    """A subject that is to be judged again: every event's head, which events are new, and why.

    ``cause`` is the newest event where nothing else is said.
    """

    area: str
    subject: Subject
    heads: Sequence[Head]
    new: frozenset[int]
    cause: str | None = None

    @property
    def because(self) -> tuple[str, int]:
        """Why it is judged, and the number of its newest event; 0 where none is left to a person who was parted."""
        if self.cause is not None:
            return self.cause, max([head.seq for head in self.heads], default=0)
        newest = max(self.heads, key=lambda head: head.seq)
        return f"event {newest.event_id}", newest.seq

    @cached_property
    def is_apart(self) -> bool:
        """Whether each event is an encounter of its own and no reversal or correction links any: so are most histories.

        What is asked of companies and links needs no look at the others then.
        """
        claims = [head.claim_id for head in self.heads if head.claim_id]
        return (
            len({head.company for head in self.heads}) == len(self.heads)
            and len(set(claims)) == len(claims)
            and not [head for head in self.heads if head.target is not None]
        )


class Touched(NamedTuple):
    """The days that new events touch, and the numbers of the events that do."""

    scope: Scope
    seqs: frozenset[int]


def touched(matter: Matter) -> Touched:
    """The days and events that the new ones touch.

    An event touches its own days and those of every claim that it is linked to by claim_id, reversal or correction,
    in any chain, and of every event of the same encounters. One that concerns all days touches everything.
    """
    new = [head for head in matter.heads if head.seq in matter.new]
    if any(head.concerns_all_days for head in new):
        return Touched(ALL_DAYS, frozenset(head.seq for head in matter.heads))
    events = new if matter.is_apart else in_company_of(new, matter.heads)
    scope = Scope((head.first_day, head.last_day) for head in events)
    return Touched(scope, frozenset(head.seq for head in events))


def in_company_of(some: Sequence[Head], heads: Sequence[Head]) -> list[Head]:
    """Some events with all of their encounters, and of those that they are linked to."""
    together = {head.company for head in (*some, *linked(some, heads))}
    return [head for head in heads if head.company in together]


def linked(start: Iterable[Head], heads: Sequence[Head]) -> list[Head]:
    """The events whose claim_ids are connected with some events by reversals and corrections, either way."""
    claim_ids = {head.claim_id for head in start if head.claim_id}
    links = [(head.claim_id, head.target) for head in heads if head.target is not None]
    claim_ids.update(head.target for head in start if head.target is not None)
    grown = bool(links)
    while grown:
        reached = {end for link in links if claim_ids.intersection(link) for end in link}
        grown = not reached <= claim_ids
        claim_ids |= reached
    return [head for head in heads if head.claim_id in claim_ids]
