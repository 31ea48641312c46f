"""A rule: what is wrong, on which basis, how serious, measured by which check. One YAML file a rule."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from knowledge_base.cards import Basis, Card, FilePart, UnitName, Words
from knowledge_base.days import Day
from knowledge_base.digests.details import SINCE, DetailField
from knowledge_base.findings import MakerKind
from knowledge_base.subjects import PATIENT, SubjectKind

Phase = Literal["before", "during", "after"]

Needed = Literal[
    "paid",
    "sex",
    "diagnoses",
    "operations",
    "admitted_at",
    "discharged_at",
    "visit_type",
    "lines.item_code",
    "lines.in_fund_scope",
    "lines.quantity",
    "lines.days",
    DetailField,
]
"""Fields without which a rule cannot decide; those of ``knowledge_base.digests.details`` cost a read of their own."""


TrapName = Literal[
    "refund",
    "negative_line",
    "reversal",
    "correction",
    "sent_again",
    "self_paid",
    "no_fund",
    "payment_untold",
    "late_claim",
    "mid_stay",
    "posted_at_discharge",
    "transfer_day",
    "merge",
    "two_areas",
]
"""What happens to bills, as ``rules_lib.traps`` tries it on every rule."""


class Reach(FilePart):
    """How far from its own days an anchor looks, in civil days; beside that always the whole of its encounters.

    ``whole_item``: the anchor is a chain of days that may run on without end, so every event with its items is read.
    """

    back: Annotated[int, Field(ge=0)] = 0
    """Days before the anchor's own."""

    ahead: Annotated[int, Field(ge=0)] = 0
    """Days after the anchor's own."""

    whole_item: bool = False
    """Whether every event with an item of the rule is read, however far away."""


class Exclusions(FilePart):
    """Diagnoses that excuse: ICD-10 categories (the signs before the point, or a range of them) and parts of names."""

    diagnosis_categories: tuple[str, ...] = ()
    """ICD-10 categories, or ranges of them: `Q56`, `Q90-Q99`."""

    diagnosis_names: tuple[str, ...] = ()
    """Parts of names of diagnoses."""

    undecided: Literal["not_evaluated", "hit"] = "not_evaluated"
    """What it is where the claim does not tell diagnoses."""

    def holds(self, code: str, name: str | None) -> bool:
        """Whether a diagnosis is one of those that excuse."""
        return code.partition(".")[0] in self._categories or any(part in (name or "") for part in self.diagnosis_names)

    @cached_property
    def _categories(self) -> frozenset[str]:
        return frozenset(category for text in self.diagnosis_categories for category in _categories(text))


def _categories(text: str) -> Iterable[str]:
    first, _, last = text.partition("-")
    letter = first[0]
    return (f"{letter}{number:02}" for number in range(int(first[1:]), int((last or first)[1:]) + 1))


_ANCHORS_OF_BEFORE = {"line": "line", "claim": "encounter", "encounter": "encounter", "patient": "day"}


class Rule(Card):
    """One rule file. ``limits`` are dated parameters: name to (first day to value).

    ``looks_at`` is the kind of subject whose history the check reads; ``anchor`` says what of it one finding is about;
    ``always`` asks the rule about every subject, whatever its items.
    """

    id: Annotated[str, Field(pattern=r"^(GZ|ZB|FW)[0-9]{8,14}$")]
    """Unique among rules: the official code, or one of our own (`FW` and 8 digits) where there is none."""

    name: str
    """The official name, or one in its style; unique."""

    category: Literal["policy", "management", "medical"]
    """The official kind of rule: 政策类, 管理类, 医疗类."""

    phases: tuple[Phase, ...]
    """When it may be asked: before, during or after the settlement (事前, 事中, 事后); judged here is `after`."""

    reminder: Words | None = None
    """What a doctor is told of orders in a sentence of at most 60 signs with its source, where `phases` has `before` or
    `during`; filled as a message is, and with `item`, `main` and `earlier`."""

    hint: Words | None = None
    """What a doctor is told of an order that stays within the limit, where that is worth knowing; filled as a reminder
    is, and with `left`, what may still be ordered."""

    suggested_action: Literal["remind", "hold", "investigate", "measure"]
    """What the desk suggests to do with a finding."""

    competence: Literal["handling_agency", "administration", "health_authority", "drug_authority"]
    """Whose matter it is: 经办机构, 医保行政部门, 卫生健康部门, 药品监管部门."""

    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    """On what it rests, with the day from which each applies; some basis holds on the days of every hit."""

    looks_at: SubjectKind
    """Whose history the check reads: `patient`, or another kind that `rules_lib/histories` holds a history of."""

    anchor: Literal["line", "encounter", "stay", "day", "pair", "course"]
    """What one finding is about."""

    always: bool = False
    """Whether it is asked about every subject, also one with no item of its catalogues."""

    check: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    """What measures: `module.function` below `rules_lib/checks` (see Checks)."""

    catalogues: tuple[str, ...] = ()
    """Whose items it is about (see Catalogues)."""

    reach: Reach
    """How far around its own days a finding looks."""

    unit: UnitName = "item"
    """What `value` and `limit` are counted in: `item` (the billing unit of the item in question), `day` or `detail`."""

    needs: tuple[Needed, ...]
    """Fields without which it cannot decide."""

    limits: Mapping[str, Mapping[date, int]] = {}
    """Dated parameters that the check asks for by name: `gap_days: {1900-01-01: 7}`."""

    exclusions: Exclusions = Exclusions()
    """Diagnoses that excuse."""

    traps: Mapping[TrapName, Words] = {}
    """Generated traps (`fundwatch rules traps`) that come out otherwise here than in general, each with the reason."""

    cases: Annotated[tuple[dict[str, Any], ...], Field(min_length=2)]
    """Small histories with what the rule says of them (see Cases): a hit and a near miss at least."""

    file: str

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, data: Any) -> Any:
        """Reads rules of before subjects had kinds: ``looks_at`` then said what the anchor is, and meant a patient."""
        if not isinstance(data, dict) or "anchor" in data:
            return data
        looked_at = data.get("looks_at")
        if looked_at not in _ANCHORS_OF_BEFORE:
            return data
        words = {"looks_at": PATIENT, "anchor": _ANCHORS_OF_BEFORE[looked_at], "always": looked_at == "encounter"}
        return {**data, **words}

    @property
    def maker_kind(self) -> MakerKind:
        return "rule"

    @property
    def reminds(self) -> bool:
        """Whether it is asked of orders."""
        return not set(self.phases) <= {"after"}

    @cached_property
    def generation(self) -> int:
        """The first generation of digests that holds what the rule needs; from the second on it reads details."""
        return max((SINCE.get(need, 1) for need in self.needs), default=1)

    def limit(self, name: str, day: Day) -> int:
        """A dated parameter as it was on a day. Raises ``KeyError`` where none is in force."""
        for since, value in self._dated_limits[name]:
            if since <= day:
                return value
        raise KeyError(f"{self.id}: no {name} in force")

    @cached_property
    def _dated_limits(self) -> dict[str, list[tuple[Day, int]]]:
        """Each parameter with its values by their first day, the latest first."""
        return {
            name: sorted(((since.toordinal(), value) for since, value in dated.items()), reverse=True)
            for name, dated in self.limits.items()
        }


def hash_of(data: bytes) -> str:
    """The name of published bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
