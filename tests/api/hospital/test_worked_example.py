"""What docs/connecting-a-hospital.md says of signing: its client, run as it stands there, and its worked values."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.streams.replay import VAULT

from .signed import HUNAN, INSTITUTION, NATIONAL, Client, Clock, encoded, key_of, keys_for

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "connecting-a-hospital.md").read_text(encoding="utf-8")


def told(row: str) -> list[str]:
    """The values of a row of the worked example."""
    (cells,) = re.findall(rf"^\| {row} \| (.+) \|$", PAGE, re.MULTILINE)
    return re.findall(r"`([^`]+)`", cells)


def test_the_client_of_the_page_gives_what_the_page_says_and_the_gateway_takes_it() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(code, defined)
    (secret,), (time, nonce), (body,), (said,) = told("secret"), told("time, nonce"), told("body"), told("signature")
    signature = defined["signature"](secret, time, nonce, body.encode())
    assert signature == said
    client, clock = Client("FWEXAMPLEEXAMPLE23", secret.encode()), Clock()
    clock.at = datetime.fromtimestamp(int(time), UTC)
    assert client.tif(body.encode(), clock(), nonce)["x-tif-signature"] == said
    keys = keys_for(NATIONAL, VAULT, clock, key_of(client, VAULT))
    named = {"paasid": client.key_id, "timestamp": time, "nonce": nonce, "signature": signature}
    claim = keys.claim(encoded({f"x-tif-{name}": value for name, value in named.items()}))
    sender = keys.prove(claim, body.encode())
    assert sender is not None
    assert sender.institutions == {INSTITUTION}


def test_the_parameters_of_hunan_give_what_the_page_says() -> None:
    ((text, said),) = re.findall(r"`(_api_access_key=[^`]+)` gives\s+`([^`]+)`", PAGE)
    headers = dict(pair.split("=") for pair in text.split("&"))
    client, clock = Client(headers["_api_access_key"], told("secret")[0].encode()), Clock()
    clock.at = datetime.fromtimestamp(int(headers["_api_timestamp"]) / 1000, UTC)
    keys = keys_for(HUNAN, VAULT, clock, key_of(client, VAULT))
    sender = keys.prove(keys.claim(encoded({**headers, "_api_signature": said})), b"")
    assert sender is not None
    assert sender.institutions == {INSTITUTION}


def test_the_page_names_each_header_of_the_dialect() -> None:
    for name in NATIONAL.headers.values():
        assert f"| `{name}` |" in PAGE
