"""What stands: persons, claims, encounters, lines and stays, by sections 1 to 4 of docs/what-counts.md.

Written from that page alone, in plain loops over all events; days are ``date`` objects of the civil day in China
(UTC+8), quantities billing units, amounts yuan.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.events.claims import Claim
from knowledge_base.events.head import Event
from knowledge_base.events.persons import PatientStatus

from .encounters import Encounter, Encounters, encounters
from .lines import Line
from .persons import has_wrong_clock, person_names, rank
from .settlements import settlements
from .stays import Stay, stays_of
from .takeback import Lines, lines_of


@dataclass(frozen=True)
class Person:
    """One person with everything that stands, and what is odd beside it; ``claims`` have the least rank first."""

    name: str
    claims: tuple[Claim, ...]
    fell_although_paid: tuple[Claim, ...]
    wrong_clocks: tuple[Claim, ...]
    encounters: Encounters
    all_lines: Lines
    stays: tuple[Stay, ...]
    sex_on_file: PatientStatus | None

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines that stand for themselves, in line order."""
        return self.all_lines.own

    def encounter_of(self, claim: Claim) -> Encounter:
        return self.encounters.of[claim.event_id]

    def claims_in(self, encounter: Encounter) -> list[Claim]:
        return [claim for claim in self.claims if self.encounter_of(claim) == encounter]

    def lines_in(self, encounter: Encounter) -> list[Line]:
        return [line for line in self.lines if line.encounter == encounter]

    def closed_stays(self) -> Iterator[tuple[Stay, date, date]]:
        """Each closed stay with its days of admission and discharge."""
        for stay in self.stays:
            if stay.state == "closed":
                yield stay, *stay.span

    def lacks_closed_stay(self, encounter: Encounter) -> bool:
        """Whether an encounter is an inpatient one whose stay is open, unclear or without admission."""
        inpatient = any(claim.visit_type in INPATIENT_VISITS for claim in self.claims_in(encounter))
        return inpatient and not any(stay.encounter == encounter for stay, _, _ in self.closed_stays())


def people(events: Iterable[Event]) -> list[Person]:
    """All persons of one area's events: “of one area an event_id is known once”."""
    accepted = list({event.event_id: event for event in events}.values())
    names = person_names(accepted)
    return [
        _person(name, [event for event in accepted if names[event.patient] == name])
        for name in sorted(set(names.values()))
    ]


def _person(name: str, events: list[Event]) -> Person:
    claims = [event for event in events if isinstance(event, Claim)]
    sexes = [event for event in events if isinstance(event, PatientStatus) and event.change == "sex"]
    settled = settlements(claims)
    laid = encounters(claims, settled)

    def encounter_of(claim: Claim) -> Encounter:
        return laid.of[claim.event_id]

    return Person(
        name=name,
        claims=settled.standing,
        fell_although_paid=settled.fell_although_paid,
        wrong_clocks=tuple(claim for claim in claims if has_wrong_clock(claim)),
        encounters=laid,
        all_lines=lines_of(settled.standing, encounter_of),
        stays=tuple(stays_of(settled.standing, encounter_of)),
        sex_on_file=max(sexes, key=rank, default=None),
    )
