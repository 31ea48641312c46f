"""Two gateway processes as they run: a key and a session are good at both, over a start too, and end at both."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.hospital import keys as rules
from tests.api.hospital.messages import body_of, good_message
from tests.api.hospital.signed import INSTITUTION, Client, sealed_to
from tests.conftest import find_free_port
from tests.patience import PATIENCE
from tests.shell import Shell


@contextmanager
def gateway(shell: Shell, port: int, log: Path, **settings: str) -> Iterator[None]:
    """A gateway process until the block ends; all that it says stands in a file."""
    environment = {**shell.environment, "FUNDWATCH_GATEWAY_PORT": str(port), "FUNDWATCH_LOG_LEVEL": "debug"}
    with (
        log.open("ab") as says,
        subprocess.Popen(
            [sys.executable, "-m", "deploy.commands", "gateway"], env=environment | settings, stderr=says, stdout=says
        ) as process,
    ):
        try:
            until(lambda: httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=PATIENCE).status_code == 200)
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0, log.read_text(encoding="utf-8")
        finally:
            process.kill()


def until(holds: Any) -> None:
    """Waits until something holds; nobody listening means that it does not yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("it does not come to hold")


def send(port: int, client: Client, message: dict[str, Any], ago: float = 0, **more: str) -> tuple[int, str]:
    """Sends a message, signed so many seconds ago: the status of its answer, and what is said against it."""
    body = body_of(message)
    headers = client.tif(body, datetime.now(UTC) - timedelta(seconds=ago), nonce=os.urandom(8).hex())
    address = f"http://127.0.0.1:{port}/{message['infno']}"
    answer = httpx.post(address, content=body, headers=headers | more, timeout=PATIENCE)
    return answer.status_code, answer.json()["err_msg"]


def replies(msgid: str) -> dict[str, Any]:
    return {**good_message("3103"), "msgid": msgid}


@pytest.fixture
def shell(tmp_path: Path, postgres_url: str) -> Shell:
    return Shell(tmp_path / "home", postgres_url)


def test_a_key_and_a_session_are_good_at_every_process_and_end_at_every_one(shell: Shell, tmp_path: Path) -> None:
    public = bytes.fromhex(json.loads(shell("sign-in-key", "--new", "--json"))["public_keys"][0])
    added = shell.run("tokens", "add", "his", "--right", "ask", "--institution", INSTITUTION)
    (told,) = json.loads(shell("tokens", "list", "--json"))
    assert told["key_id"].encode() in added.stderr
    client = Client(told["key_id"], added.stdout.strip())
    one, two, log = find_free_port(), find_free_port(), tmp_path / "log"
    key = os.urandom(32)
    with ExitStack() as later, gateway(shell, two, log):
        with gateway(shell, one, log):
            for port in (one, two):
                until(lambda port=port: send(port, client, replies(f"m-{port}")) == (200, ""))
            message = {**good_message("9001"), "msgid": "in-1"}
            message["input"]["signIn"]["session_key"] = sealed_to(public, key)
            body = body_of(message)
            signed = client.tif(body, datetime.now(UTC))
            answer = httpx.post(f"http://127.0.0.1:{one}/9001", content=body, headers=signed, timeout=PATIENCE).json()
            session = Client(answer["output"]["signinoutb"]["sign_no"], key)
            assert [send(port, session, replies(f"s-{port}")) for port in (one, two)] == [(200, "")] * 2
            assert send(two, client, replies("late"), ago=400) == (401, f"x-tif-timestamp: {rules.OUT_OF_WINDOW}")
        later.enter_context(gateway(shell, one, log))
        until(lambda: send(one, session, replies("s-3")) == (200, ""))
        out = {**good_message("9002"), "msgid": "out-1"}
        out["input"]["signOut"]["sign_no"] = session.key_id
        assert send(two, session, out) == (200, "")
        over = (401, f"x-tif-paasid: {rules.SESSION_OVER}")
        assert send(two, session, replies("s-4")) == over
        until(lambda: send(one, session, replies("s-5")) == over)
        shell("tokens", "revoke", "his")
        for port in (one, two):
            until(lambda port=port: send(port, client, replies("r")) == (401, f"x-tif-paasid: {rules.UNKNOWN}"))
    said = log.read_bytes()
    assert said
    private = (tmp_path / "home" / "sign-in.key").read_text(encoding="ascii").strip()
    for secret in (client.secret, key.hex().encode(), key, session.key_id.encode(), private.encode()):
        assert secret not in said


def test_where_all_have_to_sign_a_token_is_not_enough(shell: Shell, tmp_path: Path) -> None:
    secret = shell("tokens", "add", "his", "--right", "ask", "--institution", INSTITUTION).strip()
    (told,) = json.loads(shell("tokens", "list", "--json"))
    client, port, log = Client(told["key_id"], secret.encode()), find_free_port(), tmp_path / "log"
    with gateway(shell, port, log, FUNDWATCH_GATEWAY_KEYS="signed", FUNDWATCH_GATEWAY_WINDOW_SECONDS="600"):
        until(lambda: send(port, client, replies("m1"), ago=400) == (200, ""))
        shown = {"authorization": f"Bearer {secret}"}
        answer = httpx.post(
            f"http://127.0.0.1:{port}/9001", content=body_of(good_message("9001")), headers=shown, timeout=PATIENCE
        )
        assert (answer.status_code, answer.json()["err_msg"]) == (401, rules.NOT_SIGNED)


def test_the_sm2_key_is_made_shown_and_changed(shell: Shell, tmp_path: Path) -> None:
    assert "--new makes one" in shell("sign-in-key", code=1)
    first = shell("sign-in-key", "--new").strip()
    assert (len(first), first[:2]) == (130, "04")
    assert shell("sign-in-key").strip() == first
    second, before = shell("sign-in-key", "--new").split()
    assert before == first
    third, before = shell("sign-in-key", "--new").split()
    assert (before, len({first, second, third})) == (second, 3)
    file = tmp_path / "home" / "sign-in.key"
    assert file.stat().st_mode & 0o077 == 0
    private = file.read_text(encoding="ascii").split()
    shell.environment["FUNDWATCH_SIGN_IN_KEYS"] = private[1]
    assert shell("sign-in-key").strip() == second
    made = shell.run("sign-in-key", "--new")
    assert private[1].encode() in made.stderr
    assert file.read_text(encoding="ascii").split() == private
    shell.environment["FUNDWATCH_SIGN_IN_KEYS"] = "0" * 64
    for words in (("sign-in-key",), ("gateway",)):
        assert "no private key of SM2" in shell(*words, code=1)
