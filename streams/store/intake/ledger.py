"""What became of what was received: dead letters and the ledger of outcomes."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import asyncpg

from knowledge_base.days import as_date, day_of
from streams.bus import Lease
from streams.pipeline.account import Refused, Tally


async def save_account(
    connection: asyncpg.Connection, lease: Lease, letters: Sequence[Refused], tallies: Mapping[str, Tally]
) -> None:
    """Keeps messages that did not become events, and adds a batch's outcomes to the ledger of its partition."""
    if letters:
        await _save_dead_letters(connection, lease, letters)
    day = as_date(day_of(datetime.now(UTC)))
    for source, tally in tallies.items():
        values = [getattr(tally, name) for name in _TALLIED]
        await connection.execute(_SAVE_TALLY, lease.topic, lease.partition, source, day, *values)


async def _save_dead_letters(connection: asyncpg.Connection, lease: Lease, letters: Sequence[Refused]) -> None:
    await connection.executemany(
        """
        insert into dead_letters (topic, partition, "offset", outcome, source, reasons, key, body, money, line)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict do nothing
        """,
        [
            (
                lease.topic,
                lease.partition,
                letter.offset,
                letter.outcome,
                letter.source,
                json.dumps(letter.reasons, ensure_ascii=False),
                letter.key,
                letter.body,
                letter.money,
                letter.line,
            )
            for letter in letters
        ],
    )


_TALLIED = Tally.__struct_fields__


_ADDED = ", ".join(f"{name} = ledger.{name} + excluded.{name}" for name in _TALLIED)


_SAVE_TALLY = f"""
    insert into ledger (topic, partition, source, day, {", ".join(_TALLIED)})
    values ({", ".join(f"${n}" for n in range(1, len(_TALLIED) + 5))})
    on conflict (topic, partition, source, day) do update set {_ADDED}
"""
