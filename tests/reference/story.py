"""A story: the claims of one made-up person as they are being written, with fresh ids and awkward hours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from knowledge_base.events.claims import Claim, ClaimLine, Diagnosis, Paid
from knowledge_base.events.head import Event
from knowledge_base.facts import Point

from .dates import CHINA, civil_day

AREA = "420281"
INSTITUTIONS = ("H42028100001", "H42028100002", "H42028100003")
PHARMACY = "P42028100001"
CENT = Decimal("0.01")
MILLIONTH = Decimal("0.000001")
#: China times; before 08:00 the UTC day is still the day before.
HOURS = ("00:00:00", "00:30:00", "07:59:59", "08:00:00", "12:00:00", "23:30:00", "23:59:59")
#: Days from which published points hold; stories that lie across one meet points not yet in force.
FIRST_DAYS = (date(2025, 12, 31), date(2026, 1, 28), date(2016, 3, 9))
IN_FORCE = date(2026, 2, 10)


@dataclass
class Story:
    """Events of one person so far; ``start`` is the first day of what happens next."""

    random: Random
    points: Sequence[Point]
    patient: str
    start: date
    events: list[Event] = field(default_factory=list)
    written: int = 0

    @property
    def claims(self) -> list[Claim]:
        return [event for event in self.events if isinstance(event, Claim)]

    def fresh(self, kind: str) -> str:
        """A new id; its order says nothing about when it was given."""
        self.written += 1
        return f"{kind}{self.random.randrange(10**6):06d}-{self.patient}-{self.written}"

    def day(self, number: int) -> date:
        """The civil day ``number`` days after the start."""
        return self.start + timedelta(days=number)

    def at(self, day: date) -> datetime:
        """An instant on a civil day in China, often one whose UTC day differs."""
        return datetime.combine(day, time.fromisoformat(self.random.choice(HOURS)), CHINA).astimezone(UTC)

    def some(self, catalogue: str) -> Point:
        return self.random.choice([point for point in self.points if point.catalogue == catalogue])

    def code(self, catalogue: str) -> str:
        return self.random.choice(self.some(catalogue).codes)

    def line(self, code: str | None, day: date, quantity: Decimal | int = 1, **fields: Any) -> ClaimLine:
        """A line with a price of 1 to 400 yuan, all or nine tenths of it in the fund's scope unless told."""
        price = Decimal(self.random.randrange(100, 40_000)) / 100
        amount = (price * quantity).quantize(CENT)
        scope = (amount * self.random.choice([Decimal(1), Decimal(1), Decimal("0.9")])).quantize(CENT)
        told = {"item_kind": "drug" if (code or "")[:1] in "XZ" else "service", "in_fund_scope": scope, **fields}
        return ClaimLine(
            self.fresh("L"), Decimal(quantity), amount, self.at(day), item_code=code, unit_price=price, **told
        )

    def claim(self, lines: Sequence[ClaimLine], *, settled: date | None = None, **fields: Any) -> Claim:
        """A claim of these lines, told in full unless ``fields`` say otherwise; an outpatient visit by default."""
        last = max([civil_day(line.at) for line in lines], default=self.start)
        settled_at = self.at(settled or last + timedelta(days=self.random.choice([0, 0, 0, 1, 90])))
        told = {
            "institution": INSTITUTIONS[0],
            "visit_type": "11",
            "encounter_id": self.fresh("M"),
            "sex": "1",
            "birth_date": date(1960, 5, 17),
            "payment_method": self.random.choice(["item", "item", "item", "drg", None]),
            "diagnoses": (Diagnosis("I10.x00"),),
            "operations": (),
            "paid": self.paid(lines),
            "claim_id": self.fresh("C"),
            **fields,
        }
        claim = Claim(
            event_id=self.fresh("E"),
            area=AREA,
            kind="claim",
            happened_at=settled_at,
            sender="S1",
            patient=self.patient,
            settled_at=settled_at,
            lines=tuple(lines),
            **told,
        )
        self.events.append(claim)
        return claim

    def paid(self, lines: Sequence[ClaimLine]) -> Paid:
        """The fund pays some part of what is in its scope, now and then more than these lines say."""
        scope = sum((line.in_fund_scope or Decimal(0) for line in lines), Decimal(0))
        part = self.random.choice([Decimal("0.55"), Decimal("0.7"), Decimal("0.8333"), Decimal("1.2")])
        return Paid(pooled_fund=(scope * part).quantize(CENT) or CENT, own=CENT)

    def stay(self, first: int, last: int, lines: Sequence[ClaimLine], **fields: Any) -> list[Claim]:
        """A stay from day to day of the story, sometimes settled in the middle, once a quarter, or late."""
        admitted, discharged = self.day(first), self.day(last)
        told = {"visit_type": "21", "encounter_id": self.fresh("M"), "admitted_at": self.at(admitted), **fields}
        final = {"discharged_at": self.at(discharged), **told}
        settled = discharged + timedelta(days=self.random.choice([0, 0, 2, 120]))
        middle = self.day((first + last) // 2)
        early = [line for line in lines if civil_day(line.at) <= middle]
        if "mid_stay" in fields or not early or last - first < 4 or self.random.random() < 0.7:
            return [self.claim(lines, settled=settled, **final)]
        rest = [line for line in lines if civil_day(line.at) > middle]
        return [self.claim(early, settled=middle, mid_stay=True, **told), self.claim(rest, settled=settled, **final)]

    def elsewhere(self, institution: str = INSTITUTIONS[0]) -> str:
        """Some other institution."""
        return self.random.choice([other for other in INSTITUTIONS if other != institution])

    def split(self, total: Decimal) -> list[Decimal]:
        """A positive quantity in one to three positive parts that add up to it."""
        parts = self.random.choice([1, 1, 2, 3])
        share = (total / parts).quantize(Decimal("0.001"))
        pieces = [share] * (parts - 1) + [total - share * (parts - 1)]
        return [piece for piece in pieces if piece > 0]

    def near(self, limit: Decimal | int) -> Decimal:
        """A positive quantity just within, at, or just beyond a limit."""
        step = self.random.choice([Decimal(-1), Decimal(0), Decimal(0), Decimal("0.5"), Decimal("0.001"), Decimal(1)])
        return max(Decimal("0.5"), Decimal(limit) + step)


def begin(seed: str, points: Sequence[Point]) -> Story:
    """A new story, mostly where all points are in force, sometimes across a first day, sometimes years before."""
    random = Random(seed)
    start = IN_FORCE + timedelta(days=random.randrange(200))
    chance = random.random()
    if chance < 0.15:
        start = random.choice(FIRST_DAYS) + timedelta(days=random.randrange(-8, 1))
    elif chance < 0.2:
        start = date(2024, 6, 1) + timedelta(days=random.randrange(30))
    number = random.randrange(10**6)
    return Story(random, points, f"P{number:06d}", start)
