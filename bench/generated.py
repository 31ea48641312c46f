"""Generated rules and facts: a rule set as large as a full knowledge base, seeded, of the kinds that are published.

Every generated rule is a published one under another id that reads a catalogue of its own, so that the published items
stay as relevant as they were; a point of a drug names the codes of several makers, one of a service names one code.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from random import Random

from knowledge_base.catalogues.rows import AnyRow, Course, DailyCap, HospitalOnly, Period, SexLimit
from knowledge_base.facts import Facts, Point
from rules_lib.rule import Rule
from rules_lib.rule_set import RuleSet

RULES = 300
CODES = 250_000
"""Code-level facts: a point counts once for each of its codes."""

SOURCE = "generated for benchmarks"

_SEED = 20260301
_SINCE = date(2025, 12, 31).toordinal()
_MAKERS = 12
"""At most how many makers' codes a drug point names."""

_ROWS: dict[str, Callable[[Random, tuple[str, ...], str], AnyRow]] = {
    "daily_caps": lambda random, codes, name: DailyCap(
        codes=codes, name=name, limit=Decimal(random.choice((1, 2, 24))), unit="次"
    ),
    "periods": lambda random, codes, name: Period(
        codes=codes, name=name, count=Decimal(1), days=random.choice((7, 14, 15))
    ),
    "sex_of_services": lambda random, codes, name: SexLimit(codes=codes, name=name, sex=random.choice(("1", "2"))),
    "sex_of_drugs": lambda random, codes, name: SexLimit(codes=codes, name=name, sex=random.choice(("1", "2"))),
    "drugs_only_in_hospital": lambda random, codes, name: HospitalOnly(
        codes=codes, name=name, emergency=random.random() < 0.2
    ),
    "courses": lambda random, codes, name: Course(codes=codes, name=name, days=random.choice((3, 7, 14, 28))),
}
_DRUGS = {"sex_of_drugs", "drugs_only_in_hospital", "courses"}


def enlarged(published: RuleSet, rules: int = RULES, codes: int = CODES) -> RuleSet:
    """A published rule set with generated rules and points beside it, up to so many rules and code-level facts."""
    added = list(_generated_rules(published, rules - len(published.rules)))
    missing = codes - sum(len(point.codes) for point in published.facts.points)
    points = _generated_points(Random(_SEED), [rule.catalogues[0] for rule in added], missing)
    return RuleSet((*published.rules, *added), Facts((*published.facts.points, *points)))


def as_published(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Points in the catalogues that are published, as files and published rule sets hold them."""
    return tuple(replace(point, catalogue=_kind(point.catalogue)) for point in points)


def _generated_rules(published: RuleSet, count: int) -> Iterator[Rule]:
    models = [rule for rule in published.rules if len(rule.catalogues) == 1 and rule.catalogues[0] in _ROWS]
    for number in range(count):
        model = models[number % len(models)]
        yield model.model_copy(update={"id": f"GZ{number:014}", "catalogues": (f"{model.catalogues[0]}{_OF}{number}",)})


_OF = " of generated rule "


def _kind(catalogue: str) -> str:
    return catalogue.partition(_OF)[0]


def _generated_points(random: Random, catalogues: list[str], codes: int) -> Iterator[Point]:
    while codes > 0:
        for catalogue in catalogues:
            point = _point(random, catalogue, codes)
            codes -= len(point.codes)
            yield point
            if codes == 0:
                return


def _point(random: Random, catalogue: str, most: int) -> Point:
    kind = _kind(catalogue)
    is_drug = kind in _DRUGS
    count = min(most, random.randint(1, _MAKERS)) if is_drug else 1
    stem = f"X{random.choice('ABCDGJL')}{random.randrange(100):02}" if is_drug else f"00{random.choice('1234')}"
    codes = tuple(_code(random, stem, is_drug) for _ in range(count))
    name = f"generated item {codes[0]}"
    row = _ROWS[kind](random, codes, name)
    return Point(catalogue, row, codes, name, _SINCE, None, _SINCE, SOURCE, True)


def _code(random: Random, stem: str, is_drug: bool) -> str:
    """A code in the official format of drugs or services (``knowledge_base.codes``)."""
    if not is_drug:
        return f"{stem}{random.randrange(10**12):012}"
    a, b, c = (random.choice("ABCDEFGHJKLM") for _ in range(3))
    return f"{stem}{a}{b}{c}{random.randrange(1000):03}A{random.randrange(1000):03}{random.randrange(10**9):09}"
