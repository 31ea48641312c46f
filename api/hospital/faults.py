"""Faults: which field breaks which rule. The rules themselves, in Chinese and English, stand where values are read."""

import msgspec

MOST_FAULTS = 200
"""Faults, and notes, of a message that are told; behind them nothing more of it is read."""


class Fault(msgspec.Struct, frozen=True):
    """A field that breaks a rule. ``path`` leads to it in national names, from 0; empty for the whole message.

    ``label`` is what the interface calls it; ``rule`` is what it should be, in Chinese and English.
    """

    path: str
    field: str
    label: str
    rule: str


def path_to(path: str, name: str) -> str:
    """The path to what an object has under a name."""
    return f"{path}.{name}" if path else name
