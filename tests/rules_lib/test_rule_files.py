"""Every rule file with its cases, walked; and what the loader says of faulty ones."""

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from knowledge_base.catalogues.files import load_facts, load_heads
from knowledge_base.catalogues.rows import ROWS
from knowledge_base.days import as_date
from knowledge_base.facts import Facts
from knowledge_base.findings import Finding
from rules_lib.cases import failed_cases, run_case
from rules_lib.checks import find_check
from rules_lib.questions import words_of
from rules_lib.rule import Rule
from rules_lib.rule_files import RULES, TOPIC_FILE, RuleError, load_rule, load_rule_set, rule_paths
from rules_lib.rule_set import RuleSet
from rules_lib.wording import FINDING_WORDS, Names, finding_sentence, load_wording, placeholders

FILES = rule_paths()
LANGUAGES = ("zh", "en")
FACTS = load_facts()


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(params=FILES, ids=name_of)
def rule(request: pytest.FixtureRequest) -> Rule:
    return load_rule(request.param, FACTS)


def all_cases() -> Iterator[Any]:
    for path in FILES:
        rule = load_rule(path, FACTS)
        for case in rule.cases:
            yield pytest.param(rule, case, id=f"{path.stem}: {case['name']}")


def hits_of(rule: Rule, rule_set: RuleSet) -> list[Finding]:
    return [finding for case in rule.cases for finding in run_case(case, rule, rule_set)[1].findings]


def days_in(part: Any) -> Iterator[date]:
    """Every date that stands somewhere in a case."""
    if isinstance(part, date):
        yield part
    elif isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from days_in(inner)


# --- cases


@pytest.mark.parametrize(("rule", "case"), list(all_cases()))
def test_a_case_says_what_the_rule_says(rule: Rule, case: dict[str, Any], rule_set: RuleSet) -> None:
    assert set(case) == {"name", "events", "expect"}
    said, judgement = run_case(case, rule, rule_set)
    assert not judgement.left_out
    assert said == case["expect"], judgement


def test_a_case_that_comes_out_otherwise_is_named_and_no_other(rule: Rule) -> None:
    first, *others = rule.cases
    wrong = rule.model_copy(update={"cases": ({**first, "expect": "otherwise"}, *others)})
    (failed,) = failed_cases(RuleSet((wrong,), FACTS))
    assert failed.startswith(f"{rule.topic}/{rule.file}: {first['name']}: expected otherwise, got {first['expect']}")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "expected nothing, got near_miss: 1, at most 1"),
        (1, "expected nothing, got hit: found 2 > 1"),
        (5, "expected near_miss, got not_evaluated: not evaluated: posted at discharge"),
        (7, "expected hit, got nothing: nothing of the rule's catalogues counts there"),
    ],
)
def test_what_was_measured_in_a_case_that_comes_out_otherwise_is_said(number: int, says: str) -> None:
    rule = load_rule(RULES / "limits" / "over_official_daily_cap.yaml", FACTS)
    expect = says.split()[1].rstrip(",")
    wrong = rule.model_copy(update={"cases": ({**rule.cases[number], "expect": expect},)})
    (failed,) = failed_cases(RuleSet((wrong,), FACTS))
    assert says in failed


def test_there_is_a_hit_and_a_near_miss(rule: Rule) -> None:
    expected = [case["expect"] for case in rule.cases]
    assert "hit" in expected
    assert {"near_miss", "nothing"}.intersection(expected)


def test_case_names_are_sentences_and_stand_once(rule: Rule) -> None:
    names = [case["name"] for case in rule.cases]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r".*[\u4e00-\u9fff].* \(.*[a-z].* .*\)", name), f"Chinese, then (English): {name}"


def test_a_needed_field_is_missed_where_it_is_absent(rule: Rule) -> None:
    """A rule that needs more than lines, days and payment has a case that cannot be evaluated."""
    needed = set(rule.needs) & {"sex", "diagnoses", "operations", "visit_type"}
    expected = [case["expect"] for case in rule.cases]
    assert not needed or "not_evaluated" in expected


