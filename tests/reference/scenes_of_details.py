"""Scenes of details that are odd, or just not: codes in and beside their formats, sums, lines far outside a stay."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from msgspec.structs import replace

from knowledge_base.events.claims import Diagnosis, Operation

from .dates import civil_day
from .story import CENT, INSTITUTIONS, PHARMACY, Story

DIAGNOSES = {
    True: ("I10.x00", "C34.900x001", "I10", "I10.9", "M81400/3", "A04.03.01", "BNG020", "A17.000+G01*"),
    False: ("I1", "i10.x00", "I10.x0", "I10.X00", "I10.x00x01", "M8140/3", "A04.", "高血压", "I10 x00"),
}
OPERATIONS = {
    True: ("06.4x00", "47.01", "47.0", "47.0100", "06.4x00x001", "81.080A1"),
    False: ("6.4x00", "06.4X00", "47", "47.", "47.01x", "06.4x00x01", "阑尾切除术"),
}
HOUSES = {
    True: (*INSTITUTIONS[:2], PHARMACY, "H420281000010A"),
    False: ("H1", "h42028100001", "A42028100001", "H4202810000", "H42028100001000", "县医院"),
}
"""Codes that have one of the formats of their kind, and such as have none."""


def odd_detail(story: Story) -> None:
    story.random.choice(_SCENES)(story)


def _codes(story: Story) -> None:
    """Two diagnoses, two operations and a house, each kind now and then with a code beside its formats."""

    def some(codes: dict[bool, tuple[str, ...]]) -> str:
        return story.random.choice(codes[story.random.random() < 0.8])

    diagnoses = story.random.choice([None, (), (Diagnosis(some(DIAGNOSES)), Diagnosis(some(DIAGNOSES)))])
    operations = story.random.choice([None, (), (Operation(some(OPERATIONS)), Operation(some(OPERATIONS)))])
    line = story.line(story.code("daily_caps"), story.day(0))
    story.claim([line], institution=some(HOUSES), diagnoses=diagnoses, operations=operations)


def _scopes(story: Story) -> None:
    """A scope at its amount, a cent above and below, also where amounts are negative or take something back."""
    line = story.line(story.code("daily_caps"), story.day(0))
    amount = story.random.choice([line.amount, line.amount, Decimal(0), -line.amount])
    scope = story.random.choice([amount, Decimal(0)]) + story.random.choice([-CENT, Decimal(0), CENT])
    taken = story.random.choice([{}, {}, {"refund_of": "nothing"}, {"quantity": Decimal(-1)}])
    told: dict[str, object] = {"amount": amount, "in_fund_scope": story.random.choice([scope] * 5 + [None]), **taken}
    story.claim([story.line(line.item_code, story.day(0)), replace(line, **told)])  # type: ignore[arg-type]


def _prices(story: Story) -> None:
    """An amount off quantity × price by a cent a unit, by one cent, or by a hundredth of a cent more."""
    quantity = Decimal(story.random.choice(["0.5", "1", "2", "2.5", "3", "30", "-2", "0"]))
    line = story.line(story.code("daily_caps"), story.day(0), abs(quantity))
    assert line.unit_price is not None
    off = CENT * story.random.choice([Decimal(1), abs(quantity), max(Decimal(1), abs(quantity))])
    off = (off + story.random.choice([0, 0, 1]) * CENT / 100) * story.random.choice([-1, 1])
    told: dict[str, object] = {"quantity": quantity, "amount": quantity * line.unit_price + off}
    if story.random.random() < 0.1:
        told["unit_price"] = None
    story.claim([replace(line, **told)])  # type: ignore[arg-type]


def _far_lines(story: Story) -> None:
    """A line 30 or 31 days before an admission or after a discharge; the stay is closed, open or unclear."""
    code, left = story.code("daily_caps"), story.random.choice([0, 1, 3])
    day = story.random.choice([-31, -31, -30, left + 30, left + 31, left + 31])
    line = story.line(code, story.day(day))
    taken = {"quantity": Decimal(-1), "amount": -line.amount, "in_fund_scope": -CENT}
    way: dict[str, object] = story.random.choice([{}, {}, {}, {}, taken, {**taken, "refund_of": "nothing"}])
    told: dict[str, object] = story.random.choice(
        [{}, {}, {}, {"mid_stay": True, "discharged_at": None}, {"discharged_at": None}, {"admitted_at": None}]
    )
    (claim, *_) = story.stay(0, left, [story.line(code, story.day(0))], **told)
    late = {"encounter_id": claim.encounter_id, "settled": civil_day(line.at) + timedelta(days=1)}
    visit_type = story.random.choice(["21", "11"])
    story.claim([replace(line, **way)], visit_type=visit_type, **late)  # type: ignore[arg-type]


_SCENES: tuple[Callable[[Story], None], ...] = (_codes, _scopes, _prices, _far_lines)
