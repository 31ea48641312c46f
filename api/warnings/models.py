"""What the JSON interface takes and gives of warnings. Money is in yuan, decimals in strings; instants are UTC."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.warnings.view import OrderShown, WarningView
from casework.overrides import Overrides
from casework.precision import Precision
from casework.reasons import LONGEST_PURPOSE
from streams.store.events.overrides import Figures
from streams.store.events.warned import WarningRow


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Part):
    """What went wrong."""

    detail: str


class WarningOut(_Part):
    """A warning (提示): what a rule said of orders before they were billed. It is no finding and in no sum of leads."""

    warning_id: str
    area: str
    institution: str
    institution_name: str | None
    department: str | None = Field(description="Code of the department that asked")
    department_name: str | None
    practitioner: str | None = Field(description="Who placed the order in question, else the doctor of the encounter")
    encounter_id: str
    asked_at: datetime
    phase: Literal["before", "during"] = Field(description="Asked before (3101) or during (3102)")
    rule_id: str
    severity: int = Field(ge=1, le=4)
    said: str = Field(description="The sentence, in Chinese; the doctor was shown it unless `repeats` or `late` is set")
    in_question: Decimal = Field(description="Money of the orders in question, yuan")
    code: str | None = Field(description="Receipt of the answer")
    rule_set: str | None = Field(description="Hash of the rule set that judged")
    repeats: str | None = Field(description="The warning of this encounter that said it first; then it was not told")
    late: bool = Field(description="Judged after the answer had to be given; then it was not told")
    reply: Literal["continue", "change"] | None = Field(description="What the doctor did last; null where nothing came")
    replied_at: datetime | None
    reasoned: bool = Field(description="Whether that reply holds a reason, which is sealed")
    billed: bool = Field(
        description="Whether an order in question was billed all the same, as the ledger of orders says"
    )
    lead_id: str | None = Field(description="Lead with the finding that came of it, where one stands and may be seen")
    finding_id: str | None = Field(description="That finding")
    state: Literal["open", "confirmed", "dismissed", "returned"] | None = Field(description="What was decided on it")

    @classmethod
    def of(cls, row: WarningRow) -> "WarningOut":
        other = ("reply", "finding_id")
        shared = {name: getattr(row, name) for name in WarningOut.model_fields if name not in other}
        return WarningOut(**shared, reply=row.way, finding_id=row.finding_id if row.found else None)


class WarningList(_Part):
    """One page of warnings, those last asked about first."""

    warnings: list[WarningOut]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


class OverridesOut(_Part):
    """What was done about warnings that were told. A share of few says nothing, so none is given."""

    told: int
    answered: int
    changed: int
    continued: int = Field(description="Answered last by going on")
    reasoned: int = Field(description="Of these with a reason")
    share: Decimal | None = Field(description="Continued of answered, 0 to 1; null below 30 answered")
    in_question: Decimal = Field(description="Money of the orders in question, yuan")
    continued_in_question: Decimal = Field(description="That of those gone on with, yuan")
    billed: int = Field(description="Told, and an order in question was billed all the same, whatever was answered")
    billed_in_question: Decimal = Field(description="Money in question of these, yuan")
    found: int = Field(description="Gone on with, and a finding came of it that stands")
    confirmed: int = Field(description="Of these decided as right")
    dismissed: int = Field(description="Of these decided as not right")

    @classmethod
    def of(cls, overrides: Overrides) -> "OverridesOut":
        return cls(**{name: getattr(overrides, name) for name in cls.model_fields})


class DepartmentOut(_Part):
    """A department of an institution, with what its doctors did."""

    institution: str
    institution_name: str | None
    department: str | None
    department_name: str | None
    overrides: OverridesOut


class RuleOut(_Part):
    """A rule with what doctors did about its warnings, and beside it how often decisions found it right.

    That somebody went on is a weaker label than a decision, and no part of the precision.
    """

    rule_id: str
    overrides: OverridesOut
    decided: int = Field(description="Findings that were confirmed or dismissed one by one, of all institutions")
    confirmed: int = Field(description="Of these confirmed")


class WarningFigures(_Part):
    """What doctors were told in some days, and what they did."""

    sentence: str
    first: date
    last: date
    total: OverridesOut
    again: int = Field(description="Not told again, as the encounter had been told: in no other figure")
    late: int = Field(description="Not told, as the answer had to be given before: in no other figure")
    departments: list[DepartmentOut] = Field(description="Those told most, ten at most")
    all_departments: int
    rules: list[RuleOut]

    @classmethod
    def of(
        cls, figures: Figures, precisions: Mapping[str, Precision], sentence: str, first: date | None, last: date | None
    ) -> "WarningFigures":
        assert first is not None
        assert last is not None
        return cls(
            sentence=sentence,
            first=first,
            last=last,
            total=OverridesOut.of(figures.total),
            again=figures.again,
            late=figures.late,
            departments=[
                DepartmentOut(**ward._asdict(), overrides=OverridesOut.of(of)) for ward, of in figures.by_ward
            ],
            all_departments=figures.wards,
            rules=[
                RuleOut(
                    rule_id=rule,
                    overrides=OverridesOut.of(of),
                    decided=precisions[rule].decided,
                    confirmed=precisions[rule].confirmed,
                )
                for rule, of in figures.by_rule
            ],
        )


class OrderOut(_Part):
    """An order that a warning is about."""

    order_id: str
    item_code: str | None
    item_name: str | None
    guilty: bool = Field(description="In question; else it explains what is")
    in_question: Decimal
    quantity: Decimal | None = Field(description="As the request told it; null for an order of another request")
    amount: Decimal | None
    at: datetime | None

    @classmethod
    def of(cls, shown: OrderShown) -> "OrderOut":
        warned, order = shown.warned, shown.order
        return cls(
            order_id=warned.order_id,
            item_code=warned.item_code,
            item_name=order.item_name if order else None,
            guilty=warned.guilty,
            in_question=shown.in_question,
            quantity=Decimal(order.quantity) if order else None,
            amount=Decimal(order.amount) if order else None,
            at=order.at if order else None,
        )


class ReplyOut(_Part):
    """One reply (3103) to a warning; the latest counts."""

    reply: int = Field(description="Its number, by which its reason is told")
    way: Literal["continue", "change"]
    replied_at: datetime
    reasoned: bool


class WarningDetail(_Part):
    """A warning with the orders that it is about and every reply, the latest first."""

    warning: WarningOut
    answered_at: datetime | None
    as_of: int | None = Field(description="Arrival number up to which events were looked at")
    value: Decimal
    limit: Decimal
    orders: list[OrderOut]
    replies: list[ReplyOut]

    @classmethod
    def of(cls, view: WarningView) -> "WarningDetail":
        detail = view.detail
        return cls(
            warning=WarningOut.of(view.row),
            answered_at=detail.answered_at,
            as_of=detail.as_of,
            value=detail.value,
            limit=detail.limit,
            orders=[OrderOut.of(of) for of in view.orders],
            replies=[
                ReplyOut(reply=of.seq, way=of.way, replied_at=of.replied_at, reasoned=of.reasoned)
                for of in detail.replies
            ],
        )


class PurposeIn(_Part):
    """For what somebody opens reasons; it is kept beside their name."""

    purpose: str = Field(max_length=LONGEST_PURPOSE)


class ReasonOut(_Part):
    """A reason as the doctor gave it; it may name somebody."""

    reply: int
    reason: str
