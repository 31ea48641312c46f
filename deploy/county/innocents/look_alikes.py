"""People who do nothing wrong and look as if they did: dialysis, errands, chemotherapy, transfers, late settlement."""

from collections.abc import Callable, Iterator
from functools import partial

from deploy.county.care import prices as p
from deploy.county.care import reasons as r
from deploy.county.care.contacts import BillLine, Contact
from deploy.county.care.institutions import Institutions
from deploy.county.care.ordinary_year import consulting_minute
from deploy.county.people.groups import Group, recruit, some_day
from deploy.county.people.insured import WOMAN, Person
from deploy.county.plan import CountyPlan
from deploy.county.truth import Kind, plant
from knowledge_base.days import Day


def befall(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """What happens to people with special needs, among them those who will need an excuse."""
    yield from _dialyse(plan, people, places)
    yield from _fetch_drugs(plan, people, places)
    yield from _give_chemotherapy(plan, people, places)
    yield from _transfer(plan, people, places)
    yield from _settle_late(plan, people, places)
    yield from _operate(plan, people, places)


def _dialyse(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Three sessions a week at the centre, also while the patient lies with pneumonia in another hospital."""
    for person, chance in recruit(plan, people, Group.ON_DIALYSIS, lambda who: who.age_in(plan.first.year) >= 35):
        centre = places.nearest("level_2", person.home)
        nights = chance.randint(*r.KIDNEY_WARD.nights)
        admitted = some_day(plan, chance, nights + 1)
        act = plant(Kind.DIALYSED_ELSEWHERE, person.pseudonym)
        ward = places.nearest(chance.choice(("level_3", "level_1")), person.home)
        cared_for = partial(_is_care_within, admitted, admitted + nights)
        yield Contact(
            person,
            ward,
            admitted,
            chance.randint(480, 900),
            r.KIDNEY_WARD,
            "kidney",
            nights,
            act=act,
            is_act_line=cared_for,
        )
        turn, minute = chance.randrange(2), chance.choice((390, 750, 1080))
        for day in range(plan.first.toordinal(), plan.last.toordinal() + 1):
            if day % 7 in (turn, turn + 2, turn + 4):
                away = admitted < day < admitted + nights
                yield Contact(
                    person,
                    centre,
                    day,
                    minute,
                    r.DIALYSIS,
                    f"dialysis{day}",
                    in_any_case=True,
                    act=act if away else None,
                )


def _is_care_within(admitted: Day, discharged: Day, line: BillLine) -> bool:
    """What a stay bills of a patient's body between its first and last day, but for what wards pad."""
    padded = (p.NURSING_FIRST, p.NURSING_SECOND, p.MONITORING)
    return admitted < line.day < discharged and line.item.kind == "service" and line.item not in padded


def _fetch_drugs(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """The daughter buys her mother's pills with the card while the mother lies in hospital."""
    for person, chance in recruit(
        plan, people, Group.HAS_RELATIVES_FETCH, lambda who: who.age_in(plan.first.year) > 60
    ):
        nights = chance.randint(*r.PNEUMONIA.nights)
        admitted = some_day(plan, chance, nights + 1)
        act = plant(Kind.FETCHED_BY_RELATIVES, person.pseudonym)
        hospital = places.nearest("level_3", person.home)
        cared_for = partial(_is_care_within, admitted, admitted + nights)
        minute = chance.randint(480, 900)
        yield Contact(person, hospital, admitted, minute, r.PNEUMONIA, "lies", nights, act=act, is_act_line=cared_for)
        shop, day = places.nearest("pharmacy", person.home), admitted + chance.randint(1, nights - 1)
        yield Contact(person, shop, day, consulting_minute(chance), r.SHOP_FOR_CHRONIC, "fetched", in_any_case=True)


def _give_chemotherapy(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Cycles of three weeks; each is a short stay at the same hospital for the same diagnosis."""
    for person, chance in recruit(plan, people, Group.HAS_CHEMOTHERAPY, lambda who: who.age_in(plan.first.year) >= 30):
        hospital = places.nearest("level_3", person.home)
        day = some_day(plan, chance, 130)
        for cycle in range(chance.randint(4, 6)):
            act = plant(Kind.CHEMOTHERAPY_CYCLE, person.pseudonym, str(cycle)) if cycle else None
            nights = chance.randint(*r.CHEMOTHERAPY.nights)
            yield Contact(
                person, hospital, day, chance.randint(480, 660), r.CHEMOTHERAPY, f"chemo{cycle}", nights, act=act
            )
            day += 21


def _transfer(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Too ill for the small hospital: brought to the large one at noon, and nursed in both on that day."""
    for person, chance in recruit(plan, people, Group.TRANSFERRED, lambda who: who.age_in(plan.first.year) >= 40):
        act = plant(Kind.TRANSFER, person.pseudonym)
        before, after = chance.randint(1, 4), chance.randint(6, 11)
        day = some_day(plan, chance, before + after + 1)
        small = places.nearest(chance.choice(("level_1", "township")), person.home)
        moved = day + before
        reason, minute = chance.choice((r.STROKE, r.HEART_FAILURE)), chance.randint(480, 1400)
        nursed = partial(_is_nursing_on, moved)
        yield Contact(
            person, small, day, minute, r.PNEUMONIA, "before", before, moved_on=True, act=act, is_act_line=nursed
        )
        large = places.nearest("level_3", person.home)
        yield Contact(person, large, moved, 1080, reason, "after", after, act=act, is_act_line=nursed)


def _is_nursing_on(day: Day, line: BillLine) -> bool:
    return line.day == day and line.item in (p.NURSING_FIRST, p.NURSING_SECOND)


def _settle_late(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Paid in cash at the visit, handed in months later, on a day on which the patient lies in another hospital."""
    for person, chance in recruit(plan, people, Group.SETTLES_LATE, lambda who: who.age_in(plan.first.year) >= 25):
        act = plant(Kind.SETTLED_LATE, person.pseudonym)
        nights = chance.randint(*r.PNEUMONIA.nights)
        wait = chance.randint(45, 150)
        day = some_day(plan, chance, wait + nights + 1)
        place = places.nearest(chance.choice(("level_3", "clinic")), person.home)
        reason = r.CHECK_UP if place.has_wards else r.COLD
        minute = consulting_minute(chance)
        yield Contact(person, place, day, minute, reason, "early", settled_after=wait, act=act)
        admitted = day + wait - chance.randint(2, nights - 2)
        ward = places.nearest("level_2", person.home)
        yield Contact(person, ward, admitted, chance.randint(480, 900), r.PNEUMONIA, "later", nights)


def _operate(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Stents and ovarian cancer, at the large hospitals; what is billed for them is up to those."""
    operations: tuple[tuple[Group, r.Reason, Callable[[Person], bool]], ...] = (
        (Group.NEEDS_STENT, r.STENT, lambda who: who.age_in(plan.first.year) >= 50),
        (Group.HAS_OVARIAN_CANCER, r.OVARY, lambda who: who.sex == WOMAN and who.age_in(plan.first.year) >= 35),
    )
    for group, reason, fits in operations:
        for person, chance in recruit(plan, people, group, fits):
            nights = chance.randint(*reason.nights)
            day = some_day(plan, chance, nights + 1)
            yield Contact(person, places.nearest("level_3", person.home), day, 540, reason, reason.name, nights)
