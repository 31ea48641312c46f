"""What every page and endpoint works with: the store, the published rules, today."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.frame import formats
from knowledge_base.days import Day
from rules_lib import wording
from rules_lib.rule_set import RuleSet
from streams.bus import Bus, Lag
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.store.casework.leads import live_rules
from streams.store.sessions import Connection, Pool, borrowed, passes_by_itself

PAGES = Path(__file__).parents[1]


STATIC = PAGES / "frame" / "static"


_BUS_PATIENCE = 5


@dataclass(frozen=True)
class Desk:
    """What the console and interface share; ``today`` gives the civil day in China.

    ``rule_set`` is the one in force when somebody last asked for a page.
    """

    pool: Pool
    rule_set: RuleSet
    rule_sets: RuleSets
    bus: Bus
    vault: Vault
    today: Callable[[], Day]

    @cached_property
    def live(self) -> list[str]:
        return live_rules(self.rule_set)

    @cached_property
    def items(self) -> Mapping[str, str]:
        return wording.item_names(self.rule_set.facts)

    @cached_property
    def templates(self) -> Environment:
        loader = FileSystemLoader(PAGES)
        environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        environment.lstrip_blocks = True
        environment.filters |= {
            "money": formats.money,
            "number": wording.number,
            "day": formats.day,
            "instant": formats.instant,
            "pseudonym": formats.pseudonym,
        }
        environment.globals["has_htmx"] = (STATIC / "vendor" / "htmx.min.js").exists()
        return environment


def desk_of(request: Request) -> Desk:
    """The desk of the application that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


async def take_up_rules(request: Request, connection: Connection) -> None:
    """From now on pages show the rule set that is in force, where another one was put in force meanwhile."""
    desk = desk_of(request)
    rule_set = await desk.rule_sets.in_force(connection)
    if rule_set is not desk.rule_set:
        request.app.state.desk = replace(desk, rule_set=rule_set)


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[Connection]:
    """A borrowed connection on which every statement reads the store as it was at the first; it cannot write."""
    async with borrowed(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def find_lags(desk: Desk) -> list[Lag] | None:
    """How far groups are behind, ``None`` where the bus does not answer in time."""
    try:
        async with asyncio.timeout(_BUS_PATIENCE):
            return await desk.bus.lags()
    except Exception as error:
        if not passes_by_itself(error):
            raise
        return None
