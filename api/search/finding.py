"""What somebody may mean by a few signs: everything that has that name, or a name that begins so, kind by kind."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlencode

from api.frame import formats
from api.frame.desk import Shown
from api.frame.known import known_of
from api.frame.sentences import lead_sentence
from api.frame.texts import Texts
from api.leads.view import find_names
from casework.sight import Sight
from casework.spelling import folded
from knowledge_base.cards import Card
from knowledge_base.signs import neutral
from rules_lib.wording import finding_sentence
from streams.messages.identifiers import trimmed
from streams.store.casework import queue, search
from streams.store.casework.patients import PlacedFinding
from streams.store.events.evidence import find_claim
from streams.store.sessions import Connection

MOST = 20
"""Hits of a kind that are shown."""

KINDS = ("lead", "finding", "claim", "patient", "institution", "item", "rule", "practitioner")
"""What is searched, in the order in which it is shown."""

_HASH = re.compile(r"[0-9a-f]{6,32}")
"""The name of a lead or finding, or its beginning."""


class Hit(NamedTuple):
    """Something that was found: where it leads, what it is called, more of it in small, whether that is its whole name,
    and where else it leads (address, words)."""

    address: str
    said: str
    small: str = ""
    exact: bool = False
    also: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Search:
    """What was typed, and where it is looked for."""

    connection: Connection
    shown: Shown
    texts: Texts
    typed: str

    @property
    def sight(self) -> Sight:
        return self.shown.sight

    async def find_all(self) -> dict[str, Sequence[Hit]]:
        """Hits by kind; one more than are shown says that there are more."""
        areas = await search.find_areas(self.connection, self.sight)
        return {
            "lead": await self._leads(),
            "finding": await self._findings(),
            "claim": await self._claims(areas),
            "patient": await self._patients(areas),
            "institution": await self._institutions(),
            "item": self._items(),
            "rule": self._rules(),
            "practitioner": await self._practitioners(areas),
        }

    async def _leads(self) -> list[Hit]:
        if not _HASH.fullmatch(self.typed):
            return []
        hits = []
        for lead_id in await search.find_lead_ids(self.connection, self.typed, self.sight, MOST + 1):
            lead = await queue.find_lead(self.connection, lead_id, self.sight)
            if lead is not None:
                said = lead_sentence(lead, self.shown.topics, self.texts)
                hits.append(Hit(f"/leads/{lead_id}", said, lead_id, lead_id == self.typed))
        return hits

    async def _findings(self) -> list[Hit]:
        if not _HASH.fullmatch(self.typed):
            return []
        found = await search.find_findings(self.connection, self.typed, self.sight, MOST + 1)
        return await self._said(found, exact={self.typed})

    async def _practitioners(self, areas: Sequence[str]) -> list[Hit]:
        found = await search.find_practitioner_findings(self.connection, areas, self.typed, self.sight, MOST + 1)
        return await self._said(found, exact={found[0].version.finding_id} if len(found) == 1 else ())

    async def _said(self, found: Sequence[PlacedFinding], exact: Iterable[str]) -> list[Hit]:
        """Findings as hits; ``exact`` are those that are meant."""
        names = await find_names(self.connection, self.shown, [placed.version for placed in found])
        hits = []
        for version, lead_id in found:
            name = version.finding_id
            said = finding_sentence(self.shown.cards[version.maker.id], version.finding, names, self.texts.lang)
            hits.append(Hit(f"/leads/{lead_id}?finding={name}#evidence", said, name, name in exact))
        return hits

    async def _claims(self, areas: Sequence[str]) -> list[Hit]:
        hits = []
        for area in areas:
            claim = await find_claim(self.connection, area, self.typed, self.sight)
            if claim is not None and (
                self.sight.institutions is None or trimmed(claim.institution) in self.sight.institutions
            ):
                last = formats.day(claim.settled_at)
                hits.append(self._claim(area, claim.event_id, claim.claim_id, claim.institution, last))
        for of in await search.find_claims(self.connection, self.typed, self.sight, MOST + 1):
            place, last = of.institution_name or of.institution, formats.day(of.last_day)
            hits.append(self._claim(of.area, of.event_id, of.claim_id, place, last))
        return list({hit.address: hit for hit in hits}.values())

    def _claim(self, area: str, event_id: str, claim_id: str, place: str, day: str) -> Hit:
        said = self.texts("search.claim", number=neutral(claim_id), institution=neutral(place), day=day)
        return Hit(f"/claims/{quote(area, safe='')}/{quote(event_id, safe='')}", said, neutral(event_id), True)

    async def _patients(self, areas: Sequence[str]) -> list[Hit]:
        found = await search.find_patients(self.connection, areas, self.typed, self.sight)
        return [
            Hit(
                f"/patients/{quote(of.area, safe='')}/{quote(of.patient, safe='')}",
                formats.pseudonym(of.patient),
                self.texts("queue.of_area", area=neutral(of.area)),
                True,
            )
            for of in found
        ]

    async def _institutions(self) -> list[Hit]:
        word = folded(self.typed)
        found = await search.find_institutions(self.connection, word, self.typed, self.sight, MOST + 1)
        return [
            Hit(
                f"/institutions/{quote(of.institution, safe='')}",
                neutral(of.name or of.institution),
                neutral(of.institution),
                self.typed == of.institution or (of.name is not None and folded(of.name) == word),
            )
            for of in found
        ]

    def _items(self) -> list[Hit]:
        """Items of the knowledge in force, each leading to the leads of the rules that speak of it."""
        known, typed = known_of(self.shown.rule_set), folded(self.typed)
        hits = []
        for name in known.items.find(typed, MOST + 1):
            rules = [self._of_rule(card) for card in known.speaking_of(name)]
            if rules:
                is_one = len(rules) == 1
                small = " · ".join([*(code for code in known.codes[name] if code != name)][:2] + [rules[0][1]] * is_one)
                exact = is_one and known.items.is_exact(name, typed)
                hits.append(Hit(rules[0][0], name, small, exact, () if is_one else rules))
        return hits

    def _rules(self) -> list[Hit]:
        known, typed = known_of(self.shown.rule_set), folded(self.typed)
        found = [known.cards[rule] for rule in known.rules.find(typed, MOST + 1)]
        return [Hit(*self._of_rule(card), card.id, known.rules.is_exact(card.id, typed)) for card in found]

    def _of_rule(self, card: Card) -> tuple[str, str]:
        """The leads that hold findings of a rule, and what the rule is called."""
        address = "/?" + urlencode({"lane": "all", "state": "all", "maker": card.id})
        return address, getattr(card.title, self.texts.lang)
