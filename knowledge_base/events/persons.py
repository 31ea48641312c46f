"""What became known of a person: death, sex on file, insured periods, two pseudonyms of one person or of two."""

from datetime import date
from typing import Literal

from msgspec import Struct

from knowledge_base.events.head import Code, Id, Instant


class InsuredPeriod(Struct, frozen=True, gc=False):
    """Civil days, both counted, on which somebody was insured in the area."""

    first: date
    last: date | None = None


class PatientStatus(Struct, frozen=True, gc=False):
    """What became known of a person: a death, another sex on file, insured periods, two pseudonyms of one person.

    An unmerge says of ``patient`` and ``same_as`` that they are two persons after all.
    """

    event_id: Id
    area: Code
    kind: Literal["patient_status"]
    happened_at: Instant
    sender: Id
    patient: Id
    change: Literal["death", "merge", "unmerge", "sex", "insured"]
    received_at: Instant | None = None
    schema_version: Literal[1] = 1
    died_on: date | None = None
    same_as: Id | None = None
    sex: Code | None = None
    insured: tuple[InsuredPeriod, ...] = ()
