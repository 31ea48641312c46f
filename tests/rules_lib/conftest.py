"""The published rules, loaded once."""

import pytest

from knowledge_base.catalogues.files import load_facts
from rules_lib.rule_files import load_rule_set
from rules_lib.rule_set import RuleSet


@pytest.fixture(scope="session")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())
