"""Advising: what is found of orders as warnings that a doctor can read, each problem said once.

Rules that are live speak; what a rule finds that is tried out (shadow) is told nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from knowledge_base.cards import Words
from knowledge_base.events.prescriptions import Hint, Prescription, WarnedOrder, Warning, guilty_of
from knowledge_base.facts import Point
from knowledge_base.findings import finding_id
from knowledge_base.numbers import written
from rules_lib.asking import Said, Warned
from rules_lib.law import law_words
from rules_lib.rule import Phase, Rule
from rules_lib.rule_set import RuleSet
from rules_lib.wording import Names, Reminded, earlier_words, item_names, item_units, reminder_sentence

LANGUAGE = "zh"
LONGEST_BASIS = 500
"""Signs of a basis that are kept with a warning, as many as ``vola_evid`` may have."""


class Book(NamedTuple):
    """A rule set with what it calls items, and its points by their names, worked out once."""

    rule_set: RuleSet
    names: Names
    points: Mapping[str, Point]


def book_of(rule_set: RuleSet, institutions: Mapping[str, str]) -> Book:
    """``institutions`` are their names by code."""
    names = Names(institutions, item_names(rule_set.facts), item_units(rule_set.facts))
    return Book(rule_set, names, {point.point_id: point for point in rule_set.facts.points})


def warnings_of(said: Said, asked: Sequence[Prescription], book: Book, code: str) -> list[tuple[int, Warning]]:
    """The warnings of a request, each with the place of the encounter among ``asked`` whose order is named first.

    ``code`` is the receipt, with which their names begin.
    """
    places = {(of.institution, of.encounter_id): place for place, of in enumerate(asked)}
    found: list[tuple[int, Warning]] = []
    for warned in said.warnings:
        rule = book.rule_set.by_id[warned.finding.maker_id]
        if rule.is_live:
            first = warned.orders[0]
            place = places[first.institution, first.encounter_id]
            found.append((place, _warning(f"{code}-{len(found) + 1}", rule, warned, said, asked[place], book)))
    return found


def hints_of(said: Said, asked: Sequence[Prescription], book: Book) -> list[tuple[int, Hint]]:
    """What is left of limits, for the last order of the request that counts for each, with its encounter's place."""
    places = {(of.institution, of.encounter_id): place for place, of in enumerate(asked)}
    found: list[tuple[int, Hint]] = []
    for hinted in said.hints:
        rule, last = book.rule_set.by_id[hinted.finding.maker_id], hinted.orders[-1]
        if rule.is_live and rule.hint is not None:
            place = places[last.institution, last.encounter_id]
            sentence = _sentence(rule, rule.hint, hinted, said, asked[place], book.names)
            found.append((place, Hint(rule.id, last.order_id, last.item_code, sentence)))
    return found


class ToldOf(NamedTuple):
    """A warning that was told, and the orders in question in it, by rx_id and item code."""

    warning_id: str
    orders: frozenset[tuple[str, str | None]]


Told = Mapping[tuple[str, str, str], Sequence[ToldOf]]
"""What was told before, by institution, encounter and what a finding of it would be called."""


def of_warning(area: str, warning: Warning) -> str:
    """What a finding of the same rule on the same occurrence would be called."""
    return finding_id(area, warning.rule_id, warning.occurrence)


def told_by(requests: Sequence[Prescription], phase: Phase) -> Told:
    """What was said of some requests of a phase."""
    told: dict[tuple[str, str, str], list[ToldOf]] = {}
    for of in requests:
        for warning in of.advice.warnings if of.phase == phase and of.advice is not None else ():
            if warning.repeats is None:
                key = (of.institution, of.encounter_id, of_warning(of.area, warning))
                told.setdefault(key, []).append(ToldOf(warning.warning_id, guilty_of(warning.orders)))
    return told