# --- files


def test_the_file_is_named_for_what_is_wrong(rule: Rule) -> None:
    stem = Path(rule.file).stem
    assert re.fullmatch(r"[a-z]+(_[a-z]+){2,}", stem), "a phrase of three words or more"
    assert (RULES / rule.topic / TOPIC_FILE).is_file()


def test_names_ids_and_titles_stand_once() -> None:
    rules = [load_rule(path, FACTS) for path in FILES]
    for of in (lambda r: r.id, lambda r: r.file, lambda r: r.name, lambda r: r.title.zh, lambda r: r.title.en):
        assert len(set(map(of, rules))) == len(rules)


def first_days(rule: Rule) -> list[date]:
    """Since when each basis of a rule applies, or each point where they say it."""
    points = [as_date(point.valid_from) for point in FACTS.points if point.catalogue in rule.catalogues]
    return [day for basis in rule.basis for day in ([basis.since] if basis.since else points)]


def test_the_basis_is_dated_and_older_than_its_hits(rule: Rule) -> None:
    """Some basis applies on the last day of every case that is a hit."""
    assert all(len(basis.text) > 5 for basis in rule.basis)
    first = min(first_days(rule))
    assert first >= date(1949, 10, 1)
    assert all(first <= max(days_in(case)) for case in rule.cases if case["expect"] == "hit")


def test_limits_are_dated_and_hold_when_the_basis_begins(rule: Rule) -> None:
    assert all(min(dated) <= min(first_days(rule)) for dated in rule.limits.values())


def test_a_basis_whose_day_its_points_say_gives_no_other(rule: Rule) -> None:
    """Two days beside one another, that of the basis and that of its point, would contradict one another."""
    assert all(basis.since is None for basis in rule.basis if "知识点" in basis.text)


def test_points_that_await_localisation_are_never_clear(rule: Rule) -> None:
    """Nationwide points that provinces have still to fix are highly suspicious at most."""
    open_points = [point for point in FACTS.points if point.catalogue in rule.catalogues and not point.localised]
    assert not open_points or rule.severity >= 2


def test_the_reach_covers_the_facts(rule: Rule) -> None:
    days = [point.row.days_back for point in FACTS.points if point.catalogue in rule.catalogues]
    assert rule.reach.back >= max(days, default=0)


def test_every_catalogue_serves_a_rule_or_says_why_not(rule_set: RuleSet) -> None:
    read = {catalogue for rule in rule_set.rules for catalogue in rule.catalogues}
    assert {head.catalogue: head.unread is None for head in load_heads()} == {name: name in read for name in ROWS}


def test_no_check_names_a_catalogue() -> None:
    """A catalogue is named in rule files alone: a check reads those of its rule."""
    for path in (RULES.parent / "checks").glob("*.py"):
        texts = {of.value for of in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(of, ast.Constant)}
        assert not texts & ROWS.keys(), path.name


# --- messages


def test_messages_use_words_that_findings_have(rule: Rule, rule_set: RuleSet) -> None:
    used = [set(placeholders(getattr(rule.message, lang))) for lang in LANGUAGES]
    assert used[0] == used[1], "both languages say the same"
    hits = hits_of(rule, rule_set)
    assert hits
    for finding in hits:
        assert used[0] <= FINDING_WORDS | set(finding.evidence)


def test_a_check_gives_what_each_of_its_findings_holds(rule: Rule, rule_set: RuleSet) -> None:
    """As messages may name it: no word more, and none less."""
    always = set.intersection(*(set(finding.evidence) for finding in hits_of(rule, rule_set)))
    assert words_of(find_check(rule.check)) == always


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_on_the_hits_of_the_cases_are_complete(rule: Rule, rule_set: RuleSet, lang: str) -> None:
    unknown = getattr(load_wording().unknown, lang)
    for finding in hits_of(rule, rule_set):
        sentence = finding_sentence(rule, finding, Names({}, {}, {}), lang)
        assert unknown not in sentence
        assert not re.search(r"[{}]|None|Decimal|\d+\.0+\b", sentence), sentence


