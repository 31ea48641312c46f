"""``python -m bench.signing``: microseconds of processor time for telling who sent a request, in each way.

All ways in one run, turn by turn, the best of several turns each, beside showing a token, over a 3101 with three orders
and one with twenty. It writes no results: its figures stand in decision 0054.
"""

import base64
import hashlib
import hmac
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from api.access.bearers import new_key_id, new_token, token_hash
from api.hospital.dialect import Dialect, load_dialects
from api.hospital.keys import Headers, Keys
from api.hospital.sessions import Sessions
from api.hospital.signing import digest_of
from casework.tokens import Key
from streams.messages.guomi import hmac_sm3
from streams.messages.vault import Vault

_CALLS, _TURNS = 2_000, 9
_LENGTHS = {"3 kB": 3_000, "17 kB": 17_000}
_NOW = datetime(2026, 6, 30, 2, tzinfo=UTC)
_USUAL = {"host": "gateway", "content-type": "application/json", "content-length": "17000", "user-agent": "HIS"}


def main() -> int:
    """Prints a line for each way and length. Returns 0."""
    for length, size in _LENGTHS.items():
        body = b"x" * size
        ways = dict(_ways(body))
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(_TURNS):
            for way, check in ways.items():
                began = time.process_time()
                for _ in range(_CALLS):
                    check()
                best[way] = min(best[way], (time.process_time() - began) / _CALLS * 1e6)
        for way, microseconds in best.items():
            print(f"{length}, {way}: {microseconds:.1f} µs")
    return 0


def _ways(body: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    dialects = load_dialects()
    key_id, token, vault = new_key_id(), new_token(), Vault(b"a key for measuring, no secret")
    known = {
        token_hash(token): Key(frozenset({"H"}), datetime.max.replace(tzinfo=UTC), key_id, vault.seal(token.encode()))
    }
    shown = [(b"authorization", f"Bearer {token}".encode())]
    for name, dialect in (
        ("hmac-sm3-tif", replace(dialects["national"], binds="none")),
        ("hmac-sm3-tif, body by SHA-256", dialects["national"]),
        ("hmac-sm3-tif, body by SM3", replace(dialects["national"], binds="sm3")),
        ("hmac-sha1-api", dialects["hunan"]),
    ):
        keys = Keys("needed", dialect, Sessions(vault, (), timedelta(hours=1)), now=lambda: _NOW)
        keys.know(known, vault)
        if dialect.binds == "sha256":
            yield "a token", _checking(keys, shown, body)
        yield name, _checking(keys, _signed(dialect, key_id, token.encode(), body), body)


def _checking(keys: Keys, headers: list[tuple[bytes, bytes]], body: bytes) -> Callable[[], object]:
    usual = [(name.encode(), value.encode()) for name, value in _USUAL.items()]
    whole: Headers = [*usual, *headers]
    return lambda: keys.prove(keys.claim(whole), body)


def _signed(dialect: Dialect, key_id: str, secret: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    if dialect.signing == "hmac-sha1-api":
        told = {"_api_access_key": key_id, "_api_name": "3101", "_api_version": "1.0.0"}
        told["_api_timestamp"] = str(int(_NOW.timestamp() * 1000))
        text = "&".join(f"{name}={told[name]}" for name in sorted(told))
        told["_api_signature"] = base64.b64encode(hmac.digest(secret, text.encode(), hashlib.sha1)).decode()
    else:
        at = str(int(_NOW.timestamp()))
        bound = "" if dialect.binds == "none" else digest_of(body, dialect.binds).hex()
        told = {"x-tif-paasid": key_id, "x-tif-timestamp": at, "x-tif-nonce": "a" * 32}
        told["x-tif-signature"] = hmac_sm3(secret, f"{at}{bound}{'a' * 32}{at}".encode()).hex()
    return [(name.encode(), value.encode()) for name, value in told.items()]


if __name__ == "__main__":
    sys.exit(main())
