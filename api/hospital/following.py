"""Following: what a gateway keeps in memory of the store: rules in force, hospitals' keys, sessions that were ended,
institutions' names."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from api.hospital.gateway import Gateway
from api.hospital.keys import Keys
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from streams.store.casework.institutions import find_all_names
from streams.store.people.sign_ins import find_ended
from streams.store.people.tokens import find_keys
from streams.store.sessions import borrowed, passing_errors

logger = logging.getLogger("fundwatch.gateway")

_EVERY = 1.0
"""Seconds after which a switch of rules, a new key and a revoked one are noticed."""
_NAMES_EVERY = 60
"""Rounds of that after which names are read again."""


async def follow_store(gateway: Gateway, keys: Keys, rule_sets: RuleSets, stop: asyncio.Event) -> None:
    """Keeps a gateway's rules, keys and names current until told to stop; without the store it goes on by the last."""
    held: RuleSet | None = None
    names: Mapping[str, str] = {}
    foreign: list[str] = []
    rounds = 0
    while not stop.is_set():
        with passing_errors(logger, "following the store"):
            async with borrowed(gateway.pool) as connection:
                in_force = await rule_sets.in_force(connection)
                before, foreign = foreign, keys.know(await find_keys(connection), gateway.vault)
                keys.sessions.know_ended(await find_ended(connection, keys.sessions.heard_until))
                current = await find_all_names(connection) if rounds % _NAMES_EVERY == 0 else names
            for key_id in set(foreign) - set(before):
                logger.warning("nobody can sign with key %s: FUNDWATCH_VAULT_KEY is not the one that sealed it", key_id)
            if in_force is not held or current != names:
                gateway.judge_by(in_force, current)
                held, names = in_force, current
            rounds += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY)
