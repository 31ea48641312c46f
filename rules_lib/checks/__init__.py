"""Checks: one pure function a rule, by topic. A rule file names its check as ``module.function``.

Each imports questions and the history of the subject that its rule looks at. Open first: stays.py.
"""

from functools import cache
from importlib import import_module

from rules_lib.questions import Check


@cache
def find_check(name: str) -> Check:
    """The check that a rule names. Raises ``ImportError`` or ``AttributeError`` where there is none."""
    module, _, function = name.partition(".")
    check: Check = getattr(import_module(f"{__name__}.{module}"), function)
    return check
