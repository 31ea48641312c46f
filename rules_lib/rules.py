"""Rules: what is wrong, on which basis, how serious, measured by which check. One YAML file a rule.

Errors: ``RuleError`` lists every fault of a file (or of all files) with line and field.
"""

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from knowledge_base.days import Day
from knowledge_base.facts import ROWS, Facts
from knowledge_base.findings import Severity
from knowledge_base.yaml_files import Fault, FileFaults, YamlFile, load_yaml
from rules_lib.measures import Check

RULES = Path(__file__).parent / "rules"

RuleError = FileFaults

#: Topics of rules, which are also their folders and part of what a lead is made of.
TOPICS = {
    "stays": ("住院与床位", "Stays and bed days"),
    "limits": ("超限收费", "Billed beyond limits"),
    "duplicates": ("重复收费", "Billed twice"),
    "patients": ("性别不符", "Against the patient's sex"),
    "places": ("就医方式", "Place of care"),
    "courses": ("支付疗程", "Course of payment"),
    "details": ("结算明细", "Settlement details"),
}

Needed = Literal[
    "paid",
    "sex",
    "diagnoses",
    "operations",
    "admitted_at",
    "discharged_at",
    "visit_type",
    "lines.item_code",
    "lines.in_fund_scope",
    "lines.quantity",
    "lines.days",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """A text in Chinese and English."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Basis(_Part):
    """One legal or official basis and the day from which it applies."""

    text: str
    since: date


class Reach(_Part):
    """How far from its own days an anchor looks, in civil days; beside that always the whole of its encounters.

    ``whole_item``: the anchor is a chain of days that may run on without end, so every event with its items is read.
    """

    back: Annotated[int, Field(ge=0)] = 0
    ahead: Annotated[int, Field(ge=0)] = 0
    whole_item: bool = False


class Exclusions(_Part):
    """Diagnoses that excuse: ICD-10 categories (the signs before the point, or a range of them) and parts of names."""

    diagnosis_categories: tuple[str, ...] = ()
    diagnosis_names: tuple[str, ...] = ()
    undecided: Literal["not_evaluated", "hit"] = "not_evaluated"

    def holds(self, code: str, name: str | None) -> bool:
        """Whether a diagnosis is one of those that excuse."""
        return code.partition(".")[0] in self._categories or any(part in (name or "") for part in self.diagnosis_names)

    @cached_property
    def _categories(self) -> frozenset[str]:
        return frozenset(category for text in self.diagnosis_categories for category in _categories(text))


def _categories(text: str) -> Iterable[str]:
    first, _, last = text.partition("-")
    letter = first[0]
    return (f"{letter}{number:02}" for number in range(int(first[1:]), int((last or first)[1:]) + 1))


class Advice(_Part):
    """What a good rule page says beside the rule (assumed, how it is evaded, what to check next)."""

    assumed: Words
    evaded: Words
    check_next: Words


class Rule(_Part):
    """One rule file. ``limits`` are dated parameters: name to (first day to value)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Annotated[str, Field(pattern=r"^(GZ|ZB|FW)[0-9]{8,14}$")]
    name: str
    title: Words
    category: Literal["policy", "management", "medical"]
    phases: tuple[Literal["before", "during", "after"], ...]
    severity: Severity
    suggested_action: Literal["remind", "hold", "investigate", "measure"]
    competence: Literal["handling_agency", "administration", "health_authority", "drug_authority"]
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    looks_at: Literal["line", "claim", "encounter", "patient"]
    definition: Words
    check: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    catalogues: tuple[str, ...] = ()
    reach: Reach
    needs: tuple[Needed, ...]
    limits: Mapping[str, Mapping[date, int]] = {}
    exclusions: Exclusions = Exclusions()
    message: Words
    kinder: tuple[Words, ...] = ()
    advice: Advice
    status: Literal["draft", "shadow", "live", "retired"]
    cases: Annotated[tuple[dict[str, Any], ...], Field(min_length=2)]

    topic: str
    file: str
    file_hash: str

    def limit(self, name: str, day: Day) -> int:
        """A dated parameter as it was on a day. Raises ``KeyError`` where none is in force."""
        for since, value in self._dated_limits[name]:
            if since <= day:
                return value
        raise KeyError(f"{self.id}: no {name} in force")

    @cached_property
    def _dated_limits(self) -> dict[str, list[tuple[Day, int]]]:
        """Each parameter with its values by their first day, the latest first."""
        return {
            name: sorted(((since.toordinal(), value) for since, value in dated.items()), reverse=True)
            for name, dated in self.limits.items()
        }

    @cached_property
    def function(self) -> Check:
        """The check that the rule names."""
        module, name = self.check.split(".")
        check: Check = getattr(import_module(f"rules_lib.checks.{module}"), name)
        return check

    @cached_property
    def check_hash(self) -> str:
        """Hash of the sources that judge: a change to the check's module or to what all checks stand on."""
        names = (f"checks.{self.check.split('.')[0]}", "history", "measures", "engine", "scope")
        sources = [inspect.getsource(import_module(f"rules_lib.{name}")) for name in names]
        return _hash("\n".join(sources).encode())


@dataclass(frozen=True)
class RuleSet:
    """Rules and facts published together, immutable, known by a hash over both and over the checks.

    ``published_checks`` are the hashes of the checks that a set was published with, ``None`` for this program's.
    """

    rules: tuple[Rule, ...]
    facts: Facts
    published_checks: Mapping[str, str] | None = None

    @cached_property
    def checks(self) -> Mapping[str, str]:
        """The hash of each rule's check, by rule."""
        return self.published_checks or {rule.id: rule.check_hash for rule in self.rules}

    @cached_property
    def has_its_checks(self) -> bool:
        """Whether this program has the checks that the set was published with."""
        try:
            return all(self.checks[rule.id] == rule.check_hash for rule in self.rules)
        except ImportError:
            return False

    @cached_property
    def hash(self) -> str:
        parts = [f"{rule.id} {rule.topic} {rule.file_hash} {self.checks[rule.id]}" for rule in self.rules]
        parts += [repr(point) for point in self.facts.points]
        return _hash("\n".join(sorted(parts)).encode())

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}

    @cached_property
    def by_code(self) -> dict[str, tuple[Rule, ...]]:
        """Which rules can speak of an item: the index that keeps cost with what is relevant."""
        rules_of: dict[str, tuple[Rule, ...]] = {}
        for rule in self.rules:
            for catalogue in rule.catalogues:
                rules_of[catalogue] = (*rules_of.get(catalogue, ()), rule)
        index: dict[str, tuple[Rule, ...]] = {}
        for catalogue, rules in rules_of.items():
            for code in self._codes(catalogue):
                before = index.get(code)
                index[code] = rules if before is None else _joined(before, rules)
        return index

    def _codes(self, catalogue: str) -> set[str]:
        """Every item that the points of a catalogue say something about."""
        points_of = self.facts.codes(catalogue)
        return {code for points in points_of.values() for point in points for code in point.row.all_codes}

    @cached_property
    def whole_item_codes(self) -> frozenset[str]:
        """Items of rules that read every event of an item (``reach.whole_item``)."""
        catalogues = {name for rule in self.rules if rule.reach.whole_item for name in rule.catalogues}
        return frozenset(code for catalogue in catalogues for code in self._codes(catalogue))

    @cached_property
    def needing_item_codes(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.rules if "lines.item_code" in rule.needs)

    @cached_property
    def encounter_rules(self) -> tuple[Rule, ...]:
        """The rules that are asked about every person, whatever its items."""
        return tuple(rule for rule in self.rules if rule.looks_at == "encounter")

    @cached_property
    def bounded_rules(self) -> tuple[Rule, ...]:
        """The rules whose reach is a number of days."""
        return tuple(rule for rule in self.rules if not rule.reach.whole_item)

    @cached_property
    def reach(self) -> Reach:
        """The widest reach in days of the rules that look at days."""
        return Reach(
            back=max((rule.reach.back for rule in self.bounded_rules), default=0),
            ahead=max((rule.reach.ahead for rule in self.bounded_rules), default=0),
        )


