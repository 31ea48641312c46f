"""A gateway process that starts while PostgreSQL is away: it answers in form, keeps what it is told, and takes up the
store once that is there.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.hospital import keys as rules
from api.hospital.gateway import STORE_AWAY
from deploy.embedded.postgres import start_postgres
from tests.api.hospital.messages import body_of, good_message
from tests.api.hospital.signed import INSTITUTION, Client
from tests.conftest import find_free_port
from tests.deploy.test_signed_gateways import gateway, replies, send, until
from tests.patience import PATIENCE
from tests.shell import Shell

STARTED, TAKEN_UP = "started without the store", "the store is there and was taken up"


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a PostgreSQL lies of which each test decides when it runs; a socket's path has to be short."""
    with tempfile.TemporaryDirectory(prefix="fundwatch-late-") as folder:
        yield Path(folder)


def readiness(port: int) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE).status_code


def ask(port: int, msgid: str) -> dict[str, Any]:
    body = body_of({**good_message("3101", orders=1), "msgid": msgid})
    answer: dict[str, Any] = httpx.post(f"http://127.0.0.1:{port}/3101", content=body, timeout=PATIENCE).json()
    assert (answer["infcode"], answer["err_msg"]) == (0, "")
    receipt: dict[str, Any] = answer["output"]["receipt"]
    return receipt


def test_nobodys_key_is_known_until_the_store_is_there(place: Path, tmp_path: Path) -> None:
    port, log = find_free_port(), tmp_path / "log"
    with start_postgres(place) as server:
        shell = Shell(tmp_path / "home", server.dsn)
        secret = shell("tokens", "add", "his", "--right", "ask", "--institution", INSTITUTION).strip()
        (told,) = json.loads(shell("tokens", "list", "--json"))
    client = Client(told["key_id"], secret.encode())
    with gateway(shell, port, log):
        assert readiness(port) == 503
        assert send(port, client, replies("m1")) == (200, rules.NOT_KNOWN)
        shown = {"authorization": f"Bearer {secret}"}
        body, address = body_of(replies("m2")), f"http://127.0.0.1:{port}/3103"
        assert httpx.post(address, content=body, headers=shown, timeout=PATIENCE).json()["err_msg"] == rules.NOT_KNOWN
        answer = httpx.post(address, content=body, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["err_msg"]) == (401, rules.NO_KEY)
        with start_postgres(place):
            until(lambda: readiness(port) == 200)
            assert send(port, client, replies("m1")) == (200, "")
            stranger = Client("FWNOBODY", secret.encode())
            assert send(port, stranger, replies("m3")) == (401, f"x-tif-paasid: {rules.UNKNOWN}")
    said = log.read_text(encoding="utf-8")
    assert (said.count(STARTED), said.count(TAKEN_UP)) == (1, 1)


def test_orders_are_kept_unjudged_and_sent_on_once_the_store_is_there(place: Path, tmp_path: Path) -> None:
    """Even a store that was never made: the first gateway to find it makes it."""
    port, log = find_free_port(), tmp_path / "log"
    with start_postgres(place) as server:
        shell = Shell(tmp_path / "home", server.dsn)
    folder = tmp_path / "home" / "journals" / f"gateway-{port}"
    with gateway(shell, port, log, FUNDWATCH_GATEWAY_KEYS="none"):
        receipt = ask(port, "m1")
        assert receipt["rule_set"] == ""
        assert {of["reason"] for of in receipt["not_evaluated"]} == {STORE_AWAY}
        assert readiness(port) == 503
        assert shell.json("journal", "status", str(folder))["records"] == 1
        with start_postgres(place):
            until(lambda: readiness(port) == 200)
            assert ask(port, "m2")["not_evaluated"] == []
            assert ask(port, "m1") == receipt, "what was answered stays answered"
            until(lambda: shell.json("journal", "status", str(folder))["records"] == 0)
    said = log.read_text(encoding="utf-8")
    assert (said.count(STARTED), said.count(TAKEN_UP), said.count("tried again")) == (1, 1, 0)


def test_a_store_that_refuses_is_not_waited_for(place: Path, tmp_path: Path) -> None:
    with start_postgres(place) as server:
        shell = Shell(tmp_path / "home", server.dsn_of("no_such_database"))
        assert "createdb" in shell("gateway", code=1)
