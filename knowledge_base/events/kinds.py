"""The kinds of events."""

from knowledge_base.events.claims import Claim
from knowledge_base.events.persons import PatientStatus

Event = Claim | PatientStatus
