"""The page on rule files says what the types say, and is no older than they are."""

import pytest
from pydantic import BaseModel

from knowledge_base.cards import Advice, Basis
from knowledge_base.catalogues.files import Head
from knowledge_base.catalogues.rows import ROWS, AnyRow
from rules_lib.case_words import CaseWords, EventWords, LineWords, OperationWords
from rules_lib.rule import Exclusions, Reach, Rule
from rules_lib.rule_files_page import PAGE, field_texts, find_checks, rule_files_page
from rules_lib.rule_set import RuleSet

READ_FROM_THE_FOLDER = {"topic", "file", "file_hash"}
WRITTEN = (Rule, Basis, Advice, Reach, Exclusions, CaseWords, EventWords, LineWords, OperationWords, Head, AnyRow)


def test_the_page_is_no_older_than_the_types() -> None:
    assert PAGE.read_text("utf-8") == rule_files_page(), "make docs writes it anew"


@pytest.mark.parametrize("model", WRITTEN)
def test_what_a_field_holds_is_said_below_it(model: type[BaseModel]) -> None:
    assert field_texts(model).keys() == model.model_fields.keys() - READ_FROM_THE_FOLDER


def test_the_page_names_every_check_catalogue_and_value(rule_set: RuleSet) -> None:
    page = rule_files_page()
    assert find_checks().keys() >= {rule.check for rule in rule_set.rules}
    for name in (*find_checks(), "retired", "operations.incision", "near_miss", "whole_item", "{admitted}"):
        assert f"`{name}`" in page
    for catalogue, row in ROWS.items():
        assert f"{catalogue}" in page
        for field in row.model_fields:
            assert f"| `{field}` |" in page


def test_fields_that_the_folder_says_are_not_asked_for() -> None:
    written, _, _ = rule_files_page().partition("### basis")
    assert not [name for name in READ_FROM_THE_FOLDER if f"| `{name}` |" in written]
