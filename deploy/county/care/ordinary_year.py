"""An ordinary year: colds and chronic diseases, shopping in pharmacies, now and then a stay."""

from collections.abc import Iterator
from math import exp
from random import Random
from typing import TypeVar

from deploy.county.care import reasons as r
from deploy.county.care.contacts import Contact
from deploy.county.care.institutions import Institution, Institutions
from deploy.county.care.reasons import Reason
from deploy.county.people.groups import some_day
from deploy.county.people.insured import WOMAN, Person
from deploy.county.plan import CountyPlan

T = TypeVar("T")

VISITS_A_YEAR = 1.72
SHOPPING_A_YEAR = 1.15
STAYS_A_YEAR = 0.105
"""Rates of a person of average frailty, set so that a county of Daye's size has its 4.7 million settlements."""

_CHILD = ((r.CHILD_COLD, 70), (r.STOMACH, 6), (r.FIRST_AID, 8), (r.CHECK_UP, 10))
_ADULT = (
    (r.COLD, 24), (r.STOMACH, 13), (r.BACK_PAIN, 13), (r.HERBAL, 16), (r.BLADDER, 6), (r.CHECK_UP, 22),
    (r.FIRST_AID, 5), (r.SUGAR_CHECK, 2),
)  # fmt: skip
_OF_SEX = {"1": (r.MENS, 6), "2": (r.WOMENS, 12)}
_STAYS_BY_LEVEL = {
    1: ((r.PNEUMONIA, 30), (r.LUNG, 25), (r.BACK_WARD, 28), (r.SUGAR_WARD, 17)),
    2: (
        (r.PNEUMONIA, 16), (r.LUNG, 14), (r.STROKE, 13), (r.SUGAR_WARD, 12), (r.GALLBLADDER, 9), (r.APPENDIX, 9),
        (r.HEART_FAILURE, 11), (r.EMERGENCY_PNEUMONIA, 9), (r.LONG_RECOVERY, 4), (r.BACK_WARD, 10),
    ),
    3: (
        (r.STROKE, 15), (r.HEART_FAILURE, 14), (r.HIP, 9), (r.CATARACT, 11), (r.CHEST_PAIN, 11), (r.GALLBLADDER, 8),
        (r.EMERGENCY_PNEUMONIA, 12), (r.LUNG, 10), (r.APPENDIX, 6),
    ),
}  # fmt: skip
_ROLES_FOR_VISITS = (
    ("village", 28),
    ("clinic", 19),
    ("township", 17),
    ("level_1", 12),
    ("level_2", 15),
    ("level_3", 9),
)
_ROLES_FOR_STAYS = (("township", 20), ("level_1", 20), ("level_2", 32), ("level_3", 28))
_NEEDS_HOSPITAL = frozenset({r.CHECK_UP, r.SUGAR_CHECK, r.FIRST_AID, r.BLADDER, r.MENS})
_CHILDREN_UNTIL = 14


def live(plan: CountyPlan, person: Person, places: Institutions) -> Iterator[Contact]:
    """The contacts of a person's ordinary year, in no order; some will be impossible (on a ward, or after death)."""
    yield from _visits(plan, person, places)
    yield from _chronic_visits(plan, person, places)
    yield from _shopping(plan, person, places)
    yield from _stays(plan, person, places)


def _visits(plan: CountyPlan, person: Person, places: Institutions) -> Iterator[Contact]:
    chance = plan.chance("visits", person.pseudonym)
    child = person.age_in(plan.first.year) <= _CHILDREN_UNTIL
    complaints = _CHILD if child else (*_ADULT, _OF_SEX[person.sex])
    for number in range(_times(chance, VISITS_A_YEAR * person.frailty * plan.years)):
        reason = _pick(chance, complaints)
        role = _pick(chance, _ROLES_FOR_VISITS[2:] if reason in _NEEDS_HOSPITAL else _ROLES_FOR_VISITS)
        minute = chance.randrange(1440) if reason.visit_type == r.EMERGENCY else consulting_minute(chance)
        place = places.nearest(role, person.home)
        yield Contact(person, place, some_day(plan, chance), minute, reason, f"visit{number}")


