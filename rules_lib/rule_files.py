"""Rule files: one YAML file a rule, in the folder of its topic, read with every fault named by line and field.

Nothing in the folder is left out unsaid: ``knowledge_base.files.folders`` has the list of what is passed over.

Errors: ``RuleError`` lists every fault of a file (or of all files) with line and field.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from knowledge_base.cards import Words
from knowledge_base.catalogues.rows import ROWS
from knowledge_base.facts import Facts
from knowledge_base.files.folders import YAML, Contents, look_into
from knowledge_base.files.yaml_files import Fault, FileFaults, YamlFile, collected, load_yaml
from rules_lib.case_words import CaseWords
from rules_lib.checks import find_check
from rules_lib.histories.kinds import HISTORIES
from rules_lib.questions import catalogues_of, words_of
from rules_lib.rule import Rule, hash_of
from rules_lib.rule_set import RuleSet
from rules_lib.wording import FINDING_WORDS, HINT_WORDS, REMINDER_WORDS, placeholders

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
    errors: list[RuleError] = []
    topics = _topics(_contents(folder).sound(), errors)
    if errors:
        raise RuleError.joined(errors)
    return topics


def _topics(files: Iterable[Path], errors: list[RuleError]) -> dict[str, Words]:
    topics: dict[str, Words] = {}
    for path in filter(_names_topic, files):
        with collected(errors):
            words = load_topic(path)
            if topics.setdefault(path.parent.name, words) != words:
                raise RuleError(
                    path, [Fault(path, 1, "", f"another file names the topic {path.parent.name} otherwise")]
                )
    return topics


def _contents(folder: Path) -> Contents:
    return look_into(folder, YAML, deep=True)


def _names_topic(path: Path) -> bool:
    return f"{path.stem.casefold()}.yaml" == TOPIC_FILE


def load_rule(path: Path, facts: Facts) -> Rule:
    """One rule file. Raises ``RuleError`` with every fault, with line and field."""
    raw = load_yaml(path)
    faults = list(_faults_of_cases(raw))
    try:
        rule = Rule.model_validate(
            {**raw.data, "topic": path.parent.name, "file": path.name, "file_hash": hash_of(raw.content)}
        )
    except ValidationError as error:
        raise RuleError(path, [raw.fault(of["loc"], of["msg"]) for of in error.errors()] + faults) from None
    faults += _faults(raw, rule, facts)
    if faults:
        raise RuleError(path, faults)
    return rule


GONE = {"FW10000004": "2026-11"}
"""Rules of our own that there were, and until when: their ids are given to no other."""


def _faults(raw: YamlFile, rule: Rule, facts: Facts) -> Iterable[Fault]:
    """What a model cannot see: names that must exist, words that are filled, days that are told, a reach that holds."""
    missing = list(missing_names(rule))
    for place, says in missing:
        yield raw.fault(place, says)
    if rule.id in GONE:
        yield raw.fault(("id",), f"was another rule until {GONE[rule.id]}, whose findings and decisions are kept")
    for index, basis in enumerate(rule.basis):
        if basis.since is None and not rule.catalogues:
            yield raw.fault(("basis", index), "since is missing, and no catalogue has points that say it")
    if ("check",) not in [place for place, _ in missing]:
        yield from _faults_of_messages(raw, rule)
    for catalogue in rule.catalogues:
        point = facts.widest(catalogue)
        if point is not None and point.row.days_back > rule.reach.back:
            yield raw.fault(
                ("reach", "back"), f"{rule.reach.back} is less than the {point.row.days_back} of {point.point_id}"
            )
    for name in rule.limits:
        if rule.reach.whole_item and name == "gap_days" and max(rule.limits[name].values()) + 1 > rule.reach.back:
            yield raw.fault(("reach", "back"), "less than the permitted gap and one day")


def _faults_of_cases(raw: YamlFile) -> Iterator[Fault]:
    """What is wrong in cases, each with the name of its case. That there are cases the rule says."""
    cases = raw.data.get("cases")
    for index, case in enumerate(cases if isinstance(cases, list) else ()):
        if not isinstance(case, dict):
            continue
        try:
            CaseWords.model_validate(case)
        except ValidationError as error:
            name = case.get("name", index + 1)
            for fault in error.errors():
                quotes = ", in quotes" if fault["type"] == "string_type" else ""
                yield raw.fault(("cases", index, *fault["loc"]), f"{fault['msg']}{quotes} (案例 / case: {name})")


def _faults_of_messages(raw: YamlFile, rule: Rule) -> Iterator[Fault]:
    """Words in braces that no finding of the rule fills, and a reminder that is missing or reaches nobody."""
    words = FINDING_WORDS | words_of(find_check(rule.check))
    yield from _faults_of_words(raw, "message", rule.message, words)
    if rule.reminder is not None:
        yield from _faults_of_words(raw, "reminder", rule.reminder, words | REMINDER_WORDS)
    if rule.hint is not None:
        yield from _faults_of_words(raw, "hint", rule.hint, words | HINT_WORDS)
    if (rule.reminder is not None) is not rule.reminds:
        yield raw.fault(("reminder",), "due where phases holds before or during, and nowhere else")
    if rule.hint is not None and not rule.reminds:
        yield raw.fault(("hint",), "only where phases holds before or during")


def _faults_of_words(raw: YamlFile, name: str, said: Words, words: Collection[str]) -> Iterator[Fault]:
    known = sorted(words)
    for lang in ("zh", "en"):
        try:
            unknown = [word for word in placeholders(getattr(said, lang)) if word not in known]
        except ValueError as error:
            yield raw.fault((name, lang), f"braces that cannot be filled: {error}")
            continue
        for word in unknown:
            yield raw.fault((name, lang), f"{{{word}}} is filled by nothing, expected one of {known}")


def missing_names(rule: Rule) -> Iterator[tuple[Where, str]]:
    """What a rule names that this program does not have: a check, a kind of subject, catalogues."""
    readable: Collection[str] = ROWS
    try:
        readable = catalogues_of(find_check(rule.check))
    except (ImportError, AttributeError) as error:
        yield ("check",), f"no such check: {error}"
    if rule.looks_at not in HISTORIES:
        yield ("looks_at",), f"unknown kind of subject, expected one of {sorted(HISTORIES)}"
    for index, name in enumerate(rule.catalogues):
        if name not in ROWS:
            yield ("catalogues", index), f"unknown catalogue, expected one of {sorted(ROWS)}"
        elif name not in readable:
            yield ("catalogues", index), f"{rule.check} cannot read points of {name}, expected one of {readable}"


def rule_paths(folder: Path = RULES) -> list[Path]:
    """The rule files below a folder. Raises ``RuleError`` for whatever else lies there."""
    return [path for path in _contents(folder).sound() if not _names_topic(path)]


def load_rule_set(facts: Facts, folder: Path = RULES) -> RuleSet:
    """All rule files below a folder. Raises ``RuleError`` with the faults of every faulty file and odd entry."""
    files, errors = _contents(folder)
    topics = _topics(files, errors)
    rules: dict[Path, Rule] = {}
    for path in files:
        if not _names_topic(path):
            with collected(errors):
                rules[path] = load_rule(path, facts)
    errors += _faults_between(rules, topics)
    if errors:
        raise RuleError.joined(errors)
    return RuleSet(tuple(rule for rule in rules.values() if rule.status in ("shadow", "live")), facts, topics)


def _faults_between(rules: Mapping[Path, Rule], topics: dict[str, Words]) -> Iterator[RuleError]:
    """What one file cannot tell: an id used twice, a topic without a name. Our own topics are known by their names."""
    seen: dict[str, str] = {}
    for path, rule in rules.items():
        if rule.id in seen:
            yield RuleError(path, [Fault(path, 1, "id", f"{rule.id} is also the id of {seen[rule.id]}")])
        seen[rule.id] = f"{rule.topic}/{rule.file}"
        if rule.topic not in topics:
            own = RULES / rule.topic / TOPIC_FILE
            if own.is_file():
                topics[rule.topic] = load_topic(own)
            else:
                yield RuleError(path, [Fault(path, 1, "topic", f"{rule.topic}/{TOPIC_FILE} does not say its name")])
