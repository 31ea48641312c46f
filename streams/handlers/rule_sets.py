"""Rule sets at work: the one in force, taken up between batches, and the switch from one to the next.

Every batch holds the set in force until its transaction ends; a switch waits for the batches under way and lets none
begin meanwhile. So no batch is judged under two sets, and after the switch none is judged under the old one.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from casework.audit import Act
from knowledge_base.cards import Card
from knowledge_base.facts import Point
from knowledge_base.subjects import PATIENT
from rules_lib.publication import changed_rules, renewed, with_imported, without_imported
from rules_lib.rule_set import RuleSet
from rules_lib.shipped_sets import SHIPPED
from rules_lib.wording import item_names
from streams.store.events import wider
from streams.store.judgements import published
from streams.store.judgements.published import PROGRAM
from streams.store.people import audit
from streams.store.sessions import Connection

logger = logging.getLogger("fundwatch.rules")


class RuleSetUnusable(Exception):
    """A set was published by a program with other source code or fields: one of that version is needed."""

    def __init__(self, hash: str):
        super().__init__(f"rule set {hash} was published by a program with other checks than this one")


class RuleSets:
    """Published rule sets, each loaded once. ``own`` came with the program; it holds where none was published.

    ``on_new_set`` is told whenever another set is judged by.
    """

    def __init__(self, own: RuleSet, on_new_set: Callable[[RuleSet], None] = lambda _: None):
        self.own = own
        self._on_new_set = on_new_set
        self._loaded = {own.hash: own}
        self._items: tuple[str, Mapping[str, str]] = own.hash, item_names(own.facts)
        self._held: str | None = None

    async def hold(self, connection: Connection) -> RuleSet:
        """The set in force, which stays so until the caller's transaction ends. Raises ``RuleSetUnusable``."""
        hash = await published.hold(connection)
        rule_set = self.own if hash is None else await self.get(connection, hash)
        if not rule_set.has_its_sources:
            raise RuleSetUnusable(rule_set.hash)
        if self._held != rule_set.hash:
            logger.info("judging by rule set %s", rule_set.hash)
            for rule in rule_set.suspended:
                logger.error("suspended rule %s", rule)
            self._on_new_set(rule_set)
            self._held = rule_set.hash
        return rule_set

    async def hold_to_show(self, connection: Connection) -> None:
        """Holds the set in force for those who sum findings by its makers, and judge nothing."""
        await published.hold(connection)

    async def in_force(self, connection: Connection) -> RuleSet:
        """The set in force at this moment, for showing its words; ``own`` where this program cannot read it."""
        hash = await published.find_in_force(connection)
        try:
            return self.own if hash is None else await self.get(connection, hash)
        except RuleSetUnusable:
            return self.own

    async def find_items(self, connection: Connection) -> Mapping[str, str]:
        """What the set in force calls items, by code."""
        rule_set = await self.in_force(connection)
        if self._items[0] != rule_set.hash:
            self._items = rule_set.hash, item_names(rule_set.facts)
        return self._items[1]

    async def get(self, connection: Connection, hash: str) -> RuleSet:
        """A published set. Raises ``LookupError`` where there is none of that hash, and ``RuleSetUnusable``."""
        if hash not in self._loaded:
            try:
                rule_set = await published.load_rule_set(connection, hash)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise RuleSetUnusable(hash) from error
            if rule_set is None:
                raise LookupError(f"rule set {hash} is not in the store")
            self._loaded[hash] = rule_set
        return self._loaded[hash]

    async def find_card(self, connection: Connection, hash: str, maker_id: str) -> Card:
        """The card of a maker in a published set; where the set took it out, as the last set before had it.

        Raises ``LookupError`` where no published set holds it.
        """
        for name in (hash, *await published.find_sets_before(connection, hash)):
            card = (await self.get(connection, name)).cards.get(maker_id)
            if card is not None:
                return card
        raise LookupError(f"no published rule set holds {maker_id}")


class Switch(msgspec.Struct, frozen=True):
    """What publishing a set changed: rules whose judgements may differ, areas that are to be judged again.

    ``by`` is who published the set that is in force now.
    """

    before: str | None
    after: str
    rules: list[str]
    areas: list[str]
    by: str


