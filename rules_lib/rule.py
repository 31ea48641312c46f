"""A rule: what is wrong, on which basis, how serious, measured by which check. One YAML file a rule."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from knowledge_base.cards import Basis, Card, FilePart
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


class Reach(FilePart):
    """How far from its own days an anchor looks, in civil days; beside that always the whole of its encounters.

    ``whole_item``: the anchor is a chain of days that may run on without end, so every event with its items is read.
    """

    back: Annotated[int, Field(ge=0)] = 0
    ahead: Annotated[int, Field(ge=0)] = 0
    whole_item: bool = False


class Exclusions(FilePart):
    """Diagnoses that excuse: ICD-10 categories (the signs before the point, or a range of them) and parts of names."""

    diagnosis_categories: tuple[str, ...] = ()
    diagnosis_names: tuple[str, ...] = ()
    undecided: Literal["not_evaluated", "hit"] = "not_evaluated"

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
    name: str
    category: Literal["policy", "management", "medical"]
    phases: tuple[Phase, ...]
    suggested_action: Literal["remind", "hold", "investigate", "measure"]
    competence: Literal["handling_agency", "administration", "health_authority", "drug_authority"]
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    looks_at: SubjectKind
    anchor: Literal["line", "encounter", "stay", "day", "pair", "course"]
    always: bool = False
    check: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    catalogues: tuple[str, ...] = ()
    reach: Reach
    needs: tuple[Needed, ...]
    limits: Mapping[str, Mapping[date, int]] = {}
    exclusions: Exclusions = Exclusions()
    cases: Annotated[tuple[dict[str, Any], ...], Field(min_length=2)]

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
