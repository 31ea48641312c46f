"""Rule files: one YAML file a rule, read with every fault named by line and field.

Errors: ``RuleError`` lists every fault of a file (or of all files) with line and field."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from knowledge_base.catalogues.rows import ROWS
from knowledge_base.facts import Facts
from knowledge_base.files.yaml_files import Fault, FileFaults, YamlFile, load_yaml
from rules_lib.rule import TOPICS, Rule, hash_of
from rules_lib.rule_set import RuleSet

RULES = Path(__file__).parent / "rules"


RuleError = FileFaults


def load_rule(path: Path, facts: Facts) -> Rule:
    """One rule file. Raises ``RuleError`` with every fault, with line and field."""
    raw = load_yaml(path)
    try:
        rule = Rule.model_validate(
            {**raw.data, "topic": path.parent.name, "file": path.name, "file_hash": hash_of(path.read_bytes())}
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
