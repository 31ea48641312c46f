"""What became known of a person: death, sex on file, insured periods, two pseudonyms of one person."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from knowledge_base.events.head import Code, Id, Instant


@dataclass(frozen=True)
class InsuredPeriod:
    """Civil days, both counted, on which somebody was insured in the area."""

    first: date
    last: date | None = None


@dataclass(frozen=True)
class PatientStatus:
    """What became known of a person: a death, another sex on file, insured periods, two pseudonyms of one person."""

    event_id: Id
    area: Code
    kind: Literal["patient_status"]
    happened_at: Instant
    sender: Id
    patient: Id
    change: Literal["death", "merge", "sex", "insured"]
    received_at: Instant | None = None
    schema_version: Literal[1] = 1
    died_on: date | None = None
    same_as: Id | None = None
    sex: Code | None = None
    insured: tuple[InsuredPeriod, ...] = field(default=())