# --- faulty files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "limits").mkdir()
    return tmp_path


def saved(folder: Path, name: str, **changes: str) -> Path:
    """A copy of the rule on periods in which some fields, with what stands below them, were replaced or dropped."""
    source = (RULES / "limits" / "more_often_in_a_period_than_allowed.yaml").read_text(encoding="utf-8")
    for key, line in changes.items():
        source, count = re.subn(rf"^{key}:.*\n(?:  .*\n)*", line, source, flags=re.MULTILINE)
        assert count == 1, key
    path = folder / "limits" / f"{name}.yaml"
    path.write_text(source, encoding="utf-8")
    return path


def faults_of(error: RuleError) -> dict[str, str]:
    """Field to the text of the line of its fault."""
    return {fault.where: fault.path.read_text(encoding="utf-8").splitlines()[fault.line - 1] for fault in error.faults}


def test_every_fault_of_a_file_is_told_at_once_with_line_and_field(folder: Path) -> None:
    path = saved(
        folder,
        "faulty_in_many_ways",
        severity="severity: 7\n",
        status="status: alive\n",
        competence="",
        category="category: policy\ncolour: red\n",
        check="check: Limits\n",
    )
    with pytest.raises(RuleError) as caught:
        load_rule(path, FACTS)
    faults = faults_of(caught.value)
    assert faults.keys() == {"severity", "status", "competence", "colour", "check"}
    for field in ("severity", "status", "colour", "check"):
        assert faults[field].startswith(f"{field}:")
        assert f"{path}:" in str(caught.value)


def test_names_that_do_not_exist_and_a_reach_too_short_are_told_at_once(folder: Path) -> None:
    path = saved(
        folder,
        "unknown_in_many_ways",
        check="check: limits.nobody_wrote_this\n",
        catalogues="catalogues: [periods, horoscopes]\n",
        reach="reach: {back: 13}\n",
    )
    with pytest.raises(RuleError) as caught:
        load_rule(path, FACTS)
    faults = faults_of(caught.value)
    assert faults.keys() == {"check", "catalogues.1", "reach.back"}
    assert all(faults[where].startswith(where.partition(".")[0]) for where in faults)


def test_a_catalogue_that_the_check_cannot_read_is_told_with_those_that_it_can(folder: Path) -> None:
    path = saved(folder, "a_rule_on_other_points", catalogues="catalogues: [periods, daily_caps]\n")
    with pytest.raises(RuleError, match=r"cannot read points of daily_caps, expected one of \['periods'\]") as caught:
        load_rule(path, FACTS)
    assert faults_of(caught.value).keys() == {"catalogues.1"}


def test_the_id_of_a_rule_that_there_was_is_given_to_no_other(folder: Path) -> None:
    path = saved(folder, "a_rule_of_a_name_of_before", id="id: FW10000004\n")
    with pytest.raises(RuleError, match="was another rule until 2026-11") as caught:
        load_rule(path, FACTS)
    assert faults_of(caught.value).keys() == {"id"}


def test_a_basis_says_its_day_where_no_catalogue_has_points_that_say_it(folder: Path) -> None:
    path = saved(folder, "a_rule_without_facts", catalogues="")
    with pytest.raises(RuleError, match=r"since is missing") as caught:
        load_rule(path, FACTS)
    assert faults_of(caught.value).keys() == {"basis.0", "basis.1"}


