"""The audit log (审计日志): who did what, in a chain in which no entry can be altered or left out unnoticed.

Each entry holds the hash of the one before, so an alteration shows in every later hash. Whoever notes the newest hash
elsewhere can also tell that the end was not cut off or written anew. The chain is that of "tamper-evident logging"
(Crosby and Wallach, USENIX Security 2009) in its plain form, one entry after the other.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

BEFORE_ALL = bytes(32)
"""What the first entry holds as the hash of the one before."""


class Act(StrEnum):
    """What somebody did."""

    DECIDED = "decided"
    UNDID = "undid"
    ASSIGNED = "assigned"
    SNOOZED = "snoozed"
    WOKE = "woke"
    COMMENTED = "commented"
    TOOK_COMMENT_BACK = "took_comment_back"
    SAW_EVIDENCE = "saw_evidence"
    EXPORTED = "exported"
    ANSWERED = "answered"
    OPENED_LETTER = "opened_letter"
    OPENED_REASONS = "opened_reasons"
    BEGAN_REPLAY = "began_replay"
    BEGAN_PURGE = "began_purge"
    PURGED = "purged"
    PUBLISHED_RULES = "published_rules"
    IMPORTED_KNOWLEDGE = "imported_knowledge"
    UNDID_IMPORT = "undid_import"
    BEGAN_REJUDGE = "began_rejudge"
    BEGAN_REDIGEST = "began_redigest"
    RESENT_FINDINGS = "resent_findings"
    GAVE_ACCOUNT = "gave_account"
    CHANGED_ACCOUNT = "changed_account"
    CLOSED_ACCOUNT = "closed_account"
    REOPENED_ACCOUNT = "reopened_account"
    SET_PASSWORD = "set_password"
    SIGNED_OUT = "signed_out"
    GAVE_TOKEN = "gave_token"
    REVOKED_TOKEN = "revoked_token"
    MUTED_SENDER = "muted_sender"
    UNMUTED_SENDER = "unmuted_sender"


class Entry(msgspec.Struct, frozen=True):
    """One entry, whose ``seq`` counts from 1 without a gap. ``at`` is UTC, to the microsecond; ``about`` names what it
    was done to, without personal data; ``before`` is the hash of the entry before."""

    seq: int
    at: datetime
    by: str
    act: str
    about: Mapping[str, str]
    before: bytes
    hash: bytes


def entry_hash(seq: int, at: datetime, by: str, act: str, about: Mapping[str, str], before: bytes) -> bytes:
    """The hash of an entry over all that it says and the hash of the one before (BLAKE2b, 32 bytes)."""
    said = msgspec.json.encode([seq, at.isoformat(), by, act, sorted(about.items()), before.hex()])
    return hashlib.blake2b(said, digest_size=32, person=b"audit log").digest()


def patient_name(area: str, person: str) -> str:
    """By what an entry names a patient at whose page somebody looked: whoever knows the pseudonym finds the entries,
    and the log tells nobody a pseudonym."""
    return hashlib.blake2b(f"{area}|{person}".encode(), digest_size=16, person=b"patient").hexdigest()


class Broken(Exception):
    """The chain does not hold at an entry: ``seq``, and ``why`` (missing | altered | moved)."""

    def __init__(self, seq: int, why: str):
        super().__init__(f"{seq}: {why}")
        self.seq = seq
        self.why = why


def verified(entries: Iterable[Entry], seq: int = 0, before: bytes = BEFORE_ALL) -> tuple[int, bytes]:
    """The number and hash of the last of some entries in their order, which follow those up to ``seq`` with its hash.

    Raises ``Broken`` at the first that is missing, says another thing than was hashed, or follows another entry.
    """
    for entry in entries:
        if entry.seq != seq + 1:
            raise Broken(seq + 1, "missing")
        if entry_hash(entry.seq, entry.at, entry.by, entry.act, entry.about, entry.before) != entry.hash:
            raise Broken(entry.seq, "altered")
        if entry.before != before:
            raise Broken(entry.seq, "moved")
        seq, before = entry.seq, entry.hash
    return seq, before
