"""Keys: what a hospital's system proves with each request, and for which institutions it speaks by that.

It signs as the dialect says, with the secret of its key or with that of a session (9001), or shows the token of its key
as a bearer (``fundwatch tokens add NAME --right ask --institution CODE`` prints both). The keys are kept in memory, so
that hospitals are known while the store is away.

Errors: ``NotProven`` and ``NotKnown``, whose text goes into ``err_msg``: it names the header and never a secret.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, NoReturn

import msgspec

from api.access.bearers import token_hash
from api.hospital.dialect import SIGNED_WITH, Dialect, HeaderRole
from api.hospital.nonces import Nonces
from api.hospital.sender import Sender
from api.hospital.sessions import Sessions
from api.hospital.signing import SIGNINGS, Values, digest_of, is_signed
from casework.tokens import Key
from streams.messages.vault import Vault, WrongKey

Headers = Iterable[tuple[bytes, bytes]]

Needed = Literal["needed", "signed", "none"]
"""What each request has to bring: a signature or a token, a signature, or nothing."""

WINDOW = 300.0
"""Seconds by which the time of a signed request may differ from the time here, by default."""

LONGEST_NONCE = 128

NO_KEY = "缺少有效密钥 / no key that may be used"
NOT_KNOWN = "密钥暂时无法核对, 请稍后重发, 诊疗不受影响 / keys cannot be checked yet, please send again; care goes on"
NO_HEADER = "缺少请求头 / the header is missing"
NOT_SIGNED = "须签名, 仅有令牌不够 / a signature is due, a token is not enough"
UNKNOWN = "密钥未知、已到期或已撤销 / a key that is unknown, over or revoked"
SESSION_OVER = "会话已结束, 请重新签到(9001) / the session is over, please sign in again (9001)"
NO_TIME = "应为10位(秒)或13位(毫秒)数字 / 10 digits (seconds) or 13 (milliseconds) are due"
OUT_OF_WINDOW = "与本机时间相差过大 / too far from the time here"
NO_NONCE = f"应为1至{LONGEST_NONCE}个字符 / 1 to {LONGEST_NONCE} signs are due"
NOT_ITS_SIGNATURE = "签名不符 / the signature does not fit"
USED_BEFORE = "已用于另一报文 / used before with another message"

_BEARER = b"bearer "
_SECOND_DIGITS, _MILLISECOND_DIGITS = 10, 13


class NotProven(Exception):
    """It is not proven who sent a request."""


class NotKnown(Exception):
    """Nobody's key is known yet, as the store was away when this process started: it is to be sent again."""


class Claim(msgspec.Struct, frozen=True):
    """Who a request says that it is from, as far as its head proves it; ``secret`` is what has to have signed it.

    ``None`` for a secret where the head has proven it all.
    """

    sender: Sender
    name: str
    secret: bytes | None
    values: Values

    def __repr__(self) -> str:
        return f"Claim({self.sender!r})"


class Keys:
    """The keys that are known, and what requests prove by them."""

    def __init__(
        self,
        needed: Needed,
        dialect: Dialect,
        sessions: Sessions,
        window: float = WINDOW,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self.needed = needed
        self.sessions = sessions
        self._dialect = dialect
        self._window = window
        self._now = now
        self._roles: dict[bytes, HeaderRole] = {}
        if dialect.signing in SIGNINGS:
            self._roles = {name.lower().encode(): role for role, name in dialect.headers.items()}
        self._nonces = Nonces(2 * window)
        self._are_known = False
        self._by_token: Mapping[bytes, Key] = {}
        self._by_id: dict[str, tuple[Key, bytes]] = {}

    def know(self, keys: Mapping[bytes, Key], vault: Vault) -> list[str]:
        """Takes up the keys by the hash of their token; tells which cannot be opened, as another vault sealed them."""
        opened: dict[str, tuple[Key, bytes]] = {}
        foreign: list[str] = []
        for key in keys.values():
            if key.key_id is None or key.sealed_secret is None:
                continue
            known = self._by_id.get(key.key_id)
            try:
                same = known is not None and known[0].sealed_secret == key.sealed_secret
                opened[key.key_id] = (key, known[1] if known and same else vault.open(key.sealed_secret))
            except WrongKey:
                foreign.append(key.key_id)
        self._by_token, self._by_id, self._are_known = keys, opened, True
        return foreign

    def claim(self, headers: Headers) -> Claim | None:
        """Who a request says that it is from; ``None`` where nobody has to say so.

        Raises ``NotProven``, and ``NotKnown`` for whoever shows something before the keys are known.
        """
        if self.needed == "none":
            return None
        values: dict[HeaderRole, str] = {}
        token = b""
        for name, value in headers:
            if (role := self._roles.get(name)) is not None:
                values[role] = value.decode("latin-1").strip()
            elif name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
                token = value[len(_BEARER) :].strip()
        if (token or values) and not self._are_known:
            raise NotKnown(NOT_KNOWN)
        if token and self.needed == "needed":
            return self._shown(token)
        if values:
            return self._signed(values)
        raise NotProven(NOT_SIGNED if token else NO_KEY)

    def _shown(self, token: bytes) -> Claim:
        """By the hash of a token: how long it takes to find it tells nothing of the token."""
        key = self._by_token.get(token_hash(token.decode("latin-1")))
        if key is None or key.ends_at <= self._now():
            raise NotProven(NO_KEY)
        return Claim(Sender(key.institutions, key.key_id), "", None, {})

    def _signed(self, values: dict[HeaderRole, str]) -> Claim:
        for role in sorted(SIGNED_WITH[self._dialect.signing] - values.keys()):
            self._refuse(role, NO_HEADER)
        if "nonce" in values and not 0 < len(values["nonce"]) <= LONGEST_NONCE:
            self._refuse("nonce", NO_NONCE)
        if abs(self._seconds_of(values["time"]) - self._now().timestamp()) > self._window:
            self._refuse("time", OUT_OF_WINDOW)
        named = values["sender"]
        session = None if named in self._by_id else self.sessions.opened(named)
        key, secret = self._by_id.get(named if session is None else session.key_id, (None, b""))
        if key is None or key.ends_at <= self._now():
            self._refuse("sender", UNKNOWN)
        if session is not None and self.sessions.is_over(named, session):
            self._refuse("sender", SESSION_OVER)
        sender = Sender(key.institutions, key.key_id, session is not None)
        return Claim(sender, named, secret if session is None else session.key, values)

    def _seconds_of(self, time: str) -> float:
        if not (time.isascii() and time.isdecimal() and len(time) in (_SECOND_DIGITS, _MILLISECOND_DIGITS)):
            self._refuse("time", NO_TIME)
        return int(time) if len(time) == _SECOND_DIGITS else int(time) / 1000

    def prove(self, claim: Claim | None, body: bytes) -> Sender | None:
        """Who sent a message, now that it is there; ``None`` where nobody has to say so. Raises ``NotProven``."""
        if claim is None or claim.secret is None:
            return None if claim is None else claim.sender
        digest = digest_of(body, self._dialect.binds)
        if not is_signed(self._dialect, claim.secret, claim.values, digest):
            self._refuse("signature", NOT_ITS_SIGNATURE)
        nonce = claim.values.get("nonce")
        if nonce is not None and not self._nonces.take(claim.name, nonce, digest, self._now().timestamp()):
            self._refuse("nonce", USED_BEFORE)
        return claim.sender

    def _refuse(self, role: HeaderRole, rule: str) -> NoReturn:
        raise NotProven(f"{self._dialect.headers[role]}: {rule}")
