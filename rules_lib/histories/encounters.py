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
    if len({(claim.institution, claim.encounter_id) for claim in standing.held}) == len(standing.held):
        return {}
    held = _by_number(standing.held)
    again = {number: _Number(of) for number, of in held.items() if len(of) > 1 and _lie_far_apart(of)}
    if not again:
        return {}
    names: dict[str, str] = {}
    stand, every = _by_number(standing.claims), _by_number(claims)
    for number, laid in again.items():
        called = _called(laid, stand.get(number, ()))
        places = {claim.event_id: laid.place_of(claim) for claim in every[number]}
        names |= {event_id: called[place] for event_id, place in places.items() if place in called}
    return names


def _by_number(claims: Iterable[ClaimDigest]) -> Mapping[Encounter, Sequence[ClaimDigest]]:
    found: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
    for claim in claims:
        found[claim.institution, claim.encounter_id].append(claim)
    return found


def own_days(claim: ClaimDigest) -> tuple[Day, Day]:
    """First and last day of a claim's lines, admission and discharge as far as they are told, else its settlement."""
    days = [line.day for line in claim.lines if is_likely(line.day)]
    days += [day for day in claim.told_stay if day is not None]
    return (min(days), max(days)) if days else (claim.settled_day, claim.settled_day)


def _lie_far_apart(claims: Iterable[ClaimDigest]) -> bool:
    days = [day for claim in claims for day in own_days(claim)]
    return max(days) - min(days) > AGAIN


def _called(number: "_Number", standing: Iterable[ClaimDigest]) -> dict[int, str]:
    """What each encounter of a number is called, by its place, where more than one of them stands."""
    first_days: dict[int, Day] = {}
    for claim in standing:
        place = number.place_of(claim)
        first_days[place] = min(own_days(claim)[0], first_days.get(place, LATEST))
    if len(first_days) < 2:
        return {}
    return {place: f"{number.number}@{as_date(day)}" for place, day in first_days.items()}


LATEST: Day = 2**31


class _Number:
    """The claims that hold of one number, and in which of its encounters each lies."""

    def __init__(self, claims: Sequence[ClaimDigest]):
        self.number = claims[0].encounter_id
        self._claims = claims
        self._place: dict[str, int] = {}
        self._first_days: list[Day] = []
        self._by_name = {name_of(claim): claim for claim in claims}
        self._by_line: dict[str, ClaimDigest] = {}
        self._lay(sorted((claim for claim in claims if not _follows(claim)), key=_by_days))
        for claim in claims:
            self._follow(claim)

    def place_of(self, claim: ClaimDigest) -> int:
        """Where a claim with this number lies; one that does not hold, where its claim_id is held."""
        holding = self._by_name.get(name_of(claim))
        return self._by_day(claim) if holding is None else self._place[holding.event_id]

    def _lay(self, claims: Iterable[ClaimDigest]) -> None:
        """Lays claims by their days: one that begins long after all before it begins another encounter."""
        latest: Day | None = None
        for claim in claims:
            first, last = own_days(claim)
            if latest is None or first > latest + AGAIN:
                self._first_days.append(first)
            latest = last if latest is None else max(latest, last)
            self._place[claim.event_id] = len(self._first_days) - 1
        for claim in sorted((claim for claim in self._claims if claim.event_id in self._place), key=rank):
            self._by_line.update((line.line_id, claim) for line in claim.lines)

    def _follow(self, claim: ClaimDigest) -> None:
        """Places a claim where the one lies that it names, over any number of steps."""
        path: dict[Name, ClaimDigest] = {}
        while claim.event_id not in self._place:
            path[name_of(claim)] = claim
            named = self._named_by(claim)
            if named is None:
                self._place[claim.event_id] = self._by_day(claim)
            elif name_of(named) in path:
                circle = [*path.values()][[*path].index(name_of(named)) :]
                self._place.update((of.event_id, self._by_day(of)) for of in circle)
            else:
                claim = named
        for before in reversed(path.values()):
            if before.event_id not in self._place:
                named = self._named_by(before)
                self._place[before.event_id] = self._place[named.event_id] if named else self._by_day(before)

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
