"""Following: what a gateway keeps in memory of the store: rules in force, hospitals' keys, institutions' names."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from api.hospital.gateway import Gateway
from api.hospital.keys import Keys
from rules_lib.rule_set import RuleSet
from streams.handlers.rule_sets import RuleSets
from streams.store.casework.institutions import find_all_names
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
    rounds = 0
    while not stop.is_set():
        with passing_errors(logger, "following the store"):
            async with borrowed(gateway.pool) as connection:
                in_force = await rule_sets.in_force(connection)
                keys.know(await find_keys(connection))
                current = await find_all_names(connection) if rounds % _NAMES_EVERY == 0 else names
            if in_force is not held or current != names:
                gateway.judge_by(in_force, current)
                held, names = in_force, current
            rounds += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY)
