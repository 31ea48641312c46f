"""Rule files: one YAML file a rule, in the folder of its topic, read with every fault named by line and field.

Errors: ``RuleError`` lists every fault of a file (or of all files) with line and field.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from knowledge_base.cards import Words
from knowledge_base.catalogues.rows import ROWS
from knowledge_base.facts import Facts
from knowledge_base.files.yaml_files import Fault, FileFaults, YamlFile, collected, load_yaml
from rules_lib.checks import find_check
from rules_lib.histories.kinds import HISTORIES
from rules_lib.rule import Rule, hash_of
from rules_lib.rule_set import RuleSet

RULES = Path(__file__).parent / "rules"
TOPIC_FILE = "topic.yaml"

RuleError = FileFaults

Where = tuple[str | int, ...]
"""Where in a rule file: keys and indices from the top."""


def load_topic(path: Path) -> Words:
    """What a topic is called: the file ``topic.yaml`` of its folder. Raises ``RuleError``."""
    raw = load_yaml(path)
    try:
        return Words.model_validate(raw.data)
    except ValidationError as error:
        raise RuleError(path, [raw.fault(fault["loc"], fault["msg"]) for fault in error.errors()]) from None


def load_topics(folder: Path = RULES) -> dict[str, Words]:
    """What the topics of a folder are called. Raises ``RuleError``."""
    return {path.parent.name: load_topic(path) for path in sorted(folder.rglob(TOPIC_FILE))}


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
    for place, says in missing_names(rule):
        yield raw.fault(place, says)
    for catalogue in rule.catalogues:
        point = facts.widest(catalogue)
        if point is not None and point.row.days_back > rule.reach.back:
            yield raw.fault(
                ("reach", "back"), f"{rule.reach.back} is less than the {point.row.days_back} of {point.point_id}"
            )
    for name in rule.limits:
        if rule.reach.whole_item and name == "gap_days" and max(rule.limits[name].values()) + 1 > rule.reach.back:
            yield raw.fault(("reach", "back"), "less than the permitted gap and one day")


def missing_names(rule: Rule) -> Iterator[tuple[Where, str]]:
    """What a rule names that this program does not have: a check, a kind of subject, catalogues."""
    try:
        find_check(rule.check)
    except (ImportError, AttributeError) as error:
        yield ("check",), f"no such check: {error}"
    if rule.looks_at not in HISTORIES:
        yield ("looks_at",), f"unknown kind of subject, expected one of {sorted(HISTORIES)}"
    for index, name in enumerate(rule.catalogues):
        if name not in ROWS:
            yield ("catalogues", index), f"unknown catalogue, expected one of {sorted(ROWS)}"


def rule_paths(folder: Path = RULES) -> list[Path]:
    """The rule files below a folder."""
    return [path for path in sorted(folder.rglob("*.yaml")) if path.name != TOPIC_FILE]


def load_rule_set(facts: Facts, folder: Path = RULES) -> RuleSet:
    """All rule files below a folder. Raises ``RuleError`` with the faults of every faulty file."""
    rules: list[Rule] = []
    topics: dict[str, Words] = {}
    errors: list[RuleError] = []
    with collected(errors):
        topics = load_topics(folder)
    for path in rule_paths(folder):
        with collected(errors):
            rules.append(load_rule(path, facts))
    errors += _faults_between(rules, topics, folder)
    if errors:
        raise RuleError.joined(errors)
    return RuleSet(tuple(rule for rule in rules if rule.status in ("shadow", "live")), facts, topics)


def _faults_between(rules: Iterable[Rule], topics: dict[str, Words], folder: Path) -> Iterator[RuleError]:
    """What one file cannot tell: an id used twice, a topic without a name. Our own topics are known by their names."""
    seen: dict[str, str] = {}
    for rule in rules:
        path = folder / rule.topic / rule.file
        if rule.id in seen:
            yield RuleError(path, [Fault(path, 1, "id", f"{rule.id} is also the id of {seen[rule.id]}")])
        seen[rule.id] = f"{rule.topic}/{rule.file}"
        if rule.topic not in topics:
            own = RULES / rule.topic / TOPIC_FILE
            if own.is_file():
                topics[rule.topic] = load_topic(own)
            else:
                yield RuleError(path, [Fault(path, 1, "topic", f"{rule.topic}/{TOPIC_FILE} does not say its name")])
