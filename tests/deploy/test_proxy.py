"""A reverse proxy in front of the gateway: the limits of the example are ours, and callers are whom it names."""

import re
from pathlib import Path

import httpx

from api.hospital.keys import NO_KEY
from api.hospital.server import LONGEST_BODY, MOST_BODY, TOO_LONG
from tests.api.hospital.messages import body_of, good_message
from tests.conftest import find_free_port
from tests.deploy.test_signed_gateways import gateway
from tests.patience import PATIENCE
from tests.shell import Shell

EXAMPLE = (Path(__file__).resolve().parents[2] / "deploy" / "proxy" / "nginx.conf").read_text(encoding="utf-8")


def says(name: str) -> str:
    """What a directive of the example says, which stands there once."""
    (words,) = re.findall(rf"^\s*{name}\s+(.+);$", EXAMPLE, re.MULTILINE)
    return str(words)


def test_the_example_lets_through_what_the_gateway_takes_and_no_more() -> None:
    assert says("client_max_body_size") == f"{MOST_BODY // 2**20}m"
    assert MOST_BODY % 2**20 == 0
    assert says("client_body_timeout") == f"{LONGEST_BODY:.0f}s"
    assert says("underscores_in_headers") == "on"
    assert says("proxy_set_header X-Forwarded-For") == "$remote_addr"
    assert says("ssl_protocols") == "TLSv1.2 TLSv1.3"
    assert f'"infcode":-1,"err_msg":"{TOO_LONG}"' in EXAMPLE


def test_without_keys_rates_are_those_of_the_caller_whom_a_trusted_proxy_names(
    tmp_path: Path, postgres_url: str
) -> None:
    body = body_of(good_message("9001"))
    shell = Shell(tmp_path / "home", postgres_url)

    def statuses(port: int, *callers: str) -> list[int]:
        address = f"http://127.0.0.1:{port}/9001"
        told = [{"x-forwarded-for": caller} for caller in callers]
        return [httpx.post(address, content=body, headers=of, timeout=PATIENCE).status_code for of in told]

    some, others = ["192.0.2.1"] * 12, [f"192.0.2.{number}" for number in range(2, 14)]
    settings = {"FUNDWATCH_GATEWAY_KEYS": "none", "FUNDWATCH_GATEWAY_RATE": "1"}
    port = find_free_port()
    with gateway(shell, port, tmp_path / "log", **settings):
        assert statuses(port, *some).count(429) > 0
        assert set(statuses(port, *others)) == {200}
    with gateway(shell, port, tmp_path / "log", **settings, FUNDWATCH_TRUSTED_PROXIES="none"):
        assert statuses(port, *others).count(429) > 0
    with gateway(shell, port, tmp_path / "log"):
        answer = httpx.post(f"http://127.0.0.1:{port}/9001", content=body, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["err_msg"]) == (401, NO_KEY)
