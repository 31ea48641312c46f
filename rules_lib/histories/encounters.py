"""Numbers of encounters used again: which of the claims of one number belong together. What-counts section 2."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from knowledge_base.days import Day, as_date, is_likely
from knowledge_base.digests.claims import ClaimDigest
from rules_lib.histories.history import Encounter
from rules_lib.histories.standing import Name, Standing, name_of, rank

AGAIN = 400
"""A number that lies still for more days than these is used again."""

Names = Mapping[str, str]
"""What the encounters of some claims are called, by event_id."""


def names_of_numbers(claims: Sequence[ClaimDigest], standing: Standing) -> Names:
    """What encounters are called whose number names several; claims of all others keep their number."""
    held: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
    for claim in standing.held:
        held[claim.institution, claim.encounter_id].append(claim)
    if len(held) == len(standing.held):
        return {}
    names: dict[str, str] = {}
    stand = {claim.event_id for claim in standing.claims}
    for number, of_number in held.items():
        if len(of_number) > 1 and _lie_far_apart(of_number):
            names |= _named(_Number(of_number), [claim for claim in of_number if claim.event_id in stand])
            names |= _named_alike(claims, number, names, standing.held)
    return names


def own_days(claim: ClaimDigest) -> tuple[Day, Day]:
    """First and last day of a claim's lines, admission and discharge as far as they are told, else its settlement."""
    days = [line.day for line in claim.lines if is_likely(line.day)]
    days += [day for day in claim.told_stay if day is not None]
    return (min(days), max(days)) if days else (claim.settled_day, claim.settled_day)


def _lie_far_apart(claims: Iterable[ClaimDigest]) -> bool:
    days = [day for claim in claims for day in own_days(claim)]
    return max(days) - min(days) > AGAIN


def _named(number: "_Number", standing: Iterable[ClaimDigest]) -> dict[str, str]:
    """The names of a number's claims by the encounter that each lies in, where more than one of those stands."""
    first_days: dict[int, Day] = {}
    for claim in standing:
        place = number.place[claim.event_id]
        first_days[place] = min(own_days(claim)[0], first_days.get(place, LATEST))
    if len(first_days) < 2:
        return {}
    return {
        claim.event_id: f"{claim.encounter_id}@{as_date(first_days[place])}"
        for claim in number.claims
        if (place := number.place[claim.event_id]) in first_days
    }


LATEST: Day = 2**31


def _named_alike(
    claims: Iterable[ClaimDigest], number: Encounter, names: Names, held: Iterable[ClaimDigest]
) -> dict[str, str]:
    """The names of claims of a number that do not hold: as of the one that holds instead."""
    if not names:
        return {}
    holding = {name_of(claim): claim.event_id for claim in held}
    return {
        claim.event_id: names[holding[name_of(claim)]]
        for claim in claims
        if (claim.institution, claim.encounter_id) == number
        and claim.event_id not in names
        and holding[name_of(claim)] in names
    }


class _Number:
    """The claims that hold of one number, and in which of its encounters each lies (``place``, by event_id)."""

    def __init__(self, claims: Sequence[ClaimDigest]):
        self.claims = claims
        self.place: dict[str, int] = {}
        self._first_days: list[Day] = []
        self._by_name = {name_of(claim): claim for claim in claims}
        self._by_line: dict[str, ClaimDigest] = {}
        self._lay(sorted((claim for claim in claims if not _follows(claim)), key=_by_days))
        for claim in claims:
            self._follow(claim)

    def _lay(self, claims: Iterable[ClaimDigest]) -> None:
        """Lays claims by their days: one that begins long after all before it begins another encounter."""
        latest: Day | None = None
        for claim in claims:
            first, last = own_days(claim)
            if latest is None or first > latest + AGAIN:
                self._first_days.append(first)
            latest = last if latest is None else max(latest, last)
            self.place[claim.event_id] = len(self._first_days) - 1
        for claim in sorted((claim for claim in self.claims if claim.event_id in self.place), key=rank):
            self._by_line.update((line.line_id, claim) for line in claim.lines)

    def _follow(self, claim: ClaimDigest) -> None:
        """Places a claim where the one lies that it names, over any number of steps."""
        path: dict[Name, ClaimDigest] = {}
        while claim.event_id not in self.place:
            path[name_of(claim)] = claim
            named = self._named_by(claim)
            if named is None:
                self.place[claim.event_id] = self._by_day(claim)
            elif name_of(named) in path:
                circle = [*path.values()][[*path].index(name_of(named)) :]
                self.place.update((of.event_id, self._by_day(of)) for of in circle)
            else:
                claim = named
        for before in reversed(path.values()):
            if before.event_id not in self.place:
                named = self._named_by(before)
                self.place[before.event_id] = self.place[named.event_id] if named else self._by_day(before)

    def _named_by(self, claim: ClaimDigest) -> ClaimDigest | None:
        """The claim of this number that a claim reverses, corrects or takes a line of back."""
        target = claim.links.target
        if target is not None:
            return self._by_name.get((claim.institution, target))
        line = next((line.refund_of for line in claim.lines if line.refund_of is not None), None)
        return None if line is None else self._by_line.get(line)

    def _by_day(self, claim: ClaimDigest) -> int:
        """The latest encounter that begins no later than a claim, else the first."""
        first, _ = own_days(claim)
        return max([0, *[place for place, of in enumerate(self._first_days) if of <= first]])


def _follows(claim: ClaimDigest) -> bool:
    """Whether a claim belongs to the encounter of what it names: it reverses, corrects or only takes back."""
    return claim.links.target is not None or (bool(claim.lines) and all(line.takes_back for line in claim.lines))


def _by_days(claim: ClaimDigest) -> tuple[Day, Day, tuple[int, str]]:
    return (*own_days(claim), rank(claim))
