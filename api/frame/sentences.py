"""Sentences: a lead, an amount, a fault said the way a person would say them; findings are in rules_lib.wording."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from api.frame import formats
from api.frame.texts import Texts
from casework.decisions import Ground, Recorded
from knowledge_base.cards import Card, Words
from knowledge_base.findings import Amounts
from knowledge_base.signs import neutral
from knowledge_base.subjects import PATIENT
from streams.store.casework.holders import Held
from streams.store.casework.listing import Fold, Group
from streams.store.casework.queue import Lead, Neighbour

Topics = Mapping[str, Words]
"""What topics are called, by their folder."""

_TYPES = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_NUMBER = re.compile(r"[0-9]+")
_LONGEST = re.compile(r"Expected `str` of length <= ([0-9]+|#)")
_PLACE = "([0-9]+|#)"
_NO_FAULTS = {
    "batch_behind": re.compile(f"batch {_PLACE}-{_PLACE} of the bus cannot be read: (.+); its bytes lie with {_PLACE}"),
    "batch": re.compile(f"batch {_PLACE}-{_PLACE} of the bus cannot be read: (.+)"),
    "unpacked": re.compile("the log holds bytes here that cannot be unpacked"),
    "too_long": re.compile(f"message: longer than ([0-9,#]+) bytes, part {_PLACE} of line {_PLACE}"),
    "unhandled_bare": re.compile("cannot be handled: (.+); key and source left out: (.+)"),
    "unhandled": re.compile("cannot be handled: (.+)"),
}
"""Why a message was not looked at at all: its bus could not read it, or a worker could not handle it."""
_CALLED = re.compile("missing, perhaps called (.+)")
_FURTHER = re.compile(r"further faults: ((?:[0-9]+|#)\+?)")
_FAULTS = {
    "missing": "missing",
    "known with other content": "known",
    "expected an object": "object",
    "expected a decimal": "decimal",
    "expected a day": "day",
    "expected # to": "supply",
    "expected one of": "choice",
    "Invalid enum value": "choice",
    "twice in one claim": "twice",
    "twice": "name_twice",
    "an unknown name: twice": "unknown_twice",
    "expected a visible sign": "unseen",
    "Expected `str` of length >= #": "empty",
    "Invalid RFC# encoded datetime": "instant",
    "Expected `datetime` with a timezone": "zone",
    "Invalid RFC# encoded date": "date",
    "a number whose exponent": "exponent",
    "nested too deep": "deep",
    "more than": "parts",
    "leap second": "leap",
    "a claim reverses or corrects": "both",
    "a claim cannot reverse": "itself",
    "a line cannot refund": "refund",
    "a merge names another": "merge",
    "NUL character": "nul",
}
"""How the faults of ``streams.messages.faults`` begin, with ``#`` for numbers, and the keys of their texts."""
_MALFORMED = re.compile(rf"JSON is malformed: (.+) \(byte {_PLACE}\)")
_OF_ALL = {
    "not a JSON object": "not_object",
    "not JSON: not UTF-#": "not_utf8",
    "headers: more than #": "headers",
    "headers: more than # bytes": "headers",
}


def lead_sentence(lead: Lead, topics: Topics, texts: Texts) -> str:
    """What a lead comes to, in one sentence."""
    key = "lead.empty" if not lead.findings else "lead.sentence" if lead.in_question else "lead.sentence_without_money"
    return texts(key, **_lead_words(lead, topics, texts))


def lead_row(lead: Lead, topics: Topics, texts: Texts) -> str:
    """The same without institution and amounts, which have columns of their own in the queue."""
    return texts("lead.row", **_lead_words(lead, topics, texts))


MOST_TERMS = 3
"""Terms of what is expected of a lead that its row tells; its page tells all."""


def expected_row(lead: Lead, texts: Texts) -> str | None:
    """What is expected to be confirmed of a lead and how that is reckoned; nothing where no money is in it."""
    if not lead.expected:
        return None
    shares = lead.expected_of or ()
    told = shares if len(shares) <= MOST_TERMS else shares[: MOST_TERMS - 1]
    terms = [texts("expected.term", money=formats.money(of.money), percent=percent(of.bound)) for of in told]
    if len(told) < len(shares):
        terms.append(texts("expected.more", count=len(shares) - len(told)))
    return texts("expected.row", money=formats.money(lead.expected), terms=" + ".join(terms))


def percent(share: Decimal) -> str:
    """A share in whole percents, without the sign."""
    return f"{share:.0%}".removesuffix("%")


def _lead_words(lead: Lead, topics: Topics, texts: Texts) -> dict[str, object]:
    return {
        "institution": neutral(lead.institution_name or lead.institution),
        "year": lead.service_year,
        "topic": topic_name(lead.topic, topics, texts),
        "people": f"{lead.people:,}",
        "findings": f"{lead.findings:,}",
        "in_question": formats.money(lead.in_question),
        "in_fund": formats.money(lead.in_fund),
    }


