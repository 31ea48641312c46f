"""The digest of a claim: what windows over a patient's history are made of."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from knowledge_base.days import FIRST_DAY, FIRST_LIKELY, LAST_DAY, LAST_LIKELY, Day, is_likely
from knowledge_base.digests.head import Digest, Links
from knowledge_base.numbers import number


class LineDigest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One billed line; fields as in ``events.ClaimLine``, numbers as texts too, ``day`` the civil day of ``at``."""

    line_id: str
    item_code: str | None
    quantity: str
    amount: str
    in_fund_scope: str | None
    at: int
    day: Day
    days: int | None = None
    refund_of: str | None = None
    sent_out: bool = False
    sent_to: str | None = None
    item_kind: str | None = None

    @property
    def is_negative(self) -> bool:
        """Whether its quantity is below 0."""
        return number(self.quantity) < 0

    @property
    def takes_back(self) -> bool:
        """Whether it is no line of its own, but takes back others."""
        return self.refund_of is not None or (self.quantity[0] == "-" and self.is_negative)


class ClaimDigest(Digest, array_like=True, frozen=True, gc=False):
    """One claim; ``born``, ``admitted`` and ``discharged`` are as they are told, however unlikely; ``fund_paid`` is
    what pooled fund, serious illness and aid paid together, ``None`` where not told. ``happened_at`` is what it ranks
    by: the settlement where the clock was wrong (``wrong_clock``). ``off_prices`` holds the line_ids of lines whose
    amount is not quantity times unit price to half a cent, with that price. A ``regular`` one needs no look for
    oddities, nor at what its lines take back (``regular.is_regular``); of others it is not known.

    ``first_day`` and ``last_day`` are its ``span``, kept so that claims that lie elsewhere are passed over
    without a look at their lines. A new field comes last and has a default, so that stored digests stay readable.
    """

    patient: str
    claim_id: str
    encounter_id: str
    institution: str
    visit_type: str
    settled_day: Day
    lines: tuple[LineDigest, ...]
    sex: str | None = None
    born: Day | None = None
    payment_method: str | None = None
    admitted: Day | None = None
    discharged: Day | None = None
    mid_stay: bool = False
    diagnoses: tuple[tuple[str, str | None], ...] | None = None
    operation_days: tuple[Day | None, ...] | None = None
    fund_paid: Decimal | None = None
    reverses: str | None = None
    corrects: str | None = None
    first_day: Day | None = None
    last_day: Day | None = None
    wrong_clock: bool = False
    operation_codes: tuple[str, ...] = ()
    off_prices: tuple[tuple[str, str], ...] = ()
    regular: bool = False

    @property
    def span(self) -> tuple[Day, Day]:
        """First and last day, as ``span_of_claim`` says."""
        if self.first_day is not None and self.last_day is not None:
            return self.first_day, self.last_day
        return span_of_claim(self.lines, self.admitted, self.discharged, self.settled_day)

    @property
    def birth(self) -> Day | None:
        """The day of birth, where it is told and likely."""
        return self.born if self.born is not None and is_likely(self.born) else None

    @property
    def told_stay(self) -> tuple[Day | None, Day | None]:
        """Admission and discharge as far as they are believed (``told_stay``)."""
        return told_stay(self.admitted, self.discharged)

    @property
    def links(self) -> Links:
        return Links(self.claim_id, (self.institution, self.encounter_id), self.reverses, self.corrects)

    @property
    def item_codes(self) -> Iterable[str | None]:
        return [line.item_code for line in self.lines]


LONGEST_STAY = 1_100
"""Days from an admission to its discharge; one that lies farther back is a placeholder."""


def told_stay(admitted: Day | None, discharged: Day | None) -> tuple[Day | None, Day | None]:
    """Admission and discharge of a claim, ``None`` for what stands for nothing. What-counts section 1."""
    if admitted is not None and not is_likely(admitted):
        admitted = None
    if discharged is not None and not is_likely(discharged):
        discharged = None
    if admitted is None or discharged is None:
        return admitted, discharged
    if discharged < admitted:
        return None, None
    return (admitted if discharged - admitted <= LONGEST_STAY else None), discharged


def span_of_claim(
    lines: Sequence[LineDigest], admitted: Day | None, discharged: Day | None, settled_day: Day
) -> tuple[Day, Day]:
    """First and last day of a claim over its lines, the days that they cover, and its stay, as far as they are told.

    The day of settlement counts only where there is nothing else: it may lie months later. No anchor may reach
    beyond the spans of its own events, or their windows would miss it.
    """
    firsts = [line.day for line in lines]
    if firsts and not (min(firsts) >= FIRST_LIKELY and max(firsts) <= LAST_LIKELY):
        lines = [line for line in lines if is_likely(line.day)]
        firsts = [line.day for line in lines]
    lasts = firsts + [line.day + line.days - 1 for line in lines if line.days]
    stay = [day for day in told_stay(admitted, discharged) if day is not None]
    if not firsts and not stay:
        settled_day = min(max(settled_day, FIRST_DAY), LAST_DAY)
        return settled_day, settled_day
    return min(firsts + stay), min(max(lasts + stay), LAST_DAY)
