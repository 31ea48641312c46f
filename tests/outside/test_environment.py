"""Nothing in the environment changes what the embedded start does, or ends in a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.test_serving import running, until_ready
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
_PYTHON = {"PYTHONIOENCODING": "utf-16", "PYTHONUTF8": "0", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"}
_LOCALES = {"LC_ALL": "C", "LANG": "xx_YY.nothing", "LC_NUMERIC": "de_DE.UTF-8", "TZ": "America/New_York"}

_JAVA = {
    "JAVA_TOOL_OPTIONS": "-XX:NoSuchOption",
    "JDK_JAVA_OPTIONS": "-XX:NoSuchOption",
    "_JAVA_OPTIONS": "-XX:NoSuchOption",
    "CLASSPATH": "/nowhere",
    "LOG_DIR": "/nowhere",
    "LOG4J_CONFIGURATION_FILE": "/nowhere",
    "KAFKA_HEAP_OPTS": "-Xmx1",
    "KAFKA_OPTS": "-XX:NoSuchOption",
    "KAFKA_LOG4J_OPTS": "-XX:NoSuchOption",
}


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
    for words in (("rules", "check"), ("lag", "--json")):
        done = fundwatch(tmp_path, *words, **variables)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr.decode(errors="replace")


def test_a_folder_that_the_locale_cannot_spell_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done = fundwatch(tmp_path / "大冶", "lag", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="utf-8")
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (1, 1), said
    assert "the locale is not UTF-8" in said


def test_nothing_in_the_environment_changes_what_up_starts(
    home: Path, free_port: int, lend_jars: Callable[[Path], None]
) -> None:
    lend_jars(home / "kafka")
    known = {name: value for name, value in os.environ.items() if not name.startswith("FUNDWATCH_")}
    ours = {"FUNDWATCH_HOME": str(home), "FUNDWATCH_PORT": str(free_port), "FUNDWATCH_BUS": "kafka"}
    ours["FUNDWATCH_GATEWAY_PORT"] = os.environ["FUNDWATCH_GATEWAY_PORT"]
    with running(known | _LIBPQ | _PYTHON | _LOCALES | _JAVA | ours, "up"):
        until_ready(free_port)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_end_nothing(tmp_path: Path, closed: str) -> None:
    assert fundwatch(tmp_path, "rules", "list", closed=closed).returncode == 0
    assert fundwatch(tmp_path, "rules", "list", "--json", closed=closed).returncode == 0
    assert fundwatch(tmp_path, "lag", closed=closed).returncode == 0


@pytest.mark.parametrize(
    ("address", "place", "says"),
    [
        ("postgresql://u:hidden-word@127.0.0.1:{free}/x", "127.0.0.1:{free}", "no server answers"),
        ("postgresql://u:hidden-word@localhost:{free}/x", "localhost:{free}", "no server answers"),
        ("postgresql://u:hidden-word@no-such-host.invalid/x", "no-such-host.invalid:5432", "not known"),
        ("postgresql:///x?host=/nowhere/hidden", "/nowhere/hidden", "no server has its socket here"),
        ("postgresql://u:hidden-word@[::1/x", "?", "the address cannot be read"),
        ("postgresql://u:hidden-word/x@127.0.0.1/x", "?", "the address cannot be read"),
        ("postgresql://u:hidden-word@127.0.0.1:many/x", "127.0.0.1:many", "the address cannot be read"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_with_what_to_try(
    tmp_path: Path, free_port: int, address: str, place: str, says: str
) -> None:
    done = fundwatch(tmp_path, "lag", FUNDWATCH_DATABASE_URL=address.replace("{free}", str(free_port)))
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (1, 1), said
    assert said.startswith(f"fundwatch: 数据库 / database {place.replace('{free}', str(free_port))}: ")
    assert says in said
    assert "hidden-word" not in said


def test_a_database_that_does_not_exist_is_told_from_a_server_that_does_not(tmp_path: Path, postgres_url: str) -> None:
    done = fundwatch(tmp_path, "lag", FUNDWATCH_DATABASE_URL=postgres_url.replace("?", "_gone?"))
    assert done.returncode == 1
    assert "there is no such database" in done.stderr.decode()


def test_brokers_that_cannot_be_reached_are_named(tmp_path: Path, postgres_url: str, free_port: int) -> None:
    brokers = f"127.0.0.1:{free_port}"
    variables = {"FUNDWATCH_BUS": "kafka", "FUNDWATCH_BROKERS": brokers, "FUNDWATCH_DATABASE_URL": postgres_url}
    done = fundwatch(tmp_path, "lag", **variables)
    said = done.stderr.decode()
    assert (done.returncode, said.count("\n")) == (1, 1), said
    assert brokers in said