def _joined(rules: tuple[Rule, ...], others: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules with those others that are not among them."""
    known = {rule.id for rule in rules}
    return rules + tuple(rule for rule in others if rule.id not in known)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def load_rule(path: Path, facts: Facts) -> Rule:
    """One rule file. Raises ``RuleError`` with every fault, with line and field."""
    raw = load_yaml(path)
    try:
        rule = Rule.model_validate(
            {**raw.data, "topic": path.parent.name, "file": path.name, "file_hash": _hash(path.read_bytes())}
        )
    except ValidationError as error:
        faults = [raw.fault(fault["loc"], fault["msg"]) for fault in error.errors()]
        raise RuleError(path, faults) from None
    faults = list(_faults(raw, rule, facts))
    if faults:
        raise RuleError(path, faults)
    return rule


def _faults(raw: YamlFile, rule: Rule, facts: Facts) -> Iterable[Fault]:
    """What a model cannot see: names that must exist, and a reach wide enough for what the facts say."""
    if rule.topic not in TOPICS:
        yield raw.fault((), f"unknown topic folder {rule.topic}, expected one of {sorted(TOPICS)}")
    try:
        rule.function  # noqa: B018
    except (ImportError, AttributeError) as error:
        yield raw.fault(("check",), f"no such check: {error}")
    for index, name in enumerate(rule.catalogues):
        if name not in ROWS:
            yield raw.fault(("catalogues", index), f"unknown catalogue, expected one of {sorted(ROWS)}")
    for catalogue in rule.catalogues:
        point = facts.widest(catalogue)
        if point is not None and point.row.days_back > rule.reach.back:
            yield raw.fault(
                ("reach", "back"), f"{rule.reach.back} is less than the {point.row.days_back} of {point.point_id}"
            )
    for name in rule.limits:
        if rule.reach.whole_item and name == "gap_days" and max(rule.limits[name].values()) + 1 > rule.reach.back:
            yield raw.fault(("reach", "back"), "less than the permitted gap and one day")


def load_rule_set(facts: Facts, folder: Path = RULES) -> RuleSet:
    """All rule files below a folder. Raises ``RuleError`` with the faults of every faulty file."""
    rules: list[Rule] = []
    errors: list[RuleError] = []
    for path in sorted(folder.rglob("*.yaml")):
        try:
            rules.append(load_rule(path, facts))
        except RuleError as error:
            errors.append(error)
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.id in seen:
            path = folder / rule.topic / rule.file
            errors.append(RuleError(path, [Fault(path, 1, "id", f"{rule.id} is also the id of {seen[rule.id]}")]))
        seen[rule.id] = f"{rule.topic}/{rule.file}"
    if errors:
        raise RuleError.joined(errors)
    return RuleSet(tuple(rule for rule in rules if rule.status in ("shadow", "live")), facts)