def group_words(group: Group, fold: Fold, cards: Mapping[str, Card], items: Mapping[str, str], texts: Texts) -> str:
    """What findings share that fold into one row: a rule and items, or a subject."""
    if fold == "patient":
        name = formats.pseudonym(group.subject) if group.subject_kind == PATIENT else neutral(group.subject)
        return texts("listing.of_subject", kind=texts(f"subjects.{group.subject_kind}"), name=name)
    title: str = getattr(cards[group.rule_id].title, texts.lang)
    named = [items[item] for item in group.items if item in items]
    return texts("listing.of_items", rule=title, items=texts("listing.and").join(named)) if named else title


def why_words(decision: Recorded, texts: Texts) -> str:
    """Why somebody decided: by the fixed list, in words, or both."""
    if decision.ground is None or decision.ground is Ground.OTHER:
        return texts("decision.reason_was", reason=decision.reason)
    ground = texts(f"grounds.{decision.ground.value}")
    if not decision.reason:
        return texts("decision.reason_was", reason=ground)
    return texts("decision.reasons_were", ground=ground, reason=decision.reason)


def lead_name(held: Held, topics: Topics, texts: Texts) -> str:
    """What a lead is called."""
    words = {"institution": neutral(held.institution_name or held.institution), "year": held.service_year}
    return texts("lead.called", **words, topic=topic_name(held.topic, topics, texts))


def neighbour_words(neighbour: Neighbour, topics: Topics, texts: Texts) -> str:
    """A lead of another institution and how many of its findings name lines of one's own."""
    return texts(
        "lead.neighbour",
        institution=neutral(neighbour.institution_name or neighbour.institution),
        year=neighbour.service_year,
        topic=topic_name(neighbour.topic, topics, texts),
        findings=f"{neighbour.findings:,}",
    )


def topic_name(topic: str, topics: Topics, texts: Texts) -> str:
    """What a topic is called; its folder where it has no name."""
    words = topics.get(topic)
    if words is None:
        return topic
    return words.en if texts.lang == "en" else words.zh


def loss_words(amounts: Amounts, texts: Texts) -> str:
    """The loss of a finding or line in yuan, or that it cannot be computed."""
    if not amounts.in_question:
        return texts("amounts.none")
    return texts("amounts.unknown") if amounts.loss is None else yuan(amounts.loss, texts)


def yuan(amount: Decimal, texts: Texts) -> str:
    """An amount with its unit."""
    return texts("amounts.of_yuan", amount=formats.money(amount))


def method_words(method: str, texts: Texts) -> str:
    """How a loss was computed, or why it cannot be; a way that has no words here as it was recorded."""
    kind, _, value = method.partition(" ")
    if kind == "payment_method" and value != "missing":
        return texts("methods.payment_method", method=texts.find("payment_methods", value))
    return texts.find("methods", method)


def waited_words(since: datetime | None, now: datetime, texts: Texts) -> str:
    """How long something has waited; a dash where it is not known."""
    if since is None:
        return "—"
    number, unit = formats.waited((now - since).total_seconds())
    return texts(f"waited.{unit}", count=number)


def fault_words(fault: str, texts: Texts) -> str:
    """What is wrong with a message, as ``streams.messages.faults`` tells it, with the words that are known here.

    Numbers in it may be left open by ``#``, where faults are counted by kind.
    """
    for key, form in _NO_FAULTS.items():
        if (found := form.fullmatch(fault)) is not None:
            return texts(f"faults.{key}", **{f"of_{number}": of for number, of in enumerate(found.groups(), 1)})
    field, separator, fault_text = fault.partition(": ")
    mismatch = _TYPES.match(fault_text)
    if mismatch:
        expected, got = (texts.find("types", name) for name in mismatch.groups())
        return texts("faults.at", field=field, fault=texts("faults.types", expected=expected, got=got))
    longest = _LONGEST.fullmatch(fault_text)
    if longest:
        return texts("faults.at", field=field, fault=texts("faults.longest", count=longest[1]))
    called = _CALLED.fullmatch(fault_text)
    if called:
        return texts("faults.at", field=field, fault=texts("faults.called", name=called[1]))
    further = _FURTHER.fullmatch(fault_text)
    if further:
        return texts("faults.further", count=further[1])
    whole = _OF_ALL.get(_NUMBER.sub("#", fault))
    if whole:
        return texts(f"faults.{whole}")
    if field == "not JSON":
        return texts("faults.not_json", detail=_not_json_words(fault_text, texts))
    of_kind = _NUMBER.sub("#", fault_text)
    for beginning, key in _FAULTS.items():
        if of_kind.startswith(beginning) and separator:
            return texts("faults.at", field=field, fault=texts.find("faults", key))
    return fault


def _not_json_words(told: str, texts: Texts) -> str:
    """What its decoder says of a text that is no JSON."""
    malformed = _MALFORMED.fullmatch(told)
    if malformed is None:
        return texts.find("not_json", told)
    return texts("not_json.at", byte=malformed[2], what=texts.find("not_json", _NUMBER.sub("#", malformed[1])))


def reason_words(reason: str, texts: Texts) -> str:
    """Why a rule could not decide; the name of a failed check's error stays away from people."""
    return texts.find("reasons", "check failed" if reason.startswith("check failed") else reason)
