"""Rule sets as published: immutable, kept by their hash, so that every finding can be judged again as it was."""

import asyncpg

from rules_lib.publication import pack, unpack
from rules_lib.rules import RuleSet


async def publish(connection: asyncpg.Connection, rule_set: RuleSet) -> bool:
    """Keeps a rule set; false where it was there already."""
    status = await connection.execute(
        "insert into rule_sets (hash, body) values ($1, $2) on conflict do nothing", rule_set.hash, pack(rule_set)
    )
    return bool(status == "INSERT 0 1")


async def load_rule_set(connection: asyncpg.Connection, hash: str) -> RuleSet | None:
    """A published rule set by its hash, ``None`` where there is none of that name."""
    body = await connection.fetchval("select body from rule_sets where hash = $1", hash)
    return unpack(body) if body is not None else None
