"""Encounters that somebody arranges for the money: on paper, on lent cards, next door, over and over."""

from collections.abc import Callable, Iterator
from random import Random

from deploy.county.care import prices as p
from deploy.county.care import reasons as r
from deploy.county.care.contacts import BillLine, Contact
from deploy.county.care.institutions import Habit, Institution, Institutions
from deploy.county.care.ordinary_year import consulting_minute
from deploy.county.people.groups import Group, recruit, some_day
from deploy.county.people.insured import MAN, Person
from deploy.county.plan import CountyPlan
from deploy.county.truth import Kind, plant


def arrange(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """All arranged encounters of the year."""
    yield from _admit_on_paper(plan, people, places)
    yield from _admit_who_lies_elsewhere(plan, people, places)
    yield from _swipe_cards_in_rows(plan, people, places)
    yield from _bill_womens_kit_on_mens_cards(plan, people, places)
    yield from _drip_for_walk_ins(plan, people, places)
    yield from _send_next_door(plan, people, places)
    yield from _infuse_for_ever(plan, people, places)


def _admit_on_paper(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """A township ward with empty beds admits villagers who sleep at home and see their usual doctor meanwhile."""
    wards = places.with_habit(Habit.PAPER_STAYS)
    for person, chance in recruit(plan, people, Group.PAPER_PATIENT, _is_elderly(plan)):
        act = plant(Kind.PAPER_STAY, person.pseudonym)
        nights = chance.randint(*r.PAPER_WARD.nights)
        day = some_day(plan, chance, nights + 1)
        yield Contact(person, chance.choice(wards), day, 480, r.PAPER_WARD, "paper", nights, act=act)
        usual = places.nearest(chance.choice(("clinic", "level_2", "pharmacy")), person.home)
        reason = r.SHOP_FOR_CHRONIC if usual.kind == "pharmacy" else r.PRESSURE
        for number in range(chance.randint(1, 2)):
            when = day + chance.randint(1, nights - 1)
            minute = consulting_minute(chance)
            yield Contact(person, usual, when, minute, reason, f"meanwhile{number}", in_any_case=True)


def _admit_who_lies_elsewhere(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """The same ward has the cards of villagers who fell ill: they lie in the hospital and are admitted here as well."""
    wards = places.with_habit(Habit.PAPER_STAYS)
    for person, chance in recruit(plan, people, Group.IN_TWO_BEDS, _is_elderly(plan)):
        nights, on_paper = chance.randint(*r.PNEUMONIA.nights), chance.randint(*r.PAPER_WARD.nights)
        day = some_day(plan, chance, nights + on_paper + 1)
        hospital = places.nearest("level_2", person.home)
        yield Contact(person, hospital, day, chance.randint(480, 900), r.PNEUMONIA, "truly", nights, in_any_case=True)
        act = plant(Kind.TWO_BEDS, person.pseudonym)
        later = day + chance.randint(1, nights - 2)
        ward = chance.choice(wards)
        yield Contact(person, ward, later, 480, r.PAPER_WARD, "on_paper", on_paper, in_any_case=True, act=act)


def _swipe_cards_in_rows(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """A pharmacy keeps a stack of cards and, on quiet evenings, runs through some of them a minute or two apart."""
    lenders = recruit(plan, people, Group.LENDS_CARD, lambda person: person.age_in(plan.first.year) > 30)
    shops = places.with_habit(Habit.CARDS_IN_ROWS)
    for shop_number, shop in enumerate(shops):
        stack = [person for person, _ in lenders[shop_number :: len(shops)]]
        chance = plan.chance("rows", shop.code)
        for row in range(round(36 * plan.years)):
            day, minute = some_day(plan, chance), chance.randint(1140, 1260)
            act = plant(Kind.CARDS_IN_A_ROW, shop.code, str(row))
            for person in chance.sample(stack, min(len(stack), chance.randint(4, 9))):
                yield Contact(person, shop, day, minute, r.SHOP_FOR_CHRONIC, f"row{row}", act=act)
                minute += chance.randint(1, 2)


def _bill_womens_kit_on_mens_cards(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """Uninsured women are treated on the cards of their husbands: the card that is there is the card that pays."""
    clinics = places.with_habit(Habit.WOMENS_KIT_ON_ANY_CARD)
    for person, chance in recruit(
        plan, people, Group.MAN_AT_WOMENS_CLINIC, lambda who: who.sex == MAN and who.age_in(plan.first.year) > 20
    ):
        for number in range(chance.randint(1, 3)):
            act = plant(Kind.WOMENS_KIT_ON_MENS_CARD, person.pseudonym, str(number))
            place, day, minute = chance.choice(clinics), some_day(plan, chance), consulting_minute(chance)
            yield Contact(person, place, day, minute, r.WOMENS, f"kit{number}", act=act)


def _drip_for_walk_ins(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """The infusion room sells strength in bottles: fat, amino acids, ginkgo, without a bed."""
    clinics = places.with_habit(Habit.WARD_DRUGS_TO_WALK_INS)
    for person, chance in recruit(plan, people, Group.LIKES_DRIPS, _is_elderly(plan)):
        first = some_day(plan, chance, 10)
        for number in range(chance.randint(1, 4)):
            act = plant(Kind.WARD_DRUG_TO_WALK_IN, person.pseudonym, str(number))
            place, minute = chance.choice(clinics), consulting_minute(chance)
            yield Contact(
                person,
                place,
                first + 2 * number,
                minute,
                r.WALK_IN_FEEDING,
                f"drip{number}",
                act=act,
                is_act_line=_is_drug,
            )


def _send_next_door(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """A hospital and a clinic share the laboratory's bonus: who was tested here is sent there within days."""
    partners = places.with_habit(Habit.HBA1C_EVERY_TIME)
    hospitals = [place for place in partners if place.has_wards]
    clinics = [place for place in partners if not place.has_wards]
    for person, chance in recruit(plan, people, Group.SENT_NEXT_DOOR, lambda who: who.diabetes):
        for number in range(chance.randint(2, 4)):
            day = some_day(plan, chance, 15)
            hospital, clinic = chance.choice(hospitals), chance.choice(clinics)
            yield _sugar_visit(person, hospital, day, chance, f"here{number}")
            yield _sugar_visit(person, clinic, day + chance.randint(2, 12), chance, f"there{number}")


def _sugar_visit(person: Person, place: Institution, day: int, chance: Random, key: str) -> Contact:
    return Contact(person, place, day, consulting_minute(chance), r.SUGAR, key)


def _infuse_for_ever(plan: CountyPlan, people: list[Person], places: Institutions) -> Iterator[Contact]:
    """A ward lives on infusions: after the stay that was needed come others, a few days apart, for nothing else."""
    wards = places.with_habit(Habit.ENDLESS_INFUSIONS)
    for person, chance in recruit(plan, people, Group.INFUSED_FOR_EVER, _is_elderly(plan)):
        ward = chance.choice(wards)
        act = plant(Kind.ENDLESS_INFUSION, person.pseudonym)
        day = some_day(plan, chance, 50)
        for number in range(chance.randint(2, 3)):
            nights = chance.randint(*r.INFUSION_WARD.nights)
            contact = Contact(person, ward, day, chance.randint(480, 700), r.INFUSION_WARD, f"infusion{number}", nights)
            if number:
                contact.act, contact.is_act_line = act, _is_endless_drug
            yield contact
            day += nights + chance.randint(2, 5)


def _is_elderly(plan: CountyPlan) -> Callable[[Person], bool]:
    return lambda person: person.age_in(plan.first.year) >= 58


def _is_drug(line: BillLine) -> bool:
    return line.item.kind == "drug"


def _is_endless_drug(line: BillLine) -> bool:
    return line.item in (p.TROXERUTIN, p.GASTRODIN)
