"""The words of a case: a small history written into a rule file, with what the rule must say of it.

    - name: 住院 6 天收 7 天床位费: 命中 (7 bed days in a stay of 6 days is a hit)
      events:
        - {stay: [2026-03-01, 2026-03-07], lines: [{item: "001109000010000", day: 2026-03-02, quantity: 7}]}
      expect: hit

Everything that a case does not say is ordinary: one person, one institution, paid by the fund, all in its scope.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from knowledge_base.cards import FilePart

Expected = Literal["hit", "near_miss", "not_evaluated", "nothing"]
"""What a rule says of a case: the strongest of hit, not evaluated, near miss, nothing."""


class LineWords(FilePart):
    """One billed line."""

    id: str | None = None
    """Line id, unique in its encounter; unless told `l1`, `l2`, ... within its claim."""

    item: str | None = None
    """Item code of 15 digits or drug code, in quotes where it is digits alone; untold: a line that names no item."""

    day: date
    """Service day in China."""

    hour: Annotated[int, Field(ge=0, le=23)] = 9
    """Hour of that day in China."""

    quantity: Decimal = Decimal(1)
    """Units; negative with `refund_of`."""

    amount: Decimal | None = None
    """Yuan; unless told 10 a unit."""

    in_fund: Decimal | None = None
    """Of that in the fund's scope; unless told all of it, `0` for a self-paid line, `null` for not known."""

    days: int | None = None
    """Days for which a drug was supplied."""

    refund_of: str | None = None
    """Line id of the line that this one takes back, in the same encounter."""

    sent_out: bool = False
    """An examination that was sent out."""

    sent_to: str | None = None
    """The institution that it was sent to."""

    kind: str | None = None
    """Kind of item: `drug`, `service`, `consumable`, `herb_piece`."""

    unit_price: Decimal | None = None
    """Yuan a unit."""

    practitioner: str | None = None
    """Who ordered or gave it."""

    department: str | None = None
    """Code of the ward."""

    order_id: str | None = None
    """The order that it was given on."""

    trace_codes: tuple[str, ...] = ()
    """Trace codes of the boxes."""


class OperationWords(FilePart):
    """An operation; a day alone stands for one of which nothing else is known."""

    day: date | None
    """Its day in China, `null` for not known."""

    code: str = ""
    """Code of the operation."""

    incision: str | None = None
    """Grade of the incision."""

    practitioner: str | None = None
    """Who operated."""


def _with_day(words: Any) -> Any:
    return words if isinstance(words, Mapping | OperationWords) else {"day": words}


class EventWords(FilePart):
    """One event: a claim, or with `sex_on_file` a corrected sex, which says nothing else."""

    sex_on_file: str | None = None
    """The registry's sex of the person from now on: `"1"` man, `"2"` woman, `"9"` not known."""

    claim: str | None = None
    """Settlement id; unless told `c1`, `c2`, ... in the order of the events."""

    encounter: str | None = None
    """Encounter number; unless told one of its own, `v1`, `v2`, ..."""

    at: str = "H1"
    """The institution."""

    visit: str | None = None
    """Kind of visit (med_type); unless told `"21"` with a stay, else `"11"`. Others: `"13"` emergency, `"41"`
    pharmacy."""

    stay: tuple[date | None, ...] = ()
    """Day of admission, and of discharge unless the stay is open: `[2026-03-01, 2026-03-07]`."""

    mid_stay: bool = False
    """A settlement in the middle of a stay that goes on."""

    settled: date | None = None
    """Day of settlement; unless told the last day that the claim names."""

    sex: str | None = "1"
    """Sex as the claim tells it: `"1"` man, `"2"` woman, `"9"` not known, `null` untold."""

    born: date | None = None
    """Birth date."""

    diagnoses: tuple[str, ...] | None = ()
    """ICD-10 codes; `null` where the field is absent, which is not the same as none."""

    operations: tuple[Annotated[OperationWords, BeforeValidator(_with_day)], ...] | None = ()
    """Days of operations, or operations in full; `null` where the field is absent."""

    paid: Decimal | None = Decimal(100)
    """Yuan that the fund paid of the claim; `0` for own money alone, `null` for not known."""

    method: str | None = "item"
    """How the fund pays the institution: `item`, `drg`, `dip`, `bed_day`, `capitation`, `total_budget`."""

    reverses: str | None = None
    """Settlement id that this claim reverses."""

    corrects: str | None = None
    """Settlement id that this claim replaces."""

    practitioner: str | None = None
    """The claim's physician."""

    department: str | None = None
    """Code of the ward of discharge."""

    institution_level: str | None = None
    """Level of the institution, such as `"3"`."""

    institution_kind: str | None = None
    """`hospital`, `clinic`, `pharmacy` or `village`."""

    admission_way: str | None = None
    """How the patient came to be admitted."""

    discharge_way: str | None = None
    """How the patient left."""

    lines: tuple[LineWords, ...] = ()
    """The billed lines."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> "EventWords":
        if self.sex_on_file is not None and len(self.model_fields_set) > 1:
            raise ValueError("sex_on_file stands alone: a corrected sex is no claim")
        return self


class CaseWords(FilePart):
    """A case: what happened, and what the rule must say of it."""

    name: Annotated[str, Field(min_length=1)]
    """A sentence about the boundary, Chinese and then (English)."""

    events: tuple[EventWords, ...]
    """What happened, of one person; in any order."""

    expect: Expected
    """`hit`; `near_miss`, measured and within the limit; `not_evaluated`, it cannot be told; `nothing`, not asked."""
