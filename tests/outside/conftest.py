"""The desk of tests/api for requests from outside, in this process and served by a process of its own."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.conftest import (
    County,
    app,
    cheap_passwords,
    client,
    connection,
    county,
    password,
    pool,
    postgres_url,
    rule_set,
    versions,
    visitor,
)

from .desk import Served, serving

__all__ = [
    "app",
    "cheap_passwords",
    "client",
    "connection",
    "county",
    "password",
    "pool",
    "postgres_url",
    "rule_set",
    "versions",
    "visitor",
]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder outside pytest's own, which another session that begins closes to the servers' user."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-home-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def served(
    county: County, copied_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """The desk of the county."""
    with serving(copied_database(county.url), tmp_path_factory.mktemp("home")) as desk:
        yield desk
