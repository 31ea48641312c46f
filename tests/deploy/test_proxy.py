"""A reverse proxy in front of the gateway: the limits of the example are ours, and callers are whom it names."""

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx

from api.hospital.server import LONGEST_BODY, MOST_BODY, TOO_LONG
from tests.api.hospital.messages import body_of, good_message
from tests.conftest import find_free_port
from tests.deploy.test_signed_gateways import gateway, until
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
    """A caller who was never heard of is heard once; many messages of one at once are too many, sooner or later."""
    body, shell, port = body_of(good_message("9001")), Shell(tmp_path / "home", postgres_url), find_free_port()
    numbers = count(1)

    def status(caller: str) -> int:
        address, told = f"http://127.0.0.1:{port}/9001", {"x-forwarded-for": caller}
        return httpx.post(address, content=body, headers=told, timeout=PATIENCE).status_code

    def are_too_many(callers: list[str]) -> bool:
        with ThreadPoolExecutor(len(callers)) as at_once:
            return 429 in at_once.map(status, callers)

    def strangers() -> list[str]:
        return [f"2001:db8::{next(numbers):x}" for _ in range(16)]

    settings = {"FUNDWATCH_GATEWAY_KEYS": "none", "FUNDWATCH_GATEWAY_RATE": "1"}
    with gateway(shell, port, tmp_path / "log", **settings):
        until(lambda: are_too_many(["192.0.2.1"] * 16))
        assert not are_too_many(strangers())
    with gateway(shell, port, tmp_path / "log", **settings, FUNDWATCH_TRUSTED_PROXIES="none"):
        until(lambda: are_too_many(strangers()))
