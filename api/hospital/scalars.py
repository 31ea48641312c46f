"""Single values of a message: a text, a number, an instant, each read from whatever JSON senders write it as.

Errors: ``Refused``, whose text is the rule that a value breaks, in Chinese and English, and never the value; of a
dictionary's field alone the code is named that it does not hold.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone

from knowledge_base.days import FIRST_LIKELY, LAST_LIKELY
from knowledge_base.signs import UNSEEN

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The one offset that civil days are read with (``knowledge_base.days``)."""

REQUIRED = "必填 / required"
NO_TEXT = "应为文本 / a text is due"
NO_SIGN = "含有无效字符 / holds a sign that is none"
NO_NUMBER = "应为普通十进制数 / a plain decimal number is due"
NO_DATE = "应为 yyyy-MM-dd / a date yyyy-MM-dd is due"
NO_INSTANT = "应为 yyyy-MM-dd HH:mm:ss / a date and time yyyy-MM-dd HH:mm:ss is due"
NOT_LIKELY = "应在1900年至2090年之间 / a date from 1900 to 2090 is due"
MOST_CODES = 8
"""Codes that a fault lists of a dictionary; where the others stand it says."""

_LIKE_A_CODE = re.compile(r"(?=.{1,6}$)[0-9.-]*[A-Za-z]?[0-9.-]*", re.ASCII).fullmatch
_NUL_OR_SURROGATE = re.compile("[\0\ud800-\udfff]").search
# Possessive: nothing is tried again, however long it is.
_NUMBER = re.compile(r"(-?)0*+([0-9]*+)(?:\.([0-9]++))?").fullmatch
_WHOLE = re.compile(r"-?[0-9]{1,15}").fullmatch
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
).fullmatch

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+)?").fullmatch

_EPOCH = datetime(1970, 1, 1, tzinfo=CHINA) + timedelta(hours=8)
_FROM_DATES, _FROM_INSTANTS = 10**8, 10**12
"""Milliseconds from 1970 below which a number is none: it would be a date of 8 or 12 digits, or seconds. No care that
anybody asks about was before 2001-09-09."""
_SUMMER = timedelta(hours=1)
"""What a midnight told as an instant lacks in the summers of 1986 to 1991 (``knowledge_base.days``)."""
_MILLISECONDS_AS_TEXT = 13


class Refused(ValueError):
    """A value that breaks a rule; its text says which."""


class Number(str):
    """A number of JSON as it was written."""

    __slots__ = ()


def read_text(raw: object) -> str | None:
    """A text without blanks around it, ``None`` where it shows nothing. A whole number of JSON is a text as well."""
    if raw is None:
        return None
    if not isinstance(raw, str) or (isinstance(raw, Number) and not raw.removeprefix("-").isdecimal()):
        raise Refused(NO_TEXT)
    text = raw.strip()
    if text.isascii() and text.isprintable():
        return text or None
    if _NUL_OR_SURROGATE(text):
        raise Refused(NO_SIGN)
    return text if text.strip(UNSEEN) else None


def read_number(raw: object, digits: int, places: int) -> str | None:
    """A number as ``str`` of its ``Decimal`` writes it, from a number of JSON or a text; ``None`` for an empty text.

    ``digits`` before the point and ``places`` behind it are the most it may have, without zeros at its ends.
    """
    if raw is None:
        return None
    written = raw.strip() if isinstance(raw, str) else "?"
    if not written:
        return None
    found = _NUMBER(written)
    if found is None:
        raise Refused(NO_NUMBER)
    sign, whole, behind = found.groups("")
    if not (whole or behind or "0" in written):
        raise Refused(NO_NUMBER)
    if len(whole) > digits or len(behind.rstrip("0")) > places:
        raise Refused(too_many_digits(digits, places))
    number = f"{whole or '0'}.{behind}" if behind else whole or "0"
    return f"-{number}" if sign and number.strip("0.") else number


def read_date(raw: object) -> datetime | None:
    """The civil midnight of a day; ``None`` where none is told. What is told beside the day is left away."""
    instant = _instant(raw, _FROM_DATES, NO_DATE)
    if instant is None:
        return None
    is_as_written = isinstance(raw, str) and _DAY(raw.strip()) is not None
    return (instant if is_as_written else instant + _SUMMER).replace(hour=0, minute=0, second=0, microsecond=0)


def read_instant(raw: object) -> datetime | None:
    """An instant in China, a day alone being its midnight; ``None`` where none is told."""
    return _instant(raw, _FROM_INSTANTS, NO_INSTANT)


def too_long(length: int) -> str:
    """The rule that a text of more signs breaks."""
    return f"最长{length}个字符 / {length} signs at most"


def unknown_code(value: str, codes: Iterable[str]) -> str:
    """The rule that a value breaks which is none of a dictionary's codes.

    It names the value where that looks like a code: a few figures, with a letter at most. Whatever else was put into
    the field by mistake could be a name, and stands in no error.
    """
    named = f"{value} " if _LIKE_A_CODE(value) else ""
    known = list(codes)
    rest = " …, 其余见 / more in docs/schemas" if len(known) > MOST_CODES else ""
    return f"{named}不在字典中 / not in the dictionary: {', '.join(known[:MOST_CODES])}{rest}"


def too_many_digits(digits: int, places: int) -> str:
    """The rule that a number of more digits breaks."""
    return f"整数最多{digits}位，小数最多{places}位 / {digits} digits before the point, {places} behind it at most"


def is_likely(instant: datetime) -> bool:
    """Whether an instant may be one: others stand for "not told" in other programs."""
    return FIRST_LIKELY <= instant.toordinal() <= LAST_LIKELY


def _instant(raw: object, least: int, rule: str) -> datetime | None:
    if raw is None:
        return None
    written = raw.strip() if isinstance(raw, str) else "?"
    if not written:
        return None
    is_milliseconds = isinstance(raw, Number) or len(written) == _MILLISECONDS_AS_TEXT
    if is_milliseconds and _WHOLE(written):
        return _at(int(written), least, rule)
    found = _INSTANT(written)
    try:
        if found is None:
            raise Refused(rule)
        return _told(*found.groups())
    except (ValueError, OverflowError):
        raise Refused(rule) from None


def _at(milliseconds: int, least: int, rule: str) -> datetime:
    if abs(milliseconds) < least:
        raise Refused(rule)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise Refused(rule) from None


def _told(day: str, minute: str | None, second: str | None, fraction: str | None, offset: str | None) -> datetime:
    if minute is None:
        first = date.fromisoformat(day)
        return datetime(first.year, first.month, first.day, tzinfo=CHINA)
    told = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{(fraction or '')[:7]}{offset or ''}")
    return told.astimezone(CHINA) if offset else told.replace(tzinfo=CHINA)
