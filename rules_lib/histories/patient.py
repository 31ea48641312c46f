"""A person's history as it stands: which claims and lines count, and which stays they form.

The reading is docs/what-counts.md, sections 2 to 4. A history is made of digests in any order and is the
same for every order; it knows nothing of arrival, storage or today.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec
from msgspec.structs import replace

from knowledge_base.days import FIRST_LIKELY, LAST_LIKELY, Day, is_likely
from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.findings import Amounts, LineKey
from knowledge_base.numbers import number
from knowledge_base.subjects import Subject
from rules_lib.histories.encounters import names_of_numbers
from rules_lib.histories.history import ZERO, Encounter, History, Line, Share, line_order
from rules_lib.histories.orders import is_order
from rules_lib.histories.refunds import NOTHING_TAKEN, Billed, TakenBack
from rules_lib.histories.standing import rank, standing_of
from rules_lib.histories.stays import stays_of

_CENT = Decimal("0.01")


class FundShare(msgspec.Struct, frozen=True, gc=False):
    """What the fund paid, of how much in its scope, and how that is known; ``of`` is ``None`` where it is not known."""

    method: str
    paid: Decimal = Decimal(0)
    of: Decimal | None = None


class PatientHistory(History):
    """One person's standing claims with their stays, and their lines by item code.

    ``codes`` are the item codes that any rule can speak of; lines of other items are only made when asked for
    claim by claim (``lines_of``). Claims of a number that names several encounters carry the encounter's name instead
    (``used_again``). ``taken_along`` and ``wrong_clocks`` are claims that the odd details speak of, standing or not.

    Orders that count come as claims among the digests (``histories.orders``). ``running`` are the stays of such that go
    on, each with its last day so far.
    """

    def __init__(self, subject: Subject, digests: Iterable[Digest], codes: Container[str]):
        super().__init__(subject)
        digests = list(digests)
        self._find_claims([digest for digest in digests if isinstance(digest, ClaimDigest)])
        self.by_encounter: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
        for claim in self.claims:
            self.by_encounter[claim.institution, claim.encounter_id].append(claim)
        self.lines_twice: set[LineKey] = set()
        self._superseded: set[tuple[str, str]] = set()
        if len(self.by_encounter) < len(self.claims):
            self._find_lines_twice()
        # The only pass over all lines: nearly all of them are of no interest.
        of_interest = [
            (claim, line)
            for claim in self.claims
            for line in claim.lines
            if line.item_code in codes or (not claim.regular and (line.takes_back or line.item_code is None))
        ]
        takers = [
            (claim, line)
            for claim, line in of_interest
            if not claim.regular and line.takes_back and not self.is_superseded(claim, line)
        ]
        self.takers = _by_encounter(takers)
        self.back = TakenBack(takers, self._beside_takers()) if takers else NOTHING_TAKEN
        self.stays = stays_of(self.claims)
        self.running = self._find_running()
        self.sex_on_file = _sex_on_file([digest for digest in digests if isinstance(digest, StatusDigest)])
        self.items, self.days_without_code = self._items(of_interest)
        self._fund_shares: dict[str, FundShare] = {}

    def _find_claims(self, claims: Sequence[ClaimDigest]) -> None:
        """What stands and what fell, each under the name of its encounter."""
        standing = standing_of(claims)
        self.claims = standing.claims
        self.taken_along = standing.taken_along
        self.wrong_clocks = [claim for claim in claims if claim.wrong_clock]
        self.used_again: set[Encounter] = set()
        names = names_of_numbers(claims, standing)
        if names:
            self.claims = [_called(claim, names.get(claim.event_id)) for claim in self.claims]
            self.taken_along = [_called(claim, names.get(claim.event_id)) for claim in self.taken_along]
            self.wrong_clocks = [_called(claim, names.get(claim.event_id)) for claim in self.wrong_clocks]
            self.used_again = {
                (claim.institution, claim.encounter_id) for claim in self.claims if claim.event_id in names
            }

    def is_superseded(self, claim: ClaimDigest, line: LineDigest) -> bool:
        """Whether another standing claim holds the line's id."""
        return bool(self._superseded) and (claim.event_id, line.line_id) in self._superseded

    def _beside_takers(self) -> list[Billed]:
        """All other lines of the encounters of lines that take back."""
        return [billed for encounter in self.takers for billed in self.own_lines(encounter)]

    def own_lines(self, encounter: Encounter) -> Iterable[Billed]:
        """The lines of an encounter that hold their id and take back no other, whoever paid them."""
        return (billed for billed in self.digests_of(encounter) if self.is_own(*billed))

    def is_own(self, claim: ClaimDigest, line: LineDigest) -> bool:
        """Whether a line of a standing claim holds its id and takes back no other."""
        return not line.takes_back and not self.is_superseded(claim, line)

    def lines_of(self, claim: ClaimDigest, digests: Iterable[LineDigest]) -> list[Line]:
        """Of some lines of a standing claim those that count or are undecided, whatever their item."""
        return [line for digest in digests if (line := self._line(claim, digest)) is not None]

    def amounts_of(self, share: Share) -> Amounts:
        """In question, of that inside the fund's scope, loss to the fund. What-counts section 6."""
        line, part, of = share
        in_fund = (line.in_fund_scope or ZERO) * part
        paid = self.fund_share(line.claim)
        return Amounts(
            in_question=_cents(line.amount * part / of),
            in_fund=_cents(in_fund / of),
            loss=None if paid.of is None else _cents(in_fund * paid.paid / (of * paid.of)),
            method=paid.method,
        )

    def fund_share(self, claim: ClaimDigest) -> "FundShare":
        """What the fund paid of a claim, as far as money follows items."""
        share = self._fund_shares.get(claim.event_id)
        if share is None:
            share = self._fund_shares[claim.event_id] = self._find_fund_share(claim)
        return share

    def _find_fund_share(self, claim: ClaimDigest) -> "FundShare":
        if claim.payment_method is None:
            return FundShare("payment_method missing")
        if claim.payment_method != "item":
            return FundShare(f"payment_method {claim.payment_method}")
        scope = self._scope_of(claim)
        if scope is None or claim.fund_paid is None or scope <= 0:
            return FundShare("paid or in_fund_scope missing")
        return FundShare("share of the claim's fund payment", min(scope, claim.fund_paid), scope)

    def _scope_of(self, claim: ClaimDigest) -> Decimal | None:
        """What a claim's lines have in the fund's scope together, net of refunds; ``None`` where one does not tell."""
        standing = [line for line in claim.lines if line.refund_of is None and not self.is_superseded(claim, line)]
        left = [self._left_in_scope(claim, line) for line in standing if not line.is_negative]
        return None if None in left else sum(filter(None, left), ZERO)

    def _left_in_scope(self, claim: ClaimDigest, digest: LineDigest) -> Decimal | None:
        _, amount, scope = self._net(claim, digest)
        return None if scope is None else min(scope, amount)

    def span_of(self, encounter: Encounter) -> tuple[Day, Day]:
        """First and last day of an encounter over its standing claims, of which there is at least one."""
        claims = self.by_encounter[encounter]
        if len(claims) == 1:
            return claims[0].span
        spans = [claim.span for claim in claims]
        return min(first for first, _ in spans), max(last for _, last in spans)

    def is_inpatient(self, encounter: Encounter) -> bool:
        """Whether one of an encounter's standing claims is of an inpatient visit type."""
        return encounter in self.stays or any(
            claim.visit_type in INPATIENT_VISITS for claim in self.by_encounter[encounter]
        )

    def lacks_closed_stay(self, encounter: Encounter) -> bool:
        """Whether an encounter is an inpatient one, but no closed stay."""
        stay = self.stays.get(encounter)
        return self.is_inpatient(encounter) if stay is None else stay.days is None

    def lacks_stay(self, encounter: Encounter) -> bool:
        """The same of one that is no running stay either."""
        return encounter not in self.running and self.lacks_closed_stay(encounter)

    def _find_running(self) -> Mapping[Encounter, Day]:
        ordered = {
            (claim.institution, claim.encounter_id) for claim in self.claims if is_order(claim) and claim.fund_paid
        }
        return {
            encounter: max(
                [line.day for claim in self.by_encounter[encounter] for line in claim.lines if is_likely(line.day)],
                default=LAST_LIKELY,
            )
            for encounter in ordered
            if encounter in self.stays and self.stays[encounter].goes_on
        }

    def digests_of(self, encounter: Encounter) -> Iterable[tuple[ClaimDigest, LineDigest]]:
        """Every line of an encounter's standing claims, also those that no fund rule looks at."""
        for claim in self.by_encounter.get(encounter, ()):
            for digest in claim.lines:
                yield claim, digest

    def _items(
        self, of_interest: Iterable[tuple[ClaimDigest, LineDigest]]
    ) -> tuple[dict[str, list[Line]], dict[Encounter, list[Day]]]:
        """Lines by item code, and the days of those that name none."""
        items: dict[str, list[Line]] = {}
        without_code: dict[Encounter, list[Day]] = {}
        for claim, digest in of_interest:
            line = self._line(claim, digest)
            if line is None:
                continue
            if digest.item_code is not None:
                items.setdefault(digest.item_code, []).append(line)
            else:
                without_code.setdefault(line.encounter, []).append(digest.day)
        for lines in items.values():
            if len(lines) > 1:
                lines.sort(key=line_order)
        return items, without_code

    def _line(self, claim: ClaimDigest, digest: LineDigest) -> Line | None:
        """A line net of what was taken back, or ``None`` where it is ruled out by what is known."""
        if digest.refund_of is not None or (claim.fund_paid is not None and claim.fund_paid <= ZERO):
            return None
        if not FIRST_LIKELY <= digest.day <= LAST_LIKELY or (self._superseded and self.is_superseded(claim, digest)):
            return None
        quantity, amount, scope = self._net(claim, digest)
        if quantity <= ZERO or (scope is not None and scope <= ZERO):
            return None
        within = amount if scope is not None and scope > amount else scope
        return Line(claim, digest, quantity, amount, within, scope is not None and claim.fund_paid is not None)

    def _net(self, claim: ClaimDigest, digest: LineDigest) -> tuple[Decimal, Decimal, Decimal | None]:
        """Quantity, amount and scope of a line, net of what was taken back; a negative amount is none."""
        quantity, amount = number(digest.quantity), number(digest.amount)
        scope = None if digest.in_fund_scope is None else number(digest.in_fund_scope)
        if amount < ZERO:
            amount = ZERO
        taken = None
        if self.takers:
            taken = self.back.taken.get((claim.institution, claim.encounter_id, digest.line_id))
        return (quantity, amount, scope) if taken is None else taken.taken_off(quantity, amount, scope)

    def _find_lines_twice(self) -> None:
        """Where two standing claims carry one line_id, the line of the greatest rank holds."""
        for encounter, claims in self.by_encounter.items():
            seen: set[str] = set()
            for claim in sorted(claims, key=rank, reverse=True) if len(claims) > 1 else ():
                for digest in claim.lines:
                    if digest.line_id in seen:
                        self.lines_twice.add((*encounter, digest.line_id))
                        self._superseded.add((claim.event_id, digest.line_id))
                seen.update(digest.line_id for digest in claim.lines)


def _by_encounter(lines: Iterable[Billed]) -> Mapping[Encounter, Sequence[Billed]]:
    found: dict[Encounter, list[Billed]] = {}
    for claim, line in lines:
        found.setdefault((claim.institution, claim.encounter_id), []).append((claim, line))
    return found


def _called(claim: ClaimDigest, name: str | None) -> ClaimDigest:
    """A claim under the name of its encounter, where that is not its number."""
    return claim if name is None else replace(claim, encounter_id=name)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _sex_on_file(statuses: Sequence[StatusDigest]) -> str | None:
    """The sex of the latest sex status, ``None`` where there is none; an empty string where it says nothing."""
    changes = [status for status in statuses if status.change == "sex"]
    return (max(changes, key=rank).sex or "") if changes else None
