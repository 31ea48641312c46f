"""What every page and endpoint works with: the store, the rules in force, today."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.frame import formats
from api.frame.addresses import YUAN_TYPED
from api.frame.site import HERE, Site
from api.frame.worked_out import WorkedOut
from casework.sight import Onlooker, Sight
from knowledge_base.cards import Card, Words
from knowledge_base.catalogues.files import load_heads
from knowledge_base.days import Day
from knowledge_base.facts import Point
from knowledge_base.signs import neutral
from rules_lib.coverage import Cover, covers
from rules_lib.rule_set import RuleSet
from rules_lib.wording import item_names, item_units, number
from streams.bus import Bus, Lag
from streams.handlers.rule_sets import RuleSets
from streams.messages.vault import Vault
from streams.store.sessions import Connection, Pool, borrowed, passes_by_itself

PAGES = Path(__file__).parents[1]


STATIC = PAGES / "frame" / "static"


_BUS_PATIENCE = 5


OfSet = tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Point], tuple[Cover, ...]]
"""What is worked out once for each rule set: what its facts call items and what these are billed by, the facts by name,
and how much it holds of each catalogue."""

_own_heads = cache(load_heads)


@dataclass(frozen=True)
class Shown:
    """What one request works with: the rule set in force as its connection sees it, and what its sender may see today.

    ``items`` holds what the set's facts call items, ``units`` what these are billed by, both by code; ``points`` the
    facts by their names; ``covers`` how much it holds of each catalogue; ``worked_out`` what requests before found out.
    """

    rule_set: RuleSet
    items: Mapping[str, str]
    units: Mapping[str, str]
    points: Mapping[str, Point]
    covers: tuple[Cover, ...]
    sight: Sight
    worked_out: WorkedOut

    @property
    def cards(self) -> Mapping[str, Card]:
        """The rules and detectors whose findings are shown, by their id."""
        return self.rule_set.cards

    @property
    def topics(self) -> Mapping[str, Words]:
        """What topics are called."""
        return self.rule_set.topics


@dataclass(frozen=True)
class Desk:
    """What all requests share; ``today`` gives the civil day in China."""

    pool: Pool
    rule_sets: RuleSets
    bus: Bus
    vault: Vault
    today: Callable[[], Day]
    site: Site = HERE
    _worked_out: WorkedOut = field(default_factory=WorkedOut, init=False, repr=False, compare=False)
    _of_sets: dict[str, OfSet] = field(default_factory=dict, init=False, repr=False, compare=False)

    async def find_shown(self, connection: Connection, onlooker: Onlooker) -> Shown:
        """What a request works with: the rules, read on its own connection, and what whoever asks may see today."""
        rule_set = await self.rule_sets.in_force(connection)
        if rule_set.hash not in self._of_sets:
            points = {point.point_id: point for point in rule_set.facts.points}
            names, units = item_names(rule_set.facts), item_units(rule_set.facts)
            self._of_sets[rule_set.hash] = names, units, points, covers(rule_set, _own_heads())
        sight = Sight(self.today(), onlooker.areas, onlooker.institutions)
        return Shown(rule_set, *self._of_sets[rule_set.hash], sight, self._worked_out)


@cache
def templates() -> Environment:
    """The pages. They are compiled once a process, however many desks it has."""
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.lstrip_blocks = True
    environment.filters |= {
        "money": formats.money,
        "neutral": neutral,
        "number": number,
        "day": formats.day,
        "instant": formats.instant,
        "pseudonym": formats.pseudonym,
    }
    environment.globals["yuan_typed"] = YUAN_TYPED
    environment.globals["has_htmx"] = (STATIC / "vendor" / "htmx.min.js").exists()
    return environment


def desk_of(request: Request) -> Desk:
    """The desk of the application that a request came to."""
    desk: Desk = request.app.state.desk
    return desk


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
