"""The kinds of digests."""

from knowledge_base.days import FIRST_DAY, LAST_DAY, Day
from knowledge_base.digests.claims import ClaimDigest, claim_digest, span_of_claim
from knowledge_base.digests.persons import StatusDigest, status_digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.kinds import Event

Digest = ClaimDigest | StatusDigest


def span_of(digest: Digest) -> tuple[Day, Day]:
    """First and last day of a claim as ``span_of_claim`` says; all days of a status."""
    if isinstance(digest, StatusDigest):
        return FIRST_DAY, LAST_DAY
    if digest.first_day is not None and digest.last_day is not None:
        return digest.first_day, digest.last_day
    return span_of_claim(digest.lines, digest.admitted, digest.discharged, digest.settled_day)


def digest_of(event: Event) -> Digest:
    """The part of an event that rules may look at."""
    return claim_digest(event) if isinstance(event, Claim) else status_digest(event)
