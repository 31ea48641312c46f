"""A patient as somebody may see them: the claims with what became of each, and the findings that may be shown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from api.frame import formats
from api.leads.evidence import line_keys, seen_with
from casework.sight import Sight
from knowledge_base.days import Day
from knowledge_base.digests.claims import ClaimDigest, span_of_claim
from knowledge_base.numbers import number
from knowledge_base.subjects import PATIENT, Subject
from rules_lib.histories.fates import Fate, fates_of
from rules_lib.histories.patient import PatientHistory
from streams.messages.identifiers import trimmed
from streams.store.casework.patients import PlacedFinding, find_patient_findings
from streams.store.events.evidence import find_person_events
from streams.store.events.persons import find_persons
from streams.store.sessions import Connection


@dataclass(frozen=True)
class Patient:
    """One person, by the name of all their pseudonyms; ``claims`` are those that may be seen, by their days.

    ``history`` holds those of them that stand. ``sex`` is the code on file, else that of a claim that is seen.
    """

    area: str
    person: str
    claims: Sequence[ClaimDigest]
    fates: Mapping[str, Fate]
    history: PatientHistory
    findings: Sequence[PlacedFinding]

    @property
    def sex(self) -> str | None:
        return self.history.sex_on_file or next((claim.sex for claim in reversed(self.claims) if claim.sex), None)

    def age(self, on: Day) -> int | None:
        """Full years of age on a day, as the latest claim that is seen tells the birth."""
        return next((formats.age(claim.birth, on) for claim in reversed(self.claims) if claim.birth), None)

    def claim(self, event_id: str) -> ClaimDigest | None:
        """A claim that may be seen, by its event."""
        return next((claim for claim in self.claims if claim.event_id == event_id), None)

    def named(self, institution: str, claim_id: str) -> ClaimDigest | None:
        """The claim that may be seen by which an institution knows a settlement: the one that holds the number."""
        found = [claim for claim in self.claims if (claim.institution, claim.claim_id) == (institution, claim_id)]
        return next((claim for claim in found if self.fates[claim.event_id].kind != "repeated"), None)

    def stands(self, claim: ClaimDigest) -> bool:
        return self.fates[claim.event_id].kind == "stands"


async def find_patient(connection: Connection, area: str, patient: str, sight: Sight) -> Patient | None:
    """Somebody by any of their pseudonyms; ``None`` where no claim of theirs may be seen.

    Whoever is limited to institutions sees all claims of these. Of others they see those alone that evidence shows: a
    finding in sight names a line of it, and it stands.
    """
    if sight.areas is not None and area not in sight.areas:
        return None
    (person,) = await find_persons(connection, area, [patient])
    every = await find_person_events(connection, area, patient)
    findings = await find_patient_findings(connection, area, person, sight)
    whole = PatientHistory(Subject(PATIENT, person), every.values(), ())
    named = {key for placed in findings for key in line_keys(placed.version.finding)}
    history, events = seen_with(named, whole, every, sight)
    called = {claim.event_id: claim for claim in history.claims}
    claims = [
        called.get(event.event_id, event)
        for event in events.values()
        if isinstance(event, ClaimDigest) and (event.event_id in called or _is_own(event, sight))
    ]
    if not claims:
        return None
    claims.sort(key=lambda claim: (*days_of(claim)[::-1], claim.event_id))
    fates = fates_of([event for event in every.values() if isinstance(event, ClaimDigest)])
    return Patient(area, person, claims, fates, history, findings)


def _is_own(claim: ClaimDigest, sight: Sight) -> bool:
    return sight.institutions is None or trimmed(claim.institution) in sight.institutions


def days_of(claim: ClaimDigest) -> tuple[Day, Day]:
    """First and last day of a claim over its lines and its stay, without the days that supplies are for."""
    lines = [replace(line, days=None) for line in claim.lines]
    return span_of_claim(lines, claim.admitted, claim.discharged, claim.settled_day)


def billed(claims: Iterable[ClaimDigest]) -> tuple[Decimal, Decimal]:
    """What some claims bill together, and what of it is in the fund's scope as far as they tell, in yuan."""
    lines = [line for claim in claims for line in claim.lines]
    amount = sum((number(line.amount) for line in lines), Decimal(0))
    return amount, sum((number(line.in_fund_scope) for line in lines if line.in_fund_scope is not None), Decimal(0))
