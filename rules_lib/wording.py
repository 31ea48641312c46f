"""A finding said the way a person would say it: its maker's message, filled. Words of none stand in wording.yaml."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from knowledge_base.cards import Card, Words
from knowledge_base.catalogues.rows import DailyCap
from knowledge_base.codes import is_drug_code
from knowledge_base.days import Day, as_date
from knowledge_base.facts import Facts
from knowledge_base.files.yaml_files import load_yaml
from knowledge_base.findings import Finding
from knowledge_base.signs import neutral

FINDING_WORDS = frozenset(
    {"allowed", "counted", "day", "institution", "limit", "posted", "stay_institution", "undisputed", "value"}
)
"""What a message may name of every finding, beside what its check ``gives`` (``rules_lib.questions``).

``counted`` and ``allowed`` are ``value`` and ``limit`` with their unit."""

REMINDER_WORDS = frozenset({"item", "main", "earlier"})
"""What a reminder may name besides: the item that is ordered, the one that includes it, and when and where before."""

HINT_WORDS = REMINDER_WORDS | {"left"}
"""What a hint may name: what a reminder may, and what is left of the limit, with its unit."""

LONGEST_REMINDER = 60
"""Signs of a reminder in Chinese: what a doctor reads between two patients."""

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class Names(NamedTuple):
    """What institutions and items are called, and what items are billed by, all by code.

    Generic names of drugs name themselves; of most items nobody says what they are billed by.
    """

    institutions: Mapping[str, str]
    items: Mapping[str, str]
    units: Mapping[str, str]


class Unit(Words):
    """What a number is counted in; ``many`` is English for any number but 1."""

    many: str


class Wording(BaseModel):
    """The file wording.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: Words
    joint: Words
    unknown: Words
    units: Mapping[str, Unit]
    oddities: Mapping[str, Words]
    undisputed: Words
    posted: Words
    earlier: Words
    here: Words
    named: Words
    on_lines: Words
    in_claims: Words
    fields: Mapping[str, Words]


@cache
def load_wording() -> Wording:
    """The words of no rule, read once. Raises ``FileFaults`` where the file cannot be used."""
    raw = load_yaml(Path(__file__).with_suffix(".yaml"))
    return raw.model((), Wording, raw.data)


def placeholders(message: str) -> list[str]:
    """What stands in a message's braces, as it is written. Raises ``ValueError`` where braces do not fit."""
    parts = Formatter().parse(message)
    return [
        f"{name}{f'!{way}' if way else ''}{f':{form}' if form else ''}"
        for _, name, form, way in parts
        if name is not None
    ]


def item_names(facts: Facts) -> dict[str, str]:
    """What the knowledge base calls the items that it speaks of; the latest name of a code holds."""
    names: dict[str, str] = {}
    for point in sorted(facts.points, key=lambda point: (point.valid_from, point.recorded_on)):
        names[point.name] = point.name
        names.update(getattr(point.row, "included", {}))
        names.update(dict.fromkeys(point.codes, point.name))
    return names


def item_units(facts: Facts) -> dict[str, str]:
    """What items are billed by, by code, as far as the knowledge base says it: 日, 小时."""
    caps = (point for point in facts.points if isinstance(point.row, DailyCap))
    return {code: point.row.unit for point in sorted(caps, key=lambda cap: cap.valid_from) for code in point.codes}


def finding_sentence(card: Card, finding: Finding, names: Names, lang: str) -> str:
    """The maker's message filled from the finding, with the items that it is about, in ``zh`` or ``en``."""
    message = finding_message(card, finding, names, lang)
    items = [names.items[word] for word in finding.occurrence[1:] if word in names.items]
    if not items:
        return message
    wording = load_wording()
    return _in(wording.subject, lang).format(items=_in(wording.joint, lang).join(items), message=message)


def finding_message(card: Card, finding: Finding, names: Names, lang: str) -> str:
    """The sentence without its items, where these were said before. Never raises for a missing word."""
    return _in(card.message, lang).format_map(_Filling(card, finding, names, lang))


class Reminded(NamedTuple):
    """What a reminder says besides what a finding says: the item ordered, the one that includes it, what was before."""

    item: str
    main: str = ""
    earlier: str = ""


def reminder_sentence(card: Card, said: Words, finding: Finding, names: Names, lang: str, about: Reminded) -> str:
    """What a doctor is told of orders, filled from what a finding would be; names of items are cut until it fits."""
    filling = _Filling(card, finding, names, lang)
    filling["left"] = _counted(max(Decimal(0), finding.limit - finding.value), _unit_of(card, finding, names), lang)
    for longest in (LONGEST_REMINDER, 20, 12, 8, 5):
        filling |= {"item": _cut(about.item, longest), "main": _cut(about.main, longest), "earlier": about.earlier}
        sentence = _in(said, lang).format_map(filling)
        if len(sentence) <= LONGEST_REMINDER or lang != "zh":
            return sentence
    return _cut(sentence, LONGEST_REMINDER)


