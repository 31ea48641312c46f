"""What was really done, for the scoring alone: acts planted in the county, guilty or innocent."""

from enum import StrEnum

import msgspec

LineKey = tuple[str, str, str]


class Kind(StrEnum):
    """A kind of act: what guilty people did, or what innocent people did that looks guilty."""

    LEAVING_DAY_BED = "leaving_day_bed"
    NURSING_TWICE = "nursing_twice"
    MONITORING_BEYOND_DAY = "monitoring_beyond_day"
    GLUCOSE_BESIDE_TOLERANCE = "glucose_beside_tolerance"
    ANGIOGRAPHY_BESIDE_STENT = "angiography_beside_stent"
    APPENDIX_BESIDE_OVARY = "appendix_beside_ovary"
    WOMENS_KIT_ON_MENS_CARD = "womens_kit_on_mens_card"
    WARD_DRUG_TO_WALK_IN = "ward_drug_to_walk_in"
    HBA1C_AGAIN = "hba1c_again"
    PAPER_STAY = "paper_stay"
    TWO_BEDS = "two_beds"
    ENDLESS_INFUSION = "endless_infusion"
    DEAR_BILLED_CHEAP_GIVEN = "dear_billed_cheap_given"
    CARDS_IN_A_ROW = "cards_in_a_row"
    DIALYSED_ELSEWHERE = "dialysed_elsewhere"
    FETCHED_BY_RELATIVES = "fetched_by_relatives"
    CHEMOTHERAPY_CYCLE = "chemotherapy_cycle"
    TRANSFER = "transfer"
    SETTLED_LATE = "settled_late"

    @property
    def is_guilty(self) -> bool:
        return self not in _INNOCENT

    @property
    def is_seen_by_rules(self) -> bool:
        """Whether a rule on single claims and patients could see it; innocent kinds look like what rules see."""
        return self not in _UNSEEN_BY_RULES


_INNOCENT = frozenset(
    {
        Kind.DIALYSED_ELSEWHERE,
        Kind.FETCHED_BY_RELATIVES,
        Kind.CHEMOTHERAPY_CYCLE,
        Kind.TRANSFER,
        Kind.SETTLED_LATE,
    }
)
_UNSEEN_BY_RULES = frozenset({Kind.DEAR_BILLED_CHEAP_GIVEN, Kind.CARDS_IN_A_ROW})

NAMES = {
    Kind.LEAVING_DAY_BED: ("出院当天多计床位", "bed billed for the day of leaving"),
    Kind.NURSING_TWICE: ("白班夜班重复计护理", "nursing billed by both shifts"),
    Kind.MONITORING_BEYOND_DAY: ("监护小时数超过一天", "monitoring hours beyond the day"),
    Kind.GLUCOSE_BESIDE_TOLERANCE: ("糖耐量试验另收血糖", "glucose beside the tolerance test"),
    Kind.ANGIOGRAPHY_BESIDE_STENT: ("支架置入另收造影", "angiography beside stenting"),
    Kind.APPENDIX_BESIDE_OVARY: ("卵巢癌根治另收阑尾切除", "appendectomy beside the ovarian radical"),
    Kind.WOMENS_KIT_ON_MENS_CARD: ("妇科项目记在男性卡上", "women's kit on a man's card"),
    Kind.WARD_DRUG_TO_WALK_IN: ("住院限用药给门诊", "drug of the ward given to a walk-in"),
    Kind.HBA1C_AGAIN: ("糖化血红蛋白反复检查", "HbA1c ordered again at once"),
    Kind.PAPER_STAY: ("挂床住院", "stay on paper"),
    Kind.TWO_BEDS: ("人在此院住院，彼院另挂一床", "lying here, in another bed on paper"),
    Kind.ENDLESS_INFUSION: ("反复住院长期输液", "infusions over repeated stays"),
    Kind.DEAR_BILLED_CHEAP_GIVEN: ("串换药品", "dear drug billed, cheap one given"),
    Kind.CARDS_IN_A_ROW: ("集中刷卡套取", "cards swiped in a row"),
    Kind.DIALYSED_ELSEWHERE: ("住院期间外院透析", "in hospital here, dialysed there"),
    Kind.FETCHED_BY_RELATIVES: ("住院期间家属代购药品", "relatives fetch drugs for an inpatient"),
    Kind.CHEMOTHERAPY_CYCLE: ("化疗周期住院", "chemotherapy cycle"),
    Kind.TRANSFER: ("转院当天两院护理", "transfer, both hospitals nurse"),
    Kind.SETTLED_LATE: ("就诊数月后结算", "settled months after the visit"),
}
"""Names of the kinds for people, Chinese and English."""


class Act(msgspec.Struct):
    """One planted act, one row of the truth file.

    ``lines`` are (institution, encounter, line) of what was billed by it; ``day`` is its first civil day (ISO).
    """

    kind: Kind
    guilty: bool
    seen_by_rules: bool
    lines: list[LineKey]
    persons: list[str]
    act_id: str
    day: str

    def add(self, person: str, line: LineKey, day: str) -> None:
        self.lines.append(line)
        if person not in self.persons:
            self.persons.append(person)
        self.day = min(self.day, day) if self.day else day


def plant(kind: Kind, *words: str) -> Act:
    """An act that no line belongs to yet; the words make its name unique within the kind."""
    return Act(kind, kind.is_guilty, kind.is_seen_by_rules, [], [], "/".join((kind, *words)), "")
