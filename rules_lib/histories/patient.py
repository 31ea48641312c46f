"""A person's history as it stands: which claims and lines count, and which stays they form.

The reading is docs/what-counts.md, sections 2 to 4. A history is made of digests in any order and is the
same for every order; it knows nothing of arrival, storage or today.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from knowledge_base.days import Day
from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.digests.claims import ClaimDigest, LineDigest
from knowledge_base.digests.head import Digest
from knowledge_base.digests.persons import StatusDigest
from knowledge_base.findings import Amounts, LineKey
from knowledge_base.numbers import number
from knowledge_base.subjects import Subject
from rules_lib.histories.history import ZERO, Encounter, History, Line, Share, line_order

_CENT = Decimal("0.01")


class Stay(msgspec.Struct, frozen=True):
    """A stay in hospital. ``discharged`` is ``None`` while it is open or unclear; ``unknown`` then says which."""

    institution: str
    encounter_id: str
    admitted: Day
    discharged: Day | None
    unknown: str | None
    in_fund: bool | None


class FundShare(msgspec.Struct, frozen=True, gc=False):
    """What the fund paid, of how much in its scope, and how that is known; ``of`` is ``None`` where it is not known."""

    method: str
    paid: Decimal = Decimal(0)
    of: Decimal | None = None


class PatientHistory(History):
    """One person's standing claims with their stays, and their lines by item code.

    ``codes`` are the item codes that any rule can speak of; lines of other items are only made when asked for
    claim by claim (``lines_of``).
    """

    def __init__(self, subject: Subject, digests: Iterable[Digest], codes: Container[str]):
        super().__init__(subject)
        digests = list(digests)
        self.claims = standing_claims([digest for digest in digests if isinstance(digest, ClaimDigest)])
        self.by_encounter: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
        for claim in self.claims:
            self.by_encounter[claim.institution, claim.encounter_id].append(claim)
        self.lines_twice: set[LineKey] = set()
        self._superseded: set[tuple[str, str]] = set()
        self._refunds: dict[LineKey, _Refund] = {}
        if len(self.by_encounter) < len(self.claims):
            self._find_lines_twice()
        # The only pass over all lines: nearly all of them are of no interest.
        of_interest = [
            (claim, line)
            for claim in self.claims
            for line in claim.lines
            if line.item_code in codes or line.refund_of is not None or line.item_code is None
        ]
        self._find_refunds(of_interest)
        self.stays = _stays(self.claims)
        self.sex_on_file = _sex_on_file([digest for digest in digests if isinstance(digest, StatusDigest)])
        self.items, self.days_without_code = self._items(of_interest)
        self._fund_shares: dict[str, FundShare] = {}

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
        standing = [digest for digest in claim.lines if digest.refund_of is None]
        if self._superseded:
            standing = [digest for digest in standing if (claim.event_id, digest.line_id) not in self._superseded]
        scopes = [digest.in_fund_scope for digest in standing]
        if not self._refunds:
            return None if None in scopes else sum(map(number, filter(None, scopes)), ZERO)
        left = [self._left_in_scope(claim, digest) for digest in standing]
        return None if None in left else sum(filter(None, left), ZERO)

    def _left_in_scope(self, claim: ClaimDigest, digest: LineDigest) -> Decimal | None:
        scope, refund = _known(digest.in_fund_scope), self._refund_of(claim, digest)
        return scope if refund is None else refund.left_in_scope(scope)

    def span_of(self, encounter: Encounter) -> tuple[Day, Day]:
        """First and last day of an encounter over its standing claims, of which there is at least one."""
        claims = self.by_encounter[encounter]
        if len(claims) == 1:
            return claims[0].span
        spans = [claim.span for claim in claims]
        return min(first for first, _ in spans), max(last for _, last in spans)

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
        """A line net of refunds, or ``None`` where it is ruled out by what is known."""
        if digest.refund_of is not None or (claim.fund_paid is not None and claim.fund_paid <= ZERO):
            return None
        if self._superseded and (claim.event_id, digest.line_id) in self._superseded:
            return None
        told = digest.in_fund_scope
        quantity, amount, scope = number(digest.quantity), number(digest.amount), None if told is None else number(told)
        if self._refunds and (refund := self._refund_of(claim, digest)) is not None:
            quantity, amount, scope = refund.taken_off(quantity, amount, scope)
        if quantity <= ZERO or (scope is not None and scope <= ZERO):
            return None
        return Line(claim, digest, quantity, amount, scope, scope is not None and claim.fund_paid is not None)

    def _refund_of(self, claim: ClaimDigest, digest: LineDigest) -> "_Refund | None":
        return self._refunds.get((claim.institution, claim.encounter_id, digest.line_id))

    def _find_lines_twice(self) -> None:
        """Where two standing claims carry one line_id, the line of the greatest (happened_at, event_id) holds."""
        for encounter, claims in self.by_encounter.items():
            seen: set[str] = set()
            for claim in sorted(claims, key=_rank, reverse=True) if len(claims) > 1 else ():
                for digest in claim.lines:
                    if digest.line_id in seen:
                        self.lines_twice.add((*encounter, digest.line_id))
                        self._superseded.add((claim.event_id, digest.line_id))
                seen.update(digest.line_id for digest in claim.lines)

    def _find_refunds(self, of_interest: Iterable[tuple[ClaimDigest, LineDigest]]) -> None:
        for claim, digest in of_interest:
            if digest.refund_of is not None and (claim.event_id, digest.line_id) not in self._superseded:
                key = (claim.institution, claim.encounter_id, digest.refund_of)
                self._refunds[key] = self._refunds.get(key, _NOTHING).plus(digest)


def _known(text: str | None) -> Decimal | None:
    return None if text is None else number(text)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


class _Refund(msgspec.Struct, frozen=True):
    """What refunds took off one line; ``in_fund_scope`` is ``None`` once one of them did not tell its own."""

    quantity: Decimal
    amount: Decimal
    in_fund_scope: Decimal | None

    def plus(self, digest: LineDigest) -> "_Refund":
        scope = _known(digest.in_fund_scope)
        return _Refund(
            self.quantity + abs(number(digest.quantity)),
            self.amount + abs(number(digest.amount)),
            None if self.in_fund_scope is None or scope is None else self.in_fund_scope + abs(scope),
        )

    def taken_off(
        self, quantity: Decimal, amount: Decimal, scope: Decimal | None
    ) -> tuple[Decimal, Decimal, Decimal | None]:
        return max(ZERO, quantity - self.quantity), max(ZERO, amount - self.amount), self.left_in_scope(scope)

    def left_in_scope(self, scope: Decimal | None) -> Decimal | None:
        return None if scope is None or self.in_fund_scope is None else max(ZERO, scope - self.in_fund_scope)


_NOTHING = _Refund(Decimal(0), Decimal(0), Decimal(0))


def _rank(event: ClaimDigest | StatusDigest) -> tuple[int, str]:
    return (event.happened_at, event.event_id)


def standing_claims(claims: Sequence[ClaimDigest]) -> list[ClaimDigest]:
    """The claims that stand: held by their claim_id, no reversal, not reversed, not replaced by a correction."""
    holding = {claim.claim_id: claim for claim in claims}
    if len(holding) < len(claims):
        holding = {claim.claim_id: claim for claim in sorted(claims, key=_rank)}
    held = [claim for claim in claims if holding[claim.claim_id] is claim]
    links = [claim for claim in held if claim.reverses is not None or claim.corrects is not None]
    if not links:
        return held
    fallen = {claim.claim_id for claim in links if claim.reverses is not None}
    fallen.update(claim.reverses for claim in links if claim.reverses is not None)
    fallen.update(_corrected(holding))
    return [claim for claim in held if claim.claim_id not in fallen]


def _corrected(holding: dict[str, ClaimDigest]) -> set[str]:
    """The claim_ids that corrections replace: each target, and every rival but the greatest."""
    rivals: dict[str, list[ClaimDigest]] = defaultdict(list)
    for claim in holding.values():
        if claim.corrects in holding and not _on_a_cycle(claim, holding):
            rivals[claim.corrects].append(claim)
    fallen: set[str] = set(rivals)
    for claims in rivals.values():
        winner = max(claims, key=_rank)
        fallen.update(claim.claim_id for claim in claims if claim is not winner)
    return fallen


def _on_a_cycle(claim: ClaimDigest, holding: dict[str, ClaimDigest]) -> bool:
    passed: set[str] = set()
    following = claim.corrects
    while following is not None and following not in passed:
        if following == claim.claim_id:
            return True
        passed.add(following)
        following = holding[following].corrects if following in holding else None
    return False


def _stays(claims: Iterable[ClaimDigest]) -> dict[Encounter, Stay]:
    inpatient: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
    for claim in claims:
        if claim.admitted is not None and claim.visit_type in INPATIENT_VISITS:
            inpatient[claim.institution, claim.encounter_id].append(claim)
    return {encounter: _stay(encounter, together) for encounter, together in inpatient.items()}


def _stay(encounter: Encounter, inpatient: Sequence[ClaimDigest]) -> Stay:
    final = [claim for claim in inpatient if not claim.mid_stay]
    admitted = min(claim.admitted for claim in final or inpatient if claim.admitted is not None)
    discharged = max((claim.discharged for claim in final if claim.discharged is not None), default=None)
    unknown = None
    if not final:
        unknown = "stay open"
    elif discharged is None:
        unknown = "discharged_at missing"
    elif discharged < admitted:
        unknown, discharged = "discharged before admitted", None
    return Stay(*encounter, admitted, discharged, unknown, _in_fund(inpatient))


def _in_fund(claims: Sequence[ClaimDigest]) -> bool | None:
    if any(claim.fund_paid is not None and claim.fund_paid > 0 for claim in claims):
        return True
    return None if any(claim.fund_paid is None for claim in claims) else False


def _sex_on_file(statuses: Sequence[StatusDigest]) -> str | None:
    """The sex of the latest sex status, ``None`` where there is none; an empty string where it says nothing."""
    changes = [status for status in statuses if status.change == "sex"]
    return (max(changes, key=_rank).sex or "") if changes else None
