"""Stays in hospital, as standing claims shape them. What-counts section 4."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from knowledge_base.days import Day
from knowledge_base.dictionaries import INPATIENT_VISITS
from knowledge_base.digests.claims import LONGEST_STAY, ClaimDigest
from rules_lib.histories.history import Encounter

A_MONTH = 30
"""Days between two closed stays of one number from which on it is not believed to be one stay."""

DATES_UNLIKELY = "dates unlikely"

OPEN, NOT_DISCHARGED = "stay open", "discharged_at missing"


class Stay(msgspec.Struct, frozen=True):
    """A stay in hospital. Only a closed one has ``days``; ``unknown`` says why another has none.

    ``admitted`` is its first day as far as it is told, also of one that is not closed.
    """

    institution: str
    encounter_id: str
    admitted: Day | None
    days: tuple[Day, Day] | None
    unknown: str
    in_fund: bool | None

    @property
    def encounter(self) -> Encounter:
        return (self.institution, self.encounter_id)

    @property
    def goes_on(self) -> bool:
        """Whether nothing but a discharge is missing for it to be closed."""
        return self.unknown in (OPEN, NOT_DISCHARGED) and self.admitted is not None

    @property
    def discharged(self) -> Day | None:
        """The last day of a closed stay."""
        return None if self.days is None else self.days[1]


def stays_of(claims: Iterable[ClaimDigest]) -> Mapping[Encounter, Stay]:
    """The stays that standing claims shape."""
    inpatient: dict[Encounter, list[ClaimDigest]] = defaultdict(list)
    for claim in claims:
        if claim.admitted is not None and claim.visit_type in INPATIENT_VISITS:
            inpatient[claim.institution, claim.encounter_id].append(claim)
    return {encounter: _stay(encounter, together) for encounter, together in inpatient.items()}


def _stay(encounter: Encounter, inpatient: Sequence[ClaimDigest]) -> Stay:
    final = [claim for claim in inpatient if not claim.mid_stay]
    told = [claim.told_stay for claim in final or inpatient]
    admitted = min((first for first, _ in told if first is not None), default=None)
    discharged = max((last for _, last in told if last is not None), default=None)
    unknown = _unknown(final, admitted, discharged)
    days = None if unknown or admitted is None or discharged is None else (admitted, discharged)
    return Stay(*encounter, admitted, days, unknown, _in_fund(inpatient))


def _unknown(final: Sequence[ClaimDigest], admitted: Day | None, discharged: Day | None) -> str:
    """Why a stay is not closed; empty where it is."""
    if not final:
        return OPEN
    if discharged is None:
        return NOT_DISCHARGED if all(claim.discharged is None for claim in final) else DATES_UNLIKELY
    if admitted is None or not admitted <= discharged <= admitted + LONGEST_STAY:
        return DATES_UNLIKELY
    return "number used again" if _lie_apart(final) else ""


def _lie_apart(final: Sequence[ClaimDigest]) -> bool:
    """Whether claims tell closed stays with a month between them."""
    if len(final) == 1:
        return False
    closed = sorted((first, last) for first, last in map(_told, final) if first is not None and last is not None)
    latest = closed[0][1] if closed else 0
    for first, last in closed[1:]:
        if first - latest >= A_MONTH:
            return True
        latest = max(latest, last)
    return False


def _told(claim: ClaimDigest) -> tuple[Day | None, Day | None]:
    return claim.told_stay


def _in_fund(claims: Iterable[ClaimDigest]) -> bool | None:
    claims = list(claims)
    if any(claim.fund_paid is not None and claim.fund_paid > 0 for claim in claims):
        return True
    return None if any(claim.fund_paid is None for claim in claims) else False
