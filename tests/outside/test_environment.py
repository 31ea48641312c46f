"""Nothing in the environment changes what the embedded start does, or ends in a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

_LIBPQ = {
    "PGHOST": "db.example",
    "PGPORT": "5433",
    "PGUSER": "other",
    "PGDATABASE": "other",
    "PGPASSFILE": "/nowhere",
    "PGSERVICE": "other",
    "PGSERVICEFILE": "/nowhere",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/nowhere",
    "PGTARGETSESSIONATTRS": "read-only",
    "PGOPTIONS": "-c search_path=other",
    "PGCLIENTENCODING": "latin1",
    "PGDATA": "/nowhere",
    "PGTZ": "America/New_York",
}
_PYTHON = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"}
_LOCALES = {"LC_ALL": "C", "LANG": "xx_YY.nothing", "LC_NUMERIC": "de_DE.UTF-8", "TZ": "America/New_York"}


def fundwatch(home: Path, *words: str, closed: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A command on the embedded database of a folder; ``closed`` are words of the shell that close a stream."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("FUNDWATCH_", "PG"))}
    return subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "bash", sys.executable, "-m", "deploy.commands", *words],
        env={**known, "FUNDWATCH_HOME": str(home), **variables},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("variables", [_LIBPQ, *[{name: value} for name, value in _LIBPQ.items()]], ids=str)
def test_variables_for_other_servers_are_not_looked_at(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    home = tmp_path_factory.getbasetemp() / "of all"
    done = fundwatch(home, "lag", "--json", **variables)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "gbk", "utf-16", "utf-8:strict"])
def test_an_encoding_that_lacks_signs_still_reads(tmp_path: Path, encoding: str) -> None:
    done = fundwatch(tmp_path, "rules", "list", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr.decode()
    printed = done.stdout.decode("utf-16" if encoding == "utf-16" else "latin-1")
    assert "GZ10000302004000" in printed


@pytest.mark.parametrize("variables", [_PYTHON, _LOCALES], ids=["PYTHON", "locales"])
def test_variables_of_python_and_of_locales_end_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    done = fundwatch(tmp_path, "rules", "check", **variables)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_end_nothing(tmp_path: Path, closed: str) -> None:
    assert fundwatch(tmp_path, "rules", "list", closed=closed).returncode == 0
    assert fundwatch(tmp_path, "rules", "list", "--json", closed=closed).returncode == 0