def _chronic_visits(plan: CountyPlan, person: Person, places: Institutions) -> Iterator[Contact]:
    if not (person.hypertension or person.diabetes):
        return
    chance = plan.chance("chronic", person.pseudonym)
    reason = r.SUGAR if person.diabetes else r.PRESSURE
    place = places.nearest(_pick(chance, _ROLES_FOR_VISITS[1:]), person.home)
    day = plan.first.toordinal() + chance.randrange(40)
    number = 0
    while day <= plan.last.toordinal():
        yield Contact(person, place, day, consulting_minute(chance), reason, f"chronic{number}")
        day += chance.randint(28, 84)
        number += 1


def _shopping(plan: CountyPlan, person: Person, places: Institutions) -> Iterator[Contact]:
    chance = plan.chance("shopping", person.pseudonym)
    for number in range(_times(chance, SHOPPING_A_YEAR * person.frailty * plan.years)):
        reason = r.SHOP_FOR_CHRONIC if person.hypertension and chance.random() < 0.3 else r.SHOPPING
        place = places.nearest("pharmacy", person.home + chance.randrange(2))
        yield Contact(person, place, some_day(plan, chance), chance.randint(480, 1290), reason, f"shop{number}")


def _stays(plan: CountyPlan, person: Person, places: Institutions) -> Iterator[Contact]:
    chance = plan.chance("stays", person.pseudonym)
    age = person.age_in(plan.first.year)
    for number in range(_times(chance, STAYS_A_YEAR * person.frailty * (1 + (age > 60)) * plan.years)):
        place = places.nearest(_pick(chance, _ROLES_FOR_STAYS), person.home)
        reason = r.PNEUMONIA if age <= _CHILDREN_UNTIL else _pick(chance, _STAYS_BY_LEVEL[place.level])
        yield _go_to_ward(plan, chance, person, place, reason, f"stay{number}")
    if person.sex == WOMAN and 20 <= age <= 38 and chance.random() < 0.05 * plan.years:
        yield _go_to_ward(plan, chance, person, places.nearest("level_2", person.home), r.BIRTH, "birth")


def _go_to_ward(
    plan: CountyPlan, chance: Random, person: Person, place: Institution, reason: Reason, key: str
) -> Contact:
    nights = chance.randint(*reason.nights)
    minute = chance.randrange(1440) if reason.visit_type == r.WARD_AFTER_EMERGENCY else chance.randint(480, 1020)
    return Contact(person, place, some_day(plan, chance, nights + 1), minute, reason, key, nights)


def come_by_emergency(plan: CountyPlan, stay: Contact) -> Iterator[Contact]:
    """The visit to the emergency room before a stay that begins with one, after midnight on the day before."""
    if stay.reason.visit_type != r.WARD_AFTER_EMERGENCY:
        return
    chance = plan.chance("emergency", stay.person.pseudonym, stay.key)
    day, minute = divmod(stay.day * 1440 + stay.minute - chance.randint(120, 240), 1440)
    if day >= plan.first.toordinal():
        reason = r.FEEDING_BEFORE_ADMISSION if chance.random() < 0.3 else r.FIRST_AID
        yield Contact(stay.person, stay.institution, day, minute, reason, f"{stay.key}-emergency")


def consulting_minute(chance: Random) -> int:
    """A minute of the consulting hours, most of them before noon."""
    return int(chance.triangular(450, 1050, 570))


def _times(chance: Random, mean: float) -> int:
    """A Poisson number (Knuth's method; means here are small)."""
    limit, product, number = exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


def _pick(chance: Random, weighted: tuple[tuple[T, int], ...]) -> T:
    return chance.choices([choice for choice, _ in weighted], [weight for _, weight in weighted])[0]
