"""The insured of the county: who they are and what they live with. Pseudonyms only, no names."""

from dataclasses import dataclass
from datetime import date
from random import Random

from deploy.county.plan import CountyPlan

MAN, WOMAN = "1", "2"
EMPLOYEE, RESIDENT = "310", "390"
EMPLOYEE_SHARE = 0.106
"""88,400 of Daye's 833,800 insured are employees, the others residents."""

_AGE_GROUPS = ((0, 14, 17), (15, 39, 28), (40, 59, 31), (60, 74, 17), (75, 95, 7))
# Shares of people who live with a disease, by the beginning of their age group.
_HYPERTENSION = {0: 0.0, 15: 0.03, 40: 0.21, 60: 0.46, 75: 0.54}
_DIABETES = {0: 0.0, 15: 0.01, 40: 0.08, 60: 0.17, 75: 0.18}


@dataclass(frozen=True, slots=True)
class Person:
    """One insured person; ``home`` says which institutions are near, ``frailty`` how often care is needed."""

    pseudonym: str
    sex: str
    born: date
    insurance_type: str
    poor: bool
    home: int
    frailty: float
    hypertension: bool
    diabetes: bool
    former_pseudonym: str | None = None
    known_from: int = 0
    sex_wrong_until: int = 0

    def age_in(self, year: int) -> int:
        return year - self.born.year

    def name_on(self, day: int) -> str:
        """The pseudonym under which somebody is known on a day; it changes where two files become one."""
        if self.former_pseudonym is not None and day < self.known_from:
            return self.former_pseudonym
        return self.pseudonym

    def sex_on_file(self, day: int) -> str:
        """The sex on the claims of a day; a few are wrong until somebody notices."""
        if day < self.sex_wrong_until:
            return WOMAN if self.sex == MAN else MAN
        return self.sex


def insure_people(plan: CountyPlan) -> list[Person]:
    """Everybody insured in the county, in the order of their numbers."""
    return [_person(plan, number) for number in range(1, plan.insured + 1)]


def _person(plan: CountyPlan, number: int) -> Person:
    chance = plan.chance("person", str(number))
    group, age = _draw_age(chance)
    sex = MAN if chance.random() < 0.51 else WOMAN
    born = min(plan.first, date(plan.first.year - age, chance.randint(1, 12), chance.randint(1, 28)))
    employee = age >= 18 and chance.random() < EMPLOYEE_SHARE / 0.8
    two_files = chance.random() < 0.001
    return Person(
        pseudonym=f"p{number:07d}",
        sex=sex,
        born=born,
        insurance_type=EMPLOYEE if employee else RESIDENT,
        poor=chance.random() < 0.05,
        home=chance.randrange(1_000_000),
        frailty=(0.6 + age / 60) * (0.4 + chance.random() * 1.2),
        hypertension=chance.random() < _HYPERTENSION[group],
        diabetes=chance.random() < _DIABETES[group],
        former_pseudonym=f"p9{number:06d}" if two_files else None,
        known_from=plan.first.toordinal() + chance.randrange(plan.days),
        sex_wrong_until=plan.first.toordinal() + chance.randrange(plan.days) if chance.random() < 0.0008 else 0,
    )


def _draw_age(chance: Random) -> tuple[int, int]:
    """The beginning of the age group, and the age."""
    weights = [weight for *_, weight in _AGE_GROUPS]
    youngest, oldest, _ = chance.choices(_AGE_GROUPS, weights)[0]
    return youngest, chance.randint(youngest, oldest)
