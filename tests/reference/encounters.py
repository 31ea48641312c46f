"""Encounters: what section 2 of docs/what-counts.md says of a number that is used again. Days are dates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from knowledge_base.events.claims import Claim

from .dates import days_of
from .lines import is_own
from .persons import rank
from .settlements import Settlements, link_of, name_of, on_cycle

Encounter = tuple[str, str]
"""(institution, number or NUMBER@DAY)"""
USED_AGAIN_AFTER = timedelta(days=400)


@dataclass(frozen=True)
class Encounters:
    """The encounter of each claim by its event_id, also of claims that do not hold, and those of numbers used again."""

    of: Mapping[str, Encounter]
    used_again: frozenset[Encounter]


def encounters(claims: Iterable[Claim], settled: Settlements) -> Encounters:
    """The encounters of all claims of one person."""
    of: dict[str, Encounter] = {}
    used_again: set[Encounter] = set()
    claims = list(claims)
    for number in dict.fromkeys(map(number_of, claims)):
        places = _Places(number, settled)
        names = _names(number, places, settled.standing)
        used_again |= set(names.values())
        here = [claim for claim in claims if number_of(claim) == number]
        of |= {claim.event_id: names.get(places.of_any(claim), number) for claim in here}
    return Encounters(of, frozenset(used_again))


def number_of(claim: Claim) -> Encounter:
    """“An encounter is known by (institution, number), its number being the encounter_id.”"""
    return claim.institution, claim.encounter_id


def _names(number: Encounter, places: "_Places", standing: Iterable[Claim]) -> dict[int, Encounter]:
    """“Where the standing claims of one number lie in several encounters, each is called NUMBER@DAY, the day being
    the first of its standing claims' days.”"""
    days: dict[int, list[date]] = {}
    for claim in standing:
        if number_of(claim) == number:
            days.setdefault(places.of_held(claim), []).extend(days_of(claim))
    if len(days) < 2:
        return {}
    return {place: (number[0], f"{number[1]}@{min(told)}" if told else number[1]) for place, told in days.items()}


class _Places:
    """Where the claims with one number lie: 0 is the first encounter of that number."""

    def __init__(self, number: Encounter, settled: Settlements) -> None:
        self._held = settled.held
        self._links = {name: link for name, claim in settled.held.items() if (link := link_of(claim)) in settled.held}
        self._laid = _laid(
            claim for claim in settled.held.values() if (claim.institution, claim.encounter_id) == number
        )

    def of_any(self, claim: Claim) -> int:
        """“An event that does not hold belongs where the one is that holds its claim_id, if that has the same
        number, else as by 3.”"""
        holder = self._held[name_of(claim)]
        return self.of_held(holder) if holder.encounter_id == claim.encounter_id else self._by_time(claim)

    def of_held(self, claim: Claim) -> int:
        for place, laid in enumerate(self._laid):
            if claim in laid:
                return place
        named = self._named(claim)
        return self._by_time(claim) if named is None else self.of_held(named)

    def _named(self, claim: Claim) -> Claim | None:
        """The claim by which another finds its place: what it reverses or corrects, or where its line lies."""
        if link_of(claim) is None:
            return self._refunded(claim)
        target = self._links.get(name_of(claim))
        if target is None or on_cycle(name_of(claim), self._links):
            return None
        return self._held[target] if self._held[target].encounter_id == claim.encounter_id else None

    def _refunded(self, claim: Claim) -> Claim | None:
        """“where the line lies that its first `refund_of` (in the order of lines) names, in a claim laid by 1; of
        several claims with that line the one of the greatest rank”"""
        named = [line.refund_of for line in sorted(claim.lines, key=lambda line: (line.at, line.line_id))]
        first = next((line_id for line_id in named if line_id is not None), None)
        laid = [other for together in self._laid for other in together]
        holding = [other for other in laid if any(line.line_id == first and is_own(line) for line in other.lines)]
        return max(holding, key=rank, default=None)

    def _by_time(self, claim: Claim) -> int:
        """“the latest encounter whose first claim (by 1) begins on or before its own first day; where there is none,
        the first one; where no claim was laid by 1 they all are one encounter”"""
        days = days_of(claim)
        begun = [place for place, laid in enumerate(self._laid) if days and days_of(laid[0])[0] <= days[0]]
        return max(begun, default=0)


def _laid(claims: Iterable[Claim]) -> list[list[Claim]]:
    """“laid by (first day, last day, rank). One whose first day is more than 400 days after the last day of all before
    it begins another encounter.”"""
    own = [claim for claim in claims if link_of(claim) is None and not _only_takes_back(claim) and days_of(claim)]
    found: list[list[Claim]] = []
    last = date.min
    for claim in sorted(own, key=lambda claim: (days_of(claim)[0], days_of(claim)[-1], rank(claim))):
        if not found or days_of(claim)[0] - last > USED_AGAIN_AFTER:
            found.append([])
        found[-1].append(claim)
        last = max(last, days_of(claim)[-1])
    return found


def _only_takes_back(claim: Claim) -> bool:
    """“have lines, and each is negative in quantity or has a `refund_of`”"""
    return bool(claim.lines) and not any(is_own(line) for line in claim.lines)
