"""The digest of a change of a person's status."""

from knowledge_base.days import LAST_LIKELY, Day, day_at, microseconds
from knowledge_base.digests.head import BEFORE_ALL, Digest
from knowledge_base.events.persons import PatientStatus


class StatusDigest(Digest, array_like=True, frozen=True, gc=False):
    """One change of a person's status, which concerns all days. One told with a wrong clock ranks before all others.

    ``same_as`` is read before histories are, to find who is one person.
    """

    patient: str
    change: str
    sex: str | None = None
    died_on: Day | None = None
    same_as: str | None = None


def status_digest(status: PatientStatus) -> StatusDigest:
    happened_at = microseconds(status.happened_at)
    return StatusDigest(
        event_id=status.event_id,
        happened_at=BEFORE_ALL if day_at(happened_at) > LAST_LIKELY else happened_at,
        patient=status.patient,
        change=status.change,
        sex=status.sex,
        died_on=status.died_on.toordinal() if status.died_on else None,
        same_as=status.same_as,
    )
