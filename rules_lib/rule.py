"""A rule: what is wrong, on which basis, how serious, measured by which check."""

import hashlib
import inspect
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from knowledge_base.days import Day
from knowledge_base.findings import Severity
from rules_lib.questions import Check

#: Topics of rules, which are also their folders and part of what a lead is made of.
TOPICS = {
    "stays": ("住院与床位", "Stays and bed days"),
    "limits": ("超限收费", "Billed beyond limits"),
    "duplicates": ("重复收费", "Billed twice"),
    "patients": ("性别不符", "Against the patient's sex"),
    "places": ("就医方式", "Place of care"),
    "courses": ("支付疗程", "Course of payment"),
    "details": ("结算明细", "Settlement details"),
}


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
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """A text in Chinese and English."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Basis(_Part):
    """One legal or official basis and the day from which it applies."""

    text: str
    since: date


class Reach(_Part):
    """How far from its own days an anchor looks, in civil days; beside that always the whole of its encounters.

    ``whole_item``: the anchor is a chain of days that may run on without end, so every event with its items is read.
    """

    back: Annotated[int, Field(ge=0)] = 0
    ahead: Annotated[int, Field(ge=0)] = 0
    whole_item: bool = False


class Exclusions(_Part):
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


class Advice(_Part):
    """What a good rule page says beside the rule (assumed, how it is evaded, what to check next)."""

    assumed: Words
    evaded: Words
    check_next: Words


class Rule(_Part):
    """One rule file. ``limits`` are dated parameters: name to (first day to value)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Annotated[str, Field(pattern=r"^(GZ|ZB|FW)[0-9]{8,14}$")]
    name: str
    title: Words
    category: Literal["policy", "management", "medical"]
    phases: tuple[Literal["before", "during", "after"], ...]
    severity: Severity
    suggested_action: Literal["remind", "hold", "investigate", "measure"]
    competence: Literal["handling_agency", "administration", "health_authority", "drug_authority"]
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    looks_at: Literal["line", "claim", "encounter", "patient"]
    definition: Words
    check: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+$")]
    catalogues: tuple[str, ...] = ()
    reach: Reach
    needs: tuple[Needed, ...]
    limits: Mapping[str, Mapping[date, int]] = {}
    exclusions: Exclusions = Exclusions()
    message: Words
    kinder: tuple[Words, ...] = ()
    advice: Advice
    status: Literal["draft", "shadow", "live", "retired"]
    cases: Annotated[tuple[dict[str, Any], ...], Field(min_length=2)]

    topic: str
    file: str
    file_hash: str

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

    @cached_property
    def function(self) -> Check:
        """The check that the rule names."""
        module, name = self.check.split(".")
        check: Check = getattr(import_module(f"rules_lib.checks.{module}"), name)
        return check

    @cached_property
    def check_hash(self) -> str:
        """Hash of the sources that judge: a change to the check's module or to what all checks stand on."""
        names = (f"checks.{self.check.split('.')[0]}", "histories.patient", "questions", "engine", "scope")
        sources = [inspect.getsource(import_module(f"rules_lib.{name}")) for name in names]
        return hash_of("\n".join(sources).encode())


def hash_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