def joined(one: Told, other: Told) -> Told:
    """What was told by either, each warning once."""
    return {
        key: sorted({*one.get(key, ()), *other.get(key, ())}, key=lambda of: of.warning_id)
        for key in one.keys() | other.keys()
    }


def once_said(
    warnings: Sequence[tuple[int, Warning]], asked: Sequence[Prescription], told: Told
) -> list[tuple[int, Warning]]:
    """Warnings that say of themselves where the same was said in their encounter before, of all of their orders.

    An order that nobody was warned of yet, a colleague's or one that takes the place of another, is told of. What is
    told repeats the warning that spoke of the order that is named.
    """
    found = []
    for place, warning in warnings:
        of = asked[place]
        before = told.get((of.institution, of.encounter_id, of_warning(of.area, warning)), ())
        known = {order: one.warning_id for one in before for order in one.orders}
        guilty = [(order.order_id, order.item_code) for order in warning.orders if order.guilty]
        is_told = all(order in known for order in guilty)
        found.append((place, replace(warning, repeats=known[guilty[-1]] if is_told else None)))
    return found


def _warning(
    warning_id: str, rule: Rule, warned: Warned, said: Said, prescription: Prescription, book: Book
) -> Warning:
    finding = warned.finding
    return Warning(
        warning_id=warning_id,
        rule_id=rule.id,
        severity=int(rule.severity),
        occurrence=finding.occurrence,
        orders=tuple(_orders(warned, said)),
        value=written(finding.value),
        limit=written(finding.limit),
        in_question=written(finding.amounts.in_question),
        said=_sentence(rule, rule.reminder or rule.message, warned, said, prescription, book.names),
        basis=tuple(text[:LONGEST_BASIS] for text in law_words(finding, rule, book.points)),
    )


def _orders(warned: Warned, said: Said) -> Iterator[WarnedOrder]:
    """The orders in question, then what else of the same encounter was ordered and explains it."""
    keys = said.by_line
    amounts = {keys[of.part]: of.amounts.in_question for of in warned.finding.guilty if of.part in keys}
    for key in warned.orders:
        yield WarnedOrder(key.order_id, key.item_code, written(amounts[key]))
    encounters = {key[:2] for key in warned.orders}
    others = [key for line, key in keys.items() if line in warned.finding.involved or key in amounts]
    for key in others:
        if key not in warned.orders and key[:2] in encounters:
            yield WarnedOrder(key.order_id, key.item_code, guilty=False)


def _sentence(rule: Rule, words: Words, warned: Warned, said: Said, prescription: Prescription, names: Names) -> str:
    item = warned.orders[-1].item_code
    ordered = {order.item_code: order.item_name for order in prescription.orders}
    others = [word for word in warned.finding.occurrence[1:] if word in names.items and word != item]
    about = Reminded(
        item=names.items.get(item or "", ordered.get(item) or item or ""),
        main=names.items[others[0]] if others else "",
        earlier=_earlier(warned, said, prescription.institution, names),
    )
    return reminder_sentence(rule, words, warned.finding, names, LANGUAGE, about)


def _earlier(warned: Warned, said: Said, here: str, names: Names) -> str:
    """When and where the same was billed or ordered last before the order that is named, of what a finding is about."""
    finding, named = warned.finding, warned.orders[-1]
    parts = {*finding.involved, *(guilty.part for guilty in finding.guilty)}
    lines = {
        (claim.institution, claim.encounter_id, line.line_id): (line.at, line.day, claim.institution)
        for claim in said.history.claims
        for line in claim.lines
        if (claim.institution, claim.encounter_id, line.line_id) in parts
    }
    own = [at for part, (at, _, _) in lines.items() if said.by_line.get(part) == named]
    before = [of for part, of in lines.items() if said.by_line.get(part) != named and of[0] <= max(own, default=of[0])]
    if not before:
        return ""
    _, day, institution = max(before)
    return earlier_words(day, institution, here, names, LANGUAGE)
