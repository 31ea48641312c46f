"""Receipts: what was asked under a code and what was said of it, for the institution that asked.

The message is told as it is kept, with pseudonyms for people, beside the keyed hash of the bytes that came.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from api.hospital.answering import written_instant
from api.hospital.requests import PHASES
from api.hospital.sender import Sender
from knowledge_base.events.prescriptions import Prescription
from streams.messages.codec import decode_stored
from streams.store.events.prescriptions import find_by_code
from streams.store.sessions import Connection, Pool, borrowed_in_time

logger = logging.getLogger("fundwatch.gateway")

LONGEST_CODE = 64
"""Signs; ours have sixteen."""


class Away(Exception):
    """The store does not answer in time, or what it has cannot be read."""


async def find_receipt(pool: Pool, code: str, sent_by: Sender | None, since: datetime, budget: float) -> bytes | None:
    """A receipt as JSON; ``None`` where there is none of this code that ``sent_by`` may see, not yet, or no more.

    Everybody may see it where nobody has to prove who they are. It was asked at ``since`` (UTC) or later. Raises
    ``Away`` where that is not known within ``budget`` (seconds), or cannot be read.
    """
    if not 0 < len(code) <= LONGEST_CODE or not code.isascii() or not code.isalnum():
        return None
    try:
        async with asyncio.timeout(budget), borrowed_in_time(pool) as connection:
            kept = await find_kept(connection, code, since)
    except Exception as error:
        logger.warning("a receipt is not looked up: %s", type(error).__name__)
        raise Away from error
    if sent_by is not None:
        kept = [of for of in kept if of.institution in sent_by.institutions]
    return msgspec.json.encode(told_of(kept)) if kept else None


async def find_kept(connection: Connection, code: str, since: datetime) -> list[Prescription]:
    """The requests that were answered under a code, one an encounter, asked at ``since`` (UTC) or later."""
    events = [decode_stored(body) for body in await find_by_code(connection, code, since)]
    return [of for of in events if isinstance(of, Prescription) and of.advice is not None]


def told_of(kept: list[Prescription]) -> Mapping[str, Any]:
    """What a receipt says of the requests that one message held, one an encounter."""
    advices = [of.advice for of in kept if of.advice is not None]
    first, advice = kept[0], advices[0]
    return {
        "code": advice.code,
        "msgid": first.event_id.removeprefix(f"{first.sender}:").rpartition(":")[0],
        "infno": next(infno for infno, phase in PHASES.items() if phase == first.phase),
        "asked_at": written_instant(first.happened_at),
        "answered_at": written_instant(advice.at),
        "outcome": "not judged" if advice.rule_set is None else "judged",
        "rule_set": advice.rule_set or "",
        "as_of": max(of.as_of for of in advices),
        "not_evaluated": [{"rule_id": of.rule_id, "reason": of.reason} for of in advice.not_asked],
        "fingerprint": advice.fingerprint,
        "kept": kept,
    }
