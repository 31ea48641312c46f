"""What a hospital's system does to sign, by another hand and another library than the gateway's: gmssl, in Python."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from gmssl import sm2, sm3

from api.access.bearers import new_key_id, new_token, token_hash
from api.hospital.dialect import Binding, Dialect, load_dialects
from api.hospital.keys import Keys
from api.hospital.sessions import Sessions
from casework.tokens import Key
from streams.messages.vault import Vault

INSTITUTION = "H42010000001"
"""That of ``good_message``."""

LATER = datetime(2099, 1, 1, tzinfo=UTC)
LASTS = timedelta(hours=12)
NATIONAL, HUNAN = load_dialects()["national"], load_dialects()["hunan"]


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 12, 2, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


class Client(NamedTuple):
    """A hospital's system: how its key is called, and the secret that signs."""

    key_id: str
    secret: bytes

    def tif(self, body: bytes, at: datetime, nonce: str = "n1", binds: Binding = "sha256") -> dict[str, str]:
        """The headers of hmac-sm3-tif."""
        time = str(int(at.timestamp()))
        digest = {"none": "", "sha256": hashlib.sha256(body).hexdigest(), "sm3": hash_sm3(body).hex()}[binds]
        signature = hmac_sm3(self.secret, f"{time}{digest}{nonce}{time}".encode()).hex()
        named = {"paasid": self.key_id, "timestamp": time, "nonce": nonce, "signature": signature}
        return {f"x-tif-{name}": value for name, value in named.items()}

    def api(self, body: bytes, at: datetime, nonce: str | None = None, binds: Binding = "none") -> dict[str, str]:
        """The headers of hmac-sha1-api."""
        headers = {
            "_api_access_key": self.key_id,
            "_api_name": "9001",
            "_api_timestamp": str(int(at.timestamp() * 1000)),
            "_api_version": "1.0.0",
        }
        if nonce is not None:
            headers["_api_nonce"] = nonce
        signed = dict(headers)
        if binds != "none":
            signed["_api_body"] = {"sha256": hashlib.sha256(body).hexdigest(), "sm3": hash_sm3(body).hex()}[binds]
        text = "&".join("=".join(pair) for pair in sorted(signed.items()))
        mac = hmac.new(self.secret, text.encode(), "sha1").digest()
        return {**headers, "_api_signature": base64.b64encode(mac).decode()}


def hash_sm3(data: bytes) -> bytes:
    """SM3 by gmssl."""
    return bytes.fromhex(sm3.sm3_hash(list(data)))


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC (RFC 2104) over that."""
    block = (hash_sm3(key) if len(key) > 64 else key).ljust(64, b"\0")
    inner = hash_sm3(bytes(byte ^ 0x36 for byte in block) + data)
    return hash_sm3(bytes(byte ^ 0x5C for byte in block) + inner)


def sealed_to(public_half: bytes, key: bytes) -> str:
    """A key sealed by SM2 to a public half (65 bytes), as C1C3C2 in hex, by gmssl."""
    sealing = sm2.CryptSM2(private_key="", public_key=public_half[1:].hex(), mode=1)
    return bytes(sealing.encrypt(key)).hex()


def new_client() -> Client:
    """A system with a key of its own."""
    return Client(new_key_id(), new_token().encode())


def key_of(client: Client, vault: Vault, institution: str = INSTITUTION, ends_at: datetime = LATER) -> dict[bytes, Key]:
    """How the store has a system's key."""
    key = Key(frozenset({institution}), ends_at, client.key_id, vault.seal(client.secret))
    return {token_hash(client.secret.decode()): key}


def keys_for(dialect: Dialect, vault: Vault, clock: Clock, known: Mapping[bytes, Key], **more: Any) -> Keys:
    """Keys of a gateway that knows some, where signatures or tokens are due."""
    keys = Keys(more.pop("needed", "needed"), dialect, Sessions(vault, (), LASTS, clock), now=clock, **more)
    assert keys.know(known, vault) == []
    return keys


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as an ASGI server gives them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def call(
    server: Any, path: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
) -> tuple[int, dict[str, Any]]:
    """One request to an ASGI application; what it did not ask for, it did not get."""
    sent: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await server({"type": "http", "method": method, "path": path, "headers": encoded(headers)}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])