CASES = """cases:
  - name: 第一个 (the first)
    events: [{lines: [{item: "002503020030000", day: 2026-03-01}]}]
    expect: near_miss
  - name: 第二个 (the second)
    events:
      - {lines: [{item: "002503020030000", day: 2026-03-01}]}
      - {at: H2, ward: 3, lines: [{item: 2503020030000, day: tomorrow, qty: 2}]}
    expect: hot
  - name: 第三个 (the third)
    events: [{sex_on_file: "2", at: H1}]
    expect: hit
"""
FAULTS_OF_CASES = {
    "cases.1.events.1.ward": "the second",
    "cases.1.events.1.lines.0.item": "the second",
    "cases.1.events.1.lines.0.day": "the second",
    "cases.1.events.1.lines.0.qty": "the second",
    "cases.1.expect": "the second",
    "cases.2.events.0": "the third",
}


def test_a_fault_of_a_case_names_file_case_and_key_beside_faults_of_the_rule(folder: Path) -> None:
    path = saved(folder, "a_rule_with_faulty_cases", severity="severity: 7\n", cases=CASES)
    with pytest.raises(RuleError) as caught:
        load_rule(path, FACTS)
    told = {fault.where: fault for fault in caught.value.faults}
    assert told.keys() == {"severity", *FAULTS_OF_CASES}
    for where, name in FAULTS_OF_CASES.items():
        assert str(told[where]).startswith(f"{path}:")
        assert name in told[where].message
    assert "in quotes" in told["cases.1.events.1.lines.0.item"].message
    assert faults_of(caught.value)["cases.1.events.1.ward"].strip().startswith("- {at: H2, ward: 3")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("在 {nowhere} 收了 {value}", "{nowhere} is filled by nothing"),
        ("住院 {admitted} 起", "{admitted} is filled by nothing"),
        ("收了 {value:.2f} 次", "{value:.2f} is filled by nothing"),
        ("收了 {days.real} 天", "{days.real} is filled by nothing"),
        ("收了 {} 次", "{} is filled by nothing"),
        ("收了 {value 次", "braces that cannot be filled"),
    ],
)
def test_a_word_in_braces_that_no_finding_fills_is_a_fault(folder: Path, message: str, says: str) -> None:
    path = saved(folder, "a_rule_with_a_message", message=f'message: {{zh: "{message}", en: "{{value}}"}}\n')
    with pytest.raises(RuleError) as caught:
        load_rule(path, FACTS)
    (fault,) = caught.value.faults
    assert fault.where == "message.zh"
    assert says in fault.message
    assert "{" not in says[1:] or "'counted', 'day', 'days', 'institution'" in fault.message


def test_the_faults_of_all_files_are_told_at_once(folder: Path) -> None:
    one, other = saved(folder, "one_faulty_file", status=""), saved(folder, "other_faulty_file", severity="")
    with pytest.raises(RuleError) as caught:
        load_rule_set(FACTS, folder)
    assert {(fault.path, fault.where) for fault in caught.value.faults} == {(one, "status"), (other, "severity")}


def test_an_id_that_stands_twice_names_both_files(folder: Path) -> None:
    saved(folder, "a_first_file"), saved(folder, "a_second_file")
    with pytest.raises(RuleError, match=r"a_second_file.*also the id of limits/a_first_file"):
        load_rule_set(FACTS, folder)


def test_drafts_and_retired_rules_are_not_judged_and_shadow_rules_are(folder: Path) -> None:
    for number, status in enumerate(("draft", "shadow", "live", "retired")):
        saved(folder, f"a_{status}_rule", status=f"status: {status}\n", id=f"id: FW9000000{number}\n")
    assert {rule.status for rule in load_rule_set(FACTS, folder).rules} == {"shadow", "live"}


def test_a_rule_file_that_changed_gives_another_rule_set(folder: Path, rule_set: RuleSet) -> None:
    saved(folder, "a_rule_on_its_own")
    first = load_rule_set(FACTS, folder).hash
    assert load_rule_set(FACTS, folder).hash == first
    saved(folder, "a_rule_on_its_own", severity="severity: 3\n")
    assert load_rule_set(FACTS, folder).hash != first
    assert load_rule_set(Facts(FACTS.points[1:]), folder).hash != load_rule_set(FACTS, folder).hash
