"""What a module stands on is all of the core that Python loads for it."""

import subprocess
import sys

import pytest

from knowledge_base.source_code import closure

LOADED = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*(name for name, of in sys.modules.items()
        if name.startswith(("knowledge_base.", "rules_lib.", "detectors.")) and not hasattr(of, "__path__")))
"""
"""Prints the modules of the core, packages apart, that are loaded with one."""


@pytest.mark.parametrize("module", ["rules_lib.checks.limits", "rules_lib.engine", "knowledge_base.catalogues.rows"])
def test_a_module_stands_on_all_that_is_loaded_for_it(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOADED, module], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert len(loaded) > 1
    first, second = closure(module), closure(module)
    assert loaded - first == set()
    assert second == first, "each closure holds what others reach, too"
