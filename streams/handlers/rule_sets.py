"""Rule sets at work: the one in force, taken up between batches, and the switch from one to the next.

Every batch holds the set in force until its transaction ends; a switch waits for the batches under way and lets none
begin meanwhile. So no batch is judged under two sets, and after the switch none is judged under the old one.
"""

import logging

import msgspec

from rules_lib.publication import changed_rules
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet
from streams.hosts import metrics
from streams.store.judgements import published
from streams.store.sessions import Connection

logger = logging.getLogger("fundwatch.rules")


class RuleSetUnusable(Exception):
    """A set was published by a program with other checks or other fields: one of that version is needed."""

    def __init__(self, hash: str):
        super().__init__(f"rule set {hash} was published by a program with other checks than this one")


class RuleSets:
    """Published rule sets, each loaded once. ``own`` came with the program; it holds where none was published."""

    def __init__(self, own: RuleSet):
        self.own = own
        self._loaded = {own.hash: own}
        self._held: str | None = None

    async def hold(self, connection: Connection) -> RuleSet:
        """The set in force, which stays so until the caller's transaction ends. Raises ``RuleSetUnusable``."""
        hash = await published.hold(connection)
        rule_set = self.own if hash is None else await self.get(connection, hash)
        if not rule_set.has_its_checks:
            raise RuleSetUnusable(rule_set.hash)
        if self._held != rule_set.hash:
            logger.info("judging by rule set %s", rule_set.hash)
            metrics.begin_rules(rule_set)
            self._held = rule_set.hash
        return rule_set

    async def hold_to_show(self, connection: Connection) -> RuleSet:
        """Like ``hold``, for those who show and sum findings and judge nothing, so need not have the checks."""
        hash = await published.hold(connection)
        return self.own if hash is None else await self.get(connection, hash)

    async def in_force(self, connection: Connection) -> RuleSet:
        """The set in force at this moment, for showing its words; ``own`` where this program cannot read it."""
        hash = await published.find_in_force(connection)
        try:
            return self.own if hash is None else await self.get(connection, hash)
        except RuleSetUnusable:
            return self.own

    async def get(self, connection: Connection, hash: str) -> RuleSet:
        """A published set. Raises ``LookupError`` where there is none of that hash, and ``RuleSetUnusable``."""
        if hash not in self._loaded:
            try:
                rule_set = await published.load_rule_set(connection, hash)
            except (ImportError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise RuleSetUnusable(hash) from error
            if rule_set is None:
                raise LookupError(f"rule set {hash} is not in the store")
            self._loaded[hash] = rule_set
        return self._loaded[hash]

    async def find_rule(self, connection: Connection, hash: str, rule_id: str) -> Rule:
        """A rule of a published set; where the set took it out, as the last set before had it.

        Raises ``LookupError`` where no published set holds it.
        """
        rule = (await self.get(connection, hash)).by_id.get(rule_id)
        if rule is not None:
            return rule
        for earlier in await published.find_sets_before(connection, hash):
            rule = (await self.get(connection, earlier)).by_id.get(rule_id)
            if rule is not None:
                return rule
        raise LookupError(f"no published rule set holds {rule_id}")


class Switch(msgspec.Struct, frozen=True):
    """What publishing a set changed: rules whose judgements may differ, areas that are to be judged again."""

    before: str | None
    after: str
    rules: list[str]
    areas: list[str]


async def publish(connection: Connection, rule_set: RuleSet) -> Switch:
    """Puts a set in force between two batches and marks what it can change as outstanding."""
    async with connection.transaction():
        before = await published.hold_alone(connection)
        if before == rule_set.hash:
            return Switch(before, rule_set.hash, [], [])
        old = None if before is None else await published.load_rule_set(connection, before)
        rules = changed_rules(old, rule_set)
        await published.keep(connection, rule_set)
        await published.put_in_force(connection, rule_set.hash)
        areas = await published.mark_outstanding(connection, rules) if rules else []
        return Switch(before, rule_set.hash, rules, areas)


async def publish_first(connection: Connection, rule_set: RuleSet) -> None:
    """Puts a set in force where there is none yet."""
    if await published.find_in_force(connection) is None:
        async with connection.transaction():
            if await published.hold_alone(connection) is None:
                await published.keep(connection, rule_set)
                await published.put_in_force(connection, rule_set.hash)
