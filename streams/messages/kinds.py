"""Kinds of events: one row each says all that the path from a message to the store must know of a kind.

A new kind is a type (``knowledge_base.events``), a digest (``knowledge_base.digests``) and a row here; a topic of its
own is a row of ``streams.topics`` and a station of ``streams.hosts.stations`` more. What the rules may say of it is the
matter of the history of its subject (``rules_lib.histories``).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from knowledge_base.days import microseconds
from knowledge_base.digests.claims import ClaimDigest
from knowledge_base.digests.details import ClaimDetails, claim_details
from knowledge_base.digests.head import Details, Digest
from knowledge_base.digests.making import claim_digest
from knowledge_base.digests.persons import StatusDigest, status_digest
from knowledge_base.digests.prescriptions import PrescriptionDigest, prescription_digest
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus
from knowledge_base.events.prescriptions import Prescription
from knowledge_base.events.replies import Reply
from knowledge_base.numbers import number
from knowledge_base.subjects import Subject, patient
from streams.messages.faults import claim_faults, status_faults

Place = tuple[str, Subject]
"""A subject with its area."""

NO_DETAILS = Details()

LONGEST_SENDER = 100
"""Signs of an institution's code."""


class Sending(NamedTuple):
    """Who sent a message, an institution, and what kind of message it is to them; ``at`` is when a door took it, where
    that is told."""

    institution: str
    kind: str
    at: datetime | None


def _no_money(_event: Any) -> Decimal:
    return Decimal(0)


def _no_details(_event: Any) -> Details:
    return NO_DETAILS


def _from_nobody(_event: Any) -> Sending | None:
    return None


def _joins_nobody(_event: Any) -> str | None:
    return None


class Kind(msgspec.Struct, frozen=True):
    """A kind of event.

    ``event`` and ``digest`` are its types. ``key`` names the fields that make up the bus key, which decides what is
    seen in order. ``subjects`` gives whom the event is about, with their areas, its own first: a patient is judged in
    the batch that takes the event in, other subjects by the job of wider subjects. ``faults`` tells what its types
    cannot, in the form "field: what is wrong". ``money`` is what its lines sum to, in yuan. ``joins`` names another
    patient that is one person with its own. ``details`` is the type of what ``details_of`` keeps beside the digest, for
    kinds of which some rules need more than others. ``sending`` says whose silence it ends, if anybody's.
    """

    event: type[Any]
    topic: str
    key: tuple[str, ...]
    subjects: Callable[[Any], Sequence[Place]]
    digest: type[Digest]
    digest_of: Callable[[Any], Digest]
    faults: Callable[[Any], Iterator[str]] = lambda _event: iter(())
    money: Callable[[Any], Decimal] = _no_money
    joins: Callable[[Any], str | None] = _joins_nobody
    details: type[Details] = Details
    details_of: Callable[[Any], Details] = _no_details
    sending: Callable[[Any], Sending | None] = _from_nobody


def _of_patient(event: Claim | PatientStatus | Prescription) -> Sequence[Place]:
    return ((event.area, patient(event.patient)),)


def _of_institution(event: Reply) -> Sequence[Place]:
    return ((event.area, Subject("institution", event.institution)),)


def _head_alone(event: Reply) -> Digest:
    return Digest(event.event_id, microseconds(event.happened_at))


CLAIM, BEFORE, DURING, REPLY = "claim", "3101", "3102", "3103"
"""Kinds of messages, as institutions send them."""

ASKED = (BEFORE, DURING, REPLY)
"""Those of them that the gateway takes."""

ASKED_IN = {"before": BEFORE, "during": DURING}
"""By the phase of a request."""


def is_sender(name: str) -> bool:
    """Whether a refused message's sender can be one: what is accepted was looked at before."""
    return 0 < len(name.strip()) <= LONGEST_SENDER and name.isprintable()


def _sent_claim(claim: Claim) -> Sending:
    return Sending(claim.institution, CLAIM, claim.received_at)


def _asked(request: Prescription) -> Sending:
    return Sending(request.institution, ASKED_IN[request.phase], request.received_at or request.happened_at)


def _replied(reply: Reply) -> Sending:
    return Sending(reply.institution, REPLY, reply.received_at or reply.happened_at)


def _sum_of_lines(claim: Claim) -> Decimal:
    return sum([number(line.amount) for line in claim.lines], Decimal(0))


def _other_pseudonym(status: PatientStatus) -> str | None:
    return status.same_as if status.change in ("merge", "unmerge") else None


KINDS: dict[str, Kind] = {
    "claim": Kind(
        event=Claim,
        topic="claims",
        key=("area", "patient"),
        subjects=_of_patient,
        digest=ClaimDigest,
        digest_of=claim_digest,
        faults=claim_faults,
        money=_sum_of_lines,
        details=ClaimDetails,
        details_of=claim_details,
        sending=_sent_claim,
    ),
    "patient_status": Kind(
        event=PatientStatus,
        topic="claims",
        key=("area", "patient"),
        subjects=_of_patient,
        digest=StatusDigest,
        digest_of=status_digest,
        faults=status_faults,
        joins=_other_pseudonym,
    ),
    "prescription": Kind(
        event=Prescription,
        topic="prescriptions",
        key=("area", "patient"),
        subjects=_of_patient,
        digest=PrescriptionDigest,
        digest_of=prescription_digest,
        sending=_asked,
    ),
    "reply": Kind(
        event=Reply,
        topic="replies",
        key=("warning_id",),
        subjects=_of_institution,
        digest=Digest,
        digest_of=_head_alone,
        sending=_replied,
    ),
}


def digest_of(event: Event) -> Digest:
    """The part of an event that rules may look at."""
    return KINDS[event.kind].digest_of(event)


def details_of(event: Event) -> Details:
    """What few rules need of an event."""
    return KINDS[event.kind].details_of(event)


def event_topics() -> list[str]:
    """The topics that carry events, by name."""
    return sorted({kind.topic for kind in KINDS.values()})
