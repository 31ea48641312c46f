"""The published rules, loaded once."""

import pytest

from knowledge_base.facts import load_facts
from rules_lib.rules import RuleSet, load_rule_set


@pytest.fixture(scope="session")
def rule_set() -> RuleSet:
    return load_rule_set(load_facts())