async def publish(connection: Connection, rule_set: RuleSet, by: str) -> Switch:
    """Puts a set in force between two batches and marks what it can change as outstanding.

    What was imported stays in force, also where the set was made without it.
    """
    async with connection.transaction():
        before = await published.hold_alone(connection)
        if before is not None:
            rule_set = with_imported(rule_set, await _loaded(connection, before))
        if before == rule_set.hash:
            return Switch(before, rule_set.hash, [], [], await published.find_publisher(connection) or by)
        return await _switch(connection, before, rule_set, by, by)


async def publish_own(connection: Connection, own: RuleSet, undone: Sequence[Point] = ()) -> Switch:
    """Puts the program's own set in force where no person's is, and renews a person's for this program.

    A person's set stays the person's: it is published anew from its own rules and facts with this program's checks.
    What was imported is in force in either: what ``own`` holds of it and what is in force already, but for ``undone``.
    """
    async with connection.transaction():
        before = await published.hold_alone(connection)
        by = await published.find_publisher(connection)
        if before is None or by == PROGRAM or (by is None and before in SHIPPED):
            if before not in (None, own.hash):
                own = with_imported(own, await _loaded(connection, before), undone)
            if before == own.hash:
                return Switch(before, own.hash, [], [], PROGRAM)
            return await _switch(connection, before, own, PROGRAM, PROGRAM)
        old, renewed_set = await _loaded(connection, before), renewed(await _body(connection, before))
        new = with_imported(without_imported(renewed_set, undone), own)
        if new.hash == before or (old.sources == new.sources and new is renewed_set):
            return Switch(before, before, [], [], by or _SOMEBODY)
        return await _switch(connection, before, new, by or _SOMEBODY, PROGRAM)


_SOMEBODY = "unknown"
"""Who published a set of a store of before that no release shipped."""


async def publish_first(connection: Connection, rule_set: RuleSet) -> None:
    """Puts the program's set in force where there is none yet, and brings the makers to the set in force."""
    in_force = await published.find_in_force(connection)
    if in_force is not None and await published.are_makers_of(connection, in_force):
        return
    async with connection.transaction():
        in_force = await published.hold_alone(connection)
        if in_force is None:
            await published.keep(connection, rule_set)
            await published.put_in_force(connection, rule_set, PROGRAM)
            await _note(connection, None, rule_set, PROGRAM)
        else:
            await published.save_makers(connection, await _loaded(connection, in_force))


async def _switch(connection: Connection, before: str | None, rule_set: RuleSet, publisher: str, by: str) -> Switch:
    """Puts a set in force that is the ``publisher``'s; ``by`` does it, as the program that renews a person's."""
    old = None if before is None else await _loaded(connection, before)
    rules = changed_rules(old, rule_set)
    await published.keep(connection, rule_set)
    await published.put_in_force(connection, rule_set, publisher)
    areas = await published.mark_outstanding(connection, rules) if rules else []
    await wider.touch_all(connection, _kinds_of(rules, old, rule_set), f"rule set {rule_set.hash}")
    await _note(connection, before, rule_set, by)
    return Switch(before, rule_set.hash, rules, areas, publisher)


async def _note(connection: Connection, before: str | None, rule_set: RuleSet, by: str) -> None:
    """Keeps in the audit log that another set came into force, last of all: whoever notes anything waits for it."""
    await audit.note(connection, by, Act.PUBLISHED_RULES, rule_set=rule_set.hash, before=before or "")


def _kinds_of(rules: list[str], *sets: RuleSet | None) -> set[str]:
    """The kinds of subjects other than patients that some rules look at in either of two sets."""
    found = (rule_set.by_id.get(rule) for rule_set in sets if rule_set is not None for rule in rules)
    return {rule.looks_at for rule in found if rule is not None} - {PATIENT}


async def _body(connection: Connection, hash: str) -> bytes:
    body = await published.load_body(connection, hash)
    if body is None:
        raise LookupError(f"rule set {hash} is not in the store")
    return body


async def _loaded(connection: Connection, hash: str) -> RuleSet:
    rule_set = await published.load_rule_set(connection, hash)
    if rule_set is None:
        raise LookupError(f"rule set {hash} is not in the store")
    return rule_set
