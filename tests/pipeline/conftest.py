"""Makes the checks of made_up.py reachable by the names that its rules call them."""

import sys
from collections.abc import Iterator

import pytest

from tests.pipeline import made_up


@pytest.fixture(scope="package", autouse=True)
def _made_up_checks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "rules_lib.checks.made_up", made_up)
        yield
