"""Spelling: stories reckon with decimals; the events that leave them hold numbers as texts, as their types have it."""

from datetime import date, datetime
from typing import TypeVar

import msgspec

E = TypeVar("E")


def spelled(event: E) -> E:
    """An event with its decimals as texts."""
    return msgspec.convert(msgspec.to_builtins(event, builtin_types=(datetime, date)), type(event))
