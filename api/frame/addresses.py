"""What stands in addresses: numbers, days, the words of a filter; and what the address of a request says."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Path, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.convertors import StringConvertor, register_url_convertor

LANGUAGE = "lang"
"""The parameter of every address that asks for a language."""

MOST_WHOLE = 2**63 - 1
"""The greatest whole number that the store can hold: an address or form with a greater one is refused."""

PageNumber = Annotated[int, Query(ge=1, le=10**9)]
"""The number of a page in an address."""

Whole = Annotated[int, Path(ge=0, le=MOST_WHOLE)]
"""A number that names something, as a part of a path."""


class NameConvertor(StringConvertor):
    """What a sender calls something, as the last part of a path (``{event_id:name}``): it may hold slashes, but one at
    its end is a slash too many."""

    regex = ".*[^/]"


register_url_convertor("name", NameConvertor())

_QUERY_SIGNS = "%&=+/?:@!$'()*,;"
"""What stays as it is in a query that is quoted already."""


def path_of(request: Request) -> str:
    """Path and query as they stand in an address: headers hold nothing but ASCII."""
    path, query = quote(request.scope["path"]), query_of(request)
    return f"{path}?{query}" if query else path


def query_of(request: Request) -> str:
    """The query as it stands in an address, without the question mark."""
    return quote(request.scope["query_string"], safe=_QUERY_SIGNS)


def is_for_systems(request: Request) -> bool:
    """Whether a request is one of the JSON interface, so that its answer is no page."""
    path: str = request.scope["path"]
    return path.startswith("/api/")


def unknown_value(name: str, why: str) -> RequestValidationError:
    """The error of a parameter that says what nobody knows: 422, with the parameter's name."""
    return RequestValidationError([{"loc": ("query", name), "msg": why}])


def as_day(name: str, text: str | None) -> date | None:
    """A day of an address, where its parameter tells one. Raises 422 for one that is none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise unknown_value(name, "不是日期 / expected a day") from None


_DIGIT = "[0-9０-９]"
YUAN_TYPED = f"[¥￥]?({_DIGIT}{{1,12}}|{_DIGIT}{{1,3}}([,，]{_DIGIT}{{3}}){{1,3}})([.．]{_DIGIT}{{1,2}})?"
"""The pattern of an amount as people type it: 7800, 7,800.50, ¥7800, and all of it in full width."""


def as_amount(name: str, text: str) -> Decimal | None:
    """An amount of an address in yuan, where its parameter tells one. Raises 422 for one that is none."""
    text = text.strip()
    if not text:
        return None
    if not re.fullmatch(YUAN_TYPED, text):
        raise unknown_value(name, "不是金额，最多两位小数 / expected an amount, with two decimals at most")
    return Decimal(unicodedata.normalize("NFKC", text).lstrip("¥").replace(",", ""))


class Links:
    """Addresses that hold the same filter as the present page but for a few words.

    ``words`` is the present filter, ``None`` for what it leaves open; ``silent`` are the words that hold where an
    address says nothing, so that none needs to say them.
    """

    def __init__(self, path: str, words: Mapping[str, object], silent: Mapping[str, object] | None = None):
        self.path = path
        self.words = words
        self.silent = silent or {}

    def __call__(self, path: str | None = None, /, **changed: object) -> str:
        """The address of the page, or of another ``path``, with some words changed; ``None`` takes one out."""
        words = {**self.words, **changed}
        said = {name: word for name, word in words.items() if word is not None and word != self.silent.get(name)}
        return f"{path or self.path}?{urlencode(said)}" if said else path or self.path
