"""How much of the published knowledge a rule set holds, and what of the money billed it speaks of."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from knowledge_base.catalogues.files import load_facts, load_heads
from knowledge_base.facts import Facts
from rules_lib.coverage import Cover, covers, money_under
from rules_lib.rule_set import RuleSet

MONITORING, PART, MAIN = "003107010220000", "003112010260000", "003314000020000"


def cover_of(catalogue: str, rule_set: RuleSet) -> Cover:
    (cover,) = [cover for cover in covers(rule_set, load_heads()) if cover.catalogue == catalogue]
    return cover


def test_short_lists_are_held_whole_and_lists_of_makers_are_not(rule_set: RuleSet) -> None:
    told = {cover.catalogue: (cover.held, cover.published) for cover in covers(rule_set, load_heads())}
    assert told["daily_caps"] == (67, 67)
    assert told["pairs_of_a_day"] == (446, 446)
    assert told["sex_of_services"] == (389, 390)
    assert told["courses"] == (1173, 1173)
    assert told["sex_of_drugs"] == (63, 6590)
    assert told["later_operations"] == (0, 378)
    assert told["bed_items"] == (13, None)


def test_a_point_that_was_revised_counts_once_and_since_its_first_day(rule_set: RuleSet) -> None:
    cover = cover_of("courses", rule_set)
    assert (cover.since, cover.rules, cover.unread) == (date(2025, 12, 31), ("GZ10000101010000",), None)
    assert cover_of("periods", rule_set).since == date(2016, 3, 9)


def test_what_no_rule_reads_says_why_and_what_is_not_held_has_no_day(rule_set: RuleSet) -> None:
    unread = [cover for cover in covers(rule_set, load_heads()) if not cover.rules]
    assert len(unread) == 7
    assert all(cover.unread for cover in unread)
    assert cover_of("level_of_drugs", rule_set).since is None


def test_a_set_that_somebody_published_tells_what_it_holds_itself(rule_set: RuleSet) -> None:
    caps = tuple(point for point in rule_set.facts.points if point.catalogue == "daily_caps")
    rule = rule_set.by_id["GZ10000102014000"].model_copy(update={"catalogues": ("daily_caps", "level_of_drugs")})
    few = replace(rule_set, rules=(rule,), facts=Facts(caps[:5]), published=None)
    assert (cover_of("daily_caps", few).held, cover_of("daily_caps", few).published) == (5, 67)
    assert (cover_of("courses", few).rules, cover_of("courses", few).unread) == ((), None)
    assert (cover_of("level_of_drugs", few).rules, cover_of("level_of_drugs", few).unread) == ((rule.id,), None)


def test_money_is_under_a_point_where_either_item_of_a_pair_is_billed() -> None:
    billed = {MAIN: Decimal(800), PART: Decimal(20), MONITORING: Decimal(5), "": Decimal(7), "no": Decimal(9)}
    facts = load_facts()
    assert money_under(facts, ["pairs_of_hours"], billed) == 820
    assert money_under(facts, ["daily_caps"], billed) == 5
    assert money_under(facts, ["pairs_of_hours", "pairs_of_a_visit", "daily_caps"], billed) == 825
    assert money_under(facts, [], billed) == 0
