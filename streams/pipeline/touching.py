"""Touching: which of a person's days and events new events concern."""

from collections.abc import Iterable, Sequence

import msgspec

from knowledge_base.days import Day
from knowledge_base.digests.kinds import Digest
from knowledge_base.digests.persons import StatusDigest
from rules_lib.scope import ALL_DAYS, Scope


class Head(msgspec.Struct, frozen=True, gc=False):
    """What is known of a stored event without its digest. ``encounter`` and ``claim_id`` are empty for statuses."""

    seq: int
    event_id: str
    kind: str
    claim_id: str
    encounter: tuple[str, str]
    first_day: Day
    last_day: Day
    target: str | None


class Person(msgspec.Struct, frozen=True):
    """One person before judging: who it is, every event's head, which events are new, and why it is judged.

    ``cause`` is the newest event where nothing else is said.
    """

    area: str
    person: str
    heads: Sequence[Head]
    new: frozenset[int]
    cause: str | None = None


def merged_persons(members: dict[str, list[str]], digests: Iterable[Digest]) -> dict[str, list[str]]:
    """Who becomes one person by merges among some events: the least pseudonym with all that belong to it.

    ``members`` are the persons known before, each with all its pseudonyms.
    """
    group_of = {patient: set(together) for together in members.values() for patient in together}
    merged: set[str] = set()
    for digest in digests:
        if isinstance(digest, StatusDigest) and digest.change == "merge" and digest.same_as is not None:
            together = group_of.get(digest.patient, {digest.patient}) | group_of.get(digest.same_as, {digest.same_as})
            group_of.update(dict.fromkeys(together, together))
            merged |= together
    return {min(group_of[patient]): sorted(group_of[patient]) for patient in merged}


def touched(person: Person) -> tuple[Scope, frozenset[int]]:
    """The days that new events touch, and the events that do.

    An event touches its own days and those of every claim that it is linked to by claim_id, reversal or correction,
    in any chain, and of every claim of the same encounters. A status touches everything.
    """
    new = [head for head in person.heads if head.seq in person.new]
    if any(head.kind != "claim" for head in new):
        return ALL_DAYS, frozenset(head.seq for head in person.heads)
    linked = linked_events(new, person.heads)
    encounters = {head.encounter for head in linked}
    events = [head for head in person.heads if head.encounter in encounters]
    return Scope((head.first_day, head.last_day) for head in events), frozenset(head.seq for head in events)


def linked_events(start: Iterable[Head], heads: Sequence[Head]) -> list[Head]:
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
