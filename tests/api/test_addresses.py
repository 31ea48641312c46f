"""Addresses: words of a filter, days."""

from datetime import date

import pytest
from fastapi.exceptions import RequestValidationError

from api.frame.addresses import Links, as_day

LINKS = Links("/list", {"state": "open", "source": "a b", "day": None}, silent={"state": "open"})


@pytest.mark.parametrize(
    ("changed", "address"),
    [
        ({}, "/list?source=a+b"),
        ({"source": None}, "/list"),
        ({"state": "all"}, "/list?state=all&source=a+b"),
        ({"day": date(2026, 3, 1), "source": None}, "/list?day=2026-03-01"),
        ({"source": ""}, "/list?source="),
        ({"page": 2}, "/list?source=a+b&page=2"),
    ],
)
def test_address_says_what_differs_from_what_holds_without_it(changed: dict[str, object], address: str) -> None:
    assert LINKS(**changed) == address


def test_filter_goes_with_whoever_goes_to_another_page() -> None:
    assert LINKS("/list/replay", seq=7) == "/list/replay?source=a+b&seq=7"
    assert LINKS("/list/replay", source=None) == "/list/replay"


def test_day_of_an_address() -> None:
    assert as_day("day", "2026-03-01") == date(2026, 3, 1)
    assert as_day("day", "") is None
    with pytest.raises(RequestValidationError) as refused:
        as_day("day", "2026-02-30")
    assert refused.value.errors()[0]["loc"] == ("query", "day")
