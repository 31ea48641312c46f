"""What becomes known of people beside their bills: deaths, two files of one person, a sex put right."""

from collections.abc import Iterator
from datetime import date, timedelta
from math import exp
from typing import Literal

from deploy.county.clock import instant, minute_of
from deploy.county.people.groups import some_day
from deploy.county.people.insured import Person
from deploy.county.plan import AREA, CountyPlan
from knowledge_base.days import Day
from knowledge_base.events.persons import PatientStatus

_REGISTER = "population-register"


def day_of_death(plan: CountyPlan, person: Person) -> Day | None:
    """The day on which somebody dies within the year, if so."""
    chance = plan.chance("death", person.pseudonym)
    yearly = 0.00045 * exp(max(0, person.age_in(plan.first.year) - 20) / 15)
    return some_day(plan, chance) if chance.random() < yearly * plan.years else None


def report_statuses(plan: CountyPlan, person: Person, died: Day | None) -> Iterator[PatientStatus]:
    """What the population register reports of a person within the year."""
    chance = plan.chance("register", person.pseudonym)
    if person.former_pseudonym is not None:
        day = min(person.known_from + chance.randint(1, 60), plan.last.toordinal())
        yield _status(person, "merge", day, same_as=person.former_pseudonym)
    if person.sex_wrong_until:
        yield _status(person, "sex", person.sex_wrong_until, sex=person.sex)
    if died is not None:
        day = min(died + chance.randint(1, 40), plan.last.toordinal())
        yield _status(person, "death", day, died_on=date.fromordinal(died))


def _status(
    person: Person,
    change: Literal["death", "merge", "sex"],
    day: Day,
    same_as: str | None = None,
    sex: str | None = None,
    died_on: date | None = None,
) -> PatientStatus:
    happened_at = instant(minute_of(day, 1020))
    return PatientStatus(
        event_id=f"{_REGISTER}:{change}-{person.pseudonym}",
        area=AREA,
        kind="patient_status",
        happened_at=happened_at,
        sender=_REGISTER,
        patient=person.pseudonym,
        change=change,
        received_at=happened_at + timedelta(minutes=20),
        died_on=died_on,
        same_as=same_as,
        sex=sex,
    )
