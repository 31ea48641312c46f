"""Who is one person, and which event ranks before which: section 1 of docs/what-counts.md."""

from collections.abc import Iterable
from datetime import datetime

from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus

from .dates import LAST_TOLD, ONE_DAY, civil_day, told_day

Rank = tuple[bool, datetime, str]
"""Whether there is a time to go by, that time, event_id."""


def rank(event: Event) -> Rank:
    """“Events are ranked by (happened_at, event_id).” A wrong clock “ranks as its settled_at”, a status “before all
    others”, and so does a claim that has no likely settled_at either."""
    if isinstance(event, Claim) and has_wrong_clock(event):
        return told_day(event.settled_at) is not None, event.settled_at, event.event_id
    return not _is_far_off(event), event.happened_at, event.event_id


def has_wrong_clock(claim: Claim) -> bool:
    """“happened_at after 2090-12-31, or more than a day before its own settled_at”, where that is told."""
    early = claim.settled_at - claim.happened_at > ONE_DAY
    return _is_far_off(claim) or (early and told_day(claim.settled_at) is not None)


def _is_far_off(event: Event) -> bool:
    return civil_day(event.happened_at) > LAST_TOLD


def person_names(events: Iterable[Event]) -> dict[str, str]:
    """The person behind each pseudonym: the least of those that the holding merges join.

    “Of the merges and unmerges of one pair of pseudonyms, whichever of the two names the other, the one of the
    greatest rank holds.”
    """
    events = list(events)
    statuses = [event for event in events if isinstance(event, PatientStatus)]
    names = {event.patient: event.patient for event in events}
    holding: dict[frozenset[str], PatientStatus] = {}
    for status in sorted(statuses, key=rank):
        if status.change in ("merge", "unmerge") and status.same_as is not None:
            names.setdefault(status.same_as, status.same_as)
            holding[frozenset((status.patient, status.same_as))] = status
    for pair, status in holding.items():
        if status.change == "merge":
            _join(names, pair)
    return names


def _join(names: dict[str, str], pair: frozenset[str]) -> None:
    joined = {names[pseudonym] for pseudonym in pair}
    for pseudonym, name in names.items():
        if name in joined:
            names[pseudonym] = min(joined)
