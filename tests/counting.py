"""The number of tests: printed at the end of every run, and where all of them are to run it may only grow.

``pytest --all-tests``, which is what ``make test`` runs, fails where fewer ran than ``tests/least_number`` says.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

LEAST_NUMBER = Path(__file__).with_name("least_number")


class Counting:
    """Counts what is reported, whichever process ran it."""

    def __init__(self, least: int) -> None:
        self.least = least
        self._seen: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seen.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self._seen) < self.least and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seen) < self.least:
            terminalreporter.section("tests are missing", red=True)
        more = f", at least {self.least} are to run (tests/least_number)" if self.least else ""
        terminalreporter.write_line(f"{len(self._seen)} tests ran{more}")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-tests", action="store_true", help="all are to run: fails where fewer did than ever before")


@pytest.fixture(scope="session")
def samples(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """How many of a number of samples are tried: each where all tests are to run, a tenth before a change."""
    all_tests = pytestconfig.getoption("all_tests")
    return lambda number: number if all_tests else number // 10


def pytest_configure(config: pytest.Config) -> None:
    """In the process that reports; the workers of pytest-xdist do not."""
    if not hasattr(config, "workerinput"):
        least = int(LEAST_NUMBER.read_text()) if config.getoption("all_tests") else 0
        config.pluginmanager.register(Counting(least))
