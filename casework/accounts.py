"""Accounts (账号): who may sign in, as what, and whose leads they see."""

import re
import unicodedata
from collections.abc import Collection
from datetime import datetime

import msgspec

from casework.rights import Right, Role, rights_of
from knowledge_base.signs import are_clear, neutral

LONGEST_LOGIN = 64
LONGEST_NAME = 100

_AREA = re.compile(r"[0-9]{6}")
_INSTITUTION = re.compile(r"[A-Z0-9]{4,40}")
"""What codes of divisions (GB/T 2260) and of institutions are made of; senders have others than the official ones."""

_NEW_LOGIN = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._@-]*"
    "|[0-9\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002f7ff\U00030000-\U0003ffff]"
    "[0-9._@\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002f7ff\U00030000-\U0003ffff-]*"
)
"""What a new log-in is made of: letters of one script, Latin without accents or Chinese, digits, and some marks.
Everybody here can type and tell them apart; other scripts have letters that look like these."""

_LOOKS = str.maketrans({"0": "o", "1": "l", "i": "l", "m": "rn"})
"""Small letters and digits that look alike in some font, also as capitals (Unicode TS 39: 0 O, 1 I l, m rn)."""

_NOBODYS = frozenset({"me", "nobody"})
"""Words that addresses have for whoever is signed in, and for nobody."""


class Account(msgspec.Struct, frozen=True):
    """Somebody who may sign in. ``areas`` are the pooling areas and ``institutions`` those whose leads they see, each
    ``None`` for all; ``disabled_at`` (UTC) is when the account was closed, ``None`` while it is open."""

    login: str
    name: str
    roles: frozenset[Role]
    areas: frozenset[str] | None = None
    institutions: frozenset[str] | None = None
    disabled_at: datetime | None = None

    @property
    def rights(self) -> frozenset[Right]:
        """What its roles let it do."""
        return rights_of(self.roles)

    def covers(self, other: "Account") -> bool:
        """Whether another account may do nothing, and see nothing, that this one may not."""
        return (
            other.rights <= self.rights
            and _covers(self.areas, other.areas)
            and _covers(self.institutions, other.institutions)
        )


class AccountRefused(ValueError):
    """An account cannot be as it was asked for; ``why`` is the texts ``problems.account_…`` say it."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


def checked(account: Account) -> Account:
    """An account with its words tidied. Raises ``AccountRefused`` where it cannot be so.

    The log-in is one word of visible signs that begins with a letter or digit. A code that nobody can have is refused:
    an account that sees nothing looks like one for which there is nothing. A hospital's office sees its own
    institutions alone, so it names them.
    """
    login, name = (unicodedata.normalize("NFC", text).strip() for text in (account.login, account.name))
    if not _is_login(login):
        raise AccountRefused("login")
    if neutral(name) != name or len(name) > LONGEST_NAME:
        raise AccountRefused("name")
    if not account.roles:
        raise AccountRefused("no_role")
    if account.areas == frozenset() or account.institutions == frozenset():
        raise AccountRefused("nothing_to_see")
    if not all(map(_AREA.fullmatch, account.areas or ())):
        raise AccountRefused("area")
    if not all(map(_INSTITUTION.fullmatch, account.institutions or ())):
        raise AccountRefused("institution")
    if Role.HOSPITAL_OFFICE in account.roles and account.institutions is None:
        raise AccountRefused("office_without_institution")
    return msgspec.structs.replace(account, login=login, name=name)


def checked_new(account: Account) -> Account:
    """The same of an account that is to be opened, whose log-in is made of signs that are told apart."""
    account = checked(account)
    if not _NEW_LOGIN.fullmatch(account.login):
        raise AccountRefused("login_signs")
    return account


def look_of(login: str) -> str:
    """What a log-in looks like, the same for those that people would take for one another."""
    return unicodedata.normalize("NFKC", login).casefold().translate(_LOOKS)


def _is_login(login: str) -> bool:
    return (
        0 < len(login) <= LONGEST_LOGIN
        and login[0].isalnum()
        and "/" not in login
        and login.casefold() not in _NOBODYS
        and are_clear([login])
        and neutral(login) == login
    )


def _covers(own: Collection[str] | None, other: Collection[str] | None) -> bool:
    return own is None or (other is not None and set(other) <= set(own))