def earlier_words(day: Day, institution: str, here: str, names: Names, lang: str) -> str:
    """When and where something was done before, to be said inside a reminder to the institution ``here``."""
    wording = load_wording()
    place = neutral(names.institutions.get(institution, institution))
    told = _in(wording.here, lang) if institution == here else place
    return _in(wording.earlier, lang).format(day=as_date(day).isoformat(), place=told)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def measured_words(card: Card, finding: Finding, names: Names, lang: str) -> tuple[str, str]:
    """The value of a finding and its limit with the unit that its maker counts in: ``25 小时``, ``24 小时``."""
    unit = _unit_of(card, finding, names)
    return _counted(finding.value, unit, lang), _counted(finding.limit, unit, lang)


def _unit_of(card: Card, finding: Finding, names: Names) -> Unit | None:
    """The unit of a finding's numbers; of several items the last one is counted, which is the one in question."""
    units = load_wording().units
    if card.unit is None:
        return None
    items = [word for word in finding.occurrence[1:] if word in names.items]
    if card.unit != "item" or not items:
        return units[card.unit]
    written = names.units.get(items[-1])
    if written is None:
        return units["drug" if is_drug_code(items[-1]) else "item"]
    return units.get(written) or units["item"].model_copy(update={"zh": written})


def _counted(value: Decimal, unit: Unit | None, lang: str) -> str:
    if unit is None:
        return number(value)
    return f"{number(value)} {unit.many if lang == 'en' and value != 1 else _in(unit, lang)}"


def finding_day(finding: Finding) -> str:
    """The day that names the finding, else the last day of its anchor, as an ISO date."""
    days = [word for word in finding.occurrence[1:] if _ISO_DAY.fullmatch(word)]
    return days[-1] if days else as_date(finding.last_day).isoformat()


def number(value: Decimal | int | str) -> str:
    """A quantity without needless zeros: ``7`` and not ``7.000000``."""
    text = f"{Decimal(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Filling(dict[str, str]):
    """The words of a message: evidence first, then what the finding itself says; others are called unknown."""

    def __init__(self, card: Card, finding: Finding, names: Names, lang: str):
        super().__init__({name: _word(name, value, lang) for name, value in finding.evidence.items()})
        self.unknown = _in(load_wording().unknown, lang)
        self["undisputed"] = "" if finding.guilty else _in(load_wording().undisputed, lang)
        posted = finding.evidence.get("posted_at_discharge")
        self["posted"] = _in(load_wording().posted, lang).format_map(self) if posted else ""
        if "elsewhere" in finding.evidence:
            houses = [names.institutions.get(code, code) for code in finding.evidence["elsewhere"]]
            self["elsewhere"] = _word("elsewhere", houses, lang)
        if "kind" in finding.evidence:
            self["kind"] += _named_odd(finding.evidence, lang)
        self.setdefault("day", finding_day(finding))
        stay_institution = finding.occurrence[1] if len(finding.occurrence) > 1 else finding.institution
        self["stay_institution"] = neutral(names.institutions.get(stay_institution, stay_institution))
        self["institution"] = neutral(names.institutions.get(finding.institution, finding.institution))
        self["value"] = number(finding.value)
        self["limit"] = number(finding.limit)
        self["counted"], self["allowed"] = measured_words(card, finding, names, lang)

    def __missing__(self, name: str) -> str:
        return self.unknown


MOST_SAID = 6
"""Days or institutions of one finding that its sentence names; a last one says that there are more."""


def _word(name: str, value: Any, lang: str) -> str:
    if isinstance(value, list):
        said = [_word(name, one, lang) for one in value[:MOST_SAID]]
        return _in(load_wording().joint, lang).join([*said, *(["…"] if len(value) > MOST_SAID else [])])
    if name == "kind":
        words = load_wording().oddities.get(str(value))
        return str(value) if words is None else _in(words, lang)
    return number(value) if isinstance(value, int | Decimal) else neutral(str(value))


def _named_odd(evidence: Mapping[str, Any], lang: str) -> str:
    """What odd fields hold, spelled out, on which lines and in which settlements; of findings before less is told."""
    wording = load_wording()
    joint = _in(wording.joint, lang)
    fields = [
        f"{_in(words, lang) if (words := wording.fields.get(field)) else field} {joint.join(map(neutral, odd))}".strip()
        for field, odd in evidence.get("fields", {}).items()
    ]
    said = _in(wording.named, lang).format(fields=joint.join(fields)) if fields else ""
    if evidence.get("lines"):
        said += _in(wording.on_lines, lang).format(lines=joint.join(map(neutral, evidence["lines"])))
    if evidence.get("claims"):
        said += _in(wording.in_claims, lang).format(claims=joint.join(map(neutral, evidence["claims"])))
    return said


def _in(words: Words, lang: str) -> str:
    text: str = getattr(words, lang)
    return text
