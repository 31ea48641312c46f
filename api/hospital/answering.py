"""Answering: the envelope and what stands in it, spelled as a dialect has it.

``infcode`` is 0 where the message was taken in, whatever was found, and ``err_msg`` empty then: clients read any text
there as a failure. A refusal is -1, and care goes on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec

from api.hospital.dialect import Dialect
from api.hospital.requests import Request
from api.hospital.scalars import CHINA
from knowledge_base.events.prescriptions import Advice, Hint, NotAsked, WarnedOrder, Warning
from rules_lib.advising import Book
from rules_lib.rule import Rule

TAKEN, REFUSED = 0, -1
LONGEST_ERROR = 200
"""Signs of ``err_msg``."""

LONGEST_EVIDENCE = 500
"""Signs of ``vola_evid``."""

HOLD, REMIND = "hold", "remind"
HELD_FROM = 2
"""The mildest grade of severity of which 3102 asks to look once more before payment: 2 高度可疑."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_serial = count()


def envelope(dialect: Dialect, area: str | None, received_at: datetime, answered_at: datetime, **said: Any) -> bytes:
    """An answer: ``output`` and nothing else said for a message that was taken in, ``err_msg`` for one refused."""
    code = REFUSED if said.get("err_msg") else TAKEN
    china = received_at.astimezone(CHINA)
    answer = {
        "infcode": code if dialect.answers.infcode == "number" else str(code),
        "inf_refmsgid": f"{area or '':0>6.6}{china:%Y%m%d%H%M%S}{next(_serial) % 10**10:010}",
        "refmsg_time": _milliseconds(received_at),
        "respond_time": _milliseconds(answered_at),
        "err_msg": said.get("err_msg", "")[:LONGEST_ERROR],
        "output": _shaped(said.get("output", {}), dialect),
    }
    return _encode(answer)


def written_instant(instant: datetime) -> str:
    """An instant as the interface writes it, in China."""
    return f"{instant.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def _milliseconds(instant: datetime) -> str:
    china = instant.astimezone(CHINA)
    return f"{china:%Y%m%d%H%M%S}{china.microsecond // 1000:03}"


def _shaped(value: Any, dialect: Dialect) -> Any:
    """Collections as one object where clients of the dialect read them so."""
    if isinstance(value, list):
        return [_shaped(item, dialect) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _one(_shaped(of, dialect)) if dialect.answers.collections.get(name) == "object" else _shaped(of, dialect)
        for name, of in value.items()
    }


def _one(collection: Any) -> Any:
    return (collection[0] if collection else {}) if isinstance(collection, list) else collection


def analysis(requests: Sequence[Request], advices: Sequence[Advice], book: Book, task_id: str | None) -> dict[str, Any]:
    """What stands in the output of 3101 and 3102: warnings, hints, and by what they can be proven later."""
    results = [
        _result(request, warning, book, task_id)
        for request, advice in zip(requests, advices, strict=True)
        for warning in advice.warnings
        if warning.repeats is None
    ]
    hints = [
        _hint(request, hint, book) for request, advice in zip(requests, advices, strict=True) for hint in advice.hints
    ]
    first = advices[0]
    return {
        "result": results,
        "hints": hints,
        "receipt": {
            "code": first.code,
            "rule_set": first.rule_set or "",
            "as_of": max(advice.as_of for advice in advices),
            "not_evaluated": [_not_asked(of, book) for of in first.not_asked],
        },
    }


def _not_asked(of: NotAsked, book: Book) -> Mapping[str, str]:
    rule = book.rule_set.by_id.get(of.rule_id)
    return {"rule_id": of.rule_id, "rule_name": rule.name if rule else "", "reason": of.reason}


def _result(request: Request, warning: Warning, book: Book, task_id: str | None) -> dict[str, Any]:
    rule = book.rule_set.by_id.get(warning.rule_id)
    holds = request.prescription.phase == "during" and warning.severity <= HELD_FROM
    return {
        "jr_id": warning.warning_id,
        "rule_id": warning.rule_id,
        "rule_name": rule.title.zh if rule else "",
        "vola_cont": warning.said,
        "patn_id": request.patn_id,
        "mdtrt_id": request.mdtrt_id,
        "judge_result_detail_dtos": [
            _detail(request, warning, number, order) for number, order in enumerate(warning.orders, 1)
        ],
        "vola_amt": _cents(warning.in_question),
        "vola_amt_stas": "1",
        "sev_deg": str(warning.severity),
        "vola_evid": "；".join(warning.basis or _named_by(rule))[:LONGEST_EVIDENCE],
        "vola_bhvr_type": "1" if rule and rule.anchor in ("encounter", "stay") else "2",
        "task_id": task_id or "",
        "is_feedback": "1",
        "suggested_action": HOLD if holds else REMIND,
    }


def _named_by(rule: Rule | None) -> list[str]:
    """On what a rule rests, for answers of before that was kept with a warning."""
    return [basis.text for basis in rule.basis] if rule else []


def _hint(request: Request, hint: Hint, book: Book) -> dict[str, str]:
    rule = book.rule_set.by_id.get(hint.rule_id)
    return {
        "rule_id": hint.rule_id,
        "rule_name": rule.title.zh if rule else "",
        "hint_cont": hint.said,
        "patn_id": request.patn_id,
        "mdtrt_id": request.mdtrt_id,
        "rx_id": hint.order_id,
    }


def _detail(request: Request, warning: Warning, number: int, order: WarnedOrder) -> dict[str, Any]:
    return {
        "jrd_id": f"{warning.warning_id}-{number}",
        "patn_id": request.patn_id,
        "mdtrt_id": request.mdtrt_id,
        "rx_id": order.order_id,
        "vola_item_type": "1" if order.guilty else "2",
        "vola_amt": _cents(order.in_question),
    }


def _cents(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.01"))
