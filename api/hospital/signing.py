"""Signing: what a request signs, and with what, in each of the ways that a dialect may name.

    hmac-sm3-tif   hex(HMAC-SM3(key, time + digest + nonce + time))
    hmac-sha1-api  base64(HMAC-SHA1(key, name=value&name=value...)), sorted by name: sender, service, version, time, the
                   nonce where there is one, and the digest as _api_body

``digest`` is the hash of the body's bytes in small hex letters, where the dialect binds the body; otherwise nothing
stands in its place. Decision 0054 says where that was read.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from api.hospital.dialect import Binding, Dialect, HeaderRole, Signing
from streams.messages.guomi import hmac_sm3, sm3

BODY_NAME = "_api_body"
"""What the digest of the body is called among the parameters of hmac-sha1-api."""

Values = Mapping[HeaderRole, str]
"""The headers of a request by what they are for."""

_PARAMETERS: tuple[HeaderRole, ...] = ("sender", "service", "version", "time", "nonce")


def digest_of(body: bytes, binding: Binding) -> bytes:
    """The hash of a body by which it is bound, or known again where it is not."""
    return sm3(body) if binding == "sm3" else hashlib.sha256(body).digest()


def is_signed(dialect: Dialect, key: bytes, values: Values, digest: bytes) -> bool:
    """Whether the signature of a request fits a key. It takes as long whatever is wrong with it."""
    bound = "" if dialect.binds == "none" else digest.hex()
    signature = _SIGNATURES[dialect.signing](dialect, key, values, bound)
    return hmac.compare_digest(signature, values["signature"].encode("latin-1"))


def _tif_signature(dialect: Dialect, key: bytes, values: Values, bound: str) -> bytes:
    text = f"{values['time']}{bound}{values['nonce']}{values['time']}".encode("latin-1")
    written = hmac_sm3(key, text).hex()
    return (written.upper() if values["signature"].isupper() else written).encode()


def _api_signature(dialect: Dialect, key: bytes, values: Values, bound: str) -> bytes:
    named = {dialect.headers[role]: values[role] for role in _PARAMETERS if role in values}
    if bound:
        named[BODY_NAME] = bound
    text = "&".join(f"{name}={named[name]}" for name in sorted(named)).encode("latin-1")
    return base64.b64encode(hmac.digest(key, text, "sha1"))


_SIGNATURES: Mapping[Signing, Callable[[Dialect, bytes, Values, str], bytes]] = {
    "hmac-sm3-tif": _tif_signature,
    "hmac-sha1-api": _api_signature,
}
SIGNINGS = frozenset(_SIGNATURES)
"""The ways in which something is signed; in the others a token is shown, or nothing."""
